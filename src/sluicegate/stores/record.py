"""The record: signed statements, ledger files, and the journal of what is being written.

Everything that one deed changes is committed to git at once, its ledger entry included, so that git
is the transaction. The journal names the paths of the deed under way; after a kill, whatever of them
is not committed is moved aside, and the same command starts afresh.
"""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from sluicegate.core import Artifact, Conflict, Missing, Tampered
from sluicegate.core.canonical import canonical_json, sha256_file
from sluicegate.evidence.keyring import Trust
from sluicegate.evidence.ledger import Entry, envelope_digest, sign_entry
from sluicegate.evidence.signing import sign
from sluicegate.evidence.statement import HEAD, statement
from sluicegate.evidence.verifier import Statement, Verifier

from . import dvc, files, git, keys
from .commits import Commit
from .effects import effect
from .folder import ENTRIES_BEFORE, Folder
from .keys import service_signer
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
"""What sluicegate alone writes, too, and few deeds do."""


def write_statement(
    layout: Layout,
    path: Path,
    subjects: Sequence[Artifact],
    predicate_type: str,
    predicate: dict[str, Any],
) -> Artifact:
    """Sign what is said of `subjects`, write it to `path` and return the file as an artifact."""
    signed = sign(statement(subjects, predicate_type, predicate), service_signer(layout))
    files.write_json(path, signed)
    return Artifact(str(path.relative_to(layout.root)), sha256_file(path))


def committed(layout: Layout) -> Verifier:
    """Return the record of the commit that `layout` names, else of HEAD as it is now.

    Nothing in the working tree has a say, and nothing that a transaction has not committed yet.
    """
    current = json.dumps(keys.public_of(layout)) if layout.may_sign else None
    return _of_commit(layout.root, layout.commit or git.find_head(layout.root), current)


def working(layout: Layout) -> Verifier:
    """Return the record as it lies in the working tree: the view of the transaction that writes it."""
    return Verifier(Folder(layout.root), Trust((keys.keyring(layout),), keys.OURS))


@lru_cache(maxsize=8)
def _of_commit(root: Path, commit_id: str | None, current: str | None) -> Verifier:
    files = Commit(root, commit_id, ("ledger",))
    return Verifier(files, keys.trust_in(files, json.loads(current) if current else None))


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


@effect
def append(
    layout: Layout,
    verb: str,
    subjects: Sequence[Artifact],
    details: Mapping[str, Any],
    time: str,
) -> Path:
    """Write the next ledger entry and return its file."""
    last = entry_files(layout)[-1:]
    previous = envelope_digest(files.read_json(last[0])) if last else None
    sequence = int(last[0].stem) + 1 if last else 1
    entry = Entry(
        sequence=sequence,
        previous=previous,
        time=time,
        who=git.identity(layout.root),
        verb=verb,
        subjects=tuple(subjects),
        details=dict(details),
    )
    path = layout.ledger / f"{sequence:06d}.json"
    files.write_json(path, sign_entry(entry, service_signer(layout)))
    return path


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


def anchored(layout: Layout, title: str, commit_id: str) -> str:
    """Return the message of a tag that pins the ledger's head, signed: a cut-off end is seen by it."""
    last = entry_files(layout)[-1]
    subject = Artifact("ledger", envelope_digest(files.read_json(last)))
    said = {"sequence": int(last.stem), "commit": commit_id, "title": title}
    signed = sign(statement([subject], HEAD, said), service_signer(layout))
    return f"{title}\n\n{canonical_json(signed).decode()}\n"


def updates(layout: Layout) -> list[str]:
    """Return the numbers of all updates, the oldest first."""
    return numbers(layout, "updates", "update.json")


def numbers(layout: Layout, room: str, statement: str) -> list[str]:
    """Return the sorted numbers in `room`; one whose `statement` a deed has yet to write is not there.

    A number without a statement is still told where no deed is under way: whoever reads it is refused.
    """
    found = numbered(layout.root / room)
    if found and not (layout.root / room / found[-1] / statement).is_file():
        return found[:-1] if _journal(layout).exists() else found
    return found


