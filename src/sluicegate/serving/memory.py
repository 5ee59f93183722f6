"""What a serving host remembers: the highest promotion it has seen, and the last good champion whole.

The memory is a private folder of the host's own. An old promotion is validly signed for ever, so only
memory tells it from the newest; the trust root carries the least for a host that remembers nothing.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sluicegate.core import Missing, Schema, Tampered
from sluicegate.core.document import Document
from sluicegate.core.moment import moment
from sluicegate.evidence.ledger import Entry
from sluicegate.evidence.verifier import place_of
from sluicegate.stores import files
from sluicegate.stores.model_copies import copy_verified, require_verified
from sluicegate.stores.models import Model, load_private

from .promoted import Promoted
from .repository import Repository


class Seen(Document):
    """What was shown to this host: seen.json.

    `sequence` is the ledger's number of the highest promotion, `reinstated` of the last entry that took a
    version back, and `verified` when all of a champion was verified last.
    """

    reinstated: int = 0
    sequence: int
    update: str | None
    version: int | None = None
    sha256: str | None
    since: str | None = None
    verified: str | None


NOTHING = Seen(reinstated=0, sequence=0, update=None, sha256=None, verified=None)


@dataclass(frozen=True)
class Memory:
    """The private folder at `path`."""

    path: Path

    @property
    def good(self) -> Path:
        """The last champion that was verified and loaded, in the form of an export."""
        return self.path / "good"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder against other loaders of this host."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.chmod(0o700)
        with files.locked(self.path / "lock", f"{self.path} is in use; try again."):
            yield

    def require_newest(self, promoted: Promoted, floor: int) -> None:
        """Raise Tampered when a higher promotion was seen before, or another one of the same number."""
        seen = self._seen()
        highest = max(seen.sequence, seen.reinstated, floor)
        if promoted.sequence < highest:
            raise Tampered(
                f"Ledger entry {promoted.sequence} (version {promoted.version}) is the latest "
                f"promotion shown, but this host has seen entry {highest}: an old one is replayed."
            )
        same = (seen.update, seen.sha256) == (promoted.update, promoted.sha256)
        if promoted.sequence == seen.sequence and not same:
            raise Tampered(f"Ledger entry {promoted.sequence} was a different promotion before.")

    def remember(self, promoted: Promoted, verified: str | None = None) -> None:
        """Remember that `promoted` was shown, and, with a time, that all of it was verified then."""
        before = self._seen()
        shown = promoted.to_dict() | {"verified": verified or before.verified}
        self._keep(before.model_copy(update=shown))

    def remember_taken_back(self, repository: Repository, move: Entry, floor: int) -> None:
        """Remember the last entry up to `move` by which a version was taken back since the last look.

        Who has seen nothing yet holds nothing that could have been.
        """
        before = self._seen()
        known = max(before.sequence, before.reinstated, floor)
        back = repository.taken_back_by(move, known if before.sequence else move.sequence)
        if back > before.reinstated:
            self._keep(before.model_copy(update={"reinstated": back}))

    def require_not_taken_back(self, promoted: Promoted, floor: int) -> None:
        """Raise Tampered for a champion from before the floor, or before a rollback that was seen.

        Such a one may be what the rollback was for, so it is nothing to fall back to.
        """
        least = max(self._seen().reinstated, floor)
        if promoted.sequence < least:
            raise Tampered(f"Version {promoted.version} was rolled back by ledger entry {least}.")

    def verified(self) -> datetime | None:
        """Return when a champion was last verified whole."""
        last = self._seen().verified
        return moment(last) if last else None

    def keep(self, repository: Repository, promoted: Promoted, schema: Schema) -> Model:
        """Return the model of `promoted`, loaded from a private copy that takes the last good's place.

        A sound copy that is here already is hashed again instead. Raises Tampered for bytes that are
        not those signed, CannotDecide for a model that is not data only.
        """
        kept = self.good / "models" / promoted.sha256
        if _is_sound(kept, promoted):
            model = load_private(kept, schema)
            _copy_record(repository, promoted, self.good)
            return model
        fresh = Path(tempfile.mkdtemp(prefix="new-", dir=self.path))
        try:
            place = fresh / "models" / promoted.sha256
            copy_verified(repository.model(promoted.sha256), place, promoted.files)
            model = load_private(place, schema)
            _copy_record(repository, promoted, fresh)
            shutil.rmtree(self.good, ignore_errors=True)
            fresh.replace(self.good)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return model

    def _seen(self) -> Seen:
        found = self.path / "seen.json"
        return Seen.read(files.read_json(found), "seen.json") if found.is_file() else NOTHING

    def _keep(self, seen: Seen) -> None:
        files.write_json(self.path / "seen.json", {"reinstated": seen.reinstated} | seen.to_dict())


def _is_sound(kept: Path, promoted: Promoted) -> bool:
    try:
        require_verified(kept, promoted.files)
    except (Tampered, Missing):
        return False
    return True


def _copy_record(repository: Repository, promoted: Promoted, target: Path) -> None:
    """Copy what proves `promoted`, as it was read and verified, and no other entry of the ledger."""
    move = place_of(promoted.sequence)
    for name, data in repository.files.seen.items():
        if name == move or not name.startswith(("ledger/", ".")):
            files.write_bytes(target / name, data)
    for entry in (target / "ledger").iterdir():
        if entry.name != Path(move).name:
            entry.unlink()
