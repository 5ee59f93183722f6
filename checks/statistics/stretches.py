"""Stretches: how far the reference wanders from itself in a stretch as long as a batch.

A batch is a stretch of time. Rows that follow each other are alike (a season, a level of prices), so
an honest batch is farther from the whole than chance among independent rows allows. The reference's
own stretches tell how far: subsampling (Politis & Romano 1994, "Large sample confidence regions based
on subsamples under minimal assumptions"), each stretch against all rows outside it.
"""

from typing import Any

import numpy as np
import pandas as pd

from sluicegate.checks.statistics.summaries import Categories, Numbers, Summary, views
from sluicegate.core import Reference, Schema

MOST_STRETCHES = 12


def wander(schema: Schema, reference: Reference, rows: int) -> dict[str, float]:
    """Return by view the largest distance of a stretch of `rows` rows from the rest, 0 to 1.

    Kolmogorov-Smirnov for numbers, total variation for categories; a stretch is at most half of the
    reference. The prediction is given the label's, for the champion's answers here are of other
    rows. What is left out wanders by chance only: a column that sorts the rows, and every one where
    label or source does, for then their order is none of time.

    >>> from sluicegate.core import Column, Kind, Task
    >>> schema = Schema(Task.REGRESSION, "y", (Column("price", Kind.NUMERIC),))
    >>> level = np.repeat([2.0, 3.0, 1.0, 2.0], 100)
    >>> old = pd.DataFrame({"price": level, "y": np.tile([0.0, 1.0], 200)})
    >>> found = wander(schema, Reference("original", old, old["y"]), 100)
    >>> round(found["feature.price"], 2), found["label"]
    (1.0, 0.0)
    """
    frame = _in_time_order(schema, reference.frame)
    length = min(rows, len(frame) // 2)
    if length < 1:
        return {}
    count = min(MOST_STRETCHES, len(frame) // length)
    starts = [int(start) for start in np.linspace(0, len(frame) - length, count)]
    found: dict[str, float] = {}
    for view in views(schema):
        values = frame.get(view.column)
        if values is not None and not _sorts(values):
            whole = view.read(values)
            parts = (view.read(values.iloc[start : start + length]) for start in starts)
            found[view.name] = max(_from_the_rest(part, whole) for part in parts)
    return found | ({"prediction": found["label"]} if "label" in found else {})


def _in_time_order(schema: Schema, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by their time, else as they were kept; none where that is no order of time.

    Whoever keeps examples sorted by label would otherwise find every shift of labels excused.
    """
    if schema.time is not None and schema.time in frame:
        return frame.sort_values(schema.time, kind="stable")
    sorting = (frame[name] for name in (schema.label, schema.source) if name in frame)
    return frame.head(0) if any(map(_sorts, sorting)) else frame


def _sorts(values: "pd.Series[Any]") -> bool:
    """Tell whether the rows are sorted by these values: numbers one way, others in one run each."""
    if not pd.api.types.is_numeric_dtype(values):
        values = pd.Series(pd.factorize(values)[0])
        if values.is_unique:
            return False
    return values.nunique() > 1 and (
        values.is_monotonic_increasing or values.is_monotonic_decreasing
    )


def _from_the_rest(part: Summary, whole: Summary) -> float:
    """Return the distance of a part from the rest; the whole is the mixture of the two."""
    rest = whole.size - part.size
    if min(part.size, rest) == 0:
        return 0.0
    return min(1.0, _distance(part, whole) * whole.size / rest)


def _distance(part: Summary, whole: Summary) -> float:
    if isinstance(part, Numbers) and isinstance(whole, Numbers):
        places = np.unique(whole.values)
        shares = [np.searchsorted(x.values, places, "right") / x.size for x in (part, whole)]
        return float(np.abs(shares[0] - shares[1]).max())
    if isinstance(part, Categories) and isinstance(whole, Categories):
        moved = (part.counts[n] / part.size - c / whole.size for n, c in whole.counts.items())
        return sum(map(abs, moved)) / 2
    return 0.0
