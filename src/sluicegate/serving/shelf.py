"""Where promoted models and their statements are to be had: a workspace, a clone of one, an export.

Nothing in it is trusted: a file is opened once, is no link, and is read whole before anything is made
of it.
"""

import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sluicegate.core import Missing, Tampered
from sluicegate.core.canonical import sha256_bytes
from sluicegate.evidence.keyring import Keyring, read_keyring
from sluicegate.evidence.ledger import (
    PROMOTE,
    REINSTATE,
    SUSPEND,
    Entry,
    envelope_digest,
    read_entry,
)
from sluicegate.evidence.signing import verify
from sluicegate.evidence.statement import predicate_of
from sluicegate.stores.model_copies import opened
from sluicegate.stores.record import comes_after
from sluicegate.stores.trust_root import TrustRoot

MOST_BYTES = 50_000_000
KEYRING = "trust/keyring.json"
JOURNAL = ".sluicegate/journal.json"
ENTRY = re.compile(r"[0-9]{6,}\.json")
TAKING_BACK = (REINSTATE, SUSPEND)


@dataclass(frozen=True)
class Statement:
    """A verified statement, and the SHA-256 of the file that it was read from."""

    payload: dict[str, Any]
    sha256: str

    def predicate(self, kind: str, where: str) -> dict[str, Any]:
        """Return its predicate; raises Tampered when it is of another type."""
        return predicate_of(self.payload, kind, where)


@dataclass(frozen=True)
class Shelf:
    """The folder at `path`, read by the keys of `root`."""

    path: Path
    root: TrustRoot

    def statement(self, name: str) -> Statement:
        """Return the statement in the file `name` once a pinned service key signed it."""
        data = self.read(name)
        envelope, sha256, ring = _json(data, name), sha256_bytes(data), self.ring
        span = ring.signer_of(envelope) if ring else None
        if ring is None or span is None:
            return Statement(_by_any(envelope, self.root, name), sha256)
        if span is not ring.current and (span.statements or {}).get(name) != sha256:
            done = "revoked" if span.revoked else "retired"
            raise Tampered(
                f"{name} is signed with a service key that was {done} before it was made."
            )
        return Statement(verify(envelope, dict(span.key), name), sha256)

    @cached_property
    def ring(self) -> Keyring | None:
        """Return which earlier keys count for what, as a pinned service key signed it; else None."""
        if not os.path.lexists(self.path / KEYRING):
            return None
        envelope = self.json(KEYRING)
        for public in self.root.service:
            try:
                return read_keyring(envelope, public, KEYRING)
            except (Tampered, KeyError, TypeError):
                continue
        return None

    def json(self, name: str) -> Any:
        """Return the JSON in the file `name`, which proves nothing yet."""
        return _json(self.read(name), name)

    def last_move(self) -> Entry:
        """Return the latest promotion, reinstatement or suspension, each later entry and link verified.

        One that a workspace is still writing, or died over, does not count: it may yet be put aside.
        Raises Missing where there is none, Tampered for an entry that does not hold.
        """
        expected: str | None = None
        for name in self._entries():
            try:
                entry, counts = self._linked(name, expected)
            except Missing:
                if expected is not None or os.path.lexists(self.path / name):
                    raise
                continue  # put aside meanwhile, for its deed was killed
            moves = counts and entry.verb in (PROMOTE, *TAKING_BACK)
            if moves and not self._is_under_way(entry.sequence):
                return entry
            expected = entry.previous
        raise Missing(f"{self.path} holds no promotion; name a workspace, its clone or an export.")

    def taken_back_by(self, move: Entry, known: int) -> int:
        """Return the last entry after `known` and up to `move` that took a version back, 0 for none.

        Each entry and link is verified. Where one does not hold, `move` is returned, for everything
        before it may have been taken back. An export has no earlier entries, and says nothing of them.
        """
        if move.verb in TAKING_BACK:
            return move.sequence
        expected = move.previous
        first = min((int(Path(name).stem) for name in self._entries()), default=move.sequence)
        for number in range(move.sequence - 1, max(known, first - 1), -1):
            try:
                entry, counts = self._linked(f"ledger/{number:06d}.json", expected)
            except (Missing, Tampered, OSError):
                return move.sequence
            if counts and entry.verb in TAKING_BACK:
                return number
            expected = entry.previous
        return 0

    def model(self, sha256: str) -> Path:
        """Return the folder or archive of the model with this digest; raises Missing."""
        places = (f"models/{sha256}", f".sluicegate/models/{sha256}", f"models/{sha256}.tar")
        found = [self.path / place for place in places if os.path.lexists(self.path / place)]
        if not found:
            raise Missing(
                f"The model {sha256[:12]} is not in {self.path}; in a clone bring it with "
                f"`dvc pull models/{sha256}.tar.dvc`."
            )
        return found[0]

    def read(self, name: str) -> bytes:
        """Return the bytes of the file `name`; raises Missing, or Tampered for what is no plain file."""
        with opened(self.path / name, name) as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise Tampered(f"{name} is larger than any statement.")
        return data

    def _is_under_way(self, sequence: int) -> bool:
        if not os.path.lexists(self.path / JOURNAL):
            return False
        try:
            return comes_after(self.json(JOURNAL), sequence)
        except (Missing, Tampered):
            return False

    def _linked(self, name: str, expected: str | None) -> tuple[Entry, bool]:
        """Return the entry in the file `name` as `_entry` does, once its link and number hold, too."""
        try:
            envelope = self.json(name)
            if expected is not None and envelope_digest(envelope) != expected:
                raise Tampered(f"{name} is not the entry that the next one follows.")
            entry, counts = self._entry(envelope, name)
        except (KeyError, TypeError, ValueError) as error:
            raise Tampered(f"{name} has not the form of an entry.") from error
        if entry.sequence != int(Path(name).stem):
            raise Tampered(f"{name} says it is entry {entry.sequence}.")
        return entry, counts

    def _entry(self, envelope: Any, name: str) -> tuple[Entry, bool]:
        """Return a verified entry, and whether its key was believed when it was written."""
        ring, number = self.ring, int(Path(name).stem)
        signer = ring.signer_of(envelope) if ring else None
        if ring is None or signer is None:
            return _entry_by_any(envelope, self.root, name), True
        due = ring.at(number)
        if due is not None and (
            due is not signer or (due.last == number and due.head != envelope_digest(envelope))
        ):
            raise Tampered(f"{name} is not by the service key that signed the ledger then.")
        return read_entry(envelope, dict(signer.key), name), due is not None

    def _entries(self) -> list[str]:
        folder = self.path / "ledger"
        names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        sound = sorted((n for n in names if ENTRY.fullmatch(n)), key=lambda n: int(n[:-5]))
        return [f"ledger/{name}" for name in reversed(sound)]


def _json(data: bytes, name: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Tampered(f"{name} is not JSON.") from error


def _by_any(envelope: Any, root: TrustRoot, name: str) -> dict[str, Any]:
    for public in root.service:
        try:
            return verify(envelope, public, name)
        except Tampered:
            continue
    raise Tampered(f"{name} is not signed by a service key of the trust root.")


def _entry_by_any(envelope: Any, root: TrustRoot, name: str) -> Entry:
    for public in root.service:
        try:
            return read_entry(envelope, public, name)
        except (Tampered, KeyError, TypeError):
            continue
    raise Tampered(f"{name} is not signed by a service key of the trust root.")
