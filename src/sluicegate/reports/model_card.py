"""model: the card of an update's model."""

from typing import Any

from sluicegate.core import Missing, Tampered, Update
from sluicegate.core.canonical import sha256_json
from sluicegate.evidence.model_signature import listed_files
from sluicegate.evidence.statement import DECISION
from sluicegate.record.attest import packages_of
from sluicegate.record.champion import champion_of, read_promotion
from sluicegate.record.comparison import Assembled, describe_isolation, findings_in
from sluicegate.record.context import Context
from sluicegate.record.kept_models import SIGNATURE
from sluicegate.record.results import judged
from sluicegate.record.subjects.kind import stated
from sluicegate.record.updates import read_comparison, read_update, recorded_at, run_of
from sluicegate.reports.pinned import added_up, learnt_at, settings_at, table_at
from sluicegate.stores import files
from sluicegate.stores.layout import Layout

CHALLENGER = "challenger"


def model_card(context: Context, number: str) -> dict[str, Any]:
    """Return everything that is known of an update's model; raises Missing where there is none.

    How it was made and judged comes from the commit that it was made from; what people say of it from
    the workspace as it is now: owners change.
    """
    layout, now = context.layout, context.settings
    update, verdict = read_update(layout, number)
    if update.challenger is None:
        raise Missing(f"update:{number} has no model; `sluicegate update` makes one.")
    made = settings_at(layout, update.data_commit)
    comparison = read_comparison(layout, number)
    figures = comparison.report
    return {
        "schema": 1,
        "card": "model",
        "profile": "internal",
        "subject": f"update:{number}",
        "model": now.model,
        **_identity(layout, update),
        "task": made.data.task.value,
        "classes": list(made.data.classes),
        "people": now.card.model.model_dump(),
        "missing": [m for m in now.card.missing if m.startswith("model.")],
        "training": _training(layout, update, comparison.assembled)
        | {"people": now.card.data.model_dump()},
        "features": {name: kind.value for name, kind in made.data.columns.items()},
        "trainer": describe_isolation(comparison),
        "parameters": {**made.train, "seed": made.seed},
        "golden": _golden(layout, update),
        "metrics": {
            where: each[CHALLENGER] for where, each in figures.metrics.items() if CHALLENGER in each
        },
        "slices": [each.to_dict() for each in figures.slices if each.model == CHALLENGER],
        "importances": comparison.makeup.importances,
        "verdict": {
            "outcome": verdict.outcome.value,
            "reasons": list(verdict.reasons),
            "policy": verdict.policy,
        },
        "findings": [
            each.listed() for each in judged(findings_in(comparison), made.policy("candidate"))
        ],
        "approved_by": _approved_by(layout, number),
        "run": run_of(layout, number),
        "recorded": recorded_at(layout, number),
        "files": _files(layout, number, update.challenger.sha256),
        "packages": packages_of(layout, number),
    }


def _identity(layout: Layout, update: Update) -> dict[str, Any]:
    """Return which model it is, whether it serves, and by what it can be verified."""
    promoted = (layout.update(update.id) / "promotion.json").is_file()
    signed = (layout.update(update.id) / SIGNATURE).is_file()
    model = update.challenger
    return {
        "version": model.version if model else None,
        "sha256": model.sha256 if model else None,
        "signature": f"updates/{update.id}/{SIGNATURE}" if signed else None,
        "stage": update.stage.value,
        "promoted": read_promotion(layout, update.id).since if promoted else None,
        "serving": _serves(layout, update.id),
        "replaces": update.champion.to_dict() if update.champion else None,
    }


def _serves(layout: Layout, number: str) -> bool:
    try:
        return champion_of(layout).update == number
    except Missing:  # the first one, of which a bill is written before it is promoted
        return False


def _training(layout: Layout, update: Update, assembled: Assembled | None) -> dict[str, Any]:
    """Return what it learnt from: the tables whole, and how many of their rows were learnt."""
    tables = learnt_at(layout, update.data_commit, update.batches)
    return {
        "data_commit": update.data_commit,
        "rows": sum(table.manifest.rows for table in tables),
        "learnt_rows": assembled.rows if assembled else None,
        "held_out": assembled.held_out if assembled else None,
        "labels": added_up(table.manifest.labels for table in tables),
        "tables": [table.to_dict() for table in tables],
        "sources": added_up(table.manifest.sources for table in tables),
    }


def _golden(layout: Layout, update: Update) -> dict[str, Any]:
    table = table_at(layout, update.data_commit, "golden/golden.parquet")
    return table.to_dict() | {"verified": table.manifest.verified}


def _files(layout: Layout, number: str, sha256: str) -> dict[str, str]:
    """Return the SHA-256 of each file of a model that was signed, which every promoted one is.

    The signed digest of the model vouches for them, so that a key may be replaced meanwhile.
    """
    path = layout.update(number) / SIGNATURE
    if not path.is_file():
        return {}
    where = f"updates/{number}/{SIGNATURE}"
    found = listed_files(files.read_json(path), where)
    if sha256_json(found) != sha256:
        raise Tampered(f"{where} does not list the files of update:{number}; restore it from git.")
    return found


def _approved_by(layout: Layout, number: str) -> list[str]:
    """Return the people whose yes promoted it; nobody was asked where the gate passed it."""
    path = layout.update(number) / "decision.json"
    return list(stated(layout, path, DECISION)["approved_by"]) if path.is_file() else []
