"""trace: what embodies a batch, a source, a row or an update, from the signed record and the manifests.

Row to batch to data commit to model to promotion. A row that was set aside reached no model, one that
was released reached those that learnt from the batch it became, and a row that is held out was compared
on and never learnt. Rows that the caps or a later correction left out of training count as learnt.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sluicegate.core import ModelRef
from sluicegate.core.schema import HOLDOUT, ROW
from sluicegate.record.causes import Cause, Rows, as_recorded, concerned, released
from sluicegate.record.champion import read_promotion
from sluicegate.record.context import Context
from sluicegate.record.quarantine import lots
from sluicegate.record.subjects.retirement import Table, destroyed_tables
from sluicegate.record.traced import Embodied, Traced, TracedBatch
from sluicegate.record.updates import read_update, run_of
from sluicegate.stores import data, git, record
from sluicegate.stores.layout import Layout

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Touched:
    """A batch that holds rows in question: which, and where they are now."""

    batch: str
    rows: tuple[int, ...]
    learnable: tuple[int, ...]
    held_out: tuple[int, ...]
    set_aside: int
    paused: int
    released_as: tuple[str, ...]

    @property
    def admitted(self) -> tuple[int, ...]:
        """Return the rows that are in the data now, learnt from or compared on."""
        return tuple(sorted((*self.learnable, *self.held_out)))

    @property
    def counted(self) -> TracedBatch:
        """Return it with its rows counted, not listed."""
        return TracedBatch(
            batch=self.batch,
            rows=len(self.rows),
            learnable=len(self.learnable),
            held_out=len(self.held_out),
            set_aside=self.set_aside,
            paused=self.paused,
            released_as=self.released_as,
        )


@dataclass(frozen=True)
class Trace:
    """Where a cause went: the batches that it touches and the updates that embody it."""

    because: Cause
    batches: tuple[Touched, ...]
    updates: tuple[Embodied, ...]

    @property
    def promoted(self) -> tuple[Embodied, ...]:
        """Return the updates that became champion at some time."""
        return tuple(each for each in self.updates if each.promoted)

    @property
    def recorded(self) -> Traced:
        """Return what an incident records of it."""
        batches = tuple(each.counted for each in self.batches)
        return Traced(because=str(self.because), batches=batches, updates=self.updates)


def trace(context: Context, cause: Cause) -> Trace:
    """Return where `cause` went; raises Missing where nothing of that name was ever received."""
    layout, cause = context.layout, as_recorded(context, cause)
    rows = concerned(context, cause)
    became = list(released(layout))
    touched = (_touched(layout, batch, rows[batch], became) for batch in sorted(rows, key=int))
    return Trace(cause, tuple(touched), tuple(embodying(layout, rows)))


def embodying(layout: Layout, rows: Rows) -> Iterator[Embodied]:
    """Yield the updates whose challenger learnt any of `rows`, the oldest first."""
    seen: dict[tuple[str, str], int] = {}
    gone = destroyed_tables(layout)
    for number in record.updates(layout):
        update, _ = read_update(layout, number)
        if update.challenger is None:
            continue
        learnt: dict[str, int] = {}
        manifests = {f"batches/{b}/{data.MANIFEST}": b for b in update.batches if b in rows}
        for path, blob in git.blobs(layout.root, update.data_commit, list(manifests)).items():
            batch = manifests[path]
            if (batch, blob) not in seen:
                seen[batch, blob] = _learnt(layout, batch, update.data_commit, rows[batch], gone)
            learnt |= {batch: seen[batch, blob]} if seen[batch, blob] else {}
        if learnt:
            yield embodied(layout, number, update.challenger, learnt)


def _learnt(
    layout: Layout, batch: str, commit_id: str, rows: frozenset[int], gone: Mapping[str, Table]
) -> int:
    """Return how many of `rows` the table of `batch` in a commit offered to learn from.

    Of a table that was destroyed the tombstone says which it had.
    """
    about = f"batches/{batch}/{data.MANIFEST}"
    table_gone = gone.get(data.manifest_at(layout, commit_id, about).sha256)
    if table_gone is not None:
        return len(rows.intersection(table_gone.learnable))
    table = data.read_admitted_at(layout, batch, commit_id)
    return len(_of(table[~table[HOLDOUT].astype(bool)], rows))


def embodied(
    layout: Layout, number: str, challenger: ModelRef, learnt: Mapping[str, int]
) -> Embodied:
    """Return the update of this `number`, whose model is `challenger`, with what it `learnt`."""
    update, _ = read_update(layout, number)
    promoted = (layout.update(number) / "promotion.json").is_file()
    return Embodied(
        update=number,
        stage=update.stage,
        version=challenger.version,
        sha256=challenger.sha256,
        run=run_of(layout, number),
        data_commit=update.data_commit,
        promoted=read_promotion(layout, number).since if promoted else None,
        learnt=learnt,
    )


def _touched(
    layout: Layout,
    batch: str,
    rows: frozenset[int],
    became: Sequence[tuple[str, Mapping[int, str]]],
) -> Touched:
    held_out: tuple[int, ...] = ()
    learnable: tuple[int, ...] = ()
    if (layout.admitted(batch) / data.MANIFEST).is_file():
        table = data.read_verified(layout.admitted(batch) / data.FEEDBACK)
        out = table[HOLDOUT].astype(bool)
        held_out, learnable = _of(table[out], rows), _of(table[~out], rows)
    aside = {row for lot in lots(layout, batch) for row in _of(_table(lot), rows)}
    waits = layout.intake(batch) / "rows"
    paused = len(_of(_table(waits), rows)) if (waits / data.MANIFEST).is_file() else 0
    inside = bool(held_out or learnable)
    as_ = {new for of, entry in became for row, new in entry.items() if of == batch and row in rows}
    return Touched(
        batch=batch,
        rows=tuple(sorted(rows)),
        learnable=learnable,
        held_out=held_out,
        set_aside=len(aside),
        paused=0 if inside or aside else paused,
        released_as=tuple(sorted(as_, key=int)),
    )


def _table(folder: Path) -> "pd.DataFrame":
    return data.read_verified(folder / data.FEEDBACK)


def _of(table: "pd.DataFrame", rows: frozenset[int]) -> tuple[int, ...]:
    return tuple(sorted(int(row) for row in table[ROW] if row in rows))
