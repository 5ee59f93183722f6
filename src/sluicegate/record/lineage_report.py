"""traced: what the verb trace answers, from the delivery of rows to whoever served what learnt them.

Of a model it is the other way round: all that it is made of. Rows count as learnt as in `trace`.
"""

from collections.abc import Mapping
from typing import Any

from sluicegate.core import Update
from sluicegate.core.schema import HOLDOUT
from sluicegate.evidence.statement import REFUSAL, WITHDRAWAL
from sluicegate.record.causes import MODEL, Cause
from sluicegate.record.context import Context
from sluicegate.record.lineage import trace
from sluicegate.record.receipts import receipts
from sluicegate.record.serving_history import services
from sluicegate.record.subjects.kind import stated
from sluicegate.record.subjects.retirement import destroyed_models, destroyed_tables
from sluicegate.record.updates import run_of, update_of_version
from sluicegate.stores import data
from sluicegate.stores.layout import Layout


def traced(context: Context, cause: Cause) -> dict[str, Any]:
    """Return the JSON of `trace`; raises Missing where there is nothing of that name."""
    layout = context.layout
    if cause.kind == MODEL:
        return _model(context, cause.name)
    found = trace(context, cause).to_dict()
    came, stretches = receipts(layout, [b["batch"] for b in found["batches"]]), services(layout)
    for batch in found["batches"]:
        batch["receipt"] = came[batch["batch"]]
    for update in found["updates"]:
        mine = [each.to_dict() for each in stretches if each.update == update["update"]]
        update |= {"served": mine, "taken_back_by": taken_back_by(layout, update["update"])}
    return found


def taken_back_by(layout: Layout, update: str) -> str | None:
    """Return the incident that withdrew `update` after its promotion or refused it before."""
    folder = layout.update(update)
    if (folder / "withdrawal.json").is_file():
        return str(stated(layout, folder / "withdrawal.json", WITHDRAWAL)["incident"])
    if not (folder / "refusal.json").is_file():
        return None
    kind, _, rest = str(stated(layout, folder / "refusal.json", REFUSAL)["reason"]).partition(":")
    number = rest.partition(":")[0]
    return number if kind == "incident" and number.isdigit() else None


def _model(context: Context, version: str) -> dict[str, Any]:
    layout = context.layout
    update, ref = update_of_version(layout, version)
    number = update.id
    came, stretches = receipts(layout, list(update.batches)), services(layout)
    served = [each for each in stretches if each.update == number]
    return {
        "schema": 1,
        "because": f"model:{version}",
        "model": {
            **ref.to_dict(),
            "update": number,
            "stage": update.stage.value,
            "outcome": update.verdicts[-1].outcome.value,
            "run": run_of(layout, number),
            "data_commit": update.data_commit,
            "champion": bool(served) and served[-1].until is None,
            "served": [each.to_dict() for each in served],
            "taken_back_by": taken_back_by(layout, number),
            "destroyed_by": destroyed_models(layout).get(number),
        },
        "reference": _reference(layout, update.data_commit),
        "batches": [_learnt(context, batch, update, came[batch]) for batch in update.batches],
    }


def _reference(layout: Layout, commit_id: str) -> dict[str, Any]:
    name = layout.named(layout.reference.with_name(data.MANIFEST))
    manifest = data.manifest_at(layout, commit_id, name)
    return {"rows": manifest.rows, "sha256": manifest.sha256}


def _learnt(
    context: Context, batch: str, update: Update, receipt: Mapping[str, Any]
) -> dict[str, Any]:
    """Return how many rows of `batch` an update learnt, and of whom; None of a table that is destroyed."""
    layout, source = context.layout, context.schema.source
    about = layout.named(layout.admitted(batch) / data.MANIFEST)
    manifest = data.manifest_at(layout, update.data_commit, about)
    gone = destroyed_tables(layout).get(manifest.sha256)
    details: dict[str, Any] = {"batch": batch, "receipt": receipt}
    if gone is not None:
        return details | {"learnt": len(gone.learnable), "held_out": None, "sources": None}
    table = data.read_admitted_at(layout, batch, update.data_commit)
    out = table[HOLDOUT].astype(bool)
    rows = table[~out]
    names = rows[source].fillna("").astype(str) if source in rows else rows.index[:0].to_series()
    sources = {str(name): int(count) for name, count in names.value_counts().items()}
    return details | {"learnt": len(rows), "held_out": int(out.sum()), "sources": sources}
