"""Promise: whether a champion in service errs more often than it did when it was promoted."""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincc, betaln
from scipy.stats import beta

from sluicegate.checks.statistics.scoring import Floats, Mask
from sluicegate.core import Finding

CONFIDENCE = 0.975


@dataclass(frozen=True, eq=False)
class Served:
    """What the champion missed, row by row.

    `missed` are the rows that arrived since, in the order of arrival, shape (n,), none of which it had
    learnt; `promised` those of the golden set.
    """

    missed: Mask
    promised: Mask


@dataclass(frozen=True)
class Promise:
    """Evidence that the champion misses more of what arrives than it promised.

    `promise.broken` is log10 of the largest evidence that any moment gave: a mixture of likelihood
    ratios against all higher rates, which is a martingale if the promise holds, so by Ville's
    inequality it exceeds 2 with a chance of 1 in 100 however often it is looked at (Robbins 1970;
    Ramdas et al. 2023, "Game-theoretic statistics and safe anytime-valid inference"). What was promised
    is the upper end of the golden set's interval (Clopper and Pearson 1934).

    >>> kept = Served(np.arange(200) % 10 == 0, np.arange(500) % 10 == 0)
    >>> broken = Served(np.arange(200) % 3 == 0, np.arange(500) % 10 == 0)
    >>> [round(Promise()(each)[0].value, 1) for each in (kept, broken)]
    [0.6, 11.2]
    """

    name: str = "promise"

    def __call__(self, subject: Served, /) -> tuple[Finding, ...]:
        """Measure it; without a golden set nothing was promised, and nothing is measured."""
        rows, errors = len(subject.promised), int(subject.promised.sum())
        if not rows:
            return (Finding(self.name, "promise.broken", None, detail="There is no golden set."),)
        most = float(beta.ppf(CONFIDENCE, errors + 1, rows - errors)) if errors < rows else 1.0
        missed, arrived = int(subject.missed.sum()), len(subject.missed)
        detail = (
            f"The champion got {missed} of {arrived} new rows wrong; it promised at most "
            f"{most:.1%} ({errors} of {rows} on the golden set)."
        )
        value = float(evidence(subject.missed, most).max(initial=0.0))
        return (Finding(self.name, "promise.broken", value, detail=detail),)


def evidence(missed: Mask, most: float) -> Floats:
    """Return log10 of the evidence after each row that the rate of misses is above `most`, shape (n,).

    The prior over higher rates is uniform.
    """
    if not 0 < most < 1:
        return np.zeros(len(missed))
    rows = np.arange(1, len(missed) + 1, dtype=np.float64)
    bad = np.cumsum(missed, dtype=np.float64)
    good = rows - bad
    with np.errstate(divide="ignore"):
        above = np.log(betaincc(bad + 1, good + 1, most)) + betaln(bad + 1, good + 1)
    null = bad * np.log(most) + good * np.log1p(-most)
    return np.asarray((above - np.log1p(-most) - null) / np.log(10))
