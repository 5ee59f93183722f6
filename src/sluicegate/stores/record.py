"""The record as it is read: signed statements, the entries of the ledger, and the journal.

stores/transaction.py writes it.
"""

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from sluicegate.core import Missing, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.ledger import Entry, envelope_digest, read_entry
from sluicegate.evidence.signing import verify

from . import files, git
from .keys import keyring
from .layout import Layout, numbered

ROOMS = (
    "ledger",
    "intake",
    "batches",
    "quarantine",
    "updates",
    "releases",
    "anchors",
    "incidents",
    "successions",
    "models",
    "retired",
)
"""What only sluicegate writes in a workspace."""

ENTRIES = "entries"
"""In the journal: the last entry of the ledger that was there before the deed under way."""


def read_statement(layout: Layout, path: Path) -> dict[str, Any]:
    """Return the verified statement in `path`; raises Tampered or Missing.

    What a revoked key signed too late can be read as history when it is what lay here at the revocation;
    nothing that was in force then rests on it (see flows/revoke.py).
    """
    where = str(path.relative_to(layout.root))
    envelope, ring = files.read_json(path), keyring(layout)
    span = ring.signer_of(envelope)
    if span is None or span is ring.current:
        return verify(envelope, dict(ring.current.key), where)
    held = {**(span.statements or {}), **(span.doubted or {})}
    if held.get(where) != sha256_file(path):
        raise Tampered(
            f"{where} is signed with a key that was {'revoked' if span.revoked else 'retired'} "
            "before it was made; `sluicegate verify` says what else is."
        )
    return verify(envelope, dict(span.key), where)


def is_doubted(layout: Layout, path: Path) -> bool:
    """Tell whether the statement in `path` was signed with a key after it was revoked."""
    ring = keyring(layout)
    if not any(span.doubted for span in ring.spans) or not path.is_file():
        return False
    span, where = ring.signer_of(files.read_json(path)), str(path.relative_to(layout.root))
    return span is not None and (span.doubted or {}).get(where) == sha256_file(path)


def received(layout: Layout) -> list[str]:
    """Return the ids of the batches whose receipt is committed: half-written ones do not count."""
    names = git.tracked(layout.root, "intake")
    # a paused batch's rows have a manifest of their own, one folder further down
    return sorted(
        (n.split("/")[1] for n in names if PurePath(n).match("intake/*/manifest.json")), key=int
    )


def admitted_in(layout: Layout, commit_id: str) -> list[str]:
    """Return the ids of the batches that a commit admits; the tree may already hold others."""
    names = git.tracked(layout.root, "batches", commit_id)
    return sorted((n.split("/")[1] for n in names if n.endswith("/manifest.json")), key=int)


def head(layout: Layout) -> str | None:
    """Return the digest of the ledger's last entry."""
    last = entry_files(layout)[-1:]
    return envelope_digest(files.read_json(last[0])) if last else None


def backwards(layout: Layout) -> Iterator[Entry]:
    """Yield the verified entries from the last to the first, each linked to the one after it.

    Those that a revoked key signed after it was doubted are passed over, and so are those at the end
    that are put aside meanwhile, because their deed was killed before it was committed.
    """
    ring = keyring(layout)
    expected: str | None = None
    after: Path | None = None
    for path in reversed(entry_files(layout)):
        try:
            envelope = files.read_json(path)
        except Missing:
            if path.is_symlink() or (after is not None and after.exists()):
                raise  # a link to nowhere, or a gap: nobody puts those aside
            expected = None
            continue
        after, where = path, f"ledger/{path.name}"
        if expected is not None and envelope_digest(envelope) != expected:
            raise Tampered(f"{where} is not the entry that the next one follows.")
        span = ring.at(int(path.stem))
        doubted = ring.signer_of(envelope) if span is None else None
        entry = read_entry(envelope, dict((span or doubted or ring.current).key), where)
        if entry.sequence != int(path.stem):
            raise Tampered(f"{where} says it is entry {entry.sequence}.")
        if span is not None:
            yield entry
        expected = entry.previous


def committed(layout: Layout) -> Iterator[Entry]:
    """Yield the entries as `backwards` does, without those of a deed that is under way or was killed.

    Only a commit makes them count; until then they may still be put aside.
    """
    settled = False
    for entry in backwards(layout):
        settled = settled or not _is_under_way(layout, entry.sequence)
        if settled:
            yield entry


def _is_under_way(layout: Layout, sequence: int) -> bool:
    """Tell whether an entry that was just read is of the deed that the journal names."""
    try:
        return comes_after(files.read_json(journal(layout)), sequence)
    except (Missing, Tampered):
        return False


def comes_after(journalled: Any, sequence: int) -> bool:
    """Tell whether the transaction that the journal names wrote the entry `sequence`."""
    before = journalled.get(ENTRIES) if isinstance(journalled, dict) else None
    return isinstance(before, int) and sequence > before


def updates(layout: Layout) -> list[str]:
    """Return the numbers of all updates, the oldest first."""
    return numbers(layout, "updates", "update.json")


def numbers(layout: Layout, room: str, statement: str) -> list[str]:
    """Return the sorted numbers in `room`; one whose `statement` a deed has yet to write is not there.

    A number without a statement is still told where no deed is under way: whoever reads it is refused.
    """
    found = numbered(layout.root / room)
    if found and not (layout.root / room / found[-1] / statement).is_file():
        return found[:-1] if journal(layout).exists() else found
    return found


def journal(layout: Layout) -> Path:
    """Return the file that names what the transaction under way writes below."""
    return layout.home / "journal.json"


def entry_files(layout: Layout) -> list[Path]:
    """Return the files of the ledger in order."""
    return sorted(layout.ledger.glob("[0-9]*.json"))
