"""The chain of the ledger, looked at entry by entry: every place that is wrong, not only the first."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .keyring import Keyring, payload_of
from .ledger import envelope_digest
from .statement import ENTRY, STATEMENT


@dataclass(frozen=True)
class Link:
    """Where a chain has got to: the number of its last entry and the digest of its envelope.

    The digest is None before the first entry, and empty after one that was tampered with.
    """

    sequence: int = 0
    digest: str | None = None


@dataclass(frozen=True)
class Examined:
    """One entry: what it says, the link it makes, and what is wrong with it ("" for nothing).

    `counts` is false for an entry that a revoked key signed after it was doubted.
    """

    where: str
    link: Link
    said: dict[str, Any]
    subjects: list[dict[str, Any]]
    wrong: str
    counts: bool


def examine(files: Iterable[tuple[str, bytes]], ring: Keyring, start: Link) -> Iterator[Examined]:
    """Yield every entry of the (place, bytes) pairs that follow `start`.

    An entry whose signature does not hold says nothing of the one after it, which is not blamed.
    """
    link = start
    for where, data in files:
        found = _examine(where, data, ring, link)
        link = found.link
        yield found


def _examine(where: str, data: bytes, ring: Keyring, before: Link) -> Examined:
    number = int(where.rsplit("/", 1)[-1].split(".")[0])
    try:
        envelope = json.loads(data)
        link = Link(number, envelope_digest(envelope))
    except (ValueError, TypeError):
        return Examined(where, Link(number, ""), {}, [], "is not JSON any more", counts=False)
    due = ring.at(number)
    doubted = due is None and ring.signer_of(envelope) is not None
    if not ring.check(envelope, None if doubted else number):
        said = "is not signed by the key that signed the ledger then"
        return Examined(where, Link(number, ""), {}, [], said, counts=False)
    payload = payload_of(envelope)
    wrong = _wrong(payload, number, before)
    if due and due.last == number and due.head != link.digest:
        wrong = wrong or "is not the entry that the keyring says its key ended with"
    return Examined(
        where,
        link,
        payload["predicate"],
        payload["subject"],
        wrong,
        counts=not doubted and not wrong,
    )


def _wrong(payload: dict[str, Any], number: int, before: Link) -> str:
    said = payload.get("predicate") or {}
    if payload.get("_type") != STATEMENT or payload.get("predicateType") != ENTRY:
        return "is no entry of a ledger"
    if said.get("sequence") != number:
        return f"says it is entry {said.get('sequence')}"
    if number != before.sequence + 1:
        return f"follows entry {before.sequence}: what was between them is gone"
    if before.digest != "" and said.get("previous") != before.digest:
        return "does not follow the entry before it as that one is now"
    return ""
