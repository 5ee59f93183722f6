"""distance: how far a proposed reference or golden set lies from the trusted ones before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.checks.drift import Drift
from sluicegate.checks.statistics.scoring import Answers, metrics, truth_of
from sluicegate.checks.statistics.summaries import Summary, summarise, views
from sluicegate.checks.statistics.two_sample import Method
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context
from sluicegate.record.subjects.anchor import anchored, read_anchor
from sluicegate.stores import data, models
from sluicegate.stores.layout import Layout

FIRST, NOW = "first", "now"
TABLES = ("reference", "golden")


@dataclass(frozen=True)
class Column:
    """How far one column certainly moved (0 to 1), from the very first table and from the last."""

    name: str
    secret: bool
    from_first: float | None
    from_now: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {"column": self.name, "from_first": self.from_first, "from_now": self.from_now}


def table_of(layout: Layout, table: str) -> Path:
    """Return where the trusted `reference` or `golden` lies."""
    return {"reference": layout.reference, "golden": layout.golden}[table]


def first_of(layout: Layout, table: str) -> Path:
    """Return the very first `table`: what the earliest re-anchoring replaced, else what is trusted now."""
    for number in anchored(layout):
        if table in read_anchor(layout, number)["tables"]:
            return layout.anchor(number) / "before" / table / f"{table}.parquet"
    return table_of(layout, table)


def earlier(layout: Layout, table: str) -> dict[str, pd.DataFrame]:
    """Return the verified very first `table` and the one that is trusted now."""
    paths = {FIRST: first_of(layout, table), NOW: table_of(layout, table)}
    return {name: data.read_verified(path) for name, path in paths.items()}


def distances(
    context: Context, frame: pd.DataFrame, before: Mapping[str, pd.DataFrame]
) -> list[Column]:
    """Return every column with its distances, the farthest from the very first on top."""
    schema = context.schema
    found = Drift(min_rows=context.settings.checks.min_rows, method=Method.SCIPY).findings(
        schema,
        summarise(schema, frame, None),
        {name: summarise(schema, table, None) for name, table in before.items()},
    )
    entries = {each.metric: each.value for each in found}
    columns = [
        Column(
            view.name.removeprefix("feature."),
            view.secret,
            entries.get(f"drift.effect.{FIRST}.{view.name}"),
            entries.get(f"drift.effect.{NOW}.{view.name}"),
        )
        for view in views(schema)
        if view.name != "prediction"
    ]
    return sorted(columns, key=lambda each: -(each.from_first or 0.0))


def overlaid(
    context: Context, columns: Sequence[Column], parts: Mapping[str, pd.DataFrame], most: int
) -> list[tuple[str, dict[str, Summary]]]:
    """Return the values of the columns that moved most, per part, to be drawn; no sensitive one."""
    schema = context.schema
    summaries = {name: summarise(schema, table, None) for name, table in parts.items()}
    shown = []
    for each in [c for c in columns if not c.secret and (c.from_first or c.from_now)][:most]:
        name = each.name if each.name == "label" else f"feature.{each.name}"
        values = {part: found[name] for part, found in summaries.items()}
        present = {part: value for part, value in values.items() if value is not None}
        shown.append((f"{each.name}: {each.from_first or 0.0:.2f}", present))
    return shown


def figures_of_champion(context: Context, golden: pd.DataFrame) -> dict[str, float]:
    """Return what the champion's answers are worth on a golden set."""
    schema, champion = context.schema, champion_of(context.layout)
    model = models.load(context.layout.models / champion.sha256, champion.sha256, schema)
    return metrics(Answers(model.scores(golden), truth_of(schema, golden)))


def also_learnt(context: Context, golden: pd.DataFrame, learnt: Sequence[pd.DataFrame]) -> int:
    """Return how many golden rows a model can also learn from, by their features."""
    names = list(context.schema.feature_names)
    known = np.concatenate([_fingerprints(table[names]) for table in learnt if len(table)])
    return int(np.isin(_fingerprints(golden[names]), known).sum())


def _fingerprints(frame: pd.DataFrame) -> Any:
    text = frame.apply(lambda column: column.map(str))  # one dtype, whatever parquet made of it
    return pd.util.hash_pandas_object(text, index=False).to_numpy()
