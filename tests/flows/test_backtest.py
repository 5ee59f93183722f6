"""plan: what retraining is worth on the accepted history, and when nobody can say."""

from pathlib import Path

import numpy as np
import pytest

from sluicegate import Workspace
from sluicegate.core import Misused
from sluicegate.flows.backtest import Scores, schedules, weighed
from sluicegate.flows.backtest_page import page, picture, summary
from sluicegate.flows.plots import drawing

ROWS = 200.0


def history(gain: float, batches: int = 16, noise: float = 0.0) -> Scores:
    """Scores where each batch learnt, the newest last, adds `gain` to the share of right answers."""
    rng = np.random.default_rng(0)
    base = 0.7 * ROWS + rng.normal(0, noise * ROWS, batches)
    own = {p: rng.normal(0, noise * ROWS, batches) for p in range(batches)}
    return Scores(
        np.full(batches, ROWS),
        {p: base + gain * p * ROWS + own[p] * (p > 0) for p in range(batches)},
    )


def test_what_gains_for_sure_is_recommended() -> None:
    """The world moves with every batch: retraining each time is best, and its interval says so."""
    listed, advice = weighed(history(0.01), (8, 4, 2, 1), seed=0)
    gains = {each["every"]: each["gain"] for each in listed}
    assert gains[1] > gains[2] > gains[4] > gains[8] > 0
    assert gains[1] == pytest.approx(0.08)
    assert advice["every"] in (1, 2)
    assert all(each["low"] <= each["gain"] <= each["high"] for each in listed)


@pytest.mark.parametrize(
    "scores",
    [
        pytest.param(history(0.0, noise=0.03), id="noise alone"),
        pytest.param(history(-0.01), id="each batch does harm"),
        pytest.param(history(0.0), id="all the same"),
    ],
)
def test_what_gains_nothing_stays_frozen(scores: Scores) -> None:
    """A gain that the interval does not vouch for is none."""
    _, advice = weighed(scores, (8, 4, 2, 1), seed=0)
    assert advice["every"] is None


def test_a_model_is_never_tested_on_what_it_learnt() -> None:
    """Whatever a model says of batches that it learnt does not count."""
    honest = history(0.01)
    cheats = {p: np.where(np.arange(16) < p, 1e9, each) for p, each in honest.by_prefix.items()}
    every = (8, 4, 2, 1)
    assert weighed(Scores(honest.rows, cheats), every, 0) == weighed(honest, every, 0)


def test_trainings_are_bounded() -> None:
    """The rarest schedules that fit are tried, and what is left out is named."""
    for batches in (6, 9, 30):
        for most in (2, 3, 8, 40):
            choice = schedules(batches, most)
            assert len(choice.prefixes) <= most
            assert max(choice.prefixes) < batches
            for each in choice.every:
                assert set(range(0, batches, each)) <= set(choice.prefixes)
            assert not set(choice.every) & set(choice.left_out)


def test_too_little_history_is_said(workspace: Workspace) -> None:
    """Nothing is trained for an answer that nobody could give."""
    told = workspace.plan()
    assert not told["enough"]
    assert told["advice"].startswith("Not enough history: 0 accepted batches")
    assert told["trainings"]["models"] == 0
    with pytest.raises(Misused, match="--most"):
        workspace.plan(most=1)


def test_the_page_shows_every_schedule(tmp_path: Path) -> None:
    """The picture is drawn from the figures, and the page says what was not tried."""
    scores, every = history(0.01, batches=8), (4, 2)
    listed, advice = weighed(scores, every, 0)
    for each in listed:
        each |= {"seconds": 12.0, "days": None}
    running = {name: [0.7] * 7 for name in ("frozen", "4", "2")}
    told = {
        "batches": [f"{n:04d}" for n in range(1, 9)],
        "measure": "accuracy",
        "schedules": listed,
        "running": running,
        "left_out": [1],
        "few": True,
        "advice": "Retrain <b>.",
        "trainings": {"models": 4, "trained": 4, "seconds": 48.0},
        **advice,
    }
    with drawing():
        shown = page(told)
        assert len(picture(told).axes) == 2
    assert "every 4 batches" in shown
    assert "Not tried" in shown
    assert "<b>Retrain &lt;b&gt;.</b>" in shown
    assert "| every 4 batches | " in summary(told, "plan.png")
