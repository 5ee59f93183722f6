"""Transaction: statements, rows and ledger entries are written together, and one commit makes them count.

The journal names the paths that the transaction under way writes below. When the block fails, or after a
kill, whatever of them is not committed is put aside, and the same command starts afresh.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Protocol

from sluicegate.core import Artifact, Conflict, Tampered
from sluicegate.core.canonical import canonical_json, sha256_bytes, sha256_file, sha256_json
from sluicegate.evidence.ledger import COMMIT, REMOVED, Entry, envelope_digest, sign_entry
from sluicegate.evidence.signing import sign
from sluicegate.evidence.statement import HEAD, Said, statement, written

from . import dvc, files, git
from .commits import Commit
from .effects import effect
from .folder import ENTRIES_BEFORE
from .keys import service_signer
from .layout import Layout
from .record import NAMED, ROOMS, SELDOM, entry_files, is_named, journal, working


class Place(Protocol):
    """What a transaction needs of a context: where the workspace is, and what time it is."""

    @property
    def layout(self) -> Layout:
        """Return where everything lies."""

    def now(self) -> str:
        """Return the time in UTC as ISO 8601."""


class Transaction:
    """What is written below `rooms`, to be committed as a whole.

    Open one with `transaction`. Only `init` makes one by itself, since before the first commit there is
    nothing to return to.
    """

    def __init__(
        self, layout: Layout, now: Callable[[], str], rooms: Sequence[str] = ROOMS
    ) -> None:
        """Write in `layout`; `now` dates the entries of the ledger."""
        self.layout, self.now, self.rooms = layout, now, rooms
        self.message: str | None = None
        self._named: set[Artifact] = set()

    def state(
        self, path: Path, subjects: Sequence[Artifact], predicate_type: str, predicate: Said
    ) -> Artifact:
        """Sign a statement about `subjects`, write it to `path`, and return the file as an artifact."""
        files.write_json(path, self._signed(subjects, predicate_type, predicate))
        return Artifact(str(path.relative_to(self.layout.root)), sha256_file(path))

    @effect
    def append(self, verb: str, subjects: Sequence[Artifact], details: Said) -> Path:
        """Write the next ledger entry and return its file."""
        last = entry_files(self.layout)[-1:]
        previous = envelope_digest(files.read_json(last[0])) if last else None
        sequence = int(last[0].stem) + 1 if last else 1
        entry = Entry(
            sequence=sequence,
            previous=previous,
            time=self.now(),
            who=git.identity(self.layout.root),
            verb=verb,
            subjects=tuple(subjects),
            details=written(details),
        )
        path = self.layout.ledger / f"{sequence:06d}.json"
        files.write_json(path, sign_entry(entry, service_signer(self.layout)))
        self._named.update(subjects)
        return path

    def anchored(self, title: str, commit_id: str) -> str:
        """Return the message of a tag that pins the ledger's head, signed: a cut-off end is seen by it."""
        last = entry_files(self.layout)[-1]
        subject = Artifact("ledger", envelope_digest(files.read_json(last)))
        details = {"sequence": int(last.stem), "commit": commit_id, "title": title}
        signed = self._signed([subject], HEAD, details)
        return f"{title}\n\n{canonical_json(signed).decode()}\n"

    def store(self, tables: Sequence[Path]) -> None:
        """Hand `tables` to DVC and push them: no commit may point to data that only this disk has."""
        if tables:
            dvc.add(self.layout.root, tables)
            dvc.push(self.layout.root, tables)

    def commits_as(self, message: str) -> None:
        """Commit with this message when the block is left; without one nothing is committed then."""
        self.message = message

    def commit(self, message: str, *more: str) -> str:
        """Commit now, the files `more` too, and return the commit: what follows it is not undone."""
        self.message = None
        self.name_files([*self.rooms, *more])
        return git.commit_all(self.layout.root, [*self.rooms, *more], message)

    def commit_as_service(self, message: str) -> str:
        """Commit now in the service's name: it carries out what others decided, and is not the author."""
        self.message = None
        self.name_files(self.rooms)
        return git.commit_as_service(self.layout.root, self.rooms, message)

    def name_files(self, rooms: Sequence[str]) -> None:
        """Let the ledger name every file below `rooms` that the next commit changes: `verify` looks.

        The first time in a workspace of an earlier version, all that was committed before, too.
        """
        root = self.layout.root
        changed = sorted(filter(is_named, set(git.changed_paths(root, rooms))))
        there = [Artifact(n, sha256_file(root / n)) for n in changed if (root / n).is_file()]
        removed = [name for name in changed if not os.path.lexists(root / name)]
        new = [each for each in [*self._unnamed(changed), *there] if each not in self._named]
        if new or removed:
            subjects = new or [Artifact(REMOVED, sha256_json(removed))]
            self.append(COMMIT, subjects, {REMOVED: removed})

    def _unnamed(self, changed: Sequence[str]) -> Iterator[Artifact]:
        """Yield what the last commit has, where no entry of its ledger names every file."""
        marker = self.layout.home / "named"
        if marker.exists() or not git.find_head(self.layout.root) or not entry_files(self.layout):
            return
        if working(self.layout).last(COMMIT) is not None:
            files.write_bytes(marker, b"")
            return
        before = Commit(self.layout.root, git.head(self.layout.root), NAMED)
        for name in before:
            if is_named(name) and name not in changed:
                yield Artifact(name, sha256_bytes(before[name]))

    def _signed(
        self, subjects: Sequence[Artifact], predicate_type: str, said: Said
    ) -> dict[str, object]:
        return sign(statement(subjects, predicate_type, said), service_signer(self.layout))


