"""incident: what a rollback leaves for people: an account from the record, and a question.

The question comes afterwards, because a rollback has to be fast: reviewers countersign within a day,
and a source that was rolled back stays barred only if they say so.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from sluicegate.checks.candidate import Candidate, Contender
from sluicegate.checks.comparison import report
from sluicegate.checks.statistics.changes import changes
from sluicegate.checks.statistics.scoring import truth_of
from sluicegate.core import Schema, SluicegateError, Update
from sluicegate.core.canonical import sha256_file
from sluicegate.core.compared import SliceFigure
from sluicegate.core.schema import HOLDOUT
from sluicegate.evidence.statement import INCIDENT_CLOSED
from sluicegate.record.affected_predictions import affected
from sluicegate.record.champion import Champion, champion_of, suspended
from sluicegate.record.context import Context
from sluicegate.record.kept_models import kept_model
from sluicegate.record.lineage import Trace
from sluicegate.record.quarantine import lot_of
from sluicegate.record.questions import artifact
from sluicegate.record.subjects.incident import (
    COUNTERSIGNED,
    Agreement,
    Closed,
    Differs,
    OnGolden,
    Served,
    SliceDiffers,
    cleaned,
    read_closed,
    read_incident,
)
from sluicegate.record.words import nobody
from sluicegate.reports.incident import ACCOUNT, STORY, account, read_account, written
from sluicegate.review.votes import Question, decided, put
from sluicegate.stores import data, files, models
from sluicegate.stores.layout import Layout
from sluicegate.stores.quoting import PAGE
from sluicegate.stores.transaction import transaction

MOST_SLICES = 8


def close(context: Context, number: str, found: Trace, made: Update | None) -> None:
    """Record what was rolled back, write the account, and ask reviewers to countersign."""
    layout, folder = context.layout, context.layout.incident(number)
    opened, serving = read_incident(layout, number), champion_of(layout)
    stopped, log = suspended(layout), context.settings.rollback.predictions
    gone = cleaned(layout, number)
    lots = [(each, lot_of(layout, number, each.batch)) for each in gone]
    closed = Closed(
        incident=number,
        champion=served(serving),
        suspended=stopped.details["incident"] if stopped else None,
        cleaned=gone,
        lots={each.batch: data.read_manifest(lot).sha256 for each, lot in lots if lot},
        differs=_differs(context, number, opened.champion, served(serving)),
        predictions=affected(layout.root, log, [each.version for each in found.promoted]),
        update=made.id if made else None,
        time=context.now(),
    )
    with transaction(context, "rollback", f"incident:{number} closed") as t:
        story = account(context, number, found, opened, closed)
        files.write_json(folder / STORY, story.to_dict())
        closed = closed.model_copy(update={"account": sha256_file(folder / STORY)})
        about, path = artifact(layout, folder / "incident.json"), folder / "closed.json"
        result = t.state(path, [about], INCIDENT_CLOSED, closed)
        t.append("close-incident", [result], {"incident": number})
        files.write_bytes(folder / ACCOUNT, written(story).encode())
        put(t, context, question(context, number))


def question(context: Context, number: str) -> Question:
    """Return the question whether a rollback was right."""
    layout, folder = context.layout, context.layout.incident(number)
    opened, closed = read_incident(layout, number), read_closed(layout, number)
    was, serving = opened.champion, closed.champion
    now = f"{serving.version}, sha256:{serving.sha256}"
    if closed.suspended:
        now = nobody(number, closed.suspended)
    shown = [
        ("what was rolled back", opened.because),
        ("why", opened.reason),
        ("version that served", f"{was.version}, sha256:{was.sha256}"),
        ("version that serves now", now),
        ("rows taken out", str(sum(each.rows for each in closed.cleaned))),
        ("sources barred", ", ".join(opened.sources) or "none"),
        ("trained without it", f"update:{closed.update}" if closed.update else "not yet"),
        ("rolled back by", opened.started_by or "the runner"),
    ]
    text = f"Was it right to roll back {opened.because}?"
    if opened.sources:
        text = f"Was it right to roll back {opened.because}, and shall it stay barred?"
    from sluicegate.review.pages import incident_page

    page = incident_page(context, number, text, shown, read_account(layout, number))
    bound = [folder / name for name in ("incident.json", "closed.json", ACCOUNT, PAGE)]
    return Question(f"incident:{number}", text, shown, bound, page)


def accept(context: Context, number: str, people: Sequence[str]) -> str:
    """Record that the rollback was right; the sources that it names are barred for good."""
    with decided(context, f"incident:{number}", COUNTERSIGNED, people):
        sources = read_incident(context.layout, number).sources
    return "countersigned" + (f"; barred: {', '.join(sources)}" if sources else "")


def served(champion: Champion) -> Served:
    """Return a champion as the record of an incident has it."""
    return Served(
        sha256=champion.sha256,
        since=champion.since,
        update=champion.update,
        version=champion.version,
    )


def _differs(context: Context, number: str, tainted: Served, clean: Served) -> Differs | None:
    """Return both models' figures on the golden set, per slice, and on what an incident took out.

    None where they are the same model. A model that is not available is named in `fault`, so that the
    rollback can still finish.
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
        taken=_agreement(schema, _taken(layout, number), was, now),
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
