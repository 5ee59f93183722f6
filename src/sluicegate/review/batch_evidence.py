"""batch_evidence: what a reviewer has to know of one batch: who sent it, what was held, what moved."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sluicegate.checks.statistics.summaries import Summary, summarise, views
from sluicegate.core import Judged, SluicegateError
from sluicegate.core.schema import PREDICTED, ROW, label_text
from sluicegate.record.context import Context
from sluicegate.record.findings import findings_of, in_full
from sluicegate.record.judgement import Judgement
from sluicegate.record.results import judged
from sluicegate.reports import plots
from sluicegate.stores import data

MOST_DRIFTED = 6
MOST_REASONS = 12


def about_batch(context: Context, batch: str) -> dict[str, Any]:
    """Return the facts and pictures of `batch`; call while `plots.drawing()`.

    Rows that are not there to be read are said to be missing rather than left out silently.
    """
    layout = context.layout
    folder = layout.intake(batch)
    verdict = in_full(layout, batch)
    findings = findings_of(layout, batch)
    about = {
        "name": f"batch:{batch}",
        "manifest": data.read_manifest(folder).to_dict(),
        "verdict": verdict,
        "reasons": reasons(findings),
        "sources": None,
        "drift": None,
        "sample": None,
        "missing": "",
    }
    try:
        frame = _rows(context, batch)
        about |= pictures(context, frame, verdict, findings, _before(context, batch))
    except SluicegateError as error:
        about["missing"] = str(error)
    return about


def about_released(
    context: Context, said: Mapping[str, Any], judgement: Judgement
) -> dict[str, Any]:
    """Return the same of rows in quarantine, as intake would judge them now."""
    frame = judgement.frozen.table.frame if judgement.frozen.table else pd.DataFrame({ROW: []})
    answered = frame.assign(**{PREDICTED: judgement.predicted.to_numpy()})
    verdict = judgement.verdict.to_dict()
    findings = judged(judgement.findings, judgement.policy, judgement.rows_of)
    manifest = {"rows": len(frame), "sources": data.source_counts(frame, context.schema)}
    return {
        "name": f"{len(said['rows'])} rows of batch:{said['batch']}",
        "manifest": manifest,
        "verdict": verdict,
        "reasons": [each for each in findings if not each.passed][:MOST_REASONS],
        "missing": "",
    } | pictures(context, answered, verdict, findings, None)


def pictures(
    context: Context,
    frame: pd.DataFrame,
    verdict: Mapping[str, Any],
    findings: Sequence[Judged],
    before: pd.DataFrame | None,
) -> dict[str, Any]:
    """Return what a reviewer sees of the rows in `frame`, judged by `verdict`, beside those `before`."""
    schema = context.schema
    doubted = {*verdict["quarantined"]["rows"], *verdict["suspects"]["rows"]}
    result = _by_source(context, frame, doubted)
    drifted = _drifted(context, before, frame, findings)
    return {
        "sources": plots.svg(plots.by_source(result)) if result else None,
        "crowd": len(result),
        "drift": plots.svg(plots.distributions(drifted)) if drifted else None,
        "secret": [name for name in schema.sensitive if name in schema.feature_names],
    }


def _rows(context: Context, batch: str) -> pd.DataFrame:
    """Return all rows of `batch`, wherever its verdict sent them."""
    layout = context.layout
    places = [
        layout.intake(batch) / "rows",
        layout.quarantine(batch),
        layout.admitted(batch),
    ]
    tables = [
        data.read_verified(place / data.FEEDBACK)
        for place in places
        if (place / data.MANIFEST).is_file()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({ROW: []})


def _by_source(
    context: Context, frame: pd.DataFrame, doubted: set[int]
) -> list[tuple[str, int, int, int]]:
    """Return (source, agreeing, disagreeing, doubted rows), the most doubted and largest first."""
    schema = context.schema
    if schema.source is None or schema.source not in frame:
        return []
    held = frame[ROW].isin(doubted)
    if schema.classes:
        result = frame[schema.label].map(label_text, na_action="ignore")
        differs = result != frame[PREDICTED].map(label_text, na_action="ignore")
    else:
        spread = float(frame[schema.label].astype(float).std()) or 1.0
        differs = (frame[schema.label].astype(float) - frame[PREDICTED]).abs() > spread
    names = frame[schema.source].map(str, na_action="ignore").fillna("(nobody)")
    counts = (
        pd.DataFrame({"name": names, "held": held, "differs": differs & ~held})
        .groupby("name")
        .agg(rows=("held", "size"), held=("held", "sum"), differs=("differs", "sum"))
        .sort_values(["held", "rows"], ascending=False)
    )
    return [
        (str(name), int(row.rows - row.held - row.differs), int(row.differs), int(row.held))
        for name, row in counts.iterrows()
    ]


def reasons(findings: Sequence[Judged]) -> list[Judged]:
    """Return why rows or the batch were stopped: per metric all the rows named, and what it says first."""
    by: dict[str, list[Judged]] = {}
    for each in findings:
        if not each.passed and each.limit is not None:
            by.setdefault(each.metric, []).append(each)
    return [
        same[0].model_copy(update={"rows": tuple(row for each in same for row in each.rows)})
        for same in list(by.values())[:MOST_REASONS]
    ]


def _drifted(
    context: Context,
    before: pd.DataFrame | None,
    frame: pd.DataFrame,
    findings: Sequence[Judged],
) -> list[tuple[str, dict[str, Summary]]]:
    """Return the columns that moved most with their values then and now; no sensitive one."""
    schema = context.schema
    moved: dict[str, float] = {}
    for each in findings:
        if each.metric.startswith("drift.effect.") and each.value:
            name = each.metric.split(".", 3)[3]
            moved[name] = max(moved.get(name, 0.0), each.value)
    known = {view.name: view for view in views(schema)}
    secret = {name for name, view in known.items() if view.secret}
    names = [name for name in sorted(moved, key=lambda n: -moved[n]) if name in known]
    shown = [name for name in names if name not in secret][:MOST_DRIFTED]
    if not shown or not len(frame):
        return []
    parts = {
        "first base data": data.read_trusted(context.layout, "reference"),
        "accepted before": before,
        "these rows": frame,
    }
    summaries = {
        label: summarise(schema, table, table.get(PREDICTED))
        for label, table in parts.items()
        if table is not None
    }
    found = []
    for name in shown:
        values = {label: entry[name] for label, entry in summaries.items()}
        present = {label: each for label, each in values.items() if each is not None}
        found.append((f"{name.removeprefix('feature.')}: {moved[name]:.2f}", present))
    return found


def _before(context: Context, batch: str) -> pd.DataFrame | None:
    """Return the last batch that was admitted before `batch`, None when there was none."""
    earlier = [each for each in data.admitted_batches(context.layout) if each < batch]
    return data.read_admitted(context.layout, earlier[-1:]) if earlier else None
