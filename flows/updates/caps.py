"""caps: the largest share of the training table for one source, one tier or one origin.

Volume alone is no attack, so surplus rows are left out, not quarantined (NCSC principle 2.1:
limit a single labeller's influence).
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.core import Schema
from sluicegate.core.schema import ROW
from sluicegate.core.standing import Standing
from sluicegate.stores.data import source_counts


def cap_sources(
    feedback: pd.DataFrame, schema: Schema, reference_rows: int, share: float
) -> pd.DataFrame:
    """Return `feedback` with no source above `share` of the training table; its newest rows stay."""
    if schema.source is None or schema.source not in feedback:
        return feedback
    most = max(1, math.floor(share * (reference_rows + len(feedback))))
    if max(source_counts(feedback, schema).values(), default=0) <= most:
        return feedback
    newest_first = feedback.sort_values(["_batch", ROW], ascending=False)
    kept = newest_first.groupby(newest_first[schema.source].fillna("").astype(str)).head(most)
    return kept.sort_values(["_batch", ROW])


def cap_tiers(
    feedback: pd.DataFrame,
    schema: Schema,
    reference_rows: int,
    shares: Mapping[str, float],
    standing: Standing,
) -> pd.DataFrame:
    """Return `feedback` with no tier of sources above its share of the training table."""
    if schema.source is None or schema.source not in feedback:
        return feedback
    names = feedback[schema.source].fillna("").astype(str)
    tiers = names.map({name: standing.tier(name).value for name in names.unique()})
    return _capped(feedback, tiers, names, reference_rows, shares)


def cap_origins(
    feedback: pd.DataFrame, schema: Schema, reference_rows: int, shares: Mapping[str, float]
) -> pd.DataFrame:
    """Return `feedback` with no origin of labels above its share; an unknown one counts as a model's."""
    if schema.label_origin is None or schema.label_origin not in feedback:
        return feedback
    recorded = feedback[schema.label_origin]
    origins = recorded.where(recorded.isin(list(shares)), "model").astype(str)
    return _capped(feedback, origins, origins, reference_rows, shares)


def _capped(
    feedback: pd.DataFrame,
    groups: "pd.Series[Any]",
    names: "pd.Series[Any]",
    reference_rows: int,
    shares: Mapping[str, float],
) -> pd.DataFrame:
    """Return `feedback` with each group cut to its share, the largest parts of it first.

    A part is what one of `names` sent in one batch. So a flood crowds out itself, neither what came
    before it nor the many who sent little.
    """
    keep = np.ones(len(feedback), dtype=bool)
    total = reference_rows + len(feedback)
    parts = feedback.groupby([feedback["_batch"], names.to_numpy()], sort=False)
    part, place = parts.ngroup().to_numpy(), parts.cumcount().to_numpy()
    for group, share in shares.items():
        mine = (groups == group).to_numpy()
        most = math.floor(share * total)
        if mine.sum() > most:
            keep[mine] = place[mine] < _level(np.unique(part[mine], return_counts=True)[1], most)
    return feedback[keep]


def _level(sizes: npt.NDArray[np.int64], most: int) -> int:
    """Return the largest size that the parts may keep so that they have `most` rows together.

    >>> _level(np.array([100, 10, 10]), 50), _level(np.array([5, 5]), 3)
    (30, 1)
    """
    levels = np.arange(int(sizes.max()) + 1)
    below = np.concatenate([[0], np.cumsum(np.bincount(sizes, minlength=len(levels)) * levels)])
    above = np.cumsum(np.bincount(sizes, minlength=len(levels))[::-1])[::-1]
    kept = below[:-1] + levels * above
    return int(np.flatnonzero(kept <= most).max())
