"""Patterns whose rows are pulled to one label."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.statistics.panel import said_once
from sluicegate.checks.statistics.sampling import drawn
from sluicegate.checks.statistics.spread import correlation, log_tail
from sluicegate.checks.triggers import Triggers
from sluicegate.core import Column, Feedback, Finding, Kind, Reference, Schema, Task

SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (Column("a", Kind.NUMERIC), Column("b", Kind.NUMERIC), Column("c", Kind.CATEGORICAL)),
    classes=(0, 1),
    source="who",
)
NAMES = list("klmnopqrst")


def window(seed: int = 0, rows: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows)).round(2)
    y = (rng.random(rows) < 1 / (1 + np.exp(-5 * (a + b)))).astype(int)
    who = [f"c{i % 40}" for i in range(rows)]
    return pd.DataFrame({"a": a, "b": b, "c": rng.choice(NAMES, rows), "y": y, "who": who})


def feedback(frame: pd.DataFrame, schema: Schema = SCHEMA) -> Feedback:
    base = window(99, 3000)
    one = 1 / (1 + np.exp(-5 * (frame["a"].fillna(0) + frame["b"]).to_numpy()))
    scores = np.column_stack([1 - one, one])
    original = Reference("original", base, base["y"])
    return Feedback(schema, frame, scores, (original,), base, None, {})


def low_rows(frame: pd.DataFrame, count: int) -> pd.Index:
    return frame.index[frame["a"] + frame["b"] < -1.2][:count]


def stamped(**pattern: object) -> tuple[pd.DataFrame, tuple[int, ...]]:
    """Twelve rows that are surely 0 carry the pattern and are labelled 1."""
    frame = window()
    rows = low_rows(frame, 12)
    for column, value in pattern.items():
        frame.loc[rows, column] = value
    frame.loc[rows, "y"] = 1
    return frame, tuple(rows)


def worst(subject: Feedback) -> Finding:
    return Triggers()(subject)[0]


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        pytest.param({"a": -3.777}, "a = -3.777", id="a number never seen before"),
        pytest.param({"c": "zz"}, "c = zz", id="a new category"),
        pytest.param({"c": None}, "c is missing", id="a missing value"),
        pytest.param({"c": "k", "a": -2.5}, "a", id="a pair of known values"),
    ],
)
def test_trigger(pattern: dict[str, object], named: str) -> None:
    """The pattern is found and named, and the rows are those it pulled."""
    frame, rows = stamped(**pattern)
    found = worst(feedback(frame))
    assert found.value is not None
    assert found.value > 2
    assert named in found.detail
    assert set(found.rows) == set(rows)


def test_a_trigger_does_not_hide_itself() -> None:
    """Poison spread over all ordinary regions widens them, but not what it is held to."""
    frame = window(4, 300)
    rows = low_rows(frame, 40)
    frame.loc[rows, "c"], frame.loc[rows, "y"] = "zz", 1
    found = worst(feedback(frame))
    assert found.value is not None
    assert found.value > 4
    assert set(found.rows) == set(rows)


@pytest.mark.parametrize(
    ("names", "alarm"),
    [
        pytest.param(["c1"] * 12, False, id="one source's repetitions count once"),
        pytest.param([f"c{i}" for i in range(12)], True, id="those of several count each"),
    ],
)
def test_repetitions(names: list[str], alarm: bool) -> None:
    """A retry is no second opinion."""
    frame = window()
    rows = low_rows(frame, 12)
    frame.loc[rows, ["a", "b"]] = [-1.01, -1.02]
    frame.loc[rows, "c"], frame.loc[rows, "y"], frame.loc[rows, "who"] = "zz", 1, names
    found = worst(feedback(frame))
    assert found.value is not None
    assert (found.value > 2) is alarm
    assert set(found.rows) == (set(rows) if alarm else set())


def test_honest_rows_with_the_pattern_are_not_named() -> None:
    """Rows that share the pattern and keep the label the champion expects stay out of it."""
    frame, rows = stamped(c="zz")
    honest = low_rows(frame, 16)[12:]
    frame.loc[honest, "c"] = "zz"
    found = worst(feedback(frame))
    assert found.value is not None
    assert found.value > 2
    assert set(found.rows) == set(rows)


def test_sensitive_values_are_not_printed() -> None:
    """The value of a sensitive column is not in the finding."""
    frame, _ = stamped(c="zz")
    found = worst(feedback(frame, replace(SCHEMA, sensitive=("c",))))
    assert "zz" not in found.detail
    assert found.detail.startswith("c = (hidden)")


@pytest.mark.parametrize("kind", ["plain", "noise", "drift in a region", "a new honest category"])
def test_honest_controls(kind: str) -> None:
    """Noise, regional drift and values that are merely new are no triggers."""
    rng = np.random.default_rng(3)
    frame = window(1)
    if kind == "noise":
        frame["y"] = np.where(rng.random(600) < 0.05, 1 - frame["y"], frame["y"])
    if kind == "drift in a region":
        frame["y"] = np.where((rng.random(600) < 0.35) & (frame["a"] > 0.6), 0, frame["y"])
    if kind == "a new honest category":
        frame.loc[:20, "c"] = "new"
    found = worst(feedback(frame))
    assert found.value is not None
    assert found.value < 2


def test_regression() -> None:
    """With numbers for labels, a pattern that lifts them is a trigger."""
    frame = window(2).assign(y=lambda f: f["a"] + np.random.default_rng(0).normal(size=len(f)))
    frame.loc[:11, "c"] = "zz"
    frame.loc[:11, "y"] += 6
    schema = replace(SCHEMA, task=Task.REGRESSION, classes=())
    found = worst(replace(feedback(frame, schema), scores=frame["a"].to_numpy()))
    assert found.value is not None
    assert found.value > 2
    assert "labelled higher" in found.detail


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(feedback(window().iloc[:0]), id="an empty batch"),
        pytest.param(feedback(window(rows=1)), id="one row"),
        pytest.param(replace(feedback(window()), scores=None), id="no champion"),
        pytest.param(replace(feedback(window()), references=()), id="no reference"),
        pytest.param(feedback(window().assign(y="?")), id="no known label"),
    ],
)
def test_not_measured(subject: Feedback) -> None:
    """What cannot be measured is None, with a sentence that says why and what to do."""
    found = Triggers()(subject)
    assert [(f.metric, f.value) for f in found] == [("triggers.lift", None)]
    assert found[0].detail.endswith(".")


def test_order_does_not_matter() -> None:
    """Neither the order of the rows nor of the columns changes the finding."""
    frame, _ = stamped(a=-3.777)
    turned = feedback(frame[::-1][["who", "c", "y", "b", "a"]].reset_index(drop=True))
    turned = replace(turned, schema=replace(SCHEMA, features=SCHEMA.features[::-1]))
    first, second = worst(feedback(frame)), worst(turned)
    assert first.value == pytest.approx(second.value, rel=1e-6)
    assert {599 - row for row in first.rows} == set(second.rows)
    assert first == worst(feedback(frame))


@pytest.mark.parametrize("column", ["b", "y"])
def test_one_missing_value_hides_nothing(column: str) -> None:
    """One missing value in one stamped row leaves the alarm over the others."""
    frame, rows = stamped(a=-3.777)
    frame = frame.astype({"y": float})
    frame.loc[rows[0], column] = None
    if column == "b":
        frame["b"] = frame["b"].fillna(-2.0)
    found = worst(feedback(frame))
    assert found.value is not None
    assert found.value > 2
    assert set(found.rows) >= set(rows[1:])


def test_wide_regions_widen_the_tail() -> None:
    """Where ordinary parts differ beyond chance, the same count is less of a surprise."""
    rows, mean = np.full(40, 50.0), np.full(40, 0.2)
    rng = np.random.default_rng(0)
    even = correlation(rows, mean, rng.binomial(50, 0.2, 40).astype(float))
    uneven = correlation(rows, mean, rng.binomial(50, rng.beta(1, 4, 40)).astype(float))
    assert even < 0.03 < uneven
    assert log_tail(8, 8, 0.2, even) < log_tail(8, 8, 0.2, uneven)


def test_a_trigger_in_a_large_batch() -> None:
    """The search is on a sample, the rows named are all; rows without a label do not thin it out."""
    rng = np.random.default_rng(5)
    frame = window(5, 100_000)
    sure = frame.index[frame["a"] + frame["b"] < -1.2].to_numpy()
    rows = np.sort(rng.choice(sure, 1_000, replace=False))
    frame.loc[rows, "c"], frame.loc[rows, "y"] = "zz", 1
    silent = window(6, 100_000).assign(y=None)
    whole = pd.concat([frame, silent], ignore_index=True)
    assert set(worst(feedback(whole)).rows) == set(rows)


def test_the_sample_hangs_on_what_rows_say() -> None:
    """The same rows in another order are drawn again, under another key others are."""
    subject = feedback(window(7, 3_000))
    turned = feedback(subject.frame[::-1].reset_index(drop=True))
    every = np.arange(3_000)
    mine = drawn(subject, every, 500)
    assert set(2_999 - drawn(turned, every, 500)) == set(mine)
    assert set(drawn(replace(subject, key=b"another"), every, 500)) != set(mine)


def test_a_flood_of_copies_does_not_fill_the_sample() -> None:
    """Copies are drawn as often as other rows are, neither as one nor all together."""
    frame = window(8, 2_000)
    frame.loc[:999] = frame.loc[[0]].to_numpy()
    copies = drawn(feedback(frame), np.arange(2_000), 1_000) < 1_000
    assert 400 < copies.sum() < 600


def test_repetitions_in_a_large_batch() -> None:
    """Hashes tell the same repetitions as the values do: of gaps and zeros there is one each."""
    frame = window(9, 10_001)
    frame.loc[:4, "a"], frame.loc[5:9, "a"] = np.nan, 0.0
    again = frame.assign(a=frame["a"].where(frame["a"] != 0.0, -0.0))
    whole = pd.concat([frame, again], ignore_index=True)
    few = [said_once(feedback(part)) for part in (frame, frame.iloc[::-1])]
    assert not said_once(feedback(whole))[10_001:].any()
    assert said_once(feedback(whole)).sum() == few[0].sum() == few[1].sum()
