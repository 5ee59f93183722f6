"""pinned: what the workspace's git says of data and settings at one commit."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sluicegate.core.document import Document
from sluicegate.stores import data, git
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import Settings, parse_settings


@dataclass(frozen=True)
class Table:
    """A data set as its manifest describes it."""

    name: str
    manifest: data.Manifest

    @property
    def listed(self) -> "Listed":
        """Return its entry in a card."""
        known = self.manifest
        return Listed(
            name=self.name,
            sha256=known.sha256,
            rows=known.rows,
            labels=known.labels,
            sources=len(known.sources),
        )


class Listed(Document):
    """A data set in a card, with how many sources it has and not which; a profile may keep some of it."""

    name: str | None = None
    sha256: str | None = None
    rows: int
    labels: Mapping[str, int]
    sources: int | None = None
    verified: bool | None = None
    """Whether people vouched for the labels, of the golden set alone."""


def settings_at(layout: Layout, commit_id: str) -> Settings:
    """Return params.yaml as it was in a commit."""
    text = git.read_at(layout.root, commit_id, "params.yaml")
    return parse_settings(text, f"params.yaml in {commit_id[:12]}")


def table_at(layout: Layout, commit_id: str, name: str) -> Table:
    """Return the table `name` (its path in the workspace) as it was in a commit."""
    folder = name.rpartition("/")[0]
    return Table(name, data.manifest_at(layout, commit_id, f"{folder}/{data.MANIFEST}"))


def learnt_at(layout: Layout, commit_id: str, batches: Iterable[str]) -> list[Table]:
    """Return the reference and the batches that a model is made of, as they were in a commit."""
    names = [
        "reference/reference.parquet",
        *(f"batches/{batch}/{data.FEEDBACK}" for batch in batches),
    ]
    return [table_at(layout, commit_id, name) for name in names]


def added_up(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of several counts by name."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))
