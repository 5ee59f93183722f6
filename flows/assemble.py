"""assemble: verified reference and admitted rows become one training table.

The first stage of dvc.yaml. It reads the list of batches from their manifests, verifies every file
against its manifest, leaves the held-out rows out and caps what one source, tier or origin may
contribute. Volume alone is no attack, so surplus rows are left out, not quarantined (NCSC principle 2.1:
limit a single labeller's influence).
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.checks.corrections import superseded
from sluicegate.core import Schema
from sluicegate.core.schema import HOLDOUT, ROW
from sluicegate.core.standing import Standing
from sluicegate.record.source_standing import standing
from sluicegate.stores.data import (
    admitted_batches,
    read_admitted,
    read_manifest,
    read_verified,
    source_counts,
    write_table,
)
from sluicegate.stores.files import write_json
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import Settings, read_settings


def assemble(root: Path) -> None:
    """Write build/train.parquet, build/recent.parquet and what they were made of."""
    layout = Layout(root)
    settings = read_settings(layout.params)
    schema = settings.schema_
    reference = read_verified(layout.reference)
    batches = admitted_batches(layout)
    current, corrected = latest(layout, read_admitted(layout, batches), schema)
    out = current[HOLDOUT].astype(bool) if len(current) else pd.Series(dtype=bool)
    learnable, recent = current[~out], current[out]
    kept = capped(layout, settings, learnable, len(reference))
    columns = [*schema.feature_names, schema.label]
    train = pd.concat([table[columns] for table in (reference, kept) if len(table)])
    build = root / "build"
    write_table(build / "train.parquet", train.reset_index(drop=True))
    write_table(build / "recent.parquet", recent[columns] if len(recent) else train.head(0))
    write_json(
        build / "assembled.json",
        {
            "batches": batches,
            "rows": len(train),
            "held_out": len(recent),
            "capped": len(learnable) - len(kept),
            "corrected": corrected,
        },
    )


def capped(
    layout: Layout, settings: Settings, learnable: pd.DataFrame, reference_rows: int
) -> pd.DataFrame:
    """Return the rows to learn from, with the influence of each origin, tier and source capped."""
    schema, sources = settings.schema_, settings.sources
    origins, tiers = settings.origins.model_dump(), sources.max_share.model_dump()
    kept = cap_origins(learnable, schema, reference_rows, origins)
    kept = cap_tiers(kept, schema, reference_rows, tiers, standing(layout, sources))
    return cap_sources(kept, schema, reference_rows, settings.checks.max_source_share)


def latest(
    layout: Layout, admitted: pd.DataFrame, schema: Schema
) -> tuple[pd.DataFrame, dict[str, list[int]]]:
    """Return `admitted` with only the latest row of each id, and the rows left out, by batch.

    Held-out rows too: what was corrected must be neither learnt nor compared on. A time after the
    receipt counts as the receipt, so that a label from the future cannot outlast its correction.
    """
    if schema.time is None or schema.time not in admitted:
        return admitted, {}
    received = {
        batch: pd.Timestamp(read_manifest(layout.admitted(batch)).received)
        for batch in admitted["_batch"].unique()
    }
    receipt = pd.to_datetime(admitted["_batch"].map(received), utc=True)
    times = admitted[schema.time].where(~(admitted[schema.time] > receipt), receipt)
    old = superseded(admitted.assign(**{schema.time: times}), schema)
    left = admitted[old].groupby("_batch")[ROW].apply(lambda rows: [int(row) for row in rows])
    return admitted[~old], {str(batch): rows for batch, rows in left.items()}


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


if __name__ == "__main__":
    assemble(Path.cwd())
