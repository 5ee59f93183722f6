"""backtested: what retraining was worth on the accepted history, in figures and in sentences."""

from collections.abc import Mapping

from sluicegate.core.counted import counted
from sluicegate.core.document import Document, Result
from sluicegate.record.words import number

ACCURACY = "accuracy"
LEAST_BATCHES, FEW_BATCHES = 6, 12
"""Below the first there is no answer; below the second the bootstrap's intervals are too narrow."""


class Schedule(Document):
    """Retraining every n batches: its gain over the frozen champion, and its cost.

    Scores and gains are per row, larger is better: the share of right answers, or minus the mean absolute
    error. `low` and `high` are the ends of the gain's 95 % interval, `error` is its standard error.
    `seconds` are those of all `retrainings`; `days` lie between two of them, None where batches came
    within the same minute.
    """

    every: int
    retrainings: int
    score: float
    gain: float
    low: float
    high: float
    error: float
    seconds: float = 0.0
    days: float | None = None

    @property
    def often(self) -> str:
        """Return how often it retrains, in words."""
        return schedule(self.every)


class Trainings(Document):
    """The models that a backtest needed, how many it `trained` in `seconds`, and the mean of `each`."""

    models: int
    trained: int
    seconds: float
    each: float = 0.0


class BacktestPlan(Result):
    """What a backtest would train: models, some of them `kept` from before; `every` counts batches."""

    batches: tuple[str, ...]
    enough: bool
    every: tuple[int, ...]
    left_out: tuple[int, ...]
    trainings: int
    kept: int


class Backtested(Result):
    """What a backtest found; `enough` is false if the history is too short.

    `every` is the schedule to take, None where the champion stays `frozen`, whose score per row that is.
    `running` has the scores per row up to each batch but the first, by schedule. Schedules `left_out`
    needed more trainings than were allowed; `few` tells that the intervals are too narrow.
    """

    batches: tuple[str, ...]
    measure: str
    enough: bool
    schedules: tuple[Schedule, ...]
    left_out: tuple[int, ...]
    every: int | None
    trainings: Trainings
    report: str | None
    running: Mapping[str, tuple[float, ...]] = {}
    frozen: float = 0.0
    few: bool = True
    advice: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def classifies(self) -> bool:
        """Tell whether scores are accuracies, not errors."""
        return self.measure == ACCURACY

    @property
    def taken(self) -> Schedule | None:
        """Return the schedule to take."""
        return next((each for each in self.schedules if each.every == self.every), None)

    @property
    def best(self) -> Schedule:
        """Return the schedule that gained most."""
        return max(self.schedules, key=lambda each: each.gain)


def heading(found: Backtested) -> str:
    """Return the question with its shortest answer."""
    if found.taken:
        return f"Does retraining pay? Yes, {found.taken.often}"
    harm = all(each.high < 0 for each in found.schedules)
    return f"Does retraining pay? {'No, it does harm' if harm else 'Not certain'}"


def answer(found: Backtested) -> str:
    """Return in one sentence whether retraining pays, how often, and how sure that is."""
    if found.taken is None:
        best = found.best
        accepted = counted(len(found.batches), "accepted batch")
        harm = best.high < 0
        why = "retraining did harm" if harm else "no retraining schedule gained for certain"
        return (
            f"Keep the champion frozen: over {accepted} {why}. The best schedule, {best.often}, "
            f"reached {_score(found, best.score)} {found.measure} on rows not yet learnt, against "
            f"{_score(found, found.frozen)}, {_gain(found, best)}."
        )
    taken = found.taken
    days = f" (about every {counted_days(taken.days)})" if taken.days else ""
    return (
        f"Retraining pays: retrained {taken.often}{days}, the champion reaches "
        f"{_score(found, taken.score)} {found.measure} on rows not yet learnt, against "
        f"{_score(found, found.frozen)} when never retrained, {_gain(found, taken)}."
    )


def reasons(found: Backtested) -> tuple[str, ...]:
    """Return why this often, what it costs, and how far to trust it."""
    lines = []
    if found.taken:
        taken, best = found.taken, found.best
        if best.every != taken.every:
            lines.append(
                f"Retraining {best.often} gained most, {amount(found, best.gain)}, but that "
                "may be chance, and every retraining is one more to review."
            )
        elif len(found.schedules) > 1:
            lines.append("No other schedule gained more.")
        each = taken.seconds / taken.retrainings
        lines.append(f"It costs {counted(taken.retrainings, 'retraining')} of {each:.0f} s.")
    if found.left_out:
        names = ", ".join(schedule(each) for each in found.left_out)
        lines.append(f"Not tried, because --most allows too few trainings: {names}.")
    if len(found.batches) < FEW_BATCHES:
        lines.append(
            f"Take this as a hint: with fewer than {FEW_BATCHES} batches the interval is too narrow."
        )
    return tuple(lines)


def schedule(every: int) -> str:
    """Return the schedule in words, as in `every 4 batches`."""
    return "every batch" if every == 1 else f"every {every} batches"


def counted_days(days: float) -> str:
    """Return a time between retrainings, as in `2.5 days`."""
    words = f"{days:.2g}" if days < 10 else f"{days:.0f}"
    return "day" if words == "1" else f"{words} days"


def amount(found: Backtested, gain: float) -> str:
    """Return a gain with its unit: points of accuracy, or the reduction in error."""
    return f"{_points(gain)} points" if found.classifies else f"{gain:.3g}"


def headings(found: Backtested) -> tuple[str, ...]:
    """Return what the columns of `figures` are called, after the schedule."""
    return (found.measure, "gain", "95 % interval", "retrainings", "training")


def figures(found: Backtested) -> list[tuple[str, ...]]:
    """Return a row of cells for the frozen champion and for each schedule."""
    rows: list[tuple[str, ...]] = [("never", _score(found, found.frozen), "-", "-", "0", "-")]
    for each in found.schedules:
        gained = (amount(found, each.gain), _interval(found, each))
        done = (str(each.retrainings), f"{each.seconds:.0f} s")
        rows.append((each.often, _score(found, each.score), *gained, *done))
    return rows


def remarks(found: Backtested) -> list[str]:
    """Return where the figures come from."""
    done = found.trainings
    return [
        "Each batch was scored by the model that the schedule would have had on its arrival, which "
        "had not learnt it yet. The intervals hold jointly for all schedules.",
        f"{counted(len(found.batches), 'accepted batch')}; {counted(done.models, 'model')}, of "
        f"which this run trained {done.trained}, in {done.seconds:.0f} s.",
    ]


def _gain(found: Backtested, each: Schedule) -> str:
    """Return a gain in words: `a gain of 4.2 points (95 % interval 0.7 to 7.7)`."""
    what = "a loss" if each.gain < 0 else "a gain"
    return (
        f"{what} of {amount(found, abs(each.gain))} (95 % interval of the gain: "
        f"{_interval(found, each)})"
    )


def _interval(found: Backtested, each: Schedule) -> str:
    if found.classifies:
        return f"{_points(each.low)} to {_points(each.high)}"
    return f"{each.low:.3g} to {each.high:.3g}"


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:.1f}"  # never -0.0


def _score(found: Backtested, score: float) -> str:
    """Return a score for people: accuracy in percent, or the error (a score is larger = better)."""
    return f"{100 * score:.1f} %" if found.classifies else number(-score)
