"""Corrections: later labels of rows that were labelled before, and who overwrites whose.

Outcomes come late and are reversed, so a later label of the same id is a correction, not a copy that
contradicts. The latest one counts when the training table is assembled.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.checks.statistics.calibration import Ints
from sluicegate.core import Feedback, Finding, Schema
from sluicegate.core.schema import label_text
from sluicegate.core.standing import Standing, Tier

Mask = npt.NDArray[np.bool_]
PLACE = "_place"


@dataclass(frozen=True)
class Corrections:
    """The rows that change an earlier label of their id, in this batch or in an admitted one.

    `corrections.share` is their share of the batch: a mass of them rewrites history, whoever sends
    it. `corrections.foreign` is the share of the rows by which one source overwrites what another
    was the first to label; sources that the policy trusts may, and who repeats the same row changes
    nothing. `corrections.late` is the share of the rows that are older than an admitted label of
    their id, so that they change nothing. That only the owner of a label may change it is the
    discretionary rule of Biba's integrity model (1977).

    >>> from sluicegate.core import Column, Kind, Schema, Task
    >>> columns = (Column("x", Kind.NUMERIC),)
    >>> schema = Schema(Task.CLASSIFICATION, "y", columns, (0, 1), source="who", time="t", id="id")
    >>> times = pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"], utc=True)
    >>> frame = pd.DataFrame(
    ...     {"x": 1.0, "y": [0, 1, 0], "who": ["ann", "ann", "eve"], "t": times, "id": "a"}
    ... )
    >>> found = Corrections()(Feedback(schema, frame, None, (), frame, None, {}))
    >>> [(f.metric.split(".")[1], round(f.value, 2), f.rows) for f in found]
    [('share', 0.67, (1, 2)), ('foreign', 0.33, (2,)), ('late', 0.0, ())]
    """

    name: str = "corrections"

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure the three shares; rows are the rows counted."""
        schema, frame = subject.schema, subject.frame
        named = [name for name in (schema.id, schema.time, schema.label) if name]
        if len(named) < 3 or not {*named} <= {*frame.columns} or frame.empty:
            why = "Corrections need an id and a time in every batch; declare and send both."
            return tuple(Finding(self.name, f"corrections.{m}", None, detail=why) for m in METRICS)
        history = _history(subject)
        foreign = (self._foreign(history[history.foreign], len(frame)),)
        return (
            self._share(history[history.changed], len(frame)),
            *(foreign if schema.source is not None else ()),
            self._late(history[history.late], len(frame)),
        )

    def _share(self, rows: pd.DataFrame, total: int) -> Finding:
        detail = f"{len(rows)} of {total} rows change an earlier label."
        return self._finding("share", rows, total, detail)

    def _foreign(self, rows: pd.DataFrame, total: int) -> Finding:
        pairs = Counter(zip(rows.source, rows.owner, strict=True))
        sentence = ", ".join(
            f"{by or 'an unnamed source'} overwrites {count} of {whose or 'an unnamed source'}"
            for (by, whose), count in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[
                :MOST_NAMED
            ]
        )
        more = f" and {len(pairs) - MOST_NAMED} more" if len(pairs) > MOST_NAMED else ""
        detail = f"{len(rows)} rows overwrite another source's label: {sentence}{more}."
        return self._finding("foreign", rows, total, detail)

    def _late(self, rows: pd.DataFrame, total: int) -> Finding:
        detail = (
            f"{len(rows)} rows are older than the admitted label of their id; that label stays."
        )
        return self._finding("late", rows, total, detail)

    def _finding(self, metric: str, rows: pd.DataFrame, total: int, detail: str) -> Finding:
        places = tuple(sorted(map(int, rows.place)))
        return Finding(
            self.name,
            f"corrections.{metric}",
            len(rows) / total,
            rows=places,
            detail=detail if places else "",
        )


METRICS = ("share", "foreign", "late")
MOST_NAMED = 5


def superseded(frame: pd.DataFrame, schema: Schema) -> Mask:
    """Return which rows have a later row of the same id; of equal times the later one in `frame`.

    A row without a time is older than one with, and a row without an id stands alone.

    >>> from sluicegate.core import Task
    >>> schema = Schema(Task.CLASSIFICATION, "y", (), (0, 1), time="t", id="id")
    >>> times = pd.to_datetime(["2026-01-02", "2026-01-01", None], utc=True)
    >>> superseded(pd.DataFrame({"id": ["a", "a", None], "t": times, "y": 1}), schema).tolist()
    [False, True, False]
    """
    mask = np.zeros(len(frame), dtype=bool)
    if not schema.id or not schema.time or not {schema.id, schema.time} <= {*frame.columns}:
        return mask
    ids = frame[schema.id].to_numpy(dtype=object)
    order = _by_time(frame[schema.time])
    known = order[pd.notna(ids[order])]
    mask[known[pd.Series(ids[known]).duplicated(keep="last").to_numpy()]] = True
    return mask