@contextlib.contextmanager
def writing(layout: Layout, deed: str, paths: Sequence[str]) -> Iterator[None]:
    """Hold the workspace's lock while `deed` writes below `paths`, and undo what is left half done."""
    with files.locked(layout.home / "lock", f"{layout.root} is being written to; try again."):
        recover(layout)
        git.require_branch(layout.root)
        last = entry_files(layout)[-1:]
        said = {
            "deed": deed,
            "paths": list(paths),
            ENTRIES_BEFORE: int(last[0].stem) if last else 0,
        }
        files.write_json(_journal(layout), said)
        try:
            yield
        except BaseException:
            recover(layout)
            raise
        _journal(layout).unlink()


def tidy(layout: Layout) -> None:
    """Put aside what a killed deed left, unless one is at work: nobody may take it for done.

    A decision that was written and not committed would otherwise be acted upon, and then be put aside.
    """
    if layout.may_sign and _journal(layout).exists():
        with (
            contextlib.suppress(Conflict),
            files.locked(layout.home / "lock", f"{layout.root} is being written to.", wait=False),
        ):
            recover(layout)


def recover(layout: Layout) -> None:
    """Move aside whatever a broken-off deed left uncommitted; call only under the lock."""
    if not _journal(layout).exists():
        return
    paths = _journalled(layout)
    touched = [name for name in git.changed_paths(layout.root, paths) if name.endswith(".dvc")]
    git.discard(layout.root, paths)
    committed = {name for path in paths for name in git.tracked(layout.root, path)}
    _set_aside(layout, paths, committed)
    for name in committed.intersection(touched):
        # its data may be another's by now; whatever lies there is in the cache
        (layout.root / name.removesuffix(".dvc")).unlink(missing_ok=True)
    # of a kept model only the pointer stays in the tree
    held = (name for name in committed if name[-4:] == ".dvc" and not name.startswith("models/"))
    pointed = (layout.root / name.removesuffix(".dvc") for name in held)
    lost = [path for path in pointed if not path.exists()]
    if lost:
        dvc.checkout(layout.root, lost)
    _journal(layout).unlink()


def _set_aside(layout: Layout, paths: Sequence[str], committed: set[str]) -> None:
    leftovers = layout.home / "leftovers" / f"{os.getpid()}-{secrets.token_hex(4)}"
    # The ledger goes first, its last entry before the others, so that whoever reads meanwhile finds
    # a shorter ledger: never a gap in it, nor an entry without its statement.
    for path in sorted(paths, key="ledger".__ne__):
        named = layout.root / path
        for file in [named, *sorted(named.rglob("*"), reverse=True)]:
            name = file.relative_to(layout.root).as_posix()
            # a committed pointer's data file is not tracked by git and stays
            if file.is_file() and name not in committed and f"{name}.dvc" not in committed:
                (leftovers / name).parent.mkdir(parents=True, exist_ok=True)
                file.replace(leftovers / name)
        # an empty folder would take a batch's number, and git commits none
        for folder in sorted((layout.root / path).rglob("*"), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _journalled(layout: Layout) -> list[str]:
    """Return the paths that the deed under way wrote below: every one of ours, if it cannot be read.

    A disk that lost its last writes leaves an empty journal. One that names anything else than plain
    paths in the workspace is not ours: what lies there is the user's.
    """
    try:
        named = [str(path) for path in files.read_json(_journal(layout))["paths"]]
    except (Tampered, KeyError, TypeError):
        named = []
    ours = all(
        each[:1] not in (".", "/", "") and ".." not in PurePath(each).parts for each in named
    )
    return named if named and ours else [*ROOMS, *SELDOM]


def _journal(layout: Layout) -> Path:
    return layout.home / "journal.json"


def entry_files(layout: Layout) -> list[Path]:
    """Return the files of the ledger in order."""
    return sorted(layout.ledger.glob("[0-9]*.json"))
