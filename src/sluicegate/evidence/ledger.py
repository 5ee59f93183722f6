"""The ledger: an append-only chain of signed entries, each naming the digest of the one before.

This module knows entries and their chain; the files are written in stores. The chain shows an entry
that was edited, dropped from the middle or reordered. It does not by itself show a truncated end:
whoever holds a later digest (a git tag, an approval) sees that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sluicegate.core import Artifact, Tampered
from sluicegate.core.canonical import sha256_json

from .signing import Signer, sign, verify
from .statement import ENTRY, predicate_of, statement

INTEND, PROMOTE, REINSTATE, SUSPEND = "intend", "promote", "reinstate", "suspend"
"""The kinds of entries that say who is to serve, and who serves."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: who did what to which subject, when and why.

    `previous` is the SHA-256 of the canonical JSON of the envelope before, None for the first.
    """

    sequence: int
    previous: str | None
    time: str
    who: str
    verb: str
    subjects: tuple[Artifact, ...]
    details: dict[str, Any]

    def to_statement(self) -> dict[str, Any]:
        """Return the in-toto statement of this entry."""
        predicate = {
            "sequence": self.sequence,
            "previous": self.previous,
            "time": self.time,
            "who": self.who,
            "verb": self.verb,
            "details": self.details,
        }
        return statement(self.subjects, ENTRY, predicate)


def envelope_digest(envelope: dict[str, Any]) -> str:
    """Return the digest by which the next entry names this one."""
    return sha256_json(envelope)


def sign_entry(entry: Entry, signer: Signer) -> dict[str, Any]:
    """Return the signed envelope of `entry`."""
    return sign(entry.to_statement(), signer)


def read_entry(envelope: dict[str, Any], public: dict[str, Any], where: str) -> Entry:
    """Return the entry in `envelope`; raises Tampered when its signature does not hold."""
    payload = verify(envelope, public, where)
    said = predicate_of(payload, ENTRY, where)
    subjects = tuple(
        Artifact(each["name"], each["digest"]["sha256"], each.get("uri", ""))
        for each in payload["subject"]
    )
    return Entry(subjects=subjects, **said)


def verify_chain(
    envelopes: Iterable[tuple[str, dict[str, Any]]], public: dict[str, Any]
) -> Sequence[Entry]:
    """Return the entries of (place, envelope) pairs in order, once all of the chain holds.

    Raises Tampered naming the first place where a signature, number or link is wrong.
    """
    entries: list[Entry] = []
    previous: str | None = None
    for where, envelope in envelopes:
        entry = read_entry(envelope, public, where)
        if entry.sequence != len(entries) + 1:
            raise Tampered(f"{where} says it is entry {entry.sequence}, not {len(entries) + 1}.")
        if entry.previous != previous:
            raise Tampered(f"{where} does not follow the entry before it.")
        entries.append(entry)
        previous = envelope_digest(envelope)
    return entries
