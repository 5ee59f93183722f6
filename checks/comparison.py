"""comparison: is the challenger at least as good as the champion, in all and for everyone?

Both answer the same rows, so everything is paired. Non-inferiority: the policy puts a margin on the
upper bound of the primary measure's loss; the other measures and every slice are held to have got
significantly worse.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan, log10
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import DegenerateDataWarning, binomtest, bootstrap, wilcoxon

from sluicegate.checks.candidate import Candidate, Contender, slices_of
from sluicegate.checks.statistics.scoring import (
    Answers,
    Floats,
    Mask,
    errors,
    metrics,
    recalls,
    reliability,
)
from sluicegate.core import CannotDecide, Finding, Misused, Schema, Task
from sluicegate.core.compared import Measures, Point, Report, SliceFigure
from sluicegate.core.measures import MEASURES

DIGITS = 12
BATCH = 100
LEAST_P = 1e-300


SHARES = ("accuracy", "balanced_accuracy")
"""Measures that people read in percent."""


@dataclass(frozen=True)
class Comparison:
    """The challenger's losses against the champion's on the rows of `where`: "golden" or "recent".

    Metrics, each after "golden." or "recent.":

    - `rows`: the labelled rows; with fewer than `min_rows` nothing else is measured
    - `error.<measure>`: the challenger's own error; all there is without a champion
    - `loss.<measure>`: how much worse than the champion the challenger is
    - `loss_lower.<measure>` and `loss_upper.<measure>`: the 1 - `alpha` interval of the loss, by
      the paired percentile bootstrap (Efron, 1979)
    - `mcnemar`: -log10 p of the exact two-sided test (McNemar, 1947), 0 unless it got worse
    - `slice.<slice>`: -log10 of the one-sided p that the challenger lost more than `margin` there
      (of the slice's rows; for regression, of the label's standard deviation), by the exact
      McNemar test or signed ranks (Wilcoxon, 1945), corrected over the slices of at least `least`
      rows (Holm, 1979)
    - `slices_too_small`: how many slices have fewer rows

    >>> from sluicegate.core import Column, Kind
    >>> import pandas as pd
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), classes=(0, 1))
    >>> golden = pd.DataFrame({"x": [0.0, 1.0] * 40, "y": [0, 1] * 40})
    >>> def model(p):
    ...     scores = np.tile([1 - p, p], (80, 1))
    ...     return Contender(lambda frame: scores[:len(frame)], scores)
    >>> found = Comparison()(Candidate(schema, golden, golden[:0], model(0.2), model(0.9)))
    >>> [(f.metric, round(f.value, 3)) for f in found if ".slice." in f.metric]
    [('golden.slice.class=0', 0.0), ('golden.slice.class=1', 11.74)]
    >>> [f.detail for f in found if f.metric == "golden.slice.class=1"]
    ['class=1: 40 of 40 right before, 0 now.']
    """

    where: str = "golden"
    primary: str = "accuracy"
    min_rows: int = 50
    least: int = 20
    margin: float = 0.0
    alpha: float = 0.05
    resamples: int = 2000
    seed: int = 0

    @property
    def name(self) -> str:
        """Return "comparison.golden" or "comparison.recent"."""
        return f"comparison.{self.where}"

    def __call__(self, candidate: Candidate) -> tuple[Finding, ...]:
        """Return the findings; None where a model's scores are unusable.

        Raises Misused when `primary` is not a measure of the task.
        """
        measures = MEASURES[candidate.schema.task]
        if self.primary not in measures:
            raise Misused(f"The primary metric {self.primary!r} must be one of {measures}.")
        rows = int(candidate.labelled(self.where).sum())
        detail = f"{rows} labelled rows in {self.where}, {self.min_rows} needed."
        found = self._finding("rows", rows, detail)
        if rows < self.min_rows:
            return (found,)
        try:
            return (found, *self._measured(candidate))
        except CannotDecide as fault:
            return (found, *self._unmeasured(candidate, str(fault)))

    def _measured(self, candidate: Candidate) -> Iterator[Finding]:
        now = candidate.answers(self.where, candidate.challenger)
        if candidate.champion is None:
            return self._errors(now)
        before = candidate.answers(self.where, candidate.champion)
        slices = slices_of(candidate, self.where)
        return iter(
            (
                *self._errors(now),
                *self._losses(before, now),
                *self._mcnemar(before, now),
                *self._slices(before, now, slices),
            )
        )

    def _unmeasured(self, candidate: Candidate, reason: str) -> Iterator[Finding]:
        task = candidate.schema.task
        slices = slices_of(candidate, self.where)
        losses = ("loss", "loss_lower", "loss_upper") if candidate.champion is not None else ()
        kinds = ("error", *losses)
        names = [f"{kind}.{measure}" for kind in kinds for measure in MEASURES[task]]
        if candidate.champion is not None:
            names += ["mcnemar"] if task is Task.CLASSIFICATION else []
            names += [f"slice.{name}" for name, mask in slices.items() if mask.sum() >= self.least]
            names.append("slices_too_small")
        return (self._finding(name, None, reason) for name in names)

    def _errors(self, now: Answers) -> Iterator[Finding]:
        for name, error in errors(now).items():
            yield self._finding(f"error.{name}", float(error[0]))

    def _losses(self, before: Answers, now: Answers) -> Iterator[Finding]:
        intervals = self._intervals(before, now)
        old, new = metrics(before), metrics(now)
        for name, loss in _losses(before, now).items():
            low, high = intervals[name]
            sure = f"{1 - self.alpha:.0%} CI {_size(name, low)} to {_size(name, high)}"
            lost = f"{_size(name, float(loss[0]))}{' points' if name in SHARES else ''} lost"
            detail = f"{_change(name, old[name], new[name])} ({lost}; {sure})."
            yield self._finding(f"loss.{name}", float(loss[0]), detail)
            yield self._finding(f"loss_lower.{name}", low, detail)
            yield self._finding(f"loss_upper.{name}", high, detail)

    def _intervals(self, before: Answers, now: Answers) -> dict[str, tuple[float, float]]:
        rows = len(now.truth)

        def losses(sample: npt.NDArray[Any], axis: int = -1) -> Floats:
            weights = _times_drawn(sample, rows)
            return np.stack(list(_losses(before, now, weights).values()))

        with warnings.catch_warnings():
            # r2 has no spread to explain where the truth is constant: NaN, reported as unmeasured.
            warnings.simplefilter("ignore", DegenerateDataWarning)
            result = bootstrap(
                (np.arange(rows),),
                losses,
                n_resamples=self.resamples,
                batch=BATCH,
                vectorized=True,
                confidence_level=1 - self.alpha,
                method="percentile",
                random_state=np.random.default_rng(self.seed),
            )
        low, high = (np.asarray(bound) for bound in result.confidence_interval)
        return {name: (low[i], high[i]) for i, name in enumerate(_losses(before, now))}

    def _mcnemar(self, before: Answers, now: Answers) -> Iterator[Finding]:
        if not now.classifies:
            return
        lost, gained = _discordant(before, now)
        p = binomtest(lost, lost + gained).pvalue if lost > gained else 1.0
        detail = f"{lost} right answers became wrong, {gained} wrong ones right."
        yield self._finding("mcnemar", _evidence(p), detail)

    def _slices(self, before: Answers, now: Answers, slices: dict[str, Mask]) -> Iterator[Finding]:
        tested = {name: mask for name, mask in slices.items() if mask.sum() >= self.least}
        adjusted = holm([_worse(before, now, mask, self.margin) for mask in tested.values()])
        for (name, mask), p in zip(tested.items(), adjusted, strict=True):
            yield self._finding(f"slice.{name}", _evidence(p), _told(name, before, now, mask))
        small = [f"{name} ({mask.sum()})" for name, mask in slices.items() if name not in tested]
        detail = f"Slices with fewer than {self.least} rows: {', '.join(small) or 'none'}."
        yield self._finding("slices_too_small", len(small), detail)

    def _finding(self, metric: str, value: float | None, detail: str = "") -> Finding:
        # A difference of two shares is a number of rows: without rounding 14 of 500 are more than .028.
        number = None if value is None or isnan(value) else round(float(value), DIGITS)
        return Finding(self.name, f"{self.where}.{metric}", number, detail=detail)


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number: Holm's step-down method (1979).

    >>> [round(x, 3) for x in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    steps = np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(x) for x in adjusted]


def report(candidate: Candidate) -> Report:
    """Return all figures of both models, for `dvc metrics` and `dvc plots`.

    A model whose scores are unusable is left out.
    """
    contenders = {"champion": candidate.champion, "challenger": candidate.challenger}
    metrics_, rows, points = dict[str, dict[str, Measures]](), list[SliceFigure](), list[Point]()
    for where in ("golden", "recent"):
        slices = slices_of(candidate, where) if candidate.labelled(where).any() else {}
        for model, contender in contenders.items():
            answers = _usable_answers(candidate, where, contender)
            if answers is not None:
                metrics_.setdefault(where, {})[model] = _figures(answers, candidate.schema)
                rows += _slice_figures(where, model, answers, slices)
                bins = reliability(answers) if answers.classifies else []
                points += [Point(where=where, model=model, **each.to_dict()) for each in bins]
    return Report(metrics_, tuple(rows), tuple(points))


def _usable_answers(c: Candidate, where: str, contender: Contender | None) -> Answers | None:
    if contender is None or not c.labelled(where).any():
        return None
    try:
        return c.answers(where, contender)
    except CannotDecide:
        return None


def _figures(answers: Answers, schema: Schema) -> Measures:
    figures: Measures = {k: None if isnan(v) else v for k, v in metrics(answers).items()}
    return figures | ({"recall": recalls(answers, schema)} if answers.classifies else {})


def _slice_figures(
    where: str, model: str, answers: Answers, slices: dict[str, Mask]
) -> Iterator[SliceFigure]:
    measure = "accuracy" if answers.classifies else "mae"
    for name, mask in slices.items():
        if mask.any():
            about: dict[str, Any] = {measure: _mean(answers, mask)}
            yield SliceFigure(where=where, model=model, slice=name, rows=int(mask.sum()), **about)


def _mean(answers: Answers, mask: Mask) -> float:
    return float((answers.right if answers.classifies else answers.missed_by)[mask].mean())


def _losses(before: Answers, now: Answers, weights: Floats | None = None) -> dict[str, Floats]:
    old, new = errors(before, weights), errors(now, weights)
    return {name: new[name] - old[name] for name in new}


def _times_drawn(sample: npt.NDArray[Any], rows: int) -> Floats:
    drawn = sample.reshape(-1, rows).astype(np.int64)
    at = drawn + rows * np.arange(len(drawn))[:, None]
    counts = np.bincount(at.ravel(), minlength=drawn.size)
    return counts.reshape(drawn.shape).astype(np.float64)


def _discordant(before: Answers, now: Answers, mask: Mask | slice = slice(None)) -> tuple[int, int]:
    lost = (before.right & ~now.right)[mask].sum()
    gained = (~before.right & now.right)[mask].sum()
    return int(lost), int(gained)


def _worse(before: Answers, now: Answers, mask: Mask, margin: float) -> float:
    if now.classifies:
        lost, gained = _discordant(before, now, mask)
        n = lost + gained
        # Given n discordant rows, a true loss of the margin makes this share of them losses.
        chance = (1 + margin * mask.sum() / n) / 2 if n else 1.0
        return (
            float(binomtest(lost, n, chance, alternative="greater").pvalue) if chance < 1 else 1.0
        )
    grown = (now.missed_by - before.missed_by)[mask] - margin * now.truth.std()
    moved = grown[grown != 0]
    return float(wilcoxon(moved, alternative="greater").pvalue) if len(moved) else 1.0


def _change(name: str, old: float, new: float) -> str:
    """Return in words how a measure moved."""
    moved = "fell" if new < old else "rose" if new > old else "stayed"
    sides = [f"{value:.1%}" if name in SHARES else f"{value:.4g}" for value in (old, new)]
    where = f"at {sides[1]}" if moved == "stayed" else f"from {sides[0]} to {sides[1]}"
    return f"{name.replace('_', ' ').capitalize()} {moved} {where}"


def _size(name: str, loss: float) -> str:
    """Return a loss for people: points of a share, else as it is."""
    return f"{100 * loss:.1f}" if name in SHARES else f"{loss:.3g}"


def _told(name: str, before: Answers, now: Answers, mask: Mask) -> str:
    rows = int(mask.sum())
    if not now.classifies:
        old, new = _mean(before, mask), _mean(now, mask)
        return f"{name}: mean error went from {old:.4g} to {new:.4g} on {rows} rows."
    old, new = before.right[mask].sum(), now.right[mask].sum()
    return f"{name}: the champion got {old} of {rows} right, the challenger {new}."


def _evidence(p: float) -> float:
    return 0.0 - log10(max(p, LEAST_P))
