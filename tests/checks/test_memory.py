"""Memory: slow poison adds up, honest sloppiness does not, and nothing is remembered of nobody."""

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.memory import Heard, SourceMemory
from sluicegate.checks.statistics.panel import panel_of
from sluicegate.core import Column, Feedback, Kind, Schema, Task

SCHEMA = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
ROWS, MINE = 300, 10


def batch(seed: int, wrong: int, name: str | None = "dan") -> Feedback:
    """Return 300 rows of forty sources, ten of them by `name`, of whose labels `wrong` are."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, ROWS).astype(float)
    y = np.where(rng.random(ROWS) < 0.03, 1 - x, x)
    y[:MINE] = x[:MINE]
    y[:wrong] = 1 - x[:wrong]
    who = rng.choice([f"c{i:02d}" for i in range(40)], ROWS).astype(object)
    who[:MINE] = name
    frame = pd.DataFrame({"x": x, "y": y.astype(int), "who": who})
    scores = np.column_stack([0.95 - 0.9 * x, 0.05 + 0.9 * x])
    return Feedback(SCHEMA, frame, scores, (), frame, None, {})


def heard(subject: Feedback, number: int) -> Heard:
    panel, _ = panel_of(subject, 30)
    assert panel is not None
    return Heard(f"{number:04d}", panel.champion, panel.pooled)


def after(batches: list[Feedback], last: Feedback) -> tuple[float, tuple[str, ...], str]:
    earlier = tuple(heard(each, n) for n, each in enumerate(batches))
    worst = SourceMemory(earlier=earlier)(last)[0]
    return float(worst.value or 0.0), worst.sources, worst.detail


def test_what_no_batch_shows_several_together_do() -> None:
    batches = [batch(seed, wrong=4) for seed in range(7)]
    assert all(after([], each)[0] <= 2 for each in batches)
    value, sources, told = after(batches[:-1], batches[-1])
    assert value > 2
    assert sources == ("dan",)
    assert "of 70 labels" in told
    assert "0000" in told, told


@pytest.mark.slow
def test_long_honesty_is_no_credit() -> None:
    """A source that behaved for twenty batches is found about as soon as one that never did."""
    turned = [batch(seed, wrong=0) for seed in range(20)] + [
        batch(seed, wrong=5) for seed in range(20, 26)
    ]
    value, sources, told = after(turned[:-1], turned[-1])
    assert (value > 2, sources) == (True, ("dan",))
    assert "0000" not in told, "the honest batches are not held against it"


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [0, 1])
def test_tolerated_sloppiness_never_adds_up(wrong: int) -> None:
    """Up to one wrong label in ten is sloppy, however many batches there are."""
    batches = [batch(seed, wrong) for seed in range(40)]
    assert max(after(batches[:n], batches[n])[0] for n in range(1, 40, 3)) <= 2


def test_rows_without_a_source_are_nobodys_past() -> None:
    batches = [batch(seed, wrong=5, name=None) for seed in range(6)]
    assert after(batches[:-1], batches[-1])[1] == ()


def test_the_past_of_others_says_nothing_of_a_source() -> None:
    past = [batch(seed, wrong=4, name="eve") for seed in range(6)]
    assert "dan" not in after(past, batch(9, wrong=3))[1]


def test_what_cannot_be_measured_is_not_passed() -> None:
    subject = batch(1, 0)
    small = Feedback(SCHEMA, subject.frame.head(5), subject.scores[:5], (), subject.frame, None, {})
    assert SourceMemory(earlier=(heard(subject, 1),))(small)[0].value is None
