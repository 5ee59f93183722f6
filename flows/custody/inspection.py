"""Inspection: what a verification knows so far, and what it found wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sluicegate.evidence.chain import Link
from sluicegate.record.context import Context
from sluicegate.stores.seen import Seen, print_of


@dataclass(frozen=True)
class Wrong:
    """One thing that is not as recorded: where it lies, and what is amiss."""

    where: str
    says: str

    def to_dict(self) -> dict[str, str]:
        """Return JSON types."""
        return {"where": self.where, "says": self.says}


@dataclass
class Inspection:
    """Collects while the parts of the workspace are looked at, one after the other.

    `named` is the digest under which the ledger last named a path, `vouched` all digests it ever
    named, `digests` those of its entries by number. `before` is what an earlier verification saw.
    """

    context: Context
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
    promoted: str | None = None

    def blame(self, where: str | Path, says: str) -> None:
        """Remember that something is wrong."""
        self.wrong.append(Wrong(self.name(where), says))

    def doubt(self, where: str | Path, says: str) -> None:
        """Remember that something could not be looked at."""
        self.undecided.append(Wrong(self.name(where), says))

    def count(self, what: str, by: int = 1) -> None:
        """Count what was looked at."""
        self.counts[what] = self.counts.get(what, 0) + by

    def name(self, path: str | Path) -> str:
        """Return `path` as seen from the workspace."""
        root = self.context.layout.root
        inside = isinstance(path, Path) and path.is_relative_to(root)
        return str(Path(path).relative_to(root)) if inside else str(path)

    def is_known(self, path: Path) -> bool:
        """Tell whether the file was verified before and was not touched since; remember it as seen."""
        name = self.name(path)
        self.prints[name] = print_of(path)
        return self.before.prints.get(name) == self.prints[name]
