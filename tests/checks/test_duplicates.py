"""One statement sent many times."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.duplicates import Duplicates
from sluicegate.core import Column, Feedback, Kind, Reference, Schema, Task

SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (Column("a", Kind.NUMERIC), Column("b", Kind.NUMERIC), Column("c", Kind.CATEGORICAL)),
    classes=(0, 1),
    source="who",
)


def window(seed: int = 0, rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    y = (rng.random(rows) < 1 / (1 + np.exp(-4 * (a + b)))).astype(int)
    who = [f"c{i % 40}" for i in range(rows)]
    return pd.DataFrame({"a": a, "b": b, "c": rng.choice(["x", "y"], rows), "y": y, "who": who})


def feedback(frame: pd.DataFrame) -> Feedback:
    base = window(99, 2000)
    one = 1 / (1 + np.exp(-4 * (frame["a"].fillna(0) + frame["b"]).to_numpy()))
    original = Reference("original", base, base["y"])
    scores = np.column_stack([1 - one, one])
    return Feedback(SCHEMA, frame, scores, (original,), base, None, {})


def copied(wrong: bool, jitter: float = 0.0, rows: int = 40, of: int = 4) -> pd.DataFrame:
    """The first rows are copies of a few confident ones, labelled right or wrong."""
    frame = window()
    sure = frame.index[(frame["a"] + frame["b"] > 0.8) & (frame.index >= 100)][:of]
    picked = frame.loc[np.resize(sure, rows)].reset_index(drop=True)
    picked["a"] += jitter * np.random.default_rng(1).normal(size=rows)
    frame.loc[: rows - 1, ["a", "b", "c"]] = picked[["a", "b", "c"]]
    frame.loc[: rows - 1, "y"] = 0 if wrong else 1
    return frame


@pytest.mark.parametrize(
    ("frame", "alarm"),
    [
        pytest.param(copied(wrong=True), True, id="contradicting copies"),
        pytest.param(copied(wrong=True, jitter=0.001), True, id="nearly equal ones"),
        pytest.param(copied(wrong=True, of=1), True, id="one row sent forty times"),
        pytest.param(copied(wrong=False), False, id="copies that agree are no contradiction"),
        pytest.param(window(1), False, id="an ordinary window"),
    ],
)
def test_contradicting(frame: pd.DataFrame, alarm: bool) -> None:
    """Copies count as contradicting when their labels go against the champion, beyond its errors."""
    found = Duplicates()(feedback(frame))[0]
    assert found.value is not None
    assert (found.value > 0.01) is alarm
    assert len(set(found.rows) ^ set(range(40) if alarm else ())) <= 1


def test_honest_retries() -> None:
    """A tenth of the rows sent twice, with the champion's ordinary errors among them, is no poison."""
    frame = window(2)
    frame.loc[:39] = frame.loc[100:139].to_numpy()
    contradicting, share = Duplicates()(feedback(frame.infer_objects()))
    assert contradicting.value == 0.0
    assert share.value == pytest.approx(0.2, abs=0.02)


def test_usual_copies_are_deducted() -> None:
    """Where the reference is full of copies, copies in the batch are no excess."""
    frame = window(3).assign(a=0.0, b=1.0, c="x")
    base = window(4).assign(a=0.0, b=1.0, c="x")
    subject = replace(feedback(frame), references=(Reference("original", base, base["y"]),))
    assert Duplicates()(subject)[1].value == 0.0


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(feedback(window().iloc[:0]), id="an empty batch"),
        pytest.param(feedback(window(rows=1)), id="one row"),
        pytest.param(replace(feedback(window()), references=()), id="no reference"),
    ],
)
def test_not_measured(subject: Feedback) -> None:
    """What cannot be measured is None, with a sentence that says why and what to do."""
    assert all(f.value is None and f.detail.endswith(".") for f in Duplicates()(subject))


def test_without_champion() -> None:
    """Without a champion there is nothing to contradict, but copies can still be counted."""
    contradicting, share = Duplicates()(replace(feedback(window()), scores=None))
    assert contradicting.value is None
    assert share.value is not None


def test_order_does_not_matter() -> None:
    """Neither the order of the rows nor of the columns changes the values."""
    frame = copied(wrong=True, jitter=0.001)
    turned = feedback(frame[::-1][["who", "c", "y", "b", "a"]].reset_index(drop=True))
    turned = replace(turned, schema=replace(SCHEMA, features=SCHEMA.features[::-1]))
    first, second = Duplicates()(feedback(frame)), Duplicates()(turned)
    assert [f.value for f in first] == pytest.approx([f.value for f in second], rel=1e-6)
    assert {399 - row for row in first[0].rows} == set(second[0].rows)
    assert first == Duplicates()(feedback(frame))


@pytest.mark.parametrize("column", ["a", "c", "y"])
def test_one_missing_value_hides_nothing(column: str) -> None:
    """One missing value in one copy leaves the alarm over the others."""
    frame = copied(wrong=True).astype({"y": float})
    frame.loc[3, column] = None
    found = Duplicates()(feedback(frame))[0]
    assert found.value is not None
    assert found.value > 0.01
    assert set(found.rows) >= set(range(40)) - {3}


def test_one_source_is_measured() -> None:
    """Copies need no second source to be seen."""
    found = Duplicates()(feedback(copied(wrong=True).assign(who="me")))[0]
    assert found.value is not None
    assert found.value > 0.01
