"""Spread: how much labels differ from region to region beyond chance, and tails that allow for it.

Where the world drifts by regions, many ordinary parts of the feature space are off a little; a
pattern is then no trigger for being off as well. The spread is taken from the tenths of every
number and the values of every other column, of which a trigger can move few.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.special import betaln, gammaln, logsumexp

from sluicegate.checks.statistics.calibration import Floats, Ints
from sluicegate.core import Feedback, Kind

# Nine in ten parts are trusted to be honest: what they show has to be allowed for.
TRUSTED, CHI_SQUARE = 0.9, 2.7055
PART_ROWS = 10
TENTHS = 10
NONE, MOST = 1e-6, 0.5


def regions_of(subject: Feedback, slices: int, asked: Ints) -> Iterator[tuple[str, Ints]]:
    """Yield each region's name and places in `asked`: equal slices of every number, values of the others.

    The slices are those of the whole batch, `asked` are some of its rows. Texts have no region, nor
    have the missing values of a column.
    """
    for column in sorted(subject.schema.features, key=lambda c: c.name):
        values = subject.frame[column.name]
        if column.kind is Kind.TEXT:
            continue
        if column.kind.is_number:
            values = _slices(np.asarray(values, dtype=float), asked, slices)
        else:
            values = values.iloc[asked].reset_index(drop=True)
        secret = column.name in subject.schema.sensitive
        for value, rows in values.groupby(values, sort=True).indices.items():
            sentence = f"part {value:.0f} of {slices}" if column.kind.is_number else f"= {value}"
            yield f"`{column.name}` {'(hidden)' if secret else sentence}", np.asarray(rows)


def _slices(values: Floats, asked: Ints, slices: int) -> "pd.Series[float]":
    """Return the slice of each row asked for, by its rank; equal values share one, and so a slice."""
    known = np.sort(values[~np.isnan(values)])
    mine = values[asked]
    rank = (np.searchsorted(known, mine) + np.searchsorted(known, mine, side="right") + 1) / 2
    share = np.where(np.isnan(mine), np.nan, rank / max(1, len(known)))
    return pd.Series(share * (slices - 0.001) // 1 + 1)


def parts_of(subject: Feedback) -> csr_array:
    """Return which rows are in which tenth or value of a column, 0/1 of shape (parts, rows)."""
    parts: list[Ints] = [np.empty(0, dtype=np.int64)]
    every = np.arange(len(subject.frame))
    parts += [rows for _, rows in regions_of(subject, TENTHS, every) if len(rows) >= PART_ROWS]
    starts = np.cumsum([0, *(len(rows) for rows in parts)])
    return csr_array(
        (np.ones(starts[-1]), np.concatenate(parts), starts),
        shape=(len(parts), len(subject.frame)),
    )


def correlation(rows: Floats, mean: Floats, pulled: Floats) -> float:
    """Return the intra-class correlation of labels within parts; 0 is the binomial.

    `rows`, `mean` and `pulled` are each part's number of rows, mean probability and number of
    labels. It is the smallest at which nine in ten standardised squares are as a chi-square's
    (a robust form of Kleinman 1973).
    """
    use = (rows >= PART_ROWS) & (mean > 0) & (mean < 1)
    if use.sum() < PART_ROWS:
        return NONE
    n, p, k = rows[use], mean[use], pulled[use]
    square = (k - n * p) ** 2 / (n * p * (1 - p))
    return float(np.clip(np.quantile((square / CHI_SQUARE - 1) / (n - 1), TRUSTED), NONE, MOST))


def log_tail(count: float, rows: float, mean: float, within: float) -> float:
    """Return the log of P(X >= count), X beta-binomial of `rows` with that mean and correlation.

    >>> round(np.exp(log_tail(2, 2, 0.1, 1e-6)), 3), round(np.exp(log_tail(2, 2, 0.1, 0.5)), 3)
    (0.01, 0.055)
    """
    a, b = mean * (1 / within - 1), (1 - mean) * (1 / within - 1)
    k = np.arange(count, rows + 1)
    choose = gammaln(rows + 1) - gammaln(k + 1) - gammaln(rows - k + 1)
    return float(min(0.0, logsumexp(choose + betaln(k + a, rows - k + b) - betaln(a, b))))
