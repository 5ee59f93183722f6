"""tally: from played windows to rates with intervals, and the smallest share of poison caught."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sluicegate.attacks import Attack
from sluicegate.core import Outcome
from sluicegate.flows.trials.play import Played
from sluicegate.record.drills import AtStrength, Attacked, Honest, Rate, Smallest

MEAN = "mean"
Z = 1.959964  # of a 95 % interval
POWER = 0.8
RESAMPLES = 200


def interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the ends of the 95 % interval of a share (Wilson 1927).

    >>> [round(end, 2) for end in interval(0, 10)]
    [0.0, 0.28]
    """
    if not trials:
        return 0.0, 1.0
    share, scale = hits / trials, 1 + Z**2 / trials
    centre = share + Z**2 / 2 / trials
    half = Z * math.sqrt(share * (1 - share) / trials + (Z / 2 / trials) ** 2)
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def rate(hits: int, trials: int) -> Rate:
    """Return a rate of hits with its interval."""
    low, high = interval(hits, trials)
    share = hits / trials if trials else None
    return Rate(hits=hits, of=trials, rate=share, low=round(low, 4), high=round(high, 4))


def attacked(attack: Attack, played: Sequence[Played]) -> Attacked:
    """Return the rates of one attack's windows by strength, with the usual one (1.0) apart."""
    mine = [each for each in played if each.attack == attack.name]
    strengths = sorted({each.strength for each in mine}, reverse=True)
    usual = [each for each in mine if each.strength == 1.0]
    return Attacked(
        attack=attack.name,
        atlas=attack.atlas,
        share=attack.share,
        caught=rate(sum(each.caught for each in usual), len(usual)),
        strengths=tuple(_at(s, [each for each in mine if each.strength == s]) for s in strengths),
        smallest=smallest(mine),
    )


def honest(played: Sequence[Played], budget: float) -> Honest:
    """Return how many honest windows did not pass, compared with the budget of false stops."""
    stopped = sum(each.outcome != Outcome.PASS.value for each in played)
    low, high = interval(stopped, len(played))
    waited = sum(each.outcome in (Outcome.PAUSE.value, Outcome.REJECT.value) for each in played)
    rows = sum(each.rows for each in played)
    return Honest(
        windows=len(played),
        paused_or_rejected=rate(waited, len(played)),
        outcomes=_outcomes(played),
        false_stops=rate(stopped, len(played)),
        budget=budget,
        against_budget="within" if high <= budget else "beyond" if low > budget else "open",
        rows_set_aside=sum(each.honest_held for each in played) / rows if rows else None,
    )


def mean_rate(attacks: Iterable[Attacked]) -> float | None:
    """Return the mean catch rate at the usual strengths; None if no attack was played."""
    rates = [each.caught.rate for each in attacks if each.caught.rate is not None]
    return sum(rates) / len(rates) if rates else None


def smallest(played: Sequence[Played]) -> Smallest | None:
    """Return the smallest share of poison caught with 80 % power, with its interval.

    The power is a monotone regression on the logarithm of the share (isotonic: Barlow et al. 1972),
    read where it crosses 0.8; the interval is of 200 bootstrap samples of the windows.
    """
    known = [each for each in played if each.poison]
    if len({each.strength for each in known}) < 2:
        return None
    shares = np.array([each.poison / each.rows for each in known])
    caught = np.array([float(each.caught) for each in known])
    share = _crossing(shares, caught)
    rng = np.random.default_rng(0)
    drawn = [
        _crossing(shares[part], caught[part])
        for part in rng.integers(len(known), size=(RESAMPLES, len(known)))
    ]
    ends = np.quantile([math.inf if each is None else each for each in drawn], [0.025, 0.975],
                       method="inverted_cdf")  # fmt: skip
    low, high = (None if math.isinf(end) else float(end) for end in ends)
    least = float(shares.min())
    return Smallest(
        share=share,
        low=low,
        high=high,
        at_most=share is not None and share <= least,
        played=(least, float(shares.max())),
    )


def _crossing(shares: "np.ndarray[Any, Any]", caught: "np.ndarray[Any, Any]") -> float | None:
    from sklearn.isotonic import IsotonicRegression

    places = np.unique(np.log(shares))
    fitted = IsotonicRegression().fit(np.log(shares), caught).predict(places)
    above = np.flatnonzero(fitted >= POWER)
    if not above.size:
        return None
    first = int(above[0])
    if first == 0:
        return float(np.exp(places[0]))
    low, high = fitted[first - 1], fitted[first]
    part = (POWER - low) / (high - low)
    return float(np.exp(places[first - 1] + part * (places[first] - places[first - 1])))


def _at(strength: float, played: Sequence[Played]) -> AtStrength:
    named, hit = sum(each.named for each in played), sum(each.hit for each in played)
    poison, rows = sum(each.poison for each in played), sum(each.rows for each in played)
    by = Counter(metric for each in played for metric in each.by)
    return AtStrength(
        strength=strength,
        share=poison / rows if rows else 0.0,
        caught=rate(sum(each.caught for each in played), len(played)),
        outcomes=_outcomes(played),
        by=dict(by.most_common()),
        precision=hit / named if named else None,
        recall=hit / poison if poison else None,
        windows=sum(each.windows for each in played) / len(played) if played else None,
    )


def _outcomes(played: Sequence[Played]) -> dict[str, int]:
    counts = Counter(each.outcome for each in played)
    return {outcome.value: counts[outcome.value] for outcome in Outcome}
