"""Keys: each was introduced by the one before, and each revocation is countersigned where it has to be."""

from sluicegate.core import SluicegateError
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.flows.custody.revoke import read_revocation, revocations, verify_countersignature
from sluicegate.flows.custody.succession import ROOM, introduced
from sluicegate.record.keys.ages import describe_keys
from sluicegate.stores import git, trust


def keys(found: Inspection) -> None:
    """Look at how each key came after the one before, and name those that are revoked or old."""
    layout = found.context.layout
    (ring,) = found.held.trust.rings
    for before, after in zip(ring.spans, ring.spans[1:], strict=False):
        found.count("keys")
        if not before.revoked and not introduced(found.held, before, after):
            found.blame(
                "trust/keyring.json", f"lets {after.keyid[:12]} follow, which no key introduced"
            )
    found.notes += describe_keys(found.context)
    revoked = {span.keyid for span in ring.spans if span.revoked}
    for number in revocations(layout):
        where = f"{ROOM}/{number}/revocation.json"
        try:
            revocation = read_revocation(layout, number)
            if revocation.key not in revoked:
                found.blame("trust/keyring.json", f"believes a key that {where} revokes")
            if revocation.signature or revocation.was_current:
                commit = git.added_in(layout.root, where) or ""
                allowed = git.find_at(layout.root, commit, trust.SIGNERS) or b""
                verify_countersignature(revocation, allowed.decode())
        except SluicegateError as error:
            found.blame(where, str(error))
