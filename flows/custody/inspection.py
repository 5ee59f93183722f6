"""Inspection: what a verification knows so far, and what it found wrong."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from sluicegate.core.document import Document
from sluicegate.evidence.verifier import Link, Verifier
from sluicegate.record.context import Context
from sluicegate.record.subjects.retirement import destroyed_quotes
from sluicegate.stores.commits import Commit
from sluicegate.stores.seen import Seen, print_of


class Wrong(Document):
    """One difference from the record: where it is, and what is wrong."""

    where: str
    says: str


@dataclass
class Inspection:
    """Collects findings while the parts of the workspace are checked one by one.

    `held` is the record of the one commit that is looked at, and `files` what is in that commit. `named` is
    the digest under which the ledger last named a path, `history` that by a revoked key, `vouched` all
    digests it ever named, `digests` those of its entries by number. `removed` are the paths that it took
    back, `whole_from` is the first entry that names every file of its commit, `contents` are the objects of
    tags that were looked at. `before` is what an earlier verification saw.
    """

    context: Context
    files: Commit
    held: Verifier
    before: Seen
    bar: Callable[[int, int, str], None]
    wrong: list[Wrong] = field(default_factory=list)
    undecided: list[Wrong] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    prints: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    vouched: set[str] = field(default_factory=set)
    digests: dict[int, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    head: Link = Link()
    history: dict[str, str] = field(default_factory=dict)
    contents: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    whole_from: int = 0
    promoted: str | None = None

    def blame(self, where: str | Path, says: str) -> None:
        """Remember that something is wrong."""
        self.wrong.append(Wrong(where=self.name(where), says=says))

    def doubt(self, where: str | Path, says: str) -> None:
        """Remember that something could not be checked."""
        self.undecided.append(Wrong(where=self.name(where), says=says))

    def count(self, what: str, by: int = 1) -> None:
        """Count what was checked."""
        self.counts[what] = self.counts.get(what, 0) + by

    def name(self, path: str | Path) -> str:
        """Return `path` as seen from the workspace."""
        root = self.context.layout.root
        inside = isinstance(path, Path) and path.is_relative_to(root)
        return str(Path(path).relative_to(root)) if inside else str(path)

    @cached_property
    def destroyed(self) -> dict[str, str]:
        """Return by SHA-256 the retirement that destroyed a page or what else quoted cells."""
        return destroyed_quotes(self.context.layout)

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.files)

    def below(self, folder: str, suffix: str = "") -> list[str]:
        """Return the committed files below `folder` with this ending, in order."""
        first = bisect_left(self._sorted, folder)
        found = takewhile(lambda name: name.startswith(folder), self._sorted[first:])
        return [name for name in found if name.endswith(suffix)]

    def is_known(self, path: str | Path) -> bool:
        """Tell whether the file is unchanged since it was last verified; remember it as seen.

        A committed one by the object that git has of it, too.
        """
        name = self.name(path)
        if name not in self.prints:
            lies = print_of(self.context.layout.root / name)
            self.prints[name] = f"{self.files.objects.get(name, '')} {lies}"
        return self.before.prints.get(name) == self.prints[name]
