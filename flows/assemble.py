"""assemble: verified reference and admitted rows become one training table.

The first stage of dvc.yaml. It reads the list of batches from their manifests, verifies every file
against its manifest, leaves the held-out rows out and caps what one source may contribute.
"""

from pathlib import Path

import pandas as pd

from sluicegate.checks.corrections import superseded
from sluicegate.core import Schema
from sluicegate.core.schema import HOLDOUT, PREDICTED, ROW
from sluicegate.flows.updates.caps import cap_origins, cap_sources, cap_tiers
from sluicegate.record.source_standing import standing
from sluicegate.stores.data import (
    admitted_batches,
    read_admitted,
    read_manifest,
    read_verified,
    write_table,
)
from sluicegate.stores.files import write_json
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import Settings, read_settings

BOOKKEEPING = [HOLDOUT, PREDICTED, "_batch"]


def assemble(root: Path) -> None:
    """Write build/train.parquet, build/recent.parquet and what they were made of."""
    layout = Layout(root)
    settings = read_settings(layout.params)
    schema = settings.schema_
    reference = read_verified(layout.reference)
    batches = admitted_batches(layout)
    everything = read_admitted(layout, batches)
    current, corrected = latest(layout, everything, schema)
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


if __name__ == "__main__":
    assemble(Path.cwd())
