"""data: the card of a batch."""

from typing import Any

from sluicegate.core import Missing
from sluicegate.evidence.statement import VERDICT
from sluicegate.record.context import Context
from sluicegate.record.findings import read_findings
from sluicegate.record.quarantine import lots
from sluicegate.record.states import batch_states
from sluicegate.record.subjects.kind import stated
from sluicegate.record.subjects.retirement import destroyed_rows
from sluicegate.record.updates import read_update
from sluicegate.stores import data, files, record
from sluicegate.stores.layout import Layout


def data_card(context: Context, batch: str) -> dict[str, Any]:
    """Return everything that is known of a batch; raises Missing where there is none."""
    layout = context.layout
    if batch not in record.received(layout):
        raise Missing(f"There is no batch:{batch}; `sluicegate status` lists what there is.")
    folder = layout.intake(batch)
    receipt = data.read_manifest(folder)
    verdict = stated(layout, folder / "verdict.json", VERDICT)
    admitted = _table(layout, f"batches/{batch}")
    findings = read_findings(folder)
    return {
        "schema": 1,
        "card": "data",
        "profile": "internal",
        "subject": f"batch:{batch}",
        "model": context.settings.model,
        "file": receipt.file,
        "sha256": receipt.sha256,
        "received": receipt.received,
        "state": batch_states(layout)[batch],
        "rows": receipt.rows,
        "admitted": admitted,
        "set_aside": _table(layout, f"quarantine/{batch}"),
        "held": _table(layout, f"quarantine/{batch}/held"),
        "rolled_back": _rolled_back(layout, batch),
        "destroyed": _destroyed(layout, batch),
        "labels": receipt.labels,
        "people": context.settings.card.data.model_dump(),
        "missing": [m for m in context.settings.card.missing if m.startswith("data.")],
        "columns": _columns(context),
        "source_count": len(receipt.sources),
        "sources": receipt.sources,
        "signed_by": receipt.feed,
        "measures": {each.metric: each.value for each in findings},
        "verdict": {key: verdict[key] for key in ("outcome", "reasons", "policy", "time")},
        "findings": [each.listed() for each in findings],
        "learnt_by": _learnt_by(layout, batch),
    }


def _table(layout: Layout, folder: str) -> dict[str, Any] | None:
    """Return rows, labels and digest of what lies in `folder` now, None where nothing does."""
    path = layout.root / folder / data.MANIFEST
    if not path.is_file():
        return None
    manifest = files.read_json(path)
    return {key: manifest[key] for key in ("rows", "labels", "sha256")}


def _rolled_back(layout: Layout, batch: str) -> dict[str, Any] | None:
    """Return how many rows rollbacks took out of the batch, and in which incidents, None for none."""
    taken = {
        lot.name.removeprefix("incident-"): data.read_manifest(lot).rows
        for lot in lots(layout, batch)
        if lot.name.startswith("incident-")
    }
    return {"rows": sum(taken.values()), "incidents": sorted(taken)} if taken else None


def _destroyed(layout: Layout, batch: str) -> dict[str, Any] | None:
    gone = destroyed_rows(layout, batch)
    return {"rows": len(gone)} if gone else None


def _columns(context: Context) -> list[dict[str, Any]]:
    """Return every column of the feedback with its kind or role, and whether it is pseudonymised."""
    settings = context.settings.data
    roles = ("label", "source", "time", "id", "label_origin")
    named = {name: kind.value for name, kind in settings.columns.items()}
    named |= {getattr(settings, role): role for role in roles if getattr(settings, role)}
    return [
        {"name": name, "is": kind, "pseudonymised": name in settings.sensitive}
        for name, kind in named.items()
    ]


def _learnt_by(layout: Layout, batch: str) -> list[dict[str, Any]]:
    """Return the models that a batch is in: data and models are many to many."""
    found = []
    for number in record.updates(layout):
        update, _ = read_update(layout, number)
        if batch in update.batches and update.challenger:
            about = {"update": f"update:{number}", "stage": update.stage.value}
            found.append(about | update.challenger.to_dict())
    return found
