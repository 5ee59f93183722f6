"""How far the reference wanders from itself, and when the order of its rows tells nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.drift import Drift
from sluicegate.checks.statistics.stretches import wander
from sluicegate.checks.statistics.two_sample import Method
from sluicegate.core import Column, Feedback, Kind, Reference, Schema, Task

SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (Column("price", Kind.NUMERIC), Column("state", Kind.CATEGORICAL)),
    ("a", "b"),
    source="who",
)


def levels(rows=4000, length=200, seed=0):
    """Return rows whose price stays on one level for a while, and then on another."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.normal(0, 3, -(-rows // length)), length)[:rows]
    return pd.DataFrame(
        {
            "price": level + rng.normal(size=rows),
            "state": rng.choice(np.array(["NSW", "VIC"], dtype=object), rows),
            "y": rng.choice(np.array(["a", "b"], dtype=object), rows),
            "who": rng.choice(np.array(["c1", "c2"], dtype=object), rows),
        }
    )


def of(frame, rows=200, schema=SCHEMA):
    return wander(schema, Reference("original", frame, frame["y"]), rows)


def test_neighbours_that_are_alike_wander_and_shuffled_ones_do_not():
    """The same rows, in order and out of order."""
    frame = levels()
    assert of(frame)["feature.price"] > 0.6
    assert of(frame.sample(frac=1, random_state=1))["feature.price"] < 0.2
    assert of(frame)["feature.state"] < 0.2


@pytest.mark.parametrize("column", ["y", "who"])
def test_rows_sorted_by_label_or_source_are_in_no_order_of_time(column):
    """Otherwise every shift of labels would be excused."""
    assert of(levels().sort_values(column)) == {}
    assert of(levels().sort_values(column, ascending=False)) == {}


def test_a_column_that_sorts_the_rows_is_left_out():
    """A counter is somewhere else in every stretch; the others still tell."""
    found = of(levels().sort_values("price"))
    assert "feature.price" not in found
    assert "feature.state" in found


def test_rows_with_a_time_are_taken_by_their_time():
    """However they were kept, even by label."""
    frame = levels().assign(ts=np.arange(4000.0)).sort_values("y", kind="stable")
    found = of(frame, schema=replace(SCHEMA, time="ts"))
    assert found["feature.price"] > 0.6
    assert found["label"] < 0.2


@pytest.mark.parametrize(
    ("frame", "rows"),
    [
        pytest.param(levels(0), 200, id="no rows"),
        pytest.param(levels(1), 200, id="one row"),
        pytest.param(levels(300), 0, id="an empty batch"),
        pytest.param(levels().assign(price=1.0), 200, id="a column that never varies"),
        pytest.param(levels().assign(price=np.nan), 200, id="a column without values"),
        pytest.param(levels().drop(columns="state"), 200, id="a column that is not there"),
        pytest.param(levels(), 1_000_000, id="a batch longer than the reference"),
    ],
)
def test_odd_references_wander_within_bounds(frame, rows):
    """Between nothing and everything, whatever is missing."""
    assert all(0 <= value <= 1 for value in of(frame, rows).values())


def test_a_level_like_earlier_ones_is_no_drift_and_another_kind_of_column_is():
    """Against the limit of half a distribution that params.yaml has."""
    old, new = levels(), levels(200, 200, seed=3)
    reference = Reference("original", old, old["y"])
    scores = np.tile([0.6, 0.4], (200, 1))

    def effect(frame, original=reference):
        batch = Feedback(SCHEMA, frame, scores, (original,), old, None, {})
        found = {f.metric: f.value for f in Drift(method=Method.SCIPY)(batch)}
        return found["drift.effect.original.feature.price"]

    mixed = Reference("original", old.sample(frac=1, random_state=1), old["y"])
    high = new.assign(price=new["price"] - new["price"].mean() + 3.0)
    assert effect(high, mixed) > 0.5 > effect(high)
    steady = Reference("original", old.assign(price=old.index % 7.0), old["y"])
    assert effect(high.assign(price=100.0), steady) > 0.5
