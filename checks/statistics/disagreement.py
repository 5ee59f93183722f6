"""How strongly a source's labels speak against a model: an e-value per source.

A source that gives a wrong label with probability f makes a label with model probability p come
with probability (1 - f) p + f (1 - p) / (classes - 1): the annotator model of Dawid & Skene (1979).
The evidence against a source is the likelihood under the hostile rates over the best likelihood
under the tolerated ones. Its mean is at most 1 for every tolerated rate, however many rows the
source has (universal inference, Wasserman, Ramdas & Balakrishnan 2020), so 1 / evidence is a
p-value without simulation, evidence of independent sources multiplies, and evidence of later
batches will multiply too (Vovk & Wang 2021, "E-values").
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logsumexp

from sluicegate.checks.statistics.calibration import (
    SMALLEST,
    Floats,
    Ints,
    capped_weights,
    pooled_weight,
    recalibrate,
)

# Up to one wrong label in ten is sloppy (published crowds err in 5 to 10 % of their labels), a
# quarter and more is what an attacker needs: the null is everything tolerated, so it is
# overdispersed by construction and needs no estimate that an attacker could move.
TOLERATED = (0.0, 0.05, 0.1)
HOSTILE = (0.25, 0.5, 0.75, 1.0)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
# A source with 10 : 1 against it is left out of the second calibration, which is for the bulk.
TRIMMED = 1.0
# Regression has no classes: a label is "out" in the outer fifth of the bulk's residuals.
OUTER = 0.2


Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, eq=False)
class Tally:
    """Per source: rows, labels against the model, expected ones, log-likelihoods; sums that merge.

    `likelihood` has the shape (sources, views, rates): one view for classification; too high, too
    low and too far for regression.
    """

    sources: tuple[str, ...]
    rows: Ints
    against: Ints
    expected: Floats
    likelihood: Floats

    def merge(self, other: "Tally") -> "Tally":
        """Return the tally of both parts' rows together."""
        names = sorted({*self.sources, *other.sources})
        mine, yours = (np.searchsorted(names, t.sources) for t in (self, other))

        def add(a: npt.NDArray[Number], b: npt.NDArray[Number]) -> npt.NDArray[Number]:
            total = np.zeros((len(names), *a.shape[1:]), dtype=a.dtype)
            np.add.at(total, mine, a)
            np.add.at(total, yours, b)
            return total

        return Tally(
            tuple(names),
            add(self.rows, other.rows),
            add(self.against, other.against),
            add(self.expected, other.expected),
            add(self.likelihood, other.likelihood),
        )

    @property
    def evidence(self) -> Floats:
        """Return log10 of each source's e-value, the mean over the views; shape (sources,)."""
        return evidence_of(self.likelihood)


def evidence_of(likelihood: Floats) -> Floats:
    """Return log10 of the e-value of each log-likelihood; shape (n, views, rates) to (n,)."""
    tolerated = likelihood[..., : len(TOLERATED)].max(axis=-1)
    hostile = logsumexp(likelihood[..., len(TOLERATED) :], axis=-1)
    ratio = hostile - np.log(len(HOSTILE)) - tolerated
    return np.asarray((logsumexp(ratio, axis=-1) - np.log(max(1, ratio.shape[-1]))) / np.log(10))


def summarise(sources: "pd.Series[str]", given: Floats, top: Floats, classes: int) -> Tally:
    """Return the tally of labels that had probability `given`, where the likeliest had `top`.

    `given` has the shape (rows, views), `top` (rows,); a label is against the model when it is less
    likely than the likeliest one.
    """
    groups, names = pd.factorize(sources, sort=True)
    rates = np.array([*TOLERATED, *HOSTILE])
    wrong, size = (1 - given) / (classes - 1), len(names)
    total = np.empty((size, given.shape[1], len(rates)))
    # One after the other: all at once they need the memory of the whole batch.
    for view, number in np.ndindex(total.shape[1:]):
        rate = rates[number]
        logs = np.log((1 - rate) * given[:, view] + rate * wrong[:, view])
        total[:, view, number] = np.bincount(groups, weights=logs, minlength=size)
    return Tally(
        sources=tuple(names),
        rows=np.bincount(groups, minlength=size),
        against=np.bincount(groups[given[:, -1] < top], minlength=size),
        expected=np.bincount(groups, weights=1 - top, minlength=size).astype(np.float64),
        likelihood=total,
    )


@dataclass(frozen=True, eq=False)
class Opinion:
    """A model's answers, refitted to the bulk of the window, and what they say of each source.

    `fitted` is of shape (rows, classes), or (rows,) for regression; `weights` are those it was
    fitted with, 0 for rows of sources that it speaks against.
    """

    tally: Tally
    fitted: Floats
    weights: Floats


def judge_classes(
    sources: "pd.Series[str]", codes: Ints, scores: Floats, doubted: Tally | None = None
) -> Opinion:
    """Return what class probabilities, recalibrated on the bulk of the sources, say of each.

    The first calibration leaves out the sources that `doubted`, an earlier tally, speaks against.
    """
    groups = np.asarray(pd.factorize(sources, sort=True)[0])
    weights = capped_weights(groups)

    def judged(weights: Floats) -> Opinion:
        fitted = recalibrate(scores, codes, weights)
        return Opinion(_tally_classes(sources, codes, fitted), fitted, weights)

    first = bulk(weights, groups, doubted) if doubted else weights
    return judged(bulk(weights, groups, judged(first).tally))


