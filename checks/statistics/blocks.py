"""blocks: windows drawn from rows in time order, so that what neighbours share stays together."""

import math

import numpy as np

from sluicegate.checks.statistics.calibration import Ints

FEWEST_IN_BLOCK = 3


def block_length(rows: int) -> int:
    """Return the length of the blocks of a window of `rows` rows: its cube root, at least three.

    Kunsch 1989, "The jackknife and the bootstrap for general stationary observations"; the order of
    the length is that of Hall, Horowitz & Jing 1995.

    >>> block_length(1000), block_length(10)
    (10, 3)
    """
    return max(FEWEST_IN_BLOCK, round(math.cbrt(rows)))


def draw(pool: int, rows: int, rng: np.random.Generator) -> Ints:
    """Return the sorted positions of one window: blocks of a circle of `pool` rows, none twice.

    Without replacement (Politis & Romano 1994), for a window that held a row twice would measure
    copies that nobody sent, and so that what was not drawn is left to compare with.

    >>> window = draw(100, 20, np.random.default_rng(0))
    >>> len(window), len(set(window.tolist())), bool((np.diff(window) == 1).mean() > 0.5)
    (20, 20, True)
    """
    if rows > pool:
        raise ValueError(f"{rows} rows cannot be drawn from {pool}.")
    length = block_length(rows)
    starts = rng.permutation(-(-pool // length))
    circle = (np.arange(pool) + rng.integers(pool)) % pool
    taken = (starts[:, None] * length + np.arange(length)).ravel()
    return np.sort(circle[taken[taken < pool][:rows]])
