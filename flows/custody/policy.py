"""Policy: signed by its owners from the first signature on, and as it was signed last."""

from sluicegate.flows.custody.inspection import Inspection
from sluicegate.record import policy as owned
from sluicegate.record.updates import materials_of
from sluicegate.stores import record


def policy(found: Inspection) -> None:
    """Look at every signature of an owner, and at what differs from the last one."""
    layout = found.context.layout
    _defaults(found)
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


def _defaults(found: Inspection) -> None:
    """Hold the defaults of this installation to those that the last update was judged by."""
    layout, now = found.context.layout, found.context.settings.defaults
    for update in record.updates(layout)[-1:]:
        if now and materials_of(layout, update).get(now.name, now.sha256) != now.sha256:
            found.blame(
                now.name, f"is not what update:{update} was judged by; install sluicegate anew"
            )
