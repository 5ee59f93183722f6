"""comparison.json: what an update's pipeline reported."""

from sluicegate.core import Finding
from sluicegate.core.compared import Changes, Makeup, Report
from sluicegate.core.document import Document
from sluicegate.stores.isolation import NOT_ISOLATED, Isolation


class Assembled(Document):
    """How many rows were learnt, held out, and left out because somebody sent too many."""

    rows: int
    held_out: int
    capped: int


class Reported(Document):
    """What was measured of a challenger, whose digest it names.

    Records of earlier versions say nothing of how it was assembled, isolated, or of what changed.
    """

    challenger: str
    assembled: Assembled | None = None
    isolation: Isolation | None = None
    findings: tuple[Finding, ...]
    report: Report
    changes: Changes = Changes()
    makeup: Makeup


def findings_in(comparison: Reported) -> tuple[Finding, ...]:
    """Return the findings of a comparison.json."""
    return comparison.findings


def describe_isolation(comparison: Reported) -> str:
    """Return the sentence about the trainer of an update that was compared."""
    return comparison.isolation.told if comparison.isolation else NOT_ISOLATED
