"""Policy: once an owner has signed it, it must match the latest signature."""

from sluicegate.flows.custody.inspection import Inspection
from sluicegate.record import policy as owned
from sluicegate.record.updates import materials_of
from sluicegate.stores import record


def policy(found: Inspection) -> None:
    """Check every owner's signature, and what differs from the latest one."""
    layout = found.context.layout
    _defaults(found)
    for name in owned.unlike_tree(layout):
        found.notes.append(f"{name} differs from the commit, and only the commit decides")
    signed = owned.in_force(layout)
    if signed is None:
        if not found.context.settings.owned.owners:
            found.notes.append(
                "policy.owners is empty: anyone who can commit can change the policy"
            )
        else:
            found.blame("params.yaml", "names policy owners, but none has signed it")
        return
    found.count("signed policies", int(signed.number) * (not found.before.head.sequence))
    for name in owned.differing(layout, signed):
        found.blame(name, f"does not match the policy that {signed.owner} signed")


def _defaults(found: Inspection) -> None:
    """Hold the defaults of this installation to those that the last update was judged by."""
    layout, now = found.context.layout, found.context.settings.defaults
    for update in record.updates(layout)[-1:]:
        if now and materials_of(layout, update).get(now.name, now.sha256) != now.sha256:
            found.blame(
                now.name, f"does not match what judged update:{update}; reinstall sluicegate"
            )
