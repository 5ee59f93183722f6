"""words: a backtest in sentences, and its figures as a person reads them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sluicegate.core.counted import counted
from sluicegate.record.words import number

ACCURACY = "accuracy"
FEW_BATCHES = 12
"""With fewer, intervals of a bootstrap over batches are known to be too narrow."""


def heading(told: Mapping[str, Any]) -> str:
    """Return the question with the shortest answer to it."""
    if told["every"] is not None:
        return f"Does retraining pay? Yes, {schedule(told['every'])}"
    harm = all(each["high"] < 0 for each in told["schedules"])
    return f"Does retraining pay? {'No, it does harm' if harm else 'Not for sure'}"


def answer(told: Mapping[str, Any]) -> str:
    """Return in one sentence whether retraining pays, how often, and how sure that is."""
    accepted = counted(len(told["batches"]), "accepted batch")
    if told["every"] is None:
        best = _best(told)
        harm = best["high"] < 0
        why = "retraining did harm" if harm else "no schedule of retraining gained for sure"
        return (
            f"Keep the champion frozen: over {accepted} {why}; the best, {schedule(best['every'])}, "
            f"came to {_score(told, best['score'])} {told['measure']} on rows not yet learnt, against "
            f"{_score(told, told['frozen'])}, {_gain(told, best)}."
        )
    taken = _taken(told)
    days = f" (about every {counted_days(taken['days'])})" if taken["days"] else ""
    return (
        f"Retraining pays: retrained {schedule(taken['every'])}{days}, the champion has "
        f"{_score(told, taken['score'])} {told['measure']} on rows not yet learnt, against "
        f"{_score(told, told['frozen'])} when it is never retrained, {_gain(told, taken)}."
    )


def reasons(told: Mapping[str, Any]) -> list[str]:
    """Return why this often, what it costs, and how far to trust it."""
    said = []
    if told["every"] is not None:
        taken, best = _taken(told), _best(told)
        if best["every"] != taken["every"]:
            said.append(
                f"The most was gained {schedule(best['every'])}, {amount(told, best['gain'])}, but that "
                "is not more than chance explains, and every retraining is one more to review."
            )
        elif len(told["schedules"]) > 1:
            said.append("None of the schedules that were tried gained more.")
        each = taken["seconds"] / taken["retrainings"]
        done = counted(taken["retrainings"], "retraining")
        said.append(f"It took {done} of {each:.0f} s.")
    if told["left_out"]:
        names = ", ".join(schedule(each) for each in told["left_out"])
        said.append(f"Not tried, for want of trainings (--most): {names}.")
    if len(told["batches"]) < FEW_BATCHES:
        said.append(
            f"Take this as a hint: with fewer than {FEW_BATCHES} batches the interval is too narrow."
        )
    return said


def schedule(every: int) -> str:
    """Return how often, as in `every 4 batches`."""
    return "every batch" if every == 1 else f"every {every} batches"


def counted_days(days: float) -> str:
    """Return a time between retrainings, as in `2.5 days`."""
    said = f"{days:.2g}" if days < 10 else f"{days:.0f}"
    return "day" if said == "1" else f"{said} days"


def amount(told: Mapping[str, Any], gain: float) -> str:
    """Return a gain with its unit: points of accuracy, or so much less error."""
    return f"{_points(gain)} points" if told["measure"] == ACCURACY else f"{gain:.3g}"


def headings(told: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the columns of `figures` are called, after the schedule."""
    return (str(told["measure"]), "gain", "95 % interval", "retrainings", "training")


def figures(told: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row of cells for the frozen champion and for each schedule."""
    rows: list[tuple[str, ...]] = [("never", _score(told, told["frozen"]), "-", "-", "0", "-")]
    for each in told["schedules"]:
        gained = (amount(told, each["gain"]), _interval(told, each))
        done = (str(each["retrainings"]), f"{each['seconds']:.0f} s")
        rows.append((schedule(each["every"]), _score(told, each["score"]), *gained, *done))
    return rows


def remarks(told: Mapping[str, Any]) -> list[str]:
    """Return where the figures come from."""
    done = told["trainings"]
    return [
        "Each batch was answered by the model that the schedule would have had when it came, which "
        "had not learnt it yet. The intervals hold for all schedules at once.",
        f"{counted(len(told['batches']), 'accepted batch')}; {counted(done['models'], 'model')}, of "
        f"which {done['trained']} had to be trained now, in {done['seconds']:.0f} s.",
    ]


def _gain(told: Mapping[str, Any], each: Mapping[str, Any]) -> str:
    """Return a gain in words: `a gain of 4.2 points (95 % interval 0.7 to 7.7)`."""
    what = "a loss" if each["gain"] < 0 else "a gain"
    return (
        f"{what} of {amount(told, abs(each['gain']))} (95 % interval of the gain: "
        f"{_interval(told, each)})"
    )


def _interval(told: Mapping[str, Any], each: Mapping[str, Any]) -> str:
    low, high = each["low"], each["high"]
    if told["measure"] == ACCURACY:
        return f"{_points(low)} to {_points(high)}"
    return f"{low:.3g} to {high:.3g}"


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:.1f}"  # never -0.0


def _score(told: Mapping[str, Any], score: float) -> str:
    """Return a score for people: accuracy in percent, or the error (a score is larger = better)."""
    if told["measure"] == ACCURACY:
        return f"{100 * score:.1f} %"
    return number(-score)


def _taken(told: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(s for s in told["schedules"] if s["every"] == told["every"])
    return found


def _best(told: Mapping[str, Any]) -> Mapping[str, Any]:
    listed: Sequence[Mapping[str, Any]] = told["schedules"]
    return max(listed, key=lambda each: float(each["gain"]))
