"""Policy: signed by its owners from the first signature on, and as it was signed last."""

from sluicegate.flows.custody.inspection import Inspection
from sluicegate.record import policy as owned


def policy(found: Inspection) -> None:
    """Look at every signature of an owner, and at what differs from the last one."""
    layout = found.context.layout
    signed = owned.in_force(layout)
    if signed is None:
        if not found.context.settings.owned.owners:
            found.notes.append(
                "policy.owners names nobody: whoever can commit can change the policy"
            )
        else:
            found.blame("params.yaml", "names owners of the policy, but none of them signed it")
        return
    found.count("signed policies", int(signed.number) * (not found.before.head.sequence))
    for name in owned.differing(layout, signed):
        found.blame(name, f"is not the one that {signed.owner} signed")
