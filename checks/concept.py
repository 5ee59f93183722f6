"""Concept drift: labels that the champion gets wrong more often than the golden set led to expect."""

from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sluicegate.checks.statistics.scoring import Answers, Floats, Mask, fault_in, known, truth_of
from sluicegate.core import Feedback, Finding, Schema, Task

Truth: TypeAlias = "npt.NDArray[np.int64] | Floats"

MARGIN = 1.96
MISSES = 0.9


@dataclass(frozen=True)
class ConceptDrift:
    """How many more answers are wrong here than on the golden set, less the sampling margin.

    Drift that all sources share accuses nobody, and a moderate one is what feedback is for. But when
    most of what the champion knows is contradicted at once, either the world or the delivery is upside
    down, and a human should tell which (Gama et al. 2014, "A survey on concept drift adaptation").
    Of a model that answers with numbers, an error beyond the golden set's nine-tenths quantile is wrong.
    A row without a usable label counts as wrong: a gap never lowers an alarm.

    >>> import pandas as pd
    >>> from sluicegate.core import Column, Kind
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1))
    >>> golden = pd.DataFrame({"x": 0.0, "y": [0] * 90 + [1] * 10})
    >>> said = np.array([[0.9, 0.1]] * 100)
    >>> turned = golden.assign(y=1 - golden["y"])
    >>> batch = Feedback(schema, turned, said, (), golden, said, {})
    >>> round(ConceptDrift()(batch)[0].value, 2)
    0.7
    """

    name: str = "drift"
    min_rows: int = 30

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure it; too few rows, or a champion that gave no usable answers, are not measured."""
        schema = subject.schema
        if len(subject.frame) < self.min_rows or schema.label not in subject.frame:
            return (self._unknown(f"Fewer than {self.min_rows} labelled rows."),)
        for scores, rows in (
            (subject.scores, subject.frame),
            (subject.golden_scores, subject.golden),
        ):
            if fault := fault_in(scores, schema, len(rows)):
                return (self._unknown(f"The champion's scores {fault}."),)
        assert subject.scores is not None  # noqa: S101  (fault_in has said so; this is for mypy)
        assert subject.golden_scores is not None  # noqa: S101
        golden_truth = truth_of(schema, subject.golden)
        most = _most(schema, subject.golden_scores, golden_truth)
        then = _missed(schema, subject.golden_scores, golden_truth, most)
        now = _missed(schema, subject.scores, truth_of(schema, subject.frame), most)
        if not len(then):
            return (self._unknown("The golden set is empty."),)
        rose, margin = _rise(then, now)
        detail = (
            f"The champion contradicts {now.mean():.0%} of the batch's labels and "
            f"{then.mean():.0%} of the golden set's."
        )
        value = max(0.0, rose - margin)
        return (Finding(self.name, "drift.concept", value, detail=detail if value else ""),)

    def _unknown(self, why: str) -> Finding:
        return Finding(self.name, "drift.concept", None, detail=why)


def _most(schema: Schema, scores: Floats, truth: Truth) -> float:
    if schema.task is Task.CLASSIFICATION:
        return 0.0
    errors = Answers(scores, truth).missed_by[known(truth)]
    return float(np.quantile(errors, MISSES)) if len(errors) else 0.0


def _missed(schema: Schema, scores: Floats, truth: Truth, most: float) -> Mask:
    answers = Answers(scores, truth)
    fits = answers.right if schema.task is Task.CLASSIFICATION else answers.missed_by <= most
    return ~(fits & known(truth))


def _rise(then: Mask, now: Mask) -> tuple[float, float]:
    """Return the rise of the rate of misses and its margin (Agresti and Caffo 2000)."""
    rates = [(each.sum() + 1) / (len(each) + 2) for each in (then, now)]
    spread = sum(p * (1 - p) / (len(e) + 2) for p, e in zip(rates, (then, now), strict=True))
    return float(rates[1] - rates[0]), MARGIN * sqrt(spread)
