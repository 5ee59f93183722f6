"""pages: what the evidence page of each kind of subject shows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sluicegate.core import Kind, Schema, Update
from sluicegate.core.compared import Makeup, Worse
from sluicegate.core.schema import label_text
from sluicegate.record.champion import champion_of
from sluicegate.record.comparison import describe_isolation, findings_in
from sluicegate.record.context import Context
from sluicegate.record.findings import findings_of
from sluicegate.record.judgement import Judgement
from sluicegate.record.policy_in_force import candidate_policy, line_kind
from sluicegate.record.quarantine import stopping
from sluicegate.record.results import judged
from sluicegate.record.subjects.retirement import Retirement
from sluicegate.record.subjects.rollback import before
from sluicegate.record.updates import new_batches, read_comparison
from sluicegate.record.words import nobody
from sluicegate.reports import plots
from sluicegate.reports.evidence_page import Asked, drawn, losses, render, slices
from sluicegate.reports.incident import Account
from sluicegate.review.batch_evidence import MOST_DRIFTED, about_batch, about_released, reasons
from sluicegate.review.distance import FIRST, NOW, TABLES, distances, earlier, overlaid
from sluicegate.stores import data, git
from sluicegate.stores.layout import Layout

CHANGEABLE = ("params.yaml", "dvc.yaml", "train.py", "expectations", "golden", "reference")
LEARNT = "New batches it learnt from since the previous champion"
MOST_FEATURES = 5
MOST_DIFF_LINES = 200
MOST_BATCHES = 5
MOST_FLIPS = 6
MOST_SAMPLED = 8


def update_page(context: Context, update: Update, question: str, shown: Asked) -> str:
    """Return the evidence about an update that awaits review."""
    fresh, why = new_batches(context, update), update.verdicts[-1].reasons
    return _of_update(context, update, fresh, f"update:{update.id}", question, why, shown)


def rollback_page(context: Context, update: Update, question: str, shown: Asked, why: str) -> str:
    """Return the evidence about rolling back an update: what it changed when it was promoted."""
    known = set(before(context.layout, update.id).batches)
    fresh = [batch for batch in update.batches if batch not in known]
    return _of_update(
        context, update, fresh, f"rollback:{update.id}", question, [why], shown, LEARNT
    )


def batch_page(context: Context, batch: str, question: str, shown: Asked) -> str:
    """Return the evidence about a paused batch."""
    layout = context.layout
    with plots.drawing():
        about = about_batch(context, batch)
        return render(
            context,
            subject=f"batch:{batch}",
            question=question,
            why=about["verdict"]["reasons"],
            answers=None,
            batches=[about],
            unshown=0,
            changed=_changed(layout, git.head(layout.root)),
            lineage=shown,
            told=findings_of(layout, batch),
        )


def release_page(
    context: Context,
    said: Mapping[str, Any],
    question: str,
    shown: Asked,
    judgement: Judgement,
) -> str:
    """Return the evidence about rows that would leave quarantine under the exception that was `said`."""
    layout, batch = context.layout, said["batch"]
    waived = ", ".join(said["waives"]) or "no limit"
    with plots.drawing():
        return render(
            context,
            subject=f"release:{said['release']}",
            question=question,
            why=[
                f"{said['asked_by'] or 'The runner'} asks: {said['reason']}",
                f"For exactly these rows, intake would waive {waived}.",
                *judgement.verdict.reasons,
            ],
            answers=None,
            heading="The rows, as intake would judge them now",
            batches=[about_released(context, said, judgement) | _sample(context, said, judgement)],
            unshown=0,
            changed=_changed(layout, git.head(layout.root)),
            lineage=shown,
            told=judged(judgement.findings, judgement.policy, judgement.rows_of),
            held=[
                each for each in reasons(stopping(layout, batch)) if each.metric in said["held_for"]
            ],
        )


def anchor_page(context: Context, said: Mapping[str, Any], question: str, shown: Asked) -> str:
    """Return the evidence about a new reference or golden set."""
    layout = context.layout
    folder = layout.anchor(said["anchor"])
    with plots.drawing():
        return render(
            context,
            subject=f"anchor:{said['anchor']}",
            question=question,
            why=[f"{said['asked_by'] or 'The runner'} asks: {said['reason']}"],
            answers=None,
            batches=None,
            unshown=0,
            anchor=[
                _anchored(context, folder, table, said["tables"][table])
                for table in TABLES
                if table in said["tables"]
            ],
            figures=said["golden_figures"],
            changed=_changed(layout, git.head(layout.root)),
            lineage=shown,
            told=[],
        )


def retirement_page(
    context: Context,
    order: Retirement,
    destruction: object,
    question: str,
    shown: Asked,
) -> str:
    """Return the evidence about what somebody wants destroyed; it shows no value of any row."""
    return render(
        context,
        subject=f"retirement:{order.retirement}",
        question=question,
        why=[f"{order.asked_by or 'The runner'} asks: {order.reason}"],
        answers=None,
        batches=None,
        destruction=destruction,
        lineage=shown,
        told=[],
    )


def incident_page(context: Context, number: str, question: str, shown: Asked, told: Account) -> str:
    """Return the evidence about a rollback that was carried out; `told` is the account of it."""
    layout, gone = context.layout, told.taken_out
    taken = [f"{each.rows} rows of batch:{each.batch} moved to quarantine." for each in gone]
    if told.suspended:
        taken.insert(0, f"Serving now: {nobody(number, told.suspended)}.")
    changed = told.differs.changed if told.differs else ()
    with plots.drawing():
        return render(
            context,
            subject=f"incident:{number}",
            question=question,
            why=[f"{told.detected_by}: {told.reason}", *taken, *told.controls],
            answers=None,
            account=told,
            otherwise_drawn=drawn(slices(changed)),
            batches=[about_batch(context, each.batch) for each in gone[-MOST_BATCHES:]],
            heading="The batches that lost rows, as received",
            unshown=len(gone[:-MOST_BATCHES]),
            changed=_changed(layout, git.head(layout.root)),
            lineage=shown,
            told=[],
        )


def _of_update(
    context: Context,
    update: Update,
    fresh: Sequence[str],
    subject: str,
    question: str,
    why: Sequence[str],
    shown: Asked,
    heading: str = "New batches it would learn from since the champion",
) -> str:
    comparison = read_comparison(context.layout, update.id)
    policy = candidate_policy(context.settings, findings_in(comparison))
    changes = comparison.changes
    # positions in another golden set would show other rows
    moved = git.changes(context.layout.root, update.data_commit, "HEAD", ("golden",))
    rows = [] if moved else changes.rows
    with plots.drawing():
        return render(
            context,
            subject=subject,
            question=question,
            why=why,
            answers=changes.answers,
            flips=changes.flips[:MOST_FLIPS],
            worst=_worst_rows(context, rows, comparison.makeup),
            metrics=drawn(losses(comparison, policy)),
            slices=drawn(slices(comparison.changes.slices)),
            heading=heading,
            batches=[about_batch(context, each) for each in fresh[-MOST_BATCHES:]],
            unshown=len(fresh[:-MOST_BATCHES]),
            changed=_changed(context.layout, update.data_commit),
            lineage=shown,
            trainer=describe_isolation(comparison),
            told=judged(findings_in(comparison), policy),
        )


def _anchored(
    context: Context, folder: Path, table: str, told: Mapping[str, Any]
) -> dict[str, Any]:
    before = earlier(context.layout, table)
    frame = data.read_verified(folder / table / f"{table}.parquet")
    columns = distances(context, frame, before)
    parts = {"the very first": before[FIRST], "trusted now": before[NOW], "proposed": frame}
    laid = overlaid(context, columns, parts, MOST_DRIFTED)
    return {
        "table": table,
        "told": told,
        "columns": columns,
        "drawn": plots.svg(plots.distributions(laid)) if laid else None,
    }


def _sample(context: Context, said: Mapping[str, Any], judgement: Judgement) -> dict[str, Any]:
    """Return some of the rows, those that contradict the champion first; no sensitive column."""
    schema, table = context.schema, judgement.frozen.table
    if table is None or schema.label in schema.sensitive:
        return {"sample": None}
    champion = read_comparison(context.layout, champion_of(context.layout).update)
    shown = _features(context, champion.makeup)
    labels = table.frame[schema.label]
    given, answers = labels.map(label_text), judgement.predicted.map(label_text)
    differs = given.ne(answers) if schema.classes else labels.notna()
    order = differs.sort_values(ascending=False, kind="stable").index[:MOST_SAMPLED]
    return {
        "sample": {
            "features": shown,
            "rows": [
                {
                    "row": said["rows"][at],
                    "source": table.frame[schema.source][at] if schema.source else "",
                    "label": given[at],
                    "answer": answers[at],
                    "differs": bool(differs[at]) and bool(schema.classes),
                    "values": [_cell(schema, name, table.frame[name][at]) for name in shown],
                }
                for at in order
            ],
        }
    }


def _features(context: Context, makeup: Makeup) -> list[str]:
    """Return the features that a model leans on most; no sensitive one."""
    schema = context.schema
    weights = {k: v for k, v in (makeup.importances or {}).items() if v is not None}
    shown = [each for each in schema.feature_names if each not in schema.sensitive]
    return sorted(shown, key=lambda name: -weights.get(name, 0.0))[:MOST_FEATURES]


def _worst_rows(
    context: Context,
    rows: Sequence[Worse],
    makeup: Makeup,
) -> dict[str, Any] | None:
    """Return the golden rows that got worse with the features that matter most; no sensitive one."""
    schema = context.schema
    if not rows or schema.label in schema.sensitive:
        return None
    shown = _features(context, makeup)
    golden = data.read_trusted(context.layout, "golden")
    return {
        "features": shown,
        "rows": [
            {
                **each.to_dict(),
                "truth": _truth(schema, golden[schema.label].iloc[each.row]),
                "values": [_cell(schema, name, golden[name].iloc[each.row]) for name in shown],
            }
            for each in rows
        ],
    }


def _truth(schema: Schema, label: Any) -> Any:
    return label_text(label) if schema.classes else float(label)


def _cell(schema: Schema, name: str, value: Any) -> str:
    kind = next(column.kind for column in schema.features if column.name == name)
    # pandas knows the years 1678 to 2261
    if kind is Kind.TIMESTAMP and pd.notna(value) and abs(value) < 9e9:
        return f"{pd.Timestamp(value, unit='s'):%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= 120 else f"{text[:119]}…"


def _changed(layout: Layout, until: str) -> dict[str, Any]:
    since = champion_of(layout).data_commit
    lines = git.changes(layout.root, since, until, CHANGEABLE).splitlines()
    shown = [line for line in lines if not line.startswith(("index ", "diff --git"))]
    return {
        "lines": [(line_kind(line), line) for line in shown[:MOST_DIFF_LINES]],
        "more": max(0, len(shown) - MOST_DIFF_LINES),
        "since": since[:12],
    }
