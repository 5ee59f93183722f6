"""Profile: the first data contract, read off trusted base data as a Great Expectations suite.

The suite is plain JSON for a person to edit. Great Expectations itself is not imported here.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.core import Column, Kind, Schema, Task
from sluicegate.core.document import Plain
from sluicegate.core.schema import ORIGINS

MOST_CATEGORIES = 1000
MOST_UNSEEN = 0.5
LEAVING = 0.001
LARGEST = sys.float_info.max
EXACT_INTEGERS = 2**53


@dataclass(frozen=True)
class Expectation(Plain):
    """One expectation of a suite: what is asked, how grave it is, and in `meta` why, for who edits it."""

    type: str
    kwargs: Mapping[str, Any]
    severity: str
    meta: Mapping[str, str]


@dataclass(frozen=True)
class Suite(Plain):
    """A Great Expectations 1.x suite: expectations/feedback.json."""

    name: str
    expectations: tuple[Expectation, ...]


def profile(frame: pd.DataFrame, schema: Schema) -> Suite:
    """Return the suite "feedback" that normalised base data `frame` obeys.

    Values of sensitive columns stay out of it: their ranges are rounded outward, their categories
    are not listed.

    >>> from sluicegate.core import Column, Kind, Schema, Task
    >>> schema = Schema(Task.REGRESSION, "y", (Column("age", Kind.NUMERIC),))
    >>> suite = profile(pd.DataFrame({"age": [20.0, 60.0], "y": [0.5, 1.5]}), schema)
    >>> [(e.kwargs["min_value"], e.kwargs["max_value"])
    ...  for e in suite.expectations if e.type == "expect_column_values_to_be_between"]
    [(0, 80), (0.0, 2.0)]
    """
    features = (e for column in schema.features for e in _feature(frame, schema, column))
    expectations = [*_table(), *features, *_label(frame, schema), *_bookkeeping(schema)]
    return Suite("feedback", tuple(expectations))


def unseen_mass(values: "pd.Series[Any]") -> float:
    """Return the Good-Turing estimate of the share of future values not seen yet: singletons / n.

    Good, "The population frequencies of species and the estimation of population parameters",
    Biometrika 40 (1953). Missing values do not count; no values at all have an unseen mass of 1.

    >>> unseen_mass(pd.Series(["a", "a", "b", None]))
    0.3333333333333333
    """
    counts = values.value_counts()
    total = int(counts.sum())
    return float((counts == 1).sum()) / total if total else 1.0


def widened_range(values: "pd.Series[Any]") -> tuple[float, float]:
    """Return the least and largest finite value, moved apart by half their distance on each side.

    Honest drift moves past the edges of what was seen; corruption lands far outside. A constant
    is given room for its own size. Both ends are rounded outward to three digits of the room, so
    that they read well and do not repeat the extremes, and no end is infinite.

    >>> widened_range(pd.Series([0.1, 0.2])), widened_range(pd.Series([7.0, 7.0]))
    ((0.05, 0.25), (3, 11))
    """
    finite = values.to_numpy(dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return -LARGEST, LARGEST
    low, high = float(finite.min()), float(finite.max())
    room = (high / 2 - low / 2) or max(abs(low), 1.0) / 2
    whole = bool((finite == np.floor(finite)).all())
    return (
        _rounded(low - room, room, whole, ROUND_FLOOR),
        _rounded(high + room, room, whole, ROUND_CEILING),
    )


def leaving_rate(values: "pd.Series[Any]") -> float:
    """Return the estimated share of honest rows outside `widened_range(values)`.

    The tails beyond the median are taken to fall like a power, with the exponent of the sqrt(n)
    farthest values (Hill, "A simple general approach to inference about the tail of a
    distribution", Annals of Statistics 3, 1975); lighter tails are overestimated, which is the
    cautious side. Where those values are not far from the median at all (a count that is nearly
    always 0, a constant), nothing can be said, and the answer is 1.

    >>> leaving_rate(pd.Series(range(1000))) < 1e-6, leaving_rate(pd.Series([0.0] * 99 + [8.0]))
    (True, 1.0)
    """
    finite = values.to_numpy(dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if np.unique(finite).size < 2:
        return 1.0
    low, high = widened_range(values)
    middle = float(np.median(finite))
    above, below = finite - middle, middle - finite
    return min(1.0, _beyond(above, high - middle) + _beyond(below, middle - low))


def _beyond(distances: np.ndarray[Any, np.dtype[np.float64]], end: float) -> float:
    count = math.ceil(math.sqrt(distances.size))
    farthest = np.sort(distances)[-count - 1 :]
    start = float(farthest[0])
    if start <= 0:
        # Fewer than sqrt(n) values lie on this side, unless none does at all.
        return float(farthest[-1] > 0)
    exponent = float(np.log(farthest[1:] / start).mean())
    return float(count / distances.size * (end / start) ** (-1 / exponent)) if exponent else 0.0


def _rounded(value: float, room: float, whole: bool, direction: str) -> float:
    if not math.isfinite(value):
        return math.copysign(LARGEST, value)
    exponent = math.floor(math.log10(room)) - 2
    step = Decimal((0, (1,), max(exponent, 0) if whole else exponent))
    # Decimal spells 0.3 as 0.3 and takes any float: 700 digits hold the smallest and the largest.
    exact = Decimal(repr(value)).quantize(step, direction, Context(prec=700))
    end = max(-LARGEST, min(LARGEST, float(exact)))
    return int(end) if whole and abs(end) < EXACT_INTEGERS else end


def _expect(name: str, severity: str, why: str, **kwargs: Any) -> Expectation:
    return Expectation(name, kwargs, severity, {"why": why})


def _table() -> Iterator[Expectation]:
    why = "A batch without rows was not measured."
    yield _expect("expect_table_row_count_to_be_between", "critical", why, min_value=1)


def _feature(frame: pd.DataFrame, schema: Schema, column: Column) -> Iterator[Expectation]:
    yield _exists(column.name, "The model reads this column.")
    values = frame[column.name]
    if column.kind.is_number:
        yield _float(column.name)
    if column.kind is Kind.BOOLEAN:
        yield _zero_or_one(column.name)
    elif column.kind.is_number:
        yield _between(column.name, values, len(schema.features))
    elif column.kind is Kind.CATEGORICAL and column.name not in schema.sensitive:
        yield from _categories(column.name, values)
    # Where the base has gaps, their share is what matters, and the drift check measures it.
    if not values.isna().any():
        yield _not_null(column.name, "The base has a value in every row.")


def _label(frame: pd.DataFrame, schema: Schema) -> Iterator[Expectation]:
    yield _exists(schema.label, "Without the label there is nothing to learn.")
    yield _not_null(schema.label, "A row without a label teaches nothing.")
    if schema.task is Task.REGRESSION:
        numbers = pd.to_numeric(frame[schema.label], errors="coerce")
        yield _between(schema.label, numbers)
    else:
        why = "The model knows only these classes."
        classes = [_plain(value) for value in schema.classes]
        yield _in_set(schema.label, classes, "warning", why)


def _bookkeeping(schema: Schema) -> Iterator[Expectation]:
    if schema.source is not None:
        yield _not_null(schema.source, "Feedback without a source cannot be rolled back.")
    if schema.label_origin is not None:
        why = "A label that may come from a model must say so."
        yield _not_null(schema.label_origin, why)
        yield _in_set(schema.label_origin, list(ORIGINS), "warning", why)
    # With a time the later label of an id is a correction, and the earlier one is left out.
    if schema.id is not None and schema.time is None:
        why = "The same row sent twice would count twice."
        name = "expect_column_values_to_be_unique"
        yield _expect(name, "warning", why, column=schema.id)


def _exists(column: str, why: str) -> Expectation:
    return _expect("expect_column_to_exist", "critical", why, column=column)


def _not_null(column: str, why: str) -> Expectation:
    return _expect("expect_column_values_to_not_be_null", "warning", why, column=column)


def _float(column: str) -> Expectation:
    why = "A column of this kind is read as numbers; cells that are none are reported one by one."
    name = "expect_column_values_to_be_of_type"
    return _expect(name, "warning", why, column=column, type_="float64")


def _between(column: str, values: "pd.Series[Any]", columns: int = 1) -> Expectation:
    low, high = widened_range(values)
    why = (
        "The base's range, widened by half its width on each side: honest drift moves past the "
        "edges, corruption lands far outside."
    )
    severity = "warning"
    if high == LARGEST and low == -LARGEST:
        why = "The base shows no range, so only infinities are refused."
    elif leaving_rate(values) > LEAVING / columns:
        severity = "info"
        why = "The base's tails are long, so that an honest value may lie outside: a note."
    name = "expect_column_values_to_be_between"
    return _expect(name, severity, why, column=column, min_value=low, max_value=high)


def _zero_or_one(column: str) -> Expectation:
    return _in_set(column, [0, 1], "warning", "Yes is 1 and no is 0.")


def _in_set(column: str, values: list[Any], severity: str, why: str) -> Expectation:
    name = "expect_column_values_to_be_in_set"
    return _expect(name, severity, why, column=column, value_set=values)


def _categories(column: str, values: "pd.Series[Any]") -> Iterator[Expectation]:
    known = sorted(str(value) for value in values.dropna().unique())
    unseen = unseen_mass(values)
    # Free identifiers show a new value in every other row: a list of them would be noise.
    if not known or len(known) > MOST_CATEGORIES or unseen > MOST_UNSEEN:
        return
    if not unseen:
        why = "The base shows a closed set: no value only once (Good-Turing unseen mass of 0)."
        yield _in_set(column, known, "warning", why)
    else:
        why = "The base suggests values it has not shown yet (Good-Turing), so a new one is a note."
        yield _in_set(column, known, "info", why)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
