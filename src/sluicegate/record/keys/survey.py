"""survey: what each key of the service signed, and which entry of the ledger stands for it.

A statement is as old as the first entry that names its digest, whatever time it claims.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sluicegate.core import Artifact, Tampered
from sluicegate.core.canonical import sha256_bytes
from sluicegate.core.document import Document
from sluicegate.evidence.keyring import Keyring
from sluicegate.evidence.ledger import PROMOTE
from sluicegate.evidence.verifier import Broken, Recorded, Verifier
from sluicegate.stores import files, git, keys, record
from sluicegate.stores.layout import Layout

ROOMS = (*(room for room in record.ROOMS if room != "ledger"), "calibration", "drills", "trust")


@dataclass(frozen=True)
class Signed:
    """A statement in the workspace: its digest, who signed it, and the first entry that names it."""

    name: str
    sha256: str
    keyid: str
    entry: int | None


@dataclass(frozen=True)
class Head:
    """An entry of the ledger that a tag pins, and the key that signed for it."""

    tag: str
    keyid: str
    entry: int
    digest: str


class SignedEntry(Document):
    """An entry of the ledger that a key signed."""

    entry: int
    time: str
    who: str
    verb: str


class Signatures(Document):
    """What a key signed: entries, names of statements, versions that it promoted, tags."""

    entries: tuple[SignedEntry, ...]
    statements: tuple[str, ...]
    versions: tuple[int, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """The ledger's entries, the statements and the tags, each with the key that signed it."""

    entries: tuple[Recorded, ...]
    statements: tuple[Signed, ...]
    tags: tuple[Head, ...]

    def digest(self, number: int) -> str | None:
        """Return the digest of an entry."""
        return self.entries[number - 1].digest if 0 < number <= len(self.entries) else None

    def number_of(self, digest: str) -> int | None:
        """Return the entry with this digest."""
        return next((e.entry.sequence for e in self.entries if e.digest == digest), None)

    def by(self, keyid: str, first: int, last: int) -> Signatures:
        """Return what a key signed from one entry to another."""
        mine = [e.entry for e in self.entries[max(first, 1) - 1 : last] if e.keyid == keyid]
        numbers = {each.sequence for each in mine}
        return Signatures(
            entries=tuple(
                SignedEntry(entry=e.sequence, time=e.time, who=e.who, verb=e.verb) for e in mine
            ),
            statements=tuple(
                each.name
                for each in self.statements
                if each.keyid == keyid and each.entry in numbers
            ),
            versions=tuple(sorted(e.details["version"] for e in mine if e.verb == PROMOTE)),
            tags=tuple(
                each.tag for each in self.tags if each.keyid == keyid and each.entry in numbers
            ),
        )


def survey(layout: Layout) -> Survey:
    """Return what all keys signed, an entry not yet committed too; raises Tampered for a broken ledger."""
    held, entries = record.working(layout), []
    for each in held.examine():
        if isinstance(each, Broken):
            raise Tampered(f"{each.where} {each.says}; run `sluicegate verify` and fix it first.")
        entries.append(each)
    named: dict[Artifact, int] = {}
    for each in entries:
        for subject in each.entry.subjects:
            named.setdefault(replace(subject, uri=""), each.entry.sequence)
    statements = tuple(_statements(layout, keys.keyring(layout), named))
    return Survey(tuple(entries), statements, tuple(_tags(layout, held)))


def _statements(layout: Layout, ring: Keyring, named: dict[Artifact, int]) -> Iterator[Signed]:
    paths = (path for room in ROOMS for path in sorted((layout.root / room).rglob("*.json")))
    for path in paths:
        envelope = _envelope(path)
        span = ring.signer_of(envelope)
        if span is None or path == layout.keyring or not ring.check(envelope):
            continue
        name, sha256 = path.relative_to(layout.root).as_posix(), sha256_bytes(path.read_bytes())
        yield Signed(name, sha256, span.keyid, named.get(Artifact(name, sha256)))


def _envelope(path: Path) -> Any:
    try:
        return files.read_json(path)
    except Tampered:
        return None


def _tags(layout: Layout, held: Verifier) -> Iterator[Head]:
    """Yield the heads that tags of updates pin, those whose signature holds and fits the tag."""
    for name in git.tags(layout.root, "update/*"):
        try:
            head, keyid = held.pinned(name, *(git.read_tag(layout.root, name) or ("", "")))
        except Tampered:
            continue
        yield Head(name, keyid, head.sequence, head.digest or "")
