"""Outliers: rows from nowhere, far from the references in many columns at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.checks.statistics.calibration import Floats, Ints
from sluicegate.core import Feedback, Finding, Kind, Schema

# The tail is that of the top twentieth, or of ten rows, whichever is more.
TAIL, LEAST_TAIL = 0.05, 10
# More rows than a fifth are the population, not outliers in it: that is drift.
COMMON = 0.2
# One in a hundred of the rows named is expected to be an ordinary one.
DISCOVERIES = 0.01
MOST_NAMED = 3
# Taken all at once, the distances by column need more memory than the batch.
AT_ONCE = 20_000
NEW = object()


@dataclass(frozen=True, eq=False)
class Usual:
    """How far apart a reference's own rows are: its columns, and the tail of its rows' distances."""

    columns: tuple[tuple[str, Kind, Any], ...]
    start: float
    scale: float
    share: float

    def distance(self, frame: pd.DataFrame) -> Floats:
        """Return each row's distance by column; shape (rows, columns)."""
        listed = [_distance(frame[name], kind, known) for name, kind, known in self.columns]
        return np.column_stack(listed) if listed else np.zeros((len(frame), 0))

    def total(self, frame: pd.DataFrame) -> Floats:
        """Return each row's distance in all columns together; shape (rows,)."""
        starts = range(0, max(1, len(frame)), AT_ONCE)
        parts = (self.distance(frame.iloc[start : start + AT_ONCE]) for start in starts)
        return np.concatenate([part.sum(axis=1) for part in parts])

    def log_tail(self, distance: Floats) -> Floats:
        """Return the log of the chance that an ordinary row is as far; 0 within the bulk."""
        beyond = distance - self.start
        return np.where(beyond > 0, np.log(self.share) - beyond / self.scale, 0.0)


@dataclass(frozen=True)
class Outliers:
    """The rows that are far from every reference in all columns taken together.

    A row's distance is the sum over the columns of -log of the chance of a value as far out (ECOD;
    Li et al. 2022), which works without tuning and says which columns did it. Half of a reference
    gives those chances, the other half tells how far ordinary rows are, its tail extrapolated as
    exponential (Pickands 1975; split conformal, Bates et al. 2023). `outliers.rows` is -log10 of
    the p-value that no row is an outlier (Simes 1986); its rows are those found at a false
    discovery rate of one in a hundred. Beyond a fifth of the batch they are not named, and
    `outliers.share`, their share, speaks for itself. A column in which the reference never varies
    says nothing here.

    >>> from sluicegate.core import Column, Reference, Task
    >>> columns = tuple(Column(name, Kind.NUMERIC) for name in "abc")
    >>> schema = Schema(Task.CLASSIFICATION, "y", columns, (0, 1))
    >>> draw = np.random.default_rng(0).standard_normal
    >>> base = pd.DataFrame(draw((1000, 3)), columns=list("abc")).assign(y=0)
    >>> frame = pd.DataFrame(draw((100, 3)), columns=list("abc")).assign(y=0)
    >>> frame.loc[:4, list("abc")] = 9.0
    >>> reference = Reference("original", base, base["y"])
    >>> rows, share = Outliers()(Feedback(schema, frame, None, (reference,), base, None, {}))
    >>> rows.value > 3, rows.rows, share.value
    (True, (0, 1, 2, 3, 4), 0.05)
    """

    name: str = "outliers"
    min_rows: int = 30
    reported: float = 1.0

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure both metrics; None where a reference or the batch is too small."""
        frame, schema = subject.frame, subject.schema
        why = self._refusal(subject)
        if why:
            metrics = ("outliers.rows", "outliers.share")
            return tuple(Finding(self.name, metric, None, detail=why) for metric in metrics)
        # Before anything is admitted both references are the same rows.
        distinct = {id(r.frame): r.frame for r in subject.references}
        usual = {number: learn(schema, known) for number, known in distinct.items()}
        original = next(r.frame for r in subject.references if r.name == "original")
        tails = [one.log_tail(one.total(frame)) for one in usual.values()]
        tail = np.max(tails, axis=0)  # as far from each of them
        order = np.argsort(tail, kind="stable")
        adjusted = tail[order] + np.log(len(tail)) - np.log(np.arange(1, len(tail) + 1))
        value = max(0.0, -float(adjusted.min()) / np.log(10))
        found = np.flatnonzero(adjusted <= np.log(DISCOVERIES))
        rows = np.sort(order[: found[-1] + 1]) if found.size else np.empty(0, dtype=np.int64)
        share = len(rows) / len(frame)
        named = tuple(rows.tolist())
        sentence = _told(rows, frame, usual[id(original)])
        if share > COMMON:
            value, detail = 0.0, f"{sentence} So many rows mean drift, not outliers."
            alone = Finding(self.name, "outliers.rows", value, detail=detail)
        else:
            rows_named, detail = (named, sentence) if value > self.reported else ((), "")
            alone = Finding(self.name, "outliers.rows", value, rows_named, detail=detail)
        return alone, Finding(self.name, "outliers.share", share, named, detail=sentence)

    def _refusal(self, subject: Feedback) -> str:
        if not any(r.name == "original" for r in subject.references):
            return "There is no original reference; run init or reanchor."
        if len(subject.frame) < self.min_rows:
            return f"Fewer than {self.min_rows} rows; collect more in one batch."
        for reference in subject.references:
            if len(reference.frame) < 2 * self.min_rows:
                return f"The {reference.name} reference has too few rows; it needs {2 * self.min_rows}."
        if not set(subject.schema.feature_names) <= set(subject.frame.columns):
            return "Columns are missing; send all that the contract names."
        return ""


def learn(schema: Schema, reference: pd.DataFrame) -> Usual:
    """Return how far a reference's rows are from each other: every second row judges the others."""
    half, other = reference.iloc[::2], reference.iloc[1::2]
    columns = tuple(
        (column.name, column.kind, _known(half[column.name], column.kind))
        for column in sorted(schema.features, key=lambda c: c.name)
        if column.kind is not Kind.TEXT and reference[column.name].nunique() > 1
    )
    distance = np.sort(Usual(columns, 0.0, 1.0, 1.0).distance(other).sum(axis=1))
    size = min(len(distance) - 1, max(LEAST_TAIL, int(TAIL * len(distance))))
    start = float(distance[-size - 1])
    beyond = distance[-size:] - start
    # The farthest row is one of the ordinary ones: no tail may call it rarer than one in twenty.
    scale = max(float(beyond.mean()), float(beyond[-1]) / (np.log(size) + 3.0), 1e-6)
    return Usual(columns, start, scale, size / len(distance))


