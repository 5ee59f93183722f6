"""shown: what a reviewer has to know before something is destroyed, without any row's values."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluicegate.core.schema import ROW
from sluicegate.flows.erasure.last_resort import nothing_to_go_back_to
from sluicegate.flows.erasure.reach import emptied, left
from sluicegate.flows.erasure.survey import Survey
from sluicegate.record.context import Context
from sluicegate.record.quarantine import held_for, lots
from sluicegate.record.subjects.retirement import Retirement
from sluicegate.stores import data

if TYPE_CHECKING:
    import pandas as pd

MOST_SPANS = 30
MOST_SOURCES = 40


@dataclass(frozen=True)
class Going:
    """Rows of a batch that go, `going` of all that were received, by source and by why they are held."""

    name: str
    going: int
    of: int
    spans: tuple[str, ...]
    more: bool
    sources: Mapping[str, int]
    more_sources: int
    why: Mapping[str, int]


@dataclass(frozen=True)
class Whole:
    """A received file that goes whole, with so many `others` beside the rows that go."""

    name: str
    batch: str
    others: int


@dataclass(frozen=True)
class Destruction:
    """What goes, where it goes, and what stays."""

    archive: str | None
    warning: str | None
    found: Survey
    batches: tuple[Going, ...]
    received: tuple[Whole, ...]
    stores: tuple[str, ...]
    left: tuple[str, ...]


def destruction(context: Context, order: Retirement, found: Survey) -> Destruction:
    """Return what a retirement does."""
    return Destruction(
        archive=order.archive,
        warning=nothing_to_go_back_to(context, found.models),
        found=found,
        batches=tuple(_of_batch(context, batch, rows) for batch, rows in found.rows.items()),
        received=tuple(_received(context, found)),
        stores=tuple(emptied(context.layout, bool(found.models))),
        left=tuple(left(found.pages)),
    )


def spans(rows: Collection[int]) -> list[str]:
    """Return row positions with runs of them in one.

    >>> spans({7, 1, 2, 3})
    ['1 to 3', '7']
    """
    runs: list[list[int]] = []
    for row in sorted(rows):
        if runs and row == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], row]
        else:
            runs.append([row])
    return [" to ".join(map(str, run)) for run in runs]


def _of_batch(context: Context, batch: str, rows: Collection[int]) -> Going:
    layout, source = context.layout, context.schema.source
    inside = layout.admitted(batch)
    admitted = [inside] if (inside / data.MANIFEST).is_file() else []
    sources, why = Counter[str](), Counter[str]()
    for folder in (*admitted, *lots(layout, batch)):
        table = data.read_verified(folder / data.FEEDBACK)
        mine = table[table[ROW].isin(list(rows))].reset_index(drop=True)
        if source in mine:
            sources.update([str(each) for each in mine[source].dropna()])
        why.update(_reasons(context, batch, mine, is_admitted=folder == inside))
    runs = spans(rows)
    return Going(
        name=f"batch:{batch}",
        going=len(rows),
        of=data.read_manifest(layout.intake(batch)).rows,
        spans=tuple(runs[:MOST_SPANS]),
        more=len(runs) > MOST_SPANS,
        sources=dict(sources.most_common(MOST_SOURCES)),
        more_sources=max(0, len(sources) - MOST_SOURCES),
        why=dict(why.most_common()),
    )


def _reasons(context: Context, batch: str, mine: "pd.DataFrame", is_admitted: bool) -> Counter[str]:
    """Return for how many rows each reason holds; one row may have several."""
    if is_admitted:
        return Counter({"none: admitted, not in quarantine": len(mine)} if len(mine) else {})
    return Counter(each for named in held_for(context, batch, mine) for each in named)


def _received(context: Context, found: Survey) -> Iterator[Whole]:
    for batch, rows in found.rows.items():
        manifest = data.read_manifest(context.layout.intake(batch))
        for name in found.received:
            if manifest.sha256 in name:
                yield Whole(name, batch, manifest.rows - len(rows))
