"""The record as it is read: signed statements, the entries of the ledger, and the journal.

stores/transaction.py writes it.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from sluicegate.core import Missing, Tampered
from sluicegate.evidence.keyring import Trust
from sluicegate.evidence.ledger import Entry, envelope_digest
from sluicegate.evidence.signing import PublicKey
from sluicegate.evidence.verifier import Statement, Verifier

from . import files, git, keys
from .commits import Commit
from .folder import Folder
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
SELDOM = (
    "calibration",
    "drills",
    "golden",
    "reference",
    "trust/keyring.json",
    "trust/model.pem",
    "trust/service.json",
)
"""What sluicegate alone writes, too, and few transactions do."""
PRODUCTS = ("dvc.lock", "metrics.json", "plots", "candidate.json")
"""What the pipeline makes, as it was for the last update that was promoted."""
NAMED = (*(room for room in ROOMS if room != "ledger"), *SELDOM, *PRODUCTS)


def is_named(name: str) -> bool:
    """Tell whether the ledger names this file whenever it changes."""
    inside = any(name == each or name.startswith(f"{each}/") for each in NAMED)
    return inside and not name.endswith("/.gitkeep")


def committed(layout: Layout) -> Verifier:
    """Return the record of the commit that `layout` names, else of HEAD as it is now.

    Nothing in the working tree has a say, and nothing that a transaction has not committed yet.
    """
    current = keys.public_of(layout) if layout.may_sign else None
    return _of_commit(layout.root, layout.commit or git.find_head(layout.root), current)


def working(layout: Layout) -> Verifier:
    """Return the record as it lies in the working tree: the view of the transaction that writes it."""
    return Verifier(Folder(layout.root), Trust((keys.keyring(layout),), keys.OURS))


@lru_cache(maxsize=8)
def _of_commit(root: Path, commit_id: str | None, current: PublicKey | None) -> Verifier:
    files = Commit(root, commit_id, ("ledger",))
    return Verifier(files, keys.trust_in(files, current))


def backwards(layout: Layout) -> Iterator[Entry]:
    """Yield the committed entries that count, from the last to the first, each linked to the one before."""
    return (each.entry for each in committed(layout).backwards() if each.counts)


def listed(layout: Layout, folder: str) -> list[str]:
    """Return the committed JSON files below `folder`, in their order."""
    commit = layout.commit or git.find_head(layout.root)
    names = git.tracked(layout.root, folder, commit) if commit else []
    return [name for name in names if name.endswith(".json")]


def read_statement(layout: Layout, path: Path) -> dict[str, Any]:
    """Return the verified statement in the file `path` as it lies there; raises Tampered or Missing.

    What a revoked key signed too late can be read as history; nothing in force rests on it.
    """
    return _statement_in(layout, path).payload


def is_doubted(layout: Layout, path: Path) -> bool:
    """Tell whether the statement in `path` was signed with a key after it was revoked."""
    try:
        return _statement_in(layout, path).doubted
    except (Missing, Tampered):
        return False


def _statement_in(layout: Layout, path: Path) -> Statement:
    return working(layout).statement(path.relative_to(layout.root).as_posix())


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
