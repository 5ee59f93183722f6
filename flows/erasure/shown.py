"""shown: what a retirement does, as a reviewer has to know it, without any row's values."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluicegate.core import CannotDecide
from sluicegate.core.schema import ROW
from sluicegate.flows.erasure.survey import Survey
from sluicegate.record.champion import champion_of
from sluicegate.record.clean_versions import clean_versions, first_sound
from sluicegate.record.context import Context
from sluicegate.record.quarantine import held_for, lots
from sluicegate.record.subjects.retirement import Model, Retirement
from sluicegate.stores import data, objects
from sluicegate.stores.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

MOST_SPANS = 30
MOST_SOURCES = 40


GIT_HOLDS = (
    "git: names of sources, row positions, digests, and the figures of findings and verdicts of the rows' "
    "batches, in every commit and clone; their sentences, too, where a version before 0.2 wrote them"
)
OUT_OF_REACH = (
    "pages of runs in Prefect's database, until it forgets them",
    "earlier backups and clones, copies on serving hosts, and versions that a remote's storage keeps",
    "copies that a killed intake or release left in .sluicegate/scratch, .sluicegate/release-*, /tmp",
    "the user's files in inbox/, and the senders' own copies",
)


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


def nothing_to_go_back_to(context: Context, models: Iterable[Model]) -> str | None:
    """Return a sentence where `models` are all the former champions that a rollback could go back to.

    Former champions that were rolled back themselves, were destroyed or are not sound any more count for
    nothing.
    """
    former = clean_versions(context, (champion_of(context.layout).update,))
    named = {each.update for each in models}
    goes = [each.version for each in former if each.update in named]
    if not goes:
        return None
    try:
        first_sound(context, [each for each in former if each.update not in named])
    except CannotDecide:
        return (
            f"After this, a rollback has nothing to go back to: version {goes[0]} is the only former "
            "champion that could serve again."
        )
    return None


def emptied(layout: Layout, with_models: bool) -> list[str]:
    """Return the names of the stores that are emptied."""
    return [
        *objects.stores(layout.root),
        *(["MLflow: version, artifacts"] if with_models else []),
        "received files, models of bisect and plan, leftovers, build tables",
    ]


def left(pages: Sequence[str]) -> list[str]:
    """Return what stays, and where; `pages` in git may show values."""
    return [GIT_HOLDS, *(f"git: {each} may show values" for each in pages), *OUT_OF_REACH]
