"""Patterns: single values and pairs of values of the features, as a sparse table of rows.

The values of a text are its words and its pairs of neighbouring words. What is found in a sample is
looked up in the whole by the same words.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csc_array, csr_array, hstack

from sluicegate.checks.statistics.calibration import Floats, Ints
from sluicegate.checks.statistics.words import rows_with, shared_grams, shown
from sluicegate.core import Column, Feedback, Kind

# A search has to end: with more values than this those that surprise most are kept.
MOST_VALUES = 2_000
# The outer half per cent on either side of the reference is one value.
TAIL = 0.005
# Taken all at once, the pairs need many times the memory of what is kept of them.
AT_ONCE = 100


@dataclass(frozen=True)
class Value:
    """One value of a column, as it is named to people and as rows that have it are found.

    `low` and `high` are ends of the column's tails; `gram` is a word or pair of words of a text; without
    any of them the value is `equal`, or missing where that is None.
    """

    column: Column
    name: str
    equal: Any = None
    low: float | None = None
    high: float | None = None
    gram: str | None = None

    def rows(self, frame: pd.DataFrame) -> Ints:
        """Return the positions of the rows of a frame that have this value."""
        values = frame[self.column.name]
        if self.gram is not None:
            return rows_with(self.gram, values)
        if self.low is not None:
            return np.flatnonzero(values < self.low)
        if self.high is not None:
            return np.flatnonzero(values > self.high)
        return np.flatnonzero(values.isna() if self.equal is None else values == self.equal)


@dataclass(frozen=True, eq=False)
class Values:
    """Which rows have which values: `batch` and `reference` are 0/1 of shape (rows, values)."""

    each: tuple[Value, ...]
    batch: csc_array
    reference: csc_array

    @property
    def rows(self) -> tuple[Ints, Ints]:
        """Return how many rows of the batch and of the reference have each value."""
        mine, theirs = (np.diff(table.indptr) for table in (self.batch, self.reference))
        return mine, theirs


def name_of(pattern: tuple[Value, ...]) -> str:
    """Return a value, or several that belong together, in words."""
    return " with ".join(value.name for value in pattern)


def rows_with_all(pattern: tuple[Value, ...], frame: pd.DataFrame) -> Ints:
    """Return the positions of the rows of a frame that have every value of a pattern."""
    rows = np.arange(len(frame))
    for value in pattern:
        rows = rows[value.rows(frame.iloc[rows])]
    return rows


def values_of(subject: Feedback, reference: pd.DataFrame, support: int, most: int) -> Values:
    """Return the values that from `support` to `most` rows of the batch have, by column name."""
    each: list[Value] = []
    batch: list[Ints] = []
    known: list[Ints] = []
    for column in sorted(subject.schema.features, key=lambda c: c.name):
        secret = column.name in subject.schema.sensitive
        for value, mine, theirs in _masks(column, subject.frame, reference, support, most):
            sentence = "= (hidden)" if secret else value.name
            each.append(replace(value, name=f"{column.name} {sentence}"))
            batch.append(mine)
            known.append(theirs)
    surprise = np.array([len(a) / (len(b) + 1) for a, b in zip(batch, known, strict=True)])
    kept = np.sort(np.argsort(-surprise, kind="stable")[:MOST_VALUES])
    return Values(
        tuple(each[i] for i in kept),
        _table([batch[i] for i in kept], len(subject.frame)),
        _table([known[i] for i in kept], len(reference)),
    )


def pairs_of(values: Values, support: int) -> tuple[Ints, Ints, Floats, Floats]:
    """Return the pairs of values that `support` rows have: both ends, and rows in each table.

    A pair that is the same rows in both tables as one of its ends says the same twice.
    """
    found = [
        _pairs_from(values, start, support) for start in range(0, len(values.each), AT_ONCE)
    ] or [(np.empty(0, dtype=np.int64),) * 2 + (np.empty(0),) * 2]
    first, second, rows, usual = (np.concatenate(part) for part in zip(*found, strict=True))
    return first, second, rows, usual


def matches_of(values: Values, first: Ints, second: Ints) -> csc_array:
    """Return which rows of the batch have both values of each pair; 0/1 of shape (rows, pairs)."""
    starts = range(0, max(1, len(first)), AT_ONCE)
    some = [slice(start, start + AT_ONCE) for start in starts]
    both = [values.batch[:, first[few]] * values.batch[:, second[few]] for few in some]
    return csc_array(hstack(both, format="csc"))


def _pairs_from(values: Values, start: int, support: int) -> tuple[Ints, Ints, Floats, Floats]:
    """Return the pairs whose first value is one of `AT_ONCE` from `start`."""
    some = slice(start, start + AT_ONCE)
    met = csr_array(values.batch[:, some].T @ values.batch).tocoo()
    first, second = met.row.astype(np.int64) + start, met.col.astype(np.int64)
    kept = (met.data >= support) & (second > first)
    first, second, rows = first[kept], second[kept], met.data[kept]
    met_there = csr_array(values.reference[:, some].T @ values.reference)
    usual = np.asarray(met_there[first - start, second]).ravel() if kept.any() else np.empty(0)
    alone, known = values.rows
    new = np.ones(len(rows), dtype=bool)
    for end in (first, second):
        new &= (rows != alone[end]) | (usual != known[end])
    return first[new], second[new], rows[new], usual[new]


def _masks(
    column: Column, frame: pd.DataFrame, reference: pd.DataFrame, support: int, most: int
) -> list[tuple[Value, Ints, Ints]]:
    mine, theirs = frame[column.name], reference[column.name]
    gone = (Value(column, "is missing"), np.flatnonzero(mine.isna()), np.flatnonzero(theirs.isna()))
    if column.kind is Kind.TEXT:
        grams = shared_grams(mine, theirs, support, most)
        listed = [
            (Value(column, f"says {shown(gram)}", gram=gram), here, there)
            for gram, here, there in grams
        ]
        return [f for f in [*listed, gone] if support <= len(f[1]) <= most]
    counts = mine.value_counts()
    shared = sorted(counts.index[(counts >= support) & (counts <= most)])
    each = [Value(column, f"= {_text(value)}", equal=value) for value in shared]
    found = [*zip(each, _places(mine, shared), _places(theirs, shared), strict=True), gone]
    if column.kind.is_number and theirs.notna().any():
        low, high = (float(theirs.quantile(level)) for level in (TAIL, 1 - TAIL))
        for end in (
            Value(column, f"< {low:.6g}", low=low),
            Value(column, f"> {high:.6g}", high=high),
        ):
            found.append((end, end.rows(frame), end.rows(reference)))
    return [f for f in found if support <= len(f[1]) <= most]


def _places(column: "pd.Series[Any]", values: list[Any]) -> list[Ints]:
    """Return the rows of each of `values`; the many that are not asked for cost nothing."""
    codes = pd.Index(values, dtype=column.dtype).get_indexer(pd.Index(column))
    rows = np.flatnonzero(codes >= 0)
    order = rows[np.argsort(codes[rows], kind="stable")]
    ends = np.cumsum(np.bincount(codes[rows], minlength=len(values)))
    return np.split(order, ends[:-1]) if values else []


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _table(columns: list[Ints], rows: int) -> csc_array:
    starts = np.cumsum([0, *(len(c) for c in columns)])
    indices = np.concatenate(columns) if columns else np.empty(0, dtype=np.int64)
    return csc_array((np.ones(len(indices)), indices, starts), shape=(rows, len(columns)))