def _known(values: "pd.Series[Any]", kind: Kind) -> Any:
    """Return a column's sorted numbers, or the chance of a category as rare as each and of a new one."""
    if kind.is_number:
        return np.sort(values.dropna().to_numpy(dtype=float))
    counts = values.value_counts()
    rarer = counts.map({count: counts[counts <= count].sum() for count in counts.unique()})
    return (rarer / max(1, counts.sum())).to_dict() | {NEW: 1 / (counts.sum() + 1)}


def _distance(values: "pd.Series[Any]", kind: Kind, known: Any) -> Floats:
    if not kind.is_number:
        chance = values.map(known).fillna(known[NEW]).where(values.notna(), 1.0)
        return np.asarray(-np.log(chance.to_numpy(dtype=float)))
    numbers, size = values.to_numpy(dtype=float), len(known)
    left = np.searchsorted(known, numbers, side="left")
    right = left.copy()
    # Only where a number is a known one do both sides differ.
    met = np.flatnonzero(known[np.minimum(left, size - 1)] == numbers) if size else left[:0]
    right[met] = np.searchsorted(known, numbers[met], side="right")
    below = (right + 1) / (size + 1)
    above = (size - left + 1) / (size + 1)
    tail = np.minimum(1.0, 2.0 * np.minimum(below, above))
    return np.where(np.isnan(numbers), 0.0, -np.log(tail))


def _told(rows: Ints, frame: pd.DataFrame, usual: Usual) -> str:
    if not len(rows):
        return ""
    mean = usual.distance(frame.iloc[rows]).mean(axis=0)
    most = [usual.columns[i][0] for i in np.argsort(-mean, kind="stable")[:MOST_NAMED]]
    return (
        f"{len(rows)} of {len(frame)} rows are far outside all references, most of all in "
        f"{_listed(most)}."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
