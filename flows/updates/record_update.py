"""The record of an update, written after its comparison or its refusal."""

import shutil
from pathlib import Path

from sluicegate.core import Artifact, Outcome, Tampered, Update
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import REFUSAL, UPDATE
from sluicegate.record.attest import attest_result, attest_training
from sluicegate.record.comparison import Reported, findings_in
from sluicegate.record.context import Context
from sluicegate.record.policy_in_force import candidate_policy
from sluicegate.record.results import judged
from sluicegate.record.updates import read_update
from sluicegate.reports.update import render
from sluicegate.stores import data, files, pinned, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.transaction import Transaction


def record_update(
    t: Transaction,
    context: Context,
    update: Update,
    comparison: Reported,
    tree: Path,
    run_id: str,
    measured: Outcome,
    took: tuple[str, str],
) -> None:
    """Write updates/NNNN: what the pipeline made, what was measured, and the signed statements.

    `measured` is the gate's verdict before any approval; `took` is when the build
    began and ended.
    """
    layout = context.layout
    folder = layout.update(update.id)
    products = folder / "products"
    for name in record.PRODUCTS:
        product, kept = tree / name, products / name
        if product.is_dir():
            shutil.copytree(product, kept, dirs_exist_ok=True)
        elif product.is_file():
            files.copy_in(product, kept)
    files.write_json(folder / "comparison.json", comparison.to_dict())
    verdict = update.verdicts[-1]
    files.write_bytes(folder / "report.md", render(context, update, comparison).encode())
    subject = Artifact(f"model:{context.settings.model}", comparison.challenger)
    materials = [
        *data.materials(Layout(tree), list(update.batches)),
        Artifact("params.yaml", context.policy_digest),
        pinned.artifact(layout, "train.py"),
        pinned.artifact(layout, "dvc.yaml"),
        *filter(None, [context.settings.defaults]),
    ]
    names = sorted(p.relative_to(products).as_posix() for p in products.rglob("*") if p.is_file())
    statement = t.state(
        folder / "update.json",
        [subject],
        UPDATE,
        {
            "update": update.to_dict(),
            "verdict": verdict.to_dict(),
            "comparison": sha256_file(folder / "comparison.json"),
            "products": {name: sha256_file(products / name) for name in names},
            "materials": [material.to_dict() for material in materials],
            "run": run_id,
            "started_by": context.started_by,
            "time": context.now(),
        },
    )
    found = findings_in(comparison)
    judgements = judged(found, candidate_policy(context.settings, found))
    attested = [
        attest_training(t, context, update, comparison, tree, run_id, took),
        attest_result(t, context, folder, subject, measured, judgements),
    ]
    details = {"update": update.id, "stage": update.stage.value, "outcome": verdict.outcome.value}
    t.append("update", [subject, *attested, statement], details)


def refuse(t: Transaction, context: Context, update: str, reason: str) -> None:
    """Record that an awaiting update is refused for `reason`."""
    layout = context.layout
    waiting, _ = read_update(layout, update)
    if waiting.challenger is None:
        raise Tampered(f"updates/{update}/update.json lacks the challenger; restore it from git.")
    subject = Artifact(f"model:{context.settings.model}", waiting.challenger.sha256)
    details = {"update": update, "reason": reason, "time": context.now()}
    path = layout.update(update) / "refusal.json"
    statement = t.state(path, [subject], REFUSAL, details)
    t.append("refuse", [subject, statement], details)
