"""Echo: labels that repeat the champion are seen, honest ones never, however good the champion."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.echo import Echo
from sluicegate.core import Column, Feedback, Finding, Kind, Schema, Task

SCHEMA = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")


def rows(count: int, seed: int, sure: float) -> pd.DataFrame:
    """Return honest rows whose champion is right with a probability around `sure`."""
    rng = np.random.default_rng(seed)
    p = np.clip(sure + rng.normal(0, 0.05, count), 0.5, 0.999)
    yes = rng.random(count) < 0.5
    right = rng.random(count) < p
    return pd.DataFrame(
        {
            "x": np.where(yes, p, 1 - p),
            "y": np.where(right, yes, ~yes).astype(int),
            "who": [f"c{n:02d}" for n in rng.integers(0, 30, count)],
        }
    )


def echo(frame: pd.DataFrame, sure: float, seed: int = 99) -> dict[str, Finding]:
    """Return the worst finding of each metric."""
    golden = rows(400, seed, sure)
    scores = [np.column_stack([1 - f["x"], f["x"]]) for f in (frame, golden)]
    found = Echo()(Feedback(SCHEMA, frame, scores[0], (), golden, scores[1], {}))
    return {f.metric: f for f in sorted(found, key=lambda f: f.value or 0)}


@pytest.mark.parametrize("sure", [0.6, 0.8, 0.97, 0.999])
@pytest.mark.parametrize("seed", range(5))
def test_honest_labels_are_quiet(sure: float, seed: int) -> None:
    """Also where the champion hardly ever errs, and nobody disagrees with it."""
    found = echo(rows(500, seed, sure), sure)
    assert all(f.value is not None and f.value < 1 for f in found.values())


def test_an_easier_window_is_quiet() -> None:
    """Half the errors that the golden set promises: the world got easier, for everybody."""
    found = echo(rows(500, 3, 0.9), 0.8)
    assert all(f.value is not None and f.value < 1 for f in found.values())


def test_a_batch_of_nothing_but_the_champions_answers_is_seen() -> None:
    """All labels are what the champion says."""
    frame = rows(500, 1, 0.85).assign(y=lambda f: (f["x"] > 0.5) * 1)
    batch = echo(frame, 0.85)["echo.batch"]
    assert batch.value is not None
    assert batch.value > 3
    assert "500 of 500 labels repeat the champion's answer" in batch.detail


def test_a_source_that_echoes_is_named() -> None:
    """One source copies, the others do not."""
    frame = rows(600, 2, 0.85)
    frame.loc[:149, "who"] = "bot"
    frame.loc[:149, "y"] = (frame["x"] > 0.5) * 1
    found = echo(frame, 0.85)
    assert found["echo.source"].value is not None
    assert found["echo.source"].value > 2
    assert found["echo.source"].sources == ("bot",)
    assert found["echo.source"].rows == tuple(range(150))
    assert found["echo.batch"].value == 0


def test_what_cannot_be_measured_is_not() -> None:
    """No champion, no golden set, too few rows, scores that are no numbers."""
    frame = rows(100, 1, 0.8)
    scores = np.column_stack([1 - frame["x"], frame["x"]])
    whole = Feedback(SCHEMA, frame, scores, (), frame, scores, {})
    broken = scores.copy()
    broken[3] = np.nan
    for subject in (
        replace(whole, scores=None),
        replace(whole, golden_scores=None),
        replace(whole, frame=frame.head(5), scores=scores[:5]),
        replace(whole, scores=broken),
    ):
        assert Echo()(subject)[0].value is None