def judge_numbers(
    sources: "pd.Series[str]", labels: Floats, predicted: Floats, doubted: Tally | None = None
) -> Opinion:
    """Return what predicted numbers say of each source: residuals in the outer fifth of the bulk's.

    The first scale leaves out the sources that `doubted`, an earlier tally, speaks against.
    """
    groups = np.asarray(pd.factorize(sources, sort=True)[0])
    weights = capped_weights(groups)

    def judged(weights: Floats) -> Opinion:
        tally = _tally_numbers(sources, labels - predicted, weights)
        return Opinion(tally, predicted, weights)

    first = bulk(weights, groups, doubted) if doubted else weights
    return judged(bulk(weights, groups, judged(first).tally))


def pool_classes(
    sources: "pd.Series[str]", codes: Ints, first: Opinion, second: Opinion
) -> Opinion:
    """Return the linear pool of two opinions, weighed by how they foretold the labels.

    The weight is learnt from sources that neither speaks against: an attacker would else weigh down
    the opinion that sees him.
    """
    rows = np.arange(len(codes))
    weights = _of_neither(sources, first, second)
    share = pooled_weight(first.fitted[rows, codes], second.fitted[rows, codes], weights)
    fitted = (1 - share) * first.fitted + share * second.fitted
    return Opinion(_tally_classes(sources, codes, fitted), fitted, weights)


def pool_numbers(
    sources: "pd.Series[str]", labels: Floats, first: Opinion, second: Opinion
) -> Opinion:
    """Return the mean of two predictions, weighed as in `pool_classes` with Laplace residuals."""
    weights = _of_neither(sources, first, second)
    far = [np.abs(labels - opinion.fitted) for opinion in (first, second)]
    scale = max(min(float(np.average(x, weights=weights)) for x in far), SMALLEST)
    champion, peers = (np.exp(-np.minimum(x / scale, 50.0)) for x in far)
    share = pooled_weight(champion, peers, weights)
    fitted = (1 - share) * first.fitted + share * second.fitted
    return Opinion(_tally_numbers(sources, labels - fitted, weights), fitted, weights)


def bulk(weights: Floats, groups: Ints, tally: Tally) -> Floats:
    """Return `weights` with 0 for the sources that `tally` speaks against, if they are a minority.

    Leaving out what fits worst is the concentration step of least trimmed squares (Rousseeuw 1984).
    """
    kept = np.where((tally.evidence > TRIMMED)[groups], 0.0, weights)
    # When half the weight would go there is no bulk left to calibrate on.
    return kept if kept.sum() > weights.sum() / 2 else weights


def _of_neither(sources: "pd.Series[str]", first: Opinion, second: Opinion) -> Floats:
    groups = np.asarray(pd.factorize(sources, sort=True)[0])
    return bulk(bulk(capped_weights(groups), groups, first.tally), groups, second.tally)


def _tally_classes(sources: "pd.Series[str]", codes: Ints, fitted: Floats) -> Tally:
    given = fitted[np.arange(len(codes)), codes]
    return summarise(sources, given[:, None], fitted.max(axis=1), fitted.shape[1])


def _tally_numbers(sources: "pd.Series[str]", residual: Floats, weights: Floats) -> Tally:
    given = np.where(outer_of(residual, weights), OUTER, 1 - OUTER)
    return summarise(sources, given, np.full(len(residual), 1 - OUTER), 2)


def outer_of(residual: Floats, weights: Floats) -> npt.NDArray[np.bool_]:
    """Return which residuals are in the bulk's highest, lowest and farthest fifth; shape (n, 3)."""
    far = np.abs(residual - _quantile(residual, weights, 0.5))
    outer = [
        residual > _quantile(residual, weights, 1 - OUTER),
        residual < _quantile(residual, weights, OUTER),
        far > _quantile(far, weights, 1 - OUTER),
    ]
    return np.stack(outer, axis=1)


def holm(evidence: Floats) -> Floats:
    """Return -log10 of the p-values 10 ** -evidence, adjusted for their number (Holm 1979).

    >>> holm(np.array([5.0, 0.1, 2.0])).round(2)
    array([4.52, 0.1 , 1.7 ])
    """
    order = np.argsort(-evidence, kind="stable")
    steps = evidence[order] - np.log10(np.arange(len(evidence), 0, -1))
    adjusted = np.empty(len(evidence))
    adjusted[order] = np.maximum(np.minimum.accumulate(steps), 0.0)
    return adjusted


def together(evidence: Floats) -> tuple[float, Floats]:
    """Return log10 of the evidence that some of these are hostile, and each one's probability.

    A share of the sources, unknown but the same for all, is hostile and the rest is not: the
    two-groups model of Efron (2008) with e-values in the place of densities.
    """
    ratio = np.minimum(evidence, 300.0) * np.log(10)
    shares = np.array(SHARES)[:, None]
    mixed = np.logaddexp(np.log1p(-shares), np.log(shares) + ratio)
    totals = mixed.sum(axis=1)
    best = int(np.argmax(totals))
    likely = np.exp(np.log(SHARES[best]) + ratio - mixed[best])
    return float((logsumexp(totals) - np.log(len(SHARES))) / np.log(10)), likely


def _quantile(values: Floats, weights: Floats, level: float) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(reached, level)), len(values) - 1)])
