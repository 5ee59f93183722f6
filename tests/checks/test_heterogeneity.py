"""Heterogeneity: wrong labels that keep company with their sources, and those that do not."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from sluicegate.checks.heterogeneity import Heterogeneity
from sluicegate.core import Column, Feedback, Kind, Schema, Task

COLUMNS = (Column("a", Kind.NUMERIC), Column("b", Kind.CATEGORICAL))
SCHEMA = Schema(Task.CLASSIFICATION, "y", COLUMNS, (0, 1), source="who")
LIMIT = 3.0
Mask = npt.NDArray[np.bool_]


def batch(
    seed: int, sources: int = 60, rows: int = 600
) -> tuple[pd.DataFrame, np.random.Generator]:
    rng = np.random.default_rng(seed)
    a = rng.uniform(-1, 1, rows)
    frame = pd.DataFrame(
        {
            "a": a,
            "b": rng.choice(["north", "south", "east", "west"], rows),
            "who": [f"c{i:02d}" for i in rng.integers(0, sources, rows)],
            "y": (a > 0).astype(int),
        }
    )
    return flipped(frame, rng.random(rows) < 0.02), rng


def flipped(frame: pd.DataFrame, where: Mask) -> pd.DataFrame:
    return frame.assign(y=np.where(where, 1 - frame["y"], frame["y"]))


def value(frame: pd.DataFrame) -> float | None:
    likely = np.clip(0.5 + 2 * frame["a"].to_numpy(), 0.03, 0.97)
    scores = np.column_stack([1 - likely, likely])
    found = Heterogeneity()(Feedback(SCHEMA, frame, scores, (), frame, None, {}))
    return found[0].value


def insiders(frame: pd.DataFrame, count: int) -> Mask:
    return frame["who"].isin([f"c{i:02d}" for i in range(count)]).to_numpy()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_insiders_who_each_flip_some_labels_are_seen_together(seed: int) -> None:
    frame, rng = batch(seed)
    found = value(flipped(frame, insiders(frame, 20) & (rng.random(600) < 0.35)))
    assert found is not None
    assert found > LIMIT


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_insiders_who_flip_one_slice_are_seen_there(seed: int) -> None:
    frame, _ = batch(seed)
    found = value(flipped(frame, insiders(frame, 15) & (frame["b"] == "north").to_numpy()))
    assert found is not None
    assert found > LIMIT


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_noise_and_drift_that_everybody_shares_are_nobodys(seed: int) -> None:
    frame, rng = batch(seed)
    noisy = flipped(frame, rng.random(600) < 0.1)
    drifted = flipped(frame, (frame["b"] == "north").to_numpy() & (rng.random(600) < 0.4))
    for honest in (frame, noisy, drifted):
        found = value(honest)
        assert found is not None
        assert found <= LIMIT


def test_one_sloppy_labeller_is_not_many() -> None:
    frame, rng = batch(5)
    sloppy = rng.random(600) < 0.1
    frame.loc[sloppy, "who"] = "sloppy"
    found = value(flipped(frame, sloppy & (rng.random(600) < 0.12)))
    assert found is not None
    assert found <= LIMIT


def test_what_a_source_sends_twice_counts_once() -> None:
    frame, _ = batch(6)
    twice = pd.concat([frame, frame.head(200)], ignore_index=True)
    found = value(twice)
    assert found is not None
    assert found <= LIMIT


def test_rows_without_a_source_are_no_pair() -> None:
    frame, rng = batch(7)
    nobody = rng.random(600) < 0.3
    frame.loc[nobody, "who"] = None
    found = value(flipped(frame, nobody & (rng.random(600) < 0.5)))
    assert found is not None
    assert found <= LIMIT


def test_who_is_accused_already_is_left_out() -> None:
    frame, rng = batch(8)
    loud = rng.random(600) < 0.15
    frame.loc[loud, "who"] = [f"bad{i % 3}" for i in range(loud.sum())]
    frame = flipped(frame, loud)
    likely = np.clip(0.5 + 2 * frame["a"].to_numpy(), 0.03, 0.97)
    subject = Feedback(
        SCHEMA, frame, np.column_stack([1 - likely, likely]), (), frame, None, {}
    )  # fmt: skip
    with_them, without_them = (
        Heterogeneity(accused=limit)(subject)[0].value for limit in (np.inf, 2.0)
    )
    assert with_them is not None
    assert without_them is not None
    assert with_them > LIMIT >= without_them
