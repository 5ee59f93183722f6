"""What is decided: the policy, and the one pure function that judges findings by it."""

from sluicegate.gates.decide import decide
from sluicegate.gates.policy import Limit, Policy

__all__ = ["Limit", "Policy", "decide"]
