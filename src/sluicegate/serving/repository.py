"""Where promoted models and their statements are to be had: a workspace, a clone of one, an export."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sluicegate.core import Missing, Tampered
from sluicegate.evidence.keyring import PLACE, read_trust
from sluicegate.evidence.ledger import PROMOTE, REINSTATE, SUSPEND, Entry
from sluicegate.evidence.verifier import Verifier
from sluicegate.stores.folder import Folder
from sluicegate.stores.trust_root import TrustRoot

TAKING_BACK = (REINSTATE, SUSPEND)


@dataclass(frozen=True)
class Repository:
    """The folder at `path`, read once and verified by the keys of `root`."""

    path: Path
    root: TrustRoot

    @cached_property
    def files(self) -> Folder:
        """The files, without what a workspace has not committed yet."""
        return Folder(self.path, settled=True)

    @cached_property
    def record(self) -> Verifier:
        """The record in it; raises Tampered for a keyring that no pinned key signed."""
        pinned = self.root.service
        trust = read_trust(self.files.get(PLACE), pinned, "a service key of the trust root")
        return Verifier(self.files, trust)

    def last_move(self) -> Entry:
        """Return the latest promotion, reinstatement or suspension, each later entry and link verified.

        Raises Missing where there is none, Tampered for an entry that does not hold.
        """
        entry = self.record.last(PROMOTE, *TAKING_BACK)
        if entry is None:
            raise Missing(
                f"{self.path} contains no promotion; name a workspace, a clone or an export."
            )
        return entry

    def taken_back_by(self, move: Entry, known: int) -> int:
        """Return the last entry after `known` and up to `move` that took a version back, 0 for none.

        Each entry and link is verified. Where one does not hold, `move` is returned, for everything
        before it may have been taken back. An export has no earlier entries, and says nothing of them.
        """
        if move.verb in TAKING_BACK:
            return move.sequence
        try:
            for found in self.record.backwards():
                number = found.entry.sequence
                if number <= known:
                    break
                if number < move.sequence and found.counts and found.entry.verb in TAKING_BACK:
                    return number
        except (Missing, Tampered, OSError):
            return move.sequence
        return 0

    def model(self, sha256: str) -> Path:
        """Return the folder or archive of the model with this digest; raises Missing."""
        places = (f"models/{sha256}", f".sluicegate/models/{sha256}", f"models/{sha256}.tar")
        found = [self.path / place for place in places if os.path.lexists(self.path / place)]
        if not found:
            raise Missing(
                f"The model {sha256[:12]} is not in {self.path}; in a clone, fetch it with "
                f"`dvc pull models/{sha256}.tar.dvc`."
            )
        return found[0]