def corrected_by_own(subject: Feedback) -> Mask:
    """Return which rows of the batch have a later row of the same id by the same source."""
    schema, frame = subject.schema, subject.frame
    if not schema.id or not schema.time or not {schema.id, schema.time} <= {*frame.columns}:
        return np.zeros(len(frame), dtype=bool)
    ids = frame[schema.id].where(frame[schema.id].isna(), frame[schema.id] + "\n" + subject.sources)
    return superseded(frame.assign(**{schema.id: ids}), schema)


def _by_time(times: "pd.Series[Any]") -> Ints:
    """Return the positions in the order of time, missing ones first, equal ones as they stand."""
    order = times.reset_index(drop=True).sort_values(kind="stable", na_position="first").index
    return np.asarray(order, dtype=np.int64)


def _history(subject: Feedback) -> pd.DataFrame:
    """Return the batch's rows that share an id with another row, and what each does to its label."""
    schema = subject.schema
    parts = [subject.frame.assign(**{PLACE: np.arange(len(subject.frame))})]
    if subject.earlier is not None and len(subject.earlier):
        parts.insert(0, subject.earlier.assign(**{PLACE: -1}))
    table = pd.concat(parts, ignore_index=True)
    ids = table[schema.id]
    table = table[ids.notna() & ids.duplicated(keep=False)].reset_index(drop=True)
    known = pd.DataFrame(
        {
            "place": table[PLACE],
            "id": table[schema.id],
            "time": table[schema.time],
            "label": table[schema.label].map(label_text, na_action="ignore").fillna(""),
            "source": _sources(table, schema),
            "said": _said(table, schema),
        }
    )
    known = known.assign(owner=_owners(known)).iloc[_by_time(known.time)]
    groups = known.groupby("id", sort=False)
    known = known.assign(
        before=groups.label.shift(),
        above=groups.said.shift(),
        late=(known.place >= 0) & _followed_by_admitted(known),
    )
    ours = known[known.place >= 0]
    changed = ours.before.notna() & (ours.before != ours.label) & ~ours.late
    other = ours.above.notna() & (ours.above != ours.said) & ~ours.late
    allowed = _may_change(ours, subject)
    return ours.assign(changed=changed, foreign=other & ~allowed)


def _owners(known: pd.DataFrame) -> "pd.Series[Any]":
    """Return who labelled each row's id first: by admission, and within the batch by time."""
    admitted = known.place < 0
    batch = known[~admitted]
    arrival = [*known.index[admitted], *batch.index[_by_time(batch.time)]]
    return known.loc[arrival].groupby("id", sort=False).source.transform("first")


def _followed_by_admitted(known: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows, in the order of time, come before an admitted row of their id."""
    admitted = (known.place < 0).astype(int)
    total = admitted.groupby(known.id).transform("sum")
    return admitted.groupby(known.id).cumsum() < total


def _may_change(rows: pd.DataFrame, subject: Feedback) -> "pd.Series[bool]":
    """Return which rows are by the first source, or by one that the policy trusts.

    A name that nobody proved is the first source's only within one delivery.
    """
    standing: Standing = subject.standing
    tiers = rows.source.map({name: standing.tier(name) for name in rows.source.unique()})
    before: set[Any] = set()
    if subject.earlier is not None and subject.schema.id in subject.earlier:
        before = set(subject.earlier[subject.schema.id])
    proven = (tiers != Tier.ANONYMOUS) | ~rows.id.isin(before)
    return (tiers == Tier.TRUSTED) | ((rows.source == rows.owner) & proven)


def _sources(table: pd.DataFrame, schema: Schema) -> "pd.Series[Any]":
    if schema.source is None or schema.source not in table:
        return pd.Series("", index=table.index, dtype=object)
    return table[schema.source].fillna("").astype(str)


def _said(table: pd.DataFrame, schema: Schema) -> "pd.Series[Any]":
    """Return one number for all that a row says of its id: features and label."""
    parts = [table[schema.label].map(label_text, na_action="ignore").fillna("")]
    for column in schema.features:
        values = table[column.name]
        parts.append(values.astype(float) if column.kind.is_number else values.fillna(""))
    return pd.util.hash_pandas_object(pd.concat(parts, axis=1), index=False)
