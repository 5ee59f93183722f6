"""windows: honest windows from labelled rows that the champion has not learnt.

Those are the golden set, the held-out share of what was admitted, and batches admitted since the
champion. The checks compare a window with the golden set and the newest batches, so both leave out
each window's own rows: otherwise the drill would compare rows with themselves.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.core import CannotDecide, Feedback, Reference, Schema
from sluicegate.core.schema import ROW
from sluicegate.flows.feedback.measure import feedback, predicted, scores_of
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context
from sluicegate.stores import data
from sluicegate.stores.layout import Layout
from sluicegate.stores.reading import Table

BATCH = "_batch"
GOLDEN = "golden"
PREVIOUS = "previous"
MOST_ROWS, REMEMBERED = 600, 1000
NAMES = 200
NEW = 0.1
UNNAMED = "_source"
"""The source column of a workspace whose feedback names none; the checks never see it."""


@dataclass(frozen=True, eq=False)
class Material:
    """Rows to draw honest windows of `rows` from; `_batch` and `_row` say where each one is from.

    `names` are the sources to simulate, with their shares; None if the rows have their own.
    """

    schema: Schema
    pool: pd.DataFrame
    rows: int
    names: "pd.Series[float] | None"
    origin: str


@dataclass(frozen=True, eq=False)
class Window:
    """An honest window, and where its rows are from: pairs of batch (or "golden") and row."""

    frame: pd.DataFrame
    taken: pd.MultiIndex


def material(context: Context) -> Material:
    """Return the rows to draw honest windows from; raises CannotDecide if they are too few."""
    layout, schema = context.layout, context.schema
    golden = data.read_trusted(layout, "golden")
    golden[BATCH], golden[ROW] = GOLDEN, np.arange(len(golden))
    learnt = champion_of(layout).batches
    admitted = data.admitted_batches(layout)
    unlearnt = [
        data.read_admitted(layout, [b for b in admitted if b in learnt], held_out=True),
        data.read_admitted(layout, [b for b in admitted if b not in learnt]),
    ]
    received = pd.concat([table for table in unlearnt if len(table)] or [golden.head(0)])
    rows = _rows(layout, admitted, len(golden) + len(received))
    least = context.settings.checks.min_rows
    if rows < least:
        raise CannotDecide(
            f"Only {len(golden) + len(received)} rows are new to the champion, too few for windows of "
            f"{least}; give `sluicegate init` a larger golden set, or admit more feedback."
        )
    if schema.source is not None and len(received) >= 2 * rows:
        sentence = f"{len(received)} rows held out or not yet learnt, with their own sources"
        return Material(schema, _dressed(context, received), rows, None, sentence)
    pool = pd.concat([golden, received]) if len(received) else golden
    names, how = _names(layout, schema, rows)
    sentence = f"{len(golden)} golden rows and {len(received)} held out or not yet learnt, {how}"
    return Material(schema, _dressed(context, pool), rows, names, sentence)


def window(drawn_from: Material, rng: np.random.Generator) -> Window:
    """Return one honest window; the same random generator state gives the same window."""
    pool = drawn_from.pool
    places = rng.choice(len(pool), drawn_from.rows, replace=False)
    frame = pool.iloc[places].reset_index(drop=True)
    taken = pd.MultiIndex.from_frame(frame[[BATCH, ROW]])
    source = drawn_from.schema.source or UNNAMED
    if drawn_from.names is not None:
        frame[source] = _signed(drawn_from.names, len(frame), rng)
    return Window(frame[_columns(drawn_from.schema)], taken)


def seen(
    context: Context,
    table: Table,
    drawn_from: Material,
    taken: pd.MultiIndex,
    before: pd.DataFrame | None,
) -> Feedback:
    """Return `table` with everything it is compared with, without the rows `taken` for its window.

    `before` are the rows that earlier windows of the same campaign have got admitted. Simulated
    sources count as known, but for the new ones.
    """
    subject = feedback(context, table)
    known = subject.standing.known.union([] if drawn_from.names is None else drawn_from.names.index)
    mine = taken[taken.get_level_values(BATCH) == GOLDEN].get_level_values(ROW).to_numpy(int)
    kept = np.setdiff1d(np.arange(len(subject.golden)), mine)
    scores = subject.golden_scores
    return replace(
        subject,
        golden=subject.golden.iloc[kept].reset_index(drop=True),
        golden_scores=None if scores is None else scores[kept],
        standing=replace(subject.standing, known=known),
        references=tuple(
            _without(context, each, taken, kept, before) for each in subject.references
        ),
    )


def _without(
    context: Context,
    reference: Reference,
    taken: pd.MultiIndex,
    kept: npt.NDArray[Any],
    before: pd.DataFrame | None,
) -> Reference:
    frame, answers = reference.frame, reference.predicted
    if BATCH in frame:
        keep = ~pd.MultiIndex.from_frame(frame[[BATCH, ROW]]).isin(taken)
        frame, answers = frame[keep], answers[keep]
    else:  # the original reference, beside answers on the golden set
        answers = answers.iloc[kept]
    if before is not None and reference.name == PREVIOUS:
        frame = pd.concat([frame, before] if BATCH in frame else [before])
        frame = frame.tail(max(len(taken), REMEMBERED))
        scores = scores_of(context.layout, context.schema, champion_of(context.layout), frame)
        answers = predicted(context.schema, scores, len(frame))
    return Reference(reference.name, frame.reset_index(drop=True), answers.reset_index(drop=True))


def _rows(layout: Layout, admitted: list[str], pool: int) -> int:
    """Return the size of a window: that of the usual batch, and at most half of what there is."""
    sizes = [int(data.read_manifest(layout.intake(batch)).rows) for batch in admitted]
    return min(int(np.median(sizes)) if sizes else MOST_ROWS, MOST_ROWS, pool // 2)


def _names(layout: Layout, schema: Schema, rows: int) -> tuple["pd.Series[float]", str]:
    """Return sources with their shares: those of the admitted batches, else some by Zipf's law."""
    counts = data.admitted_rows_of_sources(layout) if schema.source is not None else {}
    if len(counts) > 1:
        shares = pd.Series(counts, dtype=float)
        return shares / shares.sum(), "with sources drawn as in the admitted batches"
    size = min(NAMES, max(10, rows // 3))
    shares = pd.Series(1 / np.arange(1, size + 1), [f"known-{i:03d}" for i in range(size)])
    simulated = f"with simulated sources ({size} names, shares by Zipf's law)"
    return shares / shares.sum(), simulated if schema.source else "without sources"


def _signed(
    shares: "pd.Series[float]", rows: int, rng: np.random.Generator
) -> npt.NDArray[np.object_]:
    """Return a source per row; a tenth of the names is new."""
    names = shares.index.to_numpy(dtype=object).copy()
    new = rng.permutation(len(names))[: round(NEW * len(names))]
    names[new] = [f"new-{i:03d}" for i in range(len(new))]
    return rng.choice(names, rows, p=shares.to_numpy())


def _columns(schema: Schema) -> list[str]:
    others = (schema.source or UNNAMED, schema.time, schema.id, schema.label_origin)
    return [*schema.feature_names, schema.label, *(name for name in others if name)]


def _dressed(context: Context, pool: pd.DataFrame) -> pd.DataFrame:
    """Return `pool` with the columns that feedback has and trusted data may lack."""
    schema, pool = context.schema, pool.reset_index(drop=True)
    if schema.time and (schema.time not in pool or pool[schema.time].isna().any()):
        end = pd.Timestamp(context.clock()).tz_convert("UTC")
        times = pd.date_range(end - timedelta(days=1), end, len(pool)).astype("datetime64[us, UTC]")
        pool[schema.time] = times
    if schema.id:
        pool[schema.id] = [f"drill-{i:06d}" for i in range(len(pool))]
    if schema.label_origin:
        recorded = pool.get(schema.label_origin, pd.Series(None, index=pool.index, dtype=object))
        pool[schema.label_origin] = recorded.fillna("human")
    source = schema.source or UNNAMED
    if source not in pool:
        pool[source] = None
    return pool[[*_columns(schema), BATCH, ROW]]


def scratch_table(frame: pd.DataFrame, schema: Schema, folder: Path) -> tuple[Table, Path]:
    """Return `frame` as intake has it after reading, and write its normal form into `folder`."""
    shown = frame.drop(columns=UNNAMED) if schema.source is None else frame
    path = folder / "normal.parquet"
    shown.to_parquet(path)
    return Table(shown, {}), path
