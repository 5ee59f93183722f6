"""plan: what retraining is worth on the accepted history, and when nobody can say."""

import numpy as np
import pytest

from sluicegate import Workspace
from sluicegate.core import Misused
from sluicegate.flows.trials.backtest import Scores, schedules, weighed
from sluicegate.flows.trials.backtest_page import page, picture, summary
from sluicegate.flows.trials.backtested import Backtested, Trainings, answer, reasons
from sluicegate.reports.plots import drawing

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
    listed, _, taken = weighed(history(0.01), (8, 4, 2, 1), seed=0)
    gains = {each.every: each.gain for each in listed}
    assert gains[1] > gains[2] > gains[4] > gains[8] > 0
    assert gains[1] == pytest.approx(0.08)
    assert taken in (1, 2)
    assert all(each.low <= each.gain <= each.high for each in listed)


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
    _, _, taken = weighed(scores, (8, 4, 2, 1), seed=0)
    assert taken is None


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
    told = workspace.plan().to_dict()
    assert not told["enough"]
    assert told["advice"].startswith("Not enough history: 0 accepted batches")
    assert told["trainings"]["models"] == 0
    with pytest.raises(Misused, match="--most"):
        workspace.plan(most=1).to_dict()


def backtested(gain: float, measure: str = "accuracy", days: float | None = None) -> Backtested:
    """Return what `backtest` finds of eight batches, each of which adds `gain` once it is learnt."""
    batches = 8
    scores = history(gain, batches)
    if measure != "accuracy":
        scores = Scores(scores.rows, {p: each - ROWS for p, each in scores.by_prefix.items()})
    listed, frozen, every = weighed(scores, (4, 2), 0)
    found = Backtested(
        batches=tuple(f"{n:04d}" for n in range(1, batches + 1)),
        measure=measure,
        enough=True,
        schedules=tuple(
            each.model_copy(
                update={"seconds": 12.0 * each.retrainings, "days": days and days * each.every}
            )
            for each in listed
        ),
        left_out=(1,),
        every=every,
        trainings=Trainings(models=4, trained=1, seconds=12.0),
        report=None,
        running=dict.fromkeys(("frozen", "4", "2"), (0.7,) * 7),
        frozen=frozen,
    )
    return found.model_copy(update={"advice": answer(found), "reasons": reasons(found)})


@pytest.mark.parametrize(
    ("found", "shortest", "advice"),
    [
        pytest.param(
            backtested(0.01, days=3.5), "Yes, every 2 batches",
            "Retraining pays: retrained every 2 batches (about every 7 days), the champion reaches 73.4 % "
            "accuracy on rows not yet learnt, against 70.0 % when never retrained, a gain of 3.4 "
            "points (95 % interval of the gain: ",
            id="it pays",
        ),
        pytest.param(
            backtested(0.01, "mean absolute error"), "Yes, every 2 batches",
            "Retraining pays: retrained every 2 batches, the champion reaches 0.2657 mean absolute error on "
            "rows not yet learnt, against 0.3 when never retrained, a gain of 0.0343 (95 % ",
            id="it pays in a number",
        ),
        pytest.param(
            backtested(0.0), "Not certain",
            "Keep the champion frozen: over 8 accepted batches no retraining schedule gained for "
            "certain. The best schedule, every 4 batches, reached 70.0 % accuracy on rows not yet learnt, "
            "against 70.0 %, a gain of 0.0 points (95 % interval of the gain: 0.0 to 0.0).",
            id="it changes nothing",
        ),
        pytest.param(
            backtested(-0.01), "No, it does harm",
            "Keep the champion frozen: over 8 accepted batches retraining did harm. The best schedule, "
            "every 4 batches, reached 67.7 % accuracy on rows not yet learnt, against 70.0 %, a loss of 2.3 "
            "points (95 % interval of the gain: -",
            id="it does harm",
        ),
    ],
)  # fmt: skip
def test_the_first_lines_answer(found: Backtested, shortest: str, advice: str) -> None:
    """Whether, how often and how sure come in a sentence, before the picture and the table."""
    assert found.advice.startswith(advice)
    assert found.reasons[-1].startswith("Take this as a hint")
    with drawing():
        shown = page(found)
    heading, sentence = f"<h1>Does retraining pay? {shortest}</h1>", f"<b>{found.advice}</b>"
    places = [shown.index(each) for each in (heading, sentence, "<img", "<table")]
    assert places == sorted(places)


def test_the_page_shows_every_schedule() -> None:
    """The picture is drawn from the figures, what is advised is marked, what was not tried is said."""
    found = backtested(0.01)
    with drawing():
        shown = page(found.model_copy(update={"advice": "Retrain <b>."}))
        assert len(picture(found).axes) == 2
    assert "<td>every 4 batches</td>" in shown
    assert shown.count("<tr class=advised><td>every 2 batches</td>") == 1
    assert "Not tried, because --most allows too few trainings: every batch." in shown
    assert "4 models, of which this run trained 1" in shown
    assert "<b>Retrain &lt;b&gt;.</b>" in shown
    assert "| every 4 batches | " in summary(found, "plan.png")
