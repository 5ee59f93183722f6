"""backtest: does retraining beat a frozen champion on the accepted history, and how often does it pay?

Test, then train (prequential): each batch is scored by the model that a schedule would have had when
it arrived, which has never learnt it. Intervals come from a moving-block bootstrap over batches (Künsch
1989), so that neighbouring batches stay together. It registers, promotes and commits nothing.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sluicegate.checks.statistics.scoring import Answers, Floats, known, truth_of
from sluicegate.core import Misused
from sluicegate.core.counted import counted
from sluicegate.core.moment import moment
from sluicegate.flows.trials.backtest_page import page, picture
from sluicegate.flows.trials.backtested import (
    ACCURACY,
    FEW_BATCHES,
    LEAST_BATCHES,
    Backtested,
    BacktestPlan,
    Schedule,
    Trainings,
    answer,
    reasons,
)
from sluicegate.flows.trials.trained import Recipe, Trained, is_kept, train
from sluicegate.record.context import POLICY_FILES, Context
from sluicegate.record.policy import require_signed
from sluicegate.reports.plots import drawing, png_bytes
from sluicegate.stores import data, files, git

MOST_TRAININGS = 8
RESAMPLES = 4000
LEVEL = 0.95


@dataclass(frozen=True)
class Choice:
    """The schedules that fit: retrain every n batches, and the prefixes to train for them."""

    every: tuple[int, ...]
    left_out: tuple[int, ...]
    prefixes: tuple[int, ...]


def schedules(batches: int, most: int) -> Choice:
    """Return which schedules of every 1, 2, 4 ... batches fit into `most` trainings, the rarest first.

    >>> schedules(9, 5)
    Choice(every=(8, 4), left_out=(2, 1), prefixes=(0, 4, 8))
    """
    every = [2**power for power in range(batches) if 2**power < batches][::-1]
    taken: list[int] = []
    prefixes: set[int] = {0}
    for each in every:
        wider = prefixes | set(range(0, batches, each))
        if len(wider) <= most:
            taken, prefixes = [*taken, each], wider
    left_out = tuple(each for each in every if each not in taken)
    return Choice(tuple(taken), left_out, tuple(sorted(prefixes)))


def plan(context: Context, most: int) -> BacktestPlan:
    """Return what a backtest would train, without training it."""
    batches, choice = _chosen(context, most)
    enough = len(batches) >= LEAST_BATCHES
    recipes = [recipe_of(context, batches, each) for each in choice.prefixes] if enough else []
    return BacktestPlan(
        batches=tuple(batches),
        enough=enough,
        every=choice.every,
        left_out=choice.left_out,
        trainings=len(recipes),
        kept=sum(is_kept(context.layout, recipe) for recipe in recipes),
    )


def backtest(context: Context, most: int = MOST_TRAININGS) -> Backtested:
    """Return each schedule's gain over the frozen champion and its cost, and what to do about it.

    Raises Misused for `most` below 2, CannotDecide when a training fails.
    """
    require_signed(context.layout)
    batches, choice = _chosen(context, most)
    measure = ACCURACY if context.schema.classes else "mean absolute error"
    if len(batches) < LEAST_BATCHES:
        return Backtested(
            batches=tuple(batches),
            measure=measure,
            enough=False,
            schedules=(),
            left_out=choice.left_out,
            every=None,
            trainings=Trainings(models=0, trained=0, seconds=0.0),
            report=None,
            advice=f"Not enough history: {counted(len(batches), 'accepted batch')}, and at least "
            f"{LEAST_BATCHES} are needed for an answer.",
        )
    made = {}
    for at, prefix in enumerate(choice.prefixes, 1):
        learnt = f"the first {counted(prefix, 'batch')}" if prefix else "the base data"
        words = f"model {at} of {len(choice.prefixes)}: {learnt}"
        made[prefix] = train(context, recipe_of(context, batches, prefix), words)
    scores = _scores(context, batches, made)
    listed, frozen, every = weighed(scores, choice.every, context.settings.seed)
    cost = statistics.fmean(each.seconds for prefix, each in made.items() if prefix)
    days = _days(context, batches)
    fresh = [each.seconds for each in made.values() if each.fresh]
    found = Backtested(
        batches=tuple(batches),
        measure=measure,
        enough=True,
        schedules=tuple(_costed(each, cost, days) for each in listed),
        left_out=choice.left_out,
        every=every,
        trainings=Trainings(
            models=len(made), trained=len(fresh), seconds=round(sum(fresh), 1), each=round(cost, 1)
        ),
        report=context.layout.named(_folder(context) / "plan.html"),
        running=_running(scores, choice.every),
        frozen=frozen,
        few=len(batches) < FEW_BATCHES,
    )
    found = found.model_copy(update={"advice": answer(found), "reasons": reasons(found)})
    _keep(context, found)
    return found


def recipe_of(context: Context, batches: Sequence[str], prefix: int) -> Recipe:
    """Return the training on the first `prefix` batches, as if no later batch had arrived."""
    commit = git.head(context.layout.root)
    until = batches[prefix - 1] if prefix else "0000"
    return Recipe(commit, tuple(batches[:prefix]), until=until)


@dataclass(frozen=True, eq=False)
class Scores:
    """For each prefix that was trained, the summed score of every batch after it; rows per batch.

    A larger score is better: 1 for a right answer, or minus the absolute error.
    """

    rows: Floats
    by_prefix: Mapping[int, Floats]

    def of(self, every: int | None) -> Floats:
        """Return a schedule's scores, batch by batch; None is the champion that is never retrained."""
        found = self.by_prefix[0].copy()
        if every:
            for prefix in range(0, len(found), every):
                rows = slice(prefix, prefix + every)
                found[rows] = self.by_prefix[prefix][rows]
        return found


