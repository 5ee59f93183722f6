"""assemble: verified reference and admitted rows become one training table.

The first stage of dvc.yaml. It reads the list of batches from their manifests, verifies every file
against its manifest, leaves the held-out rows out and caps what one source may contribute.
"""

import math
from pathlib import Path

import pandas as pd

from sluicegate.core import Schema
from sluicegate.core.schema import HOLDOUT, PREDICTED, ROW
from sluicegate.stores.data import (
    admitted_batches,
    read_admitted,
    read_verified,
    source_counts,
    write_table,
)
from sluicegate.stores.files import write_json
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import read_settings

BOOKKEEPING = [HOLDOUT, PREDICTED, "_batch"]


def assemble(root: Path) -> None:
    """Write build/train.parquet, build/recent.parquet and what they were made of."""
    layout = Layout(root)
    settings = read_settings(layout.params)
    schema = settings.schema_
    reference = read_verified(layout.reference)
    batches = admitted_batches(layout)
    learnable = read_admitted(layout, batches, held_out=False)
    kept = cap_sources(learnable, schema, len(reference), settings.checks.max_source_share)
    columns = [*schema.feature_names, schema.label]
    train = pd.concat([table[columns] for table in (reference, kept) if len(table)])
    recent = read_admitted(layout, batches, held_out=True)
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
        },
    )


def cap_sources(
    feedback: pd.DataFrame, schema: Schema, reference_rows: int, share: float
) -> pd.DataFrame:
    """Return `feedback` with no source above `share` of the training table; its newest rows stay.

    Volume alone is no offence, so the rest of a loud source's rows is left out, not quarantined
    (NCSC principle 2.1: limit a single labeller's influence).
    """
    if schema.source is None or schema.source not in feedback:
        return feedback
    most = max(1, math.floor(share * (reference_rows + len(feedback))))
    if max(source_counts(feedback, schema).values(), default=0) <= most:
        return feedback
    newest_first = feedback.sort_values(["_batch", ROW], ascending=False)
    kept = newest_first.groupby(newest_first[schema.source].fillna("").astype(str)).head(most)
    return kept.sort_values(["_batch", ROW])


if __name__ == "__main__":
    assemble(Path.cwd())
