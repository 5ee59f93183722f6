"""traced: what the verb trace answers, from the delivery of rows to whoever served what learnt them.

Of a model it is the other way round: all that it is made of. Rows count as learnt as in `trace`.
"""

from collections.abc import Iterable

from sluicegate.core import Update
from sluicegate.core.schema import HOLDOUT
from sluicegate.evidence.statement import REFUSAL, WITHDRAWAL
from sluicegate.record.causes import MODEL, Cause, released
from sluicegate.record.context import Context
from sluicegate.record.lineage import trace
from sluicegate.record.manifests import manifest_of
from sluicegate.record.serving_history import services
from sluicegate.record.subjects.kind import stated
from sluicegate.record.subjects.retirement import destroyed_models, destroyed_tables
from sluicegate.record.traced import (
    LearntBatch,
    MadeOf,
    Receipt,
    Reference,
    Traced,
    TracedModel,
)
from sluicegate.record.updates import run_of, update_of_version
from sluicegate.stores import data
from sluicegate.stores.layout import Layout


def traced(context: Context, cause: Cause) -> Traced | MadeOf:
    """Return what `trace` answers; raises Missing where there is nothing of that name."""
    layout = context.layout
    if cause.kind == MODEL:
        return _model(context, cause.name)
    found = trace(context, cause).recorded
    came, stretches = receipts(layout, [each.batch for each in found.batches]), services(layout)
    batches = [each.model_copy(update={"receipt": came[each.batch]}) for each in found.batches]
    updates = [
        each.model_copy(
            update={
                "served": tuple(one for one in stretches if one.update == each.update),
                "taken_back_by": taken_back_by(layout, each.update),
            }
        )
        for each in found.updates
    ]
    return found.model_copy(update={"batches": tuple(batches), "updates": tuple(updates)})


def receipts(layout: Layout, batches: Iterable[str]) -> dict[str, Receipt]:
    """Return for each batch the file that was received, when, by which feed, and what it was part of.

    Raises Tampered for a manifest that is not the one that the signed verdict names.
    """
    parts = {new: batch for batch, became in released(layout) for new in became.values()}
    return {batch: _receipt(layout, batch, parts.get(batch)) for batch in batches}


def _receipt(layout: Layout, batch: str, part_of: str | None) -> Receipt:
    manifest = manifest_of(layout, batch)
    return Receipt(
        file=manifest.file,
        sha256=manifest.sha256,
        received=manifest.received,
        feed=manifest.feed["name"] if manifest.feed else None,
        released_from=part_of,
    )


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


def _model(context: Context, version: str) -> MadeOf:
    layout = context.layout
    update, ref = update_of_version(layout, version)
    number = update.id
    came, stretches = receipts(layout, update.batches), services(layout)
    served = tuple(each for each in stretches if each.update == number)
    model = TracedModel(
        version=ref.version,
        sha256=ref.sha256,
        update=number,
        stage=update.stage,
        outcome=update.verdicts[-1].outcome.value,
        run=run_of(layout, number),
        data_commit=update.data_commit,
        champion=bool(served) and served[-1].until is None,
        served=served,
        taken_back_by=taken_back_by(layout, number),
        destroyed_by=destroyed_models(layout).get(number),
    )
    return MadeOf(
        because=f"model:{version}",
        model=model,
        reference=_reference(layout, update.data_commit),
        batches=tuple(_learnt(context, batch, update, came[batch]) for batch in update.batches),
    )


def _reference(layout: Layout, commit_id: str) -> Reference:
    name = layout.named(layout.reference.with_name(data.MANIFEST))
    manifest = data.manifest_at(layout, commit_id, name)
    return Reference(rows=manifest.rows, sha256=manifest.sha256)


def _learnt(context: Context, batch: str, update: Update, receipt: Receipt) -> LearntBatch:
    """Return how many rows of `batch` an update learnt, and of whom."""
    layout, source = context.layout, context.schema.source
    about = layout.named(layout.admitted(batch) / data.MANIFEST)
    manifest = data.manifest_at(layout, update.data_commit, about)
    gone = destroyed_tables(layout).get(manifest.sha256)
    if gone is not None:
        count = len(gone.learnable)
        return LearntBatch(batch=batch, receipt=receipt, learnt=count, held_out=None, sources=None)
    table = data.read_admitted_at(layout, batch, update.data_commit)
    out = table[HOLDOUT].astype(bool)
    rows = table[~out]
    names = rows[source].fillna("").astype(str) if source in rows else rows.index[:0].to_series()
    sources = {str(name): int(count) for name, count in names.value_counts().items()}
    return LearntBatch(
        batch=batch, receipt=receipt, learnt=len(rows), held_out=int(out.sum()), sources=sources
    )
