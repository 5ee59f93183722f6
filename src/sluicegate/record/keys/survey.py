"""survey: what each key of the service signed, and which entry of the ledger stands for it.

A statement is as old as the first entry that names its digest, whatever time it claims.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_bytes
from sluicegate.evidence.chain import Examined, Link, examine
from sluicegate.evidence.keyring import Keyring, payload_of
from sluicegate.evidence.ledger import PROMOTE
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


@dataclass(frozen=True)
class Survey:
    """The ledger's entries with the keys that signed them, the statements, and the tags."""

    entries: tuple[Examined, ...]
    signers: tuple[str, ...]
    statements: tuple[Signed, ...]
    tags: tuple[Head, ...]

    def digest(self, number: int) -> str | None:
        """Return the digest of an entry."""
        return self.entries[number - 1].link.digest if 0 < number <= len(self.entries) else None

    def number_of(self, digest: str) -> int | None:
        """Return the entry with this digest."""
        found = (e.link.sequence for e in self.entries if e.link.digest == digest)
        return next(found, None)

    def by(self, keyid: str, first: int, last: int) -> dict[str, Any]:
        """Return what a key signed from one entry to another: entries, statements, versions, tags."""
        mine = [
            each.link.sequence
            for each, who in zip(self.entries, self.signers, strict=True)
            if who == keyid and first <= each.link.sequence <= last
        ]
        told = set(mine)
        return {
            "entries": [self._told(number) for number in mine],
            "statements": [
                each.name for each in self.statements if each.keyid == keyid and each.entry in told
            ],
            "versions": sorted(
                self.entries[number - 1].said["details"]["version"]
                for number in mine
                if self.entries[number - 1].said["verb"] == PROMOTE
            ),
            "tags": [each.tag for each in self.tags if each.keyid == keyid and each.entry in told],
        }

    def _told(self, number: int) -> dict[str, Any]:
        said = self.entries[number - 1].said
        return {"entry": number, **{name: said[name] for name in ("time", "who", "verb")}}


def survey(layout: Layout) -> Survey:
    """Return what all keys signed; raises Tampered for a ledger that does not hold."""
    ring = keys.keyring(layout)
    read = [(f"ledger/{path.name}", path.read_bytes()) for path in record.entry_files(layout)]
    entries = tuple(examine(read, ring, Link()))
    for each in entries:
        if each.wrong:
            raise Tampered(f"{each.where} {each.wrong}; run `sluicegate verify` and mend it first.")
    signers = tuple(_signer(ring, json.loads(data)) for _, data in read)
    named: dict[tuple[str, str], int] = {}
    for each in entries:
        for subject in each.subjects:
            named.setdefault((subject["name"], subject["digest"]["sha256"]), each.link.sequence)
    statements = tuple(_statements(layout, ring, named))
    return Survey(entries, signers, statements, tuple(_tags(layout, ring)))


def _signer(ring: Keyring, envelope: Any) -> str:
    span = ring.signer_of(envelope)
    return span.keyid if span else ""


def _statements(
    layout: Layout, ring: Keyring, named: dict[tuple[str, str], int]
) -> Iterator[Signed]:
    paths = (path for room in ROOMS for path in sorted((layout.root / room).rglob("*.json")))
    for path in paths:
        envelope = _envelope(path)
        if envelope is None or path == layout.keyring or not ring.check(envelope):
            continue
        name, sha256 = path.relative_to(layout.root).as_posix(), sha256_bytes(path.read_bytes())
        yield Signed(name, sha256, _signer(ring, envelope), named.get((name, sha256)))


def _envelope(path: Path) -> Any:
    try:
        told = files.read_json(path)
    except Tampered:
        return None
    return told if isinstance(told, dict) and "payloadType" in told else None


def _tags(layout: Layout, ring: Keyring) -> Iterator[Head]:
    """Yield the heads that tags of updates pin, those whose signature holds and fits the tag."""
    for name in git.tags(layout.root, "update/*"):
        read = git.read_tag(layout.root, name)
        try:
            envelope = json.loads(read[1].strip().splitlines()[-1]) if read else {}
            if not read or not ring.check(envelope):
                continue
            payload = payload_of(envelope)
            said = payload["predicate"]
            if said["commit"] == read[0] and said["title"] == name.replace("/", ":"):
                digest = payload["subject"][0]["digest"]["sha256"]
                yield Head(name, _signer(ring, envelope), int(said["sequence"]), digest)
        except (ValueError, KeyError, TypeError, IndexError):
            continue