def weighed(
    scores: Scores, every: Sequence[int], seed: int
) -> tuple[list[Schedule], float, int | None]:
    """Return each schedule's gain per row, the frozen champion's score, and the schedule to take, if any.

    The intervals hold jointly at LEVEL (Bonferroni). Of those that gain for certain, take the rarest one
    within one standard error of the best: a needless retraining is one more to review.
    """
    frozen = scores.of(None)[1:]
    rows = scores.rows[1:]
    drawn = _blocks(len(rows), RESAMPLES, np.random.default_rng(seed))
    tail = (1 - LEVEL) / max(len(every), 1) / 2
    listed = []
    for each in every:
        differs = scores.of(each)[1:] - frozen
        gains = differs[drawn].sum(axis=1) / rows[drawn].sum(axis=1)
        low, high = np.quantile(gains, [tail, 1 - tail])
        listed.append(
            Schedule(
                every=each,
                retrainings=len(range(each, len(scores.rows), each)),
                score=round(float(scores.of(each)[1:].sum() / rows.sum()), 6),
                gain=round(float(differs.sum() / rows.sum()), 6),
                low=round(float(low), 6),
                high=round(float(high), 6),
                error=round(float(gains.std()), 6),
            )
        )
    sure = [each for each in listed if each.low > 0]
    best = max(sure, key=lambda each: each.gain, default=None)
    near = [each.every for each in sure if best and each.gain >= best.gain - best.error]
    return listed, round(float(frozen.sum() / rows.sum()), 6), max(near, default=None)


def _costed(each: Schedule, cost: float, days: float | None) -> Schedule:
    """Return a schedule with its cost: seconds of one training, days between batches."""
    between = None if days is None else round(days * each.every, 2)
    return each.model_copy(update={"seconds": round(each.retrainings * cost, 1), "days": between})


def _chosen(context: Context, most: int) -> tuple[list[str], Choice]:
    if most < 2:
        raise Misused("--most must be at least 2: the frozen champion and one retraining.")
    git.require_committed(context.layout.root, POLICY_FILES)
    batches = data.admitted_batches(context.layout)
    return batches, schedules(len(batches), most)


def _scores(context: Context, batches: Sequence[str], made: Mapping[int, Trained]) -> Scores:
    layout, schema = context.layout, context.schema
    loaded = {prefix: each.load(schema) for prefix, each in made.items()}
    rows = np.zeros(len(batches))
    found = {prefix: np.zeros(len(batches)) for prefix in loaded}
    for at, batch in enumerate(batches):
        frame = data.read_admitted(layout, [batch])
        truth = truth_of(schema, frame)
        usable = known(truth)
        rows[at] = usable.sum()
        for prefix, model in loaded.items():
            if prefix <= at and usable.any():
                answers = Answers(model.scores(frame)[usable], truth[usable])
                right = answers.right if answers.classifies else -answers.missed_by
                found[prefix][at] = right.sum()
    return Scores(rows, found)


def _blocks(count: int, draws: int, rng: np.random.Generator) -> "np.ndarray[Any, Any]":
    """Return the positions of each resample, shape (draws, count): blocks that run on at the end."""
    length = max(1, round(count ** (1 / 3)))
    starts = rng.integers(0, count, (draws, -(-count // length)))
    places = (starts[:, :, None] + np.arange(length)) % count
    return np.asarray(places.reshape(draws, -1)[:, :count])


def _running(scores: Scores, every: Sequence[int]) -> dict[str, tuple[float, ...]]:
    """Return the score per row so far, batch by batch, of the frozen champion and each schedule."""
    rows = scores.rows[1:].cumsum()
    named = {"frozen": None, **{str(each): each for each in every}}
    return {
        name: tuple(round(float(x), 6) for x in scores.of(each)[1:].cumsum() / np.maximum(rows, 1))
        for name, each in named.items()
    }


def _days(context: Context, batches: Sequence[str]) -> float | None:
    """Return the median days between receipts; None where they came within the same minute."""
    about = (context.layout.admitted(batch) / data.MANIFEST for batch in batches)
    times = [moment(files.read_json(path)["received"]) for path in about]
    gaps = [(b - a).total_seconds() / 86_400 for a, b in pairwise(times)]
    middle = statistics.median(gaps)
    return middle if middle > 1 / 1440 else None


def _folder(context: Context) -> Path:
    return context.layout.home / "plan"


def _keep(context: Context, found: Backtested) -> None:
    """Write the picture, the page and the figures to .sluicegate/plan."""
    folder = _folder(context)
    with drawing():
        files.write_bytes(folder / "plan.png", png_bytes(picture(found)))
        files.write_bytes(folder / "plan.html", page(found).encode())
    files.write_json(folder / "plan.json", found.to_dict())
