"""reanchor: replace the trusted reference or golden set, once reviewers have signed.

Honest drift is permanent. The replaced table is kept, and the new one's distance
from the very first is on the reviewers' page, and in `status` from then on.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sluicegate.core import Misused
from sluicegate.evidence.statement import ANCHOR
from sluicegate.flows.feedback.trusted import in_normal_form, read_given, require_columns
from sluicegate.record.context import POLICY_FILES, Context
from sluicegate.record.policy import require_signed
from sluicegate.record.questions import artifact
from sluicegate.record.subjects.anchor import ANCHORED, farthest, read_anchor
from sluicegate.record.words import number as figure
from sluicegate.review.distance import (
    TABLES,
    also_learnt,
    distances,
    earlier,
    figures_of_champion,
    table_of,
)
from sluicegate.review.votes import Question, decided, put
from sluicegate.stores import data, dvc, files, git, record
from sluicegate.stores.layout import Layout, next_number
from sluicegate.stores.quoting import PAGE
from sluicegate.stores.reading import require_file
from sluicegate.stores.transaction import Transaction, transaction

ROOMS = (*record.ROOMS, *TABLES)
LEAST_ROWS = 50


def propose(context: Context, given: Mapping[str, Path | str], reason: str) -> str:
    """Ask the reviewers to trust the files in `given` (`reference`, `golden`); return the subject.

    Raises Misused for a table that is unfit to learn from or to compare on.
    """
    layout = context.layout
    if not given:
        raise Misused("No table was given; use --reference FILE, --golden FILE or both.")
    if not reason.strip():
        raise Misused("A re-anchoring needs a reason for its reviewers: give --reason WHY.")
    git.require_committed(layout.root, (*POLICY_FILES, *TABLES))
    require_signed(layout)
    tables = {name: _read(context, require_file(path)) for name, path in given.items()}
    with transaction(context, "reanchor") as t:
        number = next_number(layout.root / "anchors")
        _write(t, context, number, tables, reason)
        put(t, context, question(context, number))
        t.commits_as(f"anchor:{number} asked for")
    return f"anchor:{number}"


def question(context: Context, number: str) -> Question:
    """Return the question about a re-anchoring."""
    layout, folder = context.layout, context.layout.anchor(number)
    predicate = read_anchor(layout, number)
    shown = [("why it is asked", predicate["reason"])]
    for table in _tables(predicate):
        recorded = predicate["tables"][table]
        for words, side in (("now", recorded["before"]), ("proposed", recorded["after"])):
            shown.append((f"{table} {words}", f"{side['rows']} rows, sha256:{side['sha256']}"))
        shown.append((f"{table} farthest from the very first", farthest(recorded["distances"])))
    for name, value in predicate["golden_figures"].items():
        shown.append((f"champion's {name}", value))
    shown.append(("asked by", predicate["asked_by"] or "the runner"))
    text = f"Replace the trusted {_named(predicate)} with the proposed one?"
    from sluicegate.review.pages import anchor_page

    page = anchor_page(context, predicate, text, shown)
    bound = [folder / "anchor.json", folder / PAGE]
    bound += [folder / table / data.MANIFEST for table in predicate["tables"]]
    bound += [table_of(layout, table).with_name(data.MANIFEST) for table in TABLES]
    return Question(f"anchor:{number}", text, shown, bound, page)


def accept(context: Context, number: str, people: Sequence[str]) -> str:
    """Commit the proposed tables, and keep those that they replace."""
    layout, subject = context.layout, f"anchor:{number}"
    predicate = read_anchor(layout, number)
    git.require_committed(layout.root, TABLES)
    with decided(context, subject, ANCHORED, people, ROOMS) as t:
        for table in predicate["tables"]:
            data.read_verified(layout.anchor(number) / table / f"{table}.parquet")
            _replace(layout, number, table)
        placed = [artifact(layout, table_of(layout, table)) for table in predicate["tables"]]
        before = {table: each["before"]["sha256"] for table, each in predicate["tables"].items()}
        why = {"anchor": number, "before": before, "reason": predicate["reason"]}
        t.append("reanchor", placed, why)
        t.commit_as_service(f"{subject} carried out")
    return f"the new {_named(predicate)} is now trusted"


def _read(context: Context, path: Path) -> pd.DataFrame:
    layout, schema = context.layout, context.schema
    raw = read_given(layout.home, path)
    require_columns(raw, schema, path)
    frame = in_normal_form(layout, raw, schema, path)
    if len(frame) < LEAST_ROWS:
        raise Misused(f"{path} has {len(frame)} rows; give at least {LEAST_ROWS}.")
    return frame


def _write(
    t: Transaction, context: Context, number: str, tables: Mapping[str, pd.DataFrame], reason: str
) -> None:
    layout, folder = context.layout, context.layout.anchor(number)
    paths, predicate = [], {}
    for table, frame in tables.items():
        path = folder / table / f"{table}.parquet"
        about = {"kind": table, "anchor": number, "received": context.now(), "verified": True}
        data.write_with_manifest(path, frame, context.schema, about)
        paths.append(path)
        moved = distances(context, frame, earlier(layout, table))
        predicate[table] = {
            "before": _contents(table_of(layout, table)),
            "after": _contents(path),
            "distances": [each.to_dict() for each in moved],
        }
    t.store(paths)
    details = {
        "anchor": number,
        "tables": predicate,
        "golden_figures": _golden_figures(context, tables),
        "reason": reason,
        "asked_by": context.started_by,
        "time": context.now(),
    }
    made = [artifact(layout, path) for path in paths]
    statement = t.state(folder / "anchor.json", made, ANCHOR, details)
    t.append("ask-anchor", [*made, statement], {"anchor": number})


def _golden_figures(context: Context, tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Return what a new golden set says of the champion, and how much of it a model can learn from."""
    layout, golden = context.layout, tables.get("golden")
    if golden is None:
        return {}
    primary = context.settings.compare.primary
    before = figures_of_champion(context, data.read_trusted(layout, "golden"))[primary]
    after = figures_of_champion(context, golden)[primary]
    reference = tables.get("reference")
    learnt = data.read_trusted(layout, "reference") if reference is None else reference
    admitted = data.read_admitted(layout, data.admitted_batches(layout))
    known = also_learnt(context, golden, [learnt, admitted])
    return {
        primary: f"{figure(before)} on the current golden set, {figure(after)} on the proposed one",
        "training data holds": f"{known} of the {len(golden)} proposed golden rows",
    }


def _replace(layout: Layout, number: str, table: str) -> None:
    """Move the trusted `table` to before/ and put the proposed one in its place, the data last.

    In this order a kill leaves a pointer that differs from the committed one, so that recovery brings
    the data back too.
    """
    place, kept = table_of(layout, table), layout.anchor(number) / "before" / table
    new = layout.anchor(number) / table / place.name
    for path in (dvc.pointer(place), place.with_name(data.MANIFEST), place):
        files.move(path, kept / path.name)
    for path in (dvc.pointer(new), new.with_name(data.MANIFEST), new):
        files.copy_in(path, place.with_name(path.name))


def _tables(predicate: Mapping[str, Any]) -> list[str]:
    return [table for table in TABLES if table in predicate["tables"]]


def _named(predicate: Mapping[str, Any]) -> str:
    words = {"reference": "reference", "golden": "golden set"}
    return " and ".join(words[table] for table in _tables(predicate))


def _contents(path: Path) -> dict[str, Any]:
    manifest = data.read_manifest(path.parent)
    return {"sha256": manifest.sha256, "rows": manifest.rows, "labels": dict(manifest.labels)}
