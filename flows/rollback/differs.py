"""differs: where the answers of the rolled-back champion and the clean one differ."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from sluicegate.checks.candidate import Candidate, Contender
from sluicegate.checks.comparison import report
from sluicegate.checks.statistics.changes import changes
from sluicegate.checks.statistics.scoring import truth_of
from sluicegate.core import Schema, SluicegateError
from sluicegate.core.compared import SliceFigure
from sluicegate.core.schema import HOLDOUT
from sluicegate.record.context import Context
from sluicegate.record.kept_models import kept_model
from sluicegate.record.quarantine import lot_of
from sluicegate.record.subjects.incident import (
    Agreement,
    Differs,
    OnGolden,
    Served,
    SliceDiffers,
    cleaned,
)
from sluicegate.stores import data, models
from sluicegate.stores.layout import Layout

MOST_SLICES = 8


def differs(
    context: Context,
    incident: str,
    tainted: Served,
    clean: Served,
) -> Differs | None:
    """Return both models' figures on the golden set, per slice, and on what an incident took out.

    None where they are the same model. Of
    an unavailable model it says so as `fault`, so that the rollback can still finish.
    """
    if tainted.sha256 == clean.sha256:
        return None
    layout, schema = context.layout, context.schema
    golden = data.read_trusted(layout, "golden")
    try:
        was, now = (kept_model(context, e.update, e.sha256) for e in (tainted, clean))
    except SluicegateError as error:
        return Differs(changed=(), fault=str(error), golden=None, slices=(), taken=None)
    sides = [Contender(each.scores, each.scores(golden)) for each in (was, now)]
    candidate = Candidate(schema, golden, golden[:0], sides[0], sides[1])
    found = report(candidate)
    return Differs(
        changed=changes(candidate).slices,
        fault=None,
        golden=OnGolden(
            clean=found.of("golden", "champion"), tainted=found.of("golden", "challenger")
        ),
        slices=tuple(_slices(found.slices)),
        taken=_agreement(schema, _taken(layout, incident), was, now),
    )


def _slices(rows: Iterable[SliceFigure]) -> list[SliceDiffers]:
    """Return the slices in which the two models differ most, by their measure in each."""
    by: dict[str, dict[str, Any]] = {}
    for row in rows:
        measure, value = row.value
        side = "tainted" if row.model == "challenger" else "clean"
        figures = by.setdefault(row.slice, {"slice": row.slice, "rows": row.rows})
        figures |= {"measure": measure, side: value}
    both = [SliceDiffers(**each) for each in by.values() if {"tainted", "clean"} <= each.keys()]
    return sorted(both, key=lambda each: -abs(each.tainted - each.clean))[:MOST_SLICES]


def _taken(layout: Layout, incident: str) -> pd.DataFrame:
    """Return the rows that an incident took out and that models had learnt; those that are gone are not."""
    lots = (lot_of(layout, incident, each.batch) for each in cleaned(layout, incident))
    tables = [data.read_verified(lot / data.FEEDBACK) for lot in lots if lot is not None]
    parts = [table[~table[HOLDOUT].astype(bool)] for table in tables]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _agreement(
    schema: Schema, rows: pd.DataFrame, was: models.Model, now: models.Model
) -> Agreement | None:
    """Return on how many of the rows each model answers as they are labelled; None for regression."""
    if not len(rows) or not schema.classes:
        return None
    labels = truth_of(schema, rows)
    shares = [float((each.scores(rows).argmax(axis=1) == labels).mean()) for each in (was, now)]
    return Agreement(clean=shares[1], rows=len(rows), tainted=shares[0])
