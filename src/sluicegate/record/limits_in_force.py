"""policy show: the limits that each gate holds to."""

from typing import Any

from sluicegate.record.calibration import intake_policy
from sluicegate.record.context import Context
from sluicegate.record.policy_in_force import ruled


def limits_in_force(context: Context) -> dict[str, Any]:
    """Return the limits of the policy that its owners signed last, or of params.yaml where nobody owns it.

    `written` is a limit as it stands there, `limit` what it is after calibration.
    """
    with ruled(context) as context:
        settings = context.settings
        gates = (intake_policy(context), settings.policy("candidate"), settings.policy("watch"))
    limits = [
        {
            "gate": gate.name,
            "metric": each.metric,
            "outcome": each.outcome.value,
            "limit": each.limit,
            "written": each.limit if each.written is None else each.written,
        }
        for gate in gates
        for each in gate.limits
        if gate.applies(each)
    ]
    return {"schema": 1, "limits": limits}
