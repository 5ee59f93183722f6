"""Keys: the previous key introduced each one, and revocations are countersigned where required."""

from sluicegate.core import SluicegateError
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.flows.custody.revoke import read_revocation, revocations, verify_countersignature
from sluicegate.flows.custody.succession import ROOM, introduced
from sluicegate.record.keys.ages import describe_keys
from sluicegate.stores import git, trust


def keys(found: Inspection) -> None:
    """Check how each key followed the previous one, and name those that are revoked or old."""
    layout = found.context.layout
    (ring,) = found.held.trust.rings
    for before, after in zip(ring.spans, ring.spans[1:], strict=False):
        found.count("keys")
        if not before.revoked and not introduced(found.held, before, after):
            found.blame(
                "trust/keyring.json", f"lists {after.keyid[:12]}, which no earlier key introduced"
            )
    found.notes += describe_keys(found.context)
    revoked = {span.keyid for span in ring.spans if span.revoked}
    for number in revocations(layout):
        where = f"{ROOM}/{number}/revocation.json"
        try:
            revocation = read_revocation(layout, number)
            if revocation.key not in revoked:
                found.blame("trust/keyring.json", f"trusts a key that {where} revokes")
            if revocation.signature or revocation.was_current:
                commit = git.added_in(layout.root, where) or ""
                allowed = git.find_at(layout.root, commit, trust.SIGNERS) or b""
                verify_countersignature(revocation, allowed.decode())
        except SluicegateError as error:
            found.blame(where, str(error))
