"""Outliers: what is from nowhere, what is drift, and what could not be measured."""

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.outliers import Outliers
from sluicegate.core import Column, Feedback, Kind, Reference, Schema, Task

COLUMNS = (*(Column(name, Kind.NUMERIC) for name in "abcd"), Column("e", Kind.CATEGORICAL))
SCHEMA = Schema(Task.CLASSIFICATION, "y", COLUMNS, (0, 1))


def table(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.standard_t(5, (rows, 4)) + shift, columns=list("abcd"))
    return frame.assign(e=rng.choice(["x", "y", "z"], rows), y=0)


def measured(frame: pd.DataFrame, *references: pd.DataFrame) -> tuple[float | None, set[int]]:
    told = [
        Reference(name, base, base["y"])
        for name, base in zip(("original", "previous"), references, strict=False)
    ]
    rows, _ = Outliers()(Feedback(SCHEMA, frame, None, tuple(told), frame, None, {}))
    return rows.value, set(rows.rows)


BASE = table(2000, 1)


def test_rows_from_nowhere_are_named_and_no_others() -> None:
    frame = table(300, 2)
    frame.loc[:9, list("abcd")] = [12.0, -12.0, 12.0, -12.0]
    value, rows = measured(frame, BASE)
    assert value is not None
    assert value > 3
    assert set(range(10)) <= rows
    assert len(rows) <= 12


@pytest.mark.parametrize("seed", range(3, 13))
def test_ordinary_rows_with_long_tails_are_no_outliers(seed: int) -> None:
    value, _ = measured(table(300, seed), BASE)
    assert value is not None
    assert value <= 3


def test_a_batch_of_which_most_is_far_is_drift() -> None:
    value, rows = measured(table(300, 4, shift=30.0), BASE)
    assert value == 0.0
    assert rows == set()


def test_what_the_previous_batches_were_like_is_no_outlier() -> None:
    frame = table(300, 5)
    frame.loc[:9, list("abcd")] += 30.0
    value, _ = measured(frame, BASE, table(1000, 6, shift=30.0))
    assert value is not None
    assert value <= 3


def test_a_column_that_never_varied_says_nothing() -> None:
    frame = table(300, 7)
    frame.loc[:9, "a"] = 1.0
    value, _ = measured(frame, BASE.assign(a=0.0))
    assert value is not None
    assert value <= 3


def test_missing_values_are_not_far_and_infinite_ones_are() -> None:
    frame = table(300, 8)
    frame.loc[:9, list("abcd")] = np.nan
    assert measured(frame, BASE)[1] == set()
    frame.loc[:9, list("abcd")] = np.inf
    assert set(range(10)) <= measured(frame, BASE)[1]


@pytest.mark.parametrize(
    ("frame", "references"),
    [
        pytest.param(table(300, 9), (), id="no reference"),
        pytest.param(table(20, 9), (BASE,), id="too few rows"),
        pytest.param(table(300, 9), (BASE.head(40),), id="a reference of too few rows"),
        pytest.param(table(300, 9).drop(columns="a"), (BASE,), id="a column is missing"),
    ],
)
def test_what_cannot_be_compared_is_not_measured(
    frame: pd.DataFrame, references: tuple[pd.DataFrame, ...]
) -> None:
    assert measured(frame, *references)[0] is None