@contextlib.contextmanager
def held(layout: Layout) -> Iterator[None]:
    """Hold the workspace's lock, with nothing half done in the workspace."""
    with files.locked(layout.home / "lock", f"{layout.root} is busy; try again."):
        recover(layout)
        yield


@contextlib.contextmanager
def transaction(
    place: Place, name: str, message: str | None = None, rooms: Sequence[str] = ROOMS
) -> Iterator[Transaction]:
    """Hold the workspace's lock while the block writes below `rooms`, and commit it at the end.

    Where the block raises, what it wrote is put aside and the workspace is as it was before. Raises
    Conflict where somebody else changed a file there: it would be signed as ours.
    """
    layout = place.layout
    with held(layout):
        git.require_branch(layout.root)
        _require_untouched(layout, rooms)
        last = entry_files(layout)[-1:]
        details = {
            "deed": name,
            "paths": list(rooms),
            ENTRIES_BEFORE: int(last[0].stem) if last else 0,
        }
        files.write_json(journal(layout), details)
        opened = Transaction(layout, place.now, rooms)
        opened.message = message
        try:
            yield opened
            if opened.message is not None:
                opened.commit(opened.message)
        except BaseException:
            recover(layout)
            raise
        journal(layout).unlink()


def _require_untouched(layout: Layout, rooms: Sequence[str]) -> None:
    if hidden := git.hidden(layout.root, rooms):
        raise Conflict(
            f"git's index hides changes of {hidden[0]}, so nothing is written: run `git update-index "
            f"--no-assume-unchanged --no-skip-worktree {hidden[0]}`."
        )
    changed = [name for name in git.changed_paths(layout.root, rooms) if ".gitkeep" not in name]
    if changed:
        name = changed[0]
        raise Conflict(
            f"{name} was changed outside sluicegate, so nothing is written: run `git restore {name}`, or "
            "delete it where git does not know it."
        )


def tidy(layout: Layout) -> None:
    """Put aside what a killed transaction left, unless it is at work: nobody may take it for done.

    A decision that was written and not committed would otherwise be acted upon, and then be put aside.
    """
    if layout.may_sign and journal(layout).exists():
        with (
            contextlib.suppress(Conflict),
            files.locked(layout.home / "lock", f"{layout.root} is busy.", wait=False),
        ):
            recover(layout)


def recover(layout: Layout) -> None:
    """Put aside whatever a broken-off transaction left uncommitted; call only under the lock."""
    if not journal(layout).exists():
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
    journal(layout).unlink()


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
    """Return the paths that the journal names: every one of ours, if it cannot be read.

    A disk that lost its last writes leaves an empty journal. One that names anything else than plain
    paths in the workspace is not ours: what lies there is the user's.
    """
    try:
        named = [str(path) for path in files.read_json(journal(layout))["paths"]]
    except (Tampered, KeyError, TypeError):
        named = []
    ours = all(
        each[:1] not in (".", "/", "") and ".." not in PurePath(each).parts for each in named
    )
    return named if named and ours else [*ROOMS, *SELDOM]
