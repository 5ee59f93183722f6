"""tails: how rare a value is among honest windows, also beyond the largest that was seen.

The upper part of a sample is described by an exponential whose scale is known from a dozen values
only. What a further value does then is a generalised Pareto (Pickands 1975) of shape 1 / values, the
predictive distribution; a shape fitted to so few would say more about chance than about the tail.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

UPPER = 0.2
FEWEST_UPPER = 5


@dataclass(frozen=True)
class Tail:
    """P(V > v) = `share` (1 + (v - `start`) / (`upper` `scale`)) ** -`upper` from `start` on.

    Levels are -log of such a probability, so that those of different metrics can be compared.
    """

    start: float
    share: float
    scale: float
    upper: int

    def level(self, value: float) -> float:
        """Return how rare it is to be beyond `value`; below `start` nothing is told apart."""
        least = -math.log(self.share)
        if value <= self.start:
            return least
        if self.scale <= 0:
            return math.inf
        beyond = (value - self.start) / (self.upper * self.scale)
        return least + self.upper * math.log1p(beyond)

    def value(self, level: float) -> float:
        """Return the value of that level; law: value(level(v)) == v beyond `start`."""
        beyond = max(0.0, level + math.log(self.share)) / self.upper
        return self.start + self.upper * self.scale * math.expm1(min(beyond, 500.0))


def tail_of(values: Sequence[float]) -> Tail:
    """Return the tail of the upper fifth of `values`, which must be finite and at least six.

    >>> tail = tail_of(range(100))
    >>> tail.start, round(tail.value(tail.level(120.0)), 6)
    (79, 120.0)
    """
    ranked = sorted(values)
    upper = max(FEWEST_UPPER, math.ceil(UPPER * len(ranked)))
    start = ranked[-upper - 1]
    scale = sum(value - start for value in ranked[-upper:]) / upper
    return Tail(start, (upper + 1) / (len(ranked) + 1), scale, upper)


def level_within(levels: Sequence[float], budget: float) -> float:
    """Return the level that a further window goes beyond with a chance of at most `budget`.

    `levels` holds one number per honest window: the rarest of what would have stopped it, 0 for
    nothing. The chance that a further window goes beyond the j-th largest of W is j / (W + 1), for
    they are exchangeable (Vovk, Gammerman & Shafer 2005, "Algorithmic learning in a random world");
    with too few windows for the budget the exponential goes on beyond the largest.

    >>> level_within([0.0] * 57 + [4.0, 5.0, 6.0], 1 / 30)
    5.0
    >>> round(level_within([0.0] * 29 + [4.0], 1 / 60), 2)
    4.66
    """
    ranked = sorted(levels, reverse=True)
    if not ranked or ranked[0] <= 0:
        return 0.0
    allowed = math.floor(budget * (len(ranked) + 1) + 1e-9)
    if allowed >= 1:
        return ranked[min(allowed, len(ranked)) - 1]
    return ranked[0] - math.log(budget * (len(ranked) + 1))
