"""Duplicates: one statement sent many times, and whether the copies contradict the champion."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sluicegate.checks.corrections import corrected_by_own
from sluicegate.checks.statistics.calibration import Floats, Ints, capped_weights, recalibrate
from sluicegate.checks.statistics.near_texts import near_texts
from sluicegate.checks.statistics.panel import known_labels
from sluicegate.core import Column, Feedback, Finding, Kind, Task

# Three standard errors: one honest window in about a thousand goes beyond by chance.
CHANCE = 3.0
# Copies differ by rounding and jitter, so they are near each other in any projection.
NEIGHBOURS = 8
PROJECTIONS = 2


@dataclass(frozen=True)
class Duplicates:
    """Rows that are copies of each other: how many more than usual, and which contradict.

    Two rows are copies when every number differs by less than `nearness` of the reference's spread,
    every text but for a few signs (`near_texts.py`), and every other value is equal. Copies are
    found among neighbours in two random projections (Hernandez & Stolfo 1995, "The
    merge/purge problem"): time n log n, memory linear.
    `duplicates.share` is the share of the rows that are copies, beyond that of as many rows of the
    original reference. `duplicates.contradicting` is the share of the rows that are copies and
    whose label the recalibrated champion holds unlikely, beyond what its error rate explains with
    three standard errors; one group of copies is one opinion, however often it is sent.

    >>> from sluicegate.core import Column, Kind, Reference, Schema
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
    >>> x = np.linspace(-1, 1, 200)
    >>> base = pd.DataFrame({"x": x, "y": (x > 0) * 1, "who": "base"})
    >>> frame = base.assign(who=[f"c{i % 20}" for i in range(200)])
    >>> frame.loc[100:119, ["x", "y"]] = [-0.9, 1]
    >>> scores = np.column_stack([np.where(x < 0, 0.95, 0.05), np.where(x < 0, 0.05, 0.95)])
    >>> scores[100:120] = [0.95, 0.05]
    >>> reference = Reference("original", base, base["y"])
    >>> batch = Feedback(schema, frame, scores, (reference,), base, None, {})
    >>> [(f.metric, f.value > 0.01, f.rows == tuple(range(100, 120))) for f in Duplicates()(batch)]
    [('duplicates.contradicting', True, True), ('duplicates.share', True, False)]
    """

    name: str = "duplicates"
    nearness: float = 0.01
    min_rows: int = 30

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure both metrics; rows are the contradicting copies, and all copies."""
        original = next((r.frame for r in subject.references if r.name == "original"), None)
        if original is None or len(original) < 2:
            return self._unmeasured("There is no original reference; run init or reanchor.")
        if len(subject.frame) < self.min_rows:
            return self._unmeasured(f"Fewer than {self.min_rows} rows; collect more in one batch.")
        scales = spreads(subject, original)
        groups = copies(subject, subject.frame, scales, self.nearness)
        # What its own source corrected later in the batch is no copy of the correction.
        old = corrected_by_own(subject)
        groups[old] = groups.max(initial=0) + 1 + np.arange(old.sum())
        return self._contradicting(subject, groups), self._share(subject, original, scales, groups)

    def _unmeasured(self, why: str) -> tuple[Finding, ...]:
        metrics = ("duplicates.contradicting", "duplicates.share")
        return tuple(Finding(self.name, metric, None, detail=why) for metric in metrics)

    def _share(
        self, subject: Feedback, original: pd.DataFrame, scales: Floats, groups: Ints
    ) -> Finding:
        copied = np.flatnonzero(_sizes(groups) > 1)
        sample = _like(original, subject, len(groups))
        usual = float(np.mean(_sizes(copies(subject, sample, scales, self.nearness)) > 1))
        share = len(copied) / len(groups)
        detail = f"{share:.1%} of the rows are copies; {usual:.1%} is usual."
        value = max(0.0, share - usual)
        named = tuple(copied.tolist()) if value > 0 else ()
        return Finding(self.name, "duplicates.share", value, named, detail=detail)

    def _contradicting(self, subject: Feedback, groups: Ints) -> Finding:
        metric = "duplicates.contradicting"
        if subject.scores is None or not np.isfinite(subject.scores).all():
            why = "There is no champion, or its scores are not all numbers; train one first."
            return Finding(self.name, metric, None, detail=why)
        against, chance, known = _against(subject, groups)
        copied = (_sizes(groups) > 1) & known
        # One opinion per group: its size counts squared in the spread of the number of rows.
        size = np.bincount(groups, weights=copied, minlength=groups.max() + 1)[groups]
        expected = chance[copied].sum()
        spread = np.sqrt((chance * (1 - chance) * size)[copied].sum())
        rows = np.flatnonzero(copied & against)
        value = max(0.0, float(len(rows) - expected - CHANCE * spread) / len(groups))
        detail = (
            f"{len(rows)} of {int(copied.sum())} copied rows contradict the champion "
            f"({expected:.0f} expected)."
        )
        named = tuple(rows.tolist()) if value > 0 else ()
        return Finding(self.name, metric, value, named, detail=detail)


def copies(subject: Feedback, frame: pd.DataFrame, scales: Floats, nearness: float) -> Ints:
    """Return each row's group of copies as a number; a row without a copy is alone in its group."""
    numbers, others = _sorted(subject, number=True), _sorted(subject, number=False)
    # A missing number is near a missing one and far from everything else, as is an infinite one.
    far = 2.0 / nearness
    # By column and filled in place: copies of the whole would double the memory.
    table = np.empty((len(frame), len(numbers) + len(others)), order="F")
    for place, (column, scale) in enumerate(zip(numbers, scales, strict=True)):
        np.divide(frame[column.name].to_numpy(dtype=float), scale, out=table[:, place])
        np.nan_to_num(table[:, place], copy=False, nan=far, posinf=2 * far, neginf=-2 * far)
    for place, column in enumerate(others, len(numbers)):
        table[:, place] = _hashed(_said(column, frame))
    limits = np.array([nearness] * len(numbers) + [1e-9] * len(others))
    left, right = [], []
    for seed in range(PROJECTIONS):
        # Each column has its own direction by name order, so that column order does not matter.
        directions = np.random.default_rng([seed, *subject.key]).standard_normal(table.shape[1])
        order = np.argsort(table @ directions, kind="stable")
        for step in range(1, min(NEIGHBOURS, len(frame) - 1) + 1):
            near = _near(table, order[:-step], order[step:], limits)
            left.append(order[:-step][near])
            right.append(order[step:][near])
    i, j = (np.concatenate(side) if side else np.empty(0, dtype=int) for side in (left, right))
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(frame), len(frame)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _near(table: Floats, a: Ints, b: Ints, limits: Floats) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    near = np.ones(len(a), dtype=bool)
    # Column by column: memory stays linear and most pairs are out after a few.
    for column, limit in enumerate(limits):
        left = np.flatnonzero(near)
        if not left.size:
            break
        near[left] = np.abs(table[a[left], column] - table[b[left], column]) <= limit
    return near


def _sizes(groups: Ints) -> Ints:
    return np.bincount(groups)[groups] if groups.size else groups


def _against(subject: Feedback, groups: Ints) -> tuple[Any, Floats, Any]:
    """Return per row: is the label against the champion, how likely that was, is the label known."""
    assert subject.scores is not None  # noqa: S101
    labels = known_labels(subject)
    if subject.schema.task is Task.REGRESSION:
        far = np.abs(labels - subject.scores)
        known = np.isfinite(far)
        limit = np.quantile(far[known], 0.9) if known.any() else np.inf
        return known & (far > limit), np.full(len(labels), 0.1), known
    codes = np.asarray(labels, dtype=np.int64)
    known = codes >= 0
    weights = np.zeros(len(codes))
    weights[known] = capped_weights(np.asarray(pd.factorize(subject.sources[known], sort=True)[0]))
    weights /= _sizes(groups)
    fitted = recalibrate(subject.scores, np.maximum(codes, 0), weights)
    given = fitted[np.arange(len(codes)), codes]
    return known & (given < fitted.max(axis=1)), 1 - fitted.max(axis=1), known


def _sorted(subject: Feedback, number: bool) -> list[Column]:
    columns = (c for c in subject.schema.features if c.kind.is_number is number)
    return sorted(columns, key=lambda column: column.name)


def _numbers(subject: Feedback, frame: pd.DataFrame) -> Floats:
    return frame[[c.name for c in _sorted(subject, number=True)]].to_numpy(dtype=float)


def _said(column: Column, frame: pd.DataFrame) -> "pd.Series[Any]":
    values = frame[column.name]
    return near_texts(values) if column.kind is Kind.TEXT else values


def _hashed(values: "pd.Series[Any]") -> Floats:
    """Return a number from 0 to 1 per value; each distinct one is hashed once."""
    codes, distinct = pd.factorize(values)
    texts = np.array([*map(str, distinct), ""], dtype=object)
    return np.asarray((pd.util.hash_array(texts) / 2.0**64)[codes])


def spreads(subject: Feedback, original: pd.DataFrame) -> Floats:
    """Return the spread of each column of numbers, by name order, which nearness is measured in."""
    values = _numbers(subject, original)
    spread = np.array(
        [np.std(v[np.isfinite(v)]) if np.isfinite(v).any() else 1.0 for v in values.T]
    )
    return np.where(spread > 0, spread, 1.0)


def _like(original: pd.DataFrame, subject: Feedback, rows: int) -> pd.DataFrame:
    """Return as many rows of the reference, spread evenly, for copies grow with the square."""
    step = max(1.0, len(original) / max(rows, 1))
    return original.iloc[np.arange(0, len(original), step).astype(int)[:rows]]
