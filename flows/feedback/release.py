"""release: send quarantined rows through intake again, under an exception that reviewers signed.

The exception waives the limits that it names, for a delivery of exactly these rows; every other limit
judges them as it judges any batch, when the release is asked for and again when it is carried out.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sluicegate.core import Conflict, Misused, Outcome
from sluicegate.core.document import Result
from sluicegate.core.schema import ROW
from sluicegate.evidence.statement import RELEASE
from sluicegate.flows.feedback.exception import (
    Tried,
    Wanted,
    as_delivered,
    judge_again,
    select,
    stopped_by,
    try_out,
    unmeasured,
)
from sluicegate.flows.feedback.settle import settle
from sluicegate.record.context import POLICY_FILES, Context
from sluicegate.record.judgement import Judgement
from sluicegate.record.policy import require_signed
from sluicegate.record.quarantine import held_for, require_date, review_by
from sluicegate.record.questions import artifact
from sluicegate.record.subjects.incident import cleaned_so_far
from sluicegate.record.subjects.release import RELEASED, read_release
from sluicegate.review.votes import Question, decided, put
from sluicegate.stores import data, git
from sluicegate.stores.layout import next_number
from sluicegate.stores.quoting import PAGE
from sluicegate.stores.transaction import Transaction, transaction

MOST_NAMED = 12


class ReleasePlan(Result):
    """What intake would make of rows in quarantine under an exception."""

    batch: str
    rows: int
    waives: list[str]
    outcome: Outcome
    still_set_aside: int
    stopped_by: list[str]
    not_measured: list[str]


def plan(context: Context, wanted: Wanted) -> ReleasePlan:
    """Return what intake would make of the rows under the exception, without asking anybody."""
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as scratch:
        tried = try_out(context, wanted, Path(scratch))
    verdict = tried.judgement.verdict
    return ReleasePlan(
        batch=wanted.batch,
        rows=len(tried.frame),
        waives=list(tried.waives),
        outcome=verdict.outcome,
        still_set_aside=len(verdict.quarantined.rows),
        stopped_by=stopped_by(tried.judgement),
        not_measured=unmeasured(tried.judgement),
    )


def propose(context: Context, wanted: Wanted) -> str:
    """Ask the reviewers to release rows from quarantine; return the subject, like `release:0001`.

    Raises Misused, naming them, where limits that are not waived would stop the rows again.
    """
    layout = context.layout
    if not wanted.reason.strip():
        raise Misused("A release needs a reason for its reviewers: give --reason WHY.")
    until = (
        require_date(wanted.review_by) if wanted.review_by else review_by(context, context.now())
    )
    git.require_committed(layout.root, POLICY_FILES)
    require_signed(layout)
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as scratch:
        tried = try_out(context, wanted, Path(scratch))
        _require_use(tried)
        with transaction(context, "release") as t:
            select(context, wanted)  # somebody may have asked for the same rows meanwhile
            number = next_number(layout.root / "releases")
            _write(t, context, replace(wanted, review_by=until), number, tried)
            put(t, context, _question(context, number, tried.judgement))
            t.commits_as(f"release:{number} asked for")
    return f"release:{number}"


def question(context: Context, number: str) -> Question:
    """Return the question about a release, with what intake would say now."""
    predicate = read_release(context.layout, number)
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as scratch:
        judgement = judge_again(context, _kept(context, number), predicate, Path(scratch))
        return _question(context, number, judgement)


def accept(context: Context, number: str, people: Sequence[str]) -> str:
    """Send the rows through intake as a delivery of their own, and carry out its verdict."""
    layout, subject = context.layout, f"release:{number}"
    predicate = read_release(layout, number)
    before = cleaned_so_far(layout)
    with tempfile.TemporaryDirectory(prefix="release-", dir=layout.home) as scratch:
        judgement = judge_again(context, _kept(context, number), predicate, Path(scratch))
        with decided(context, subject, RELEASED, people) as t:
            if cleaned_so_far(layout) != before:
                raise Conflict(f"A rollback finished meanwhile; answer {subject} again.")
            details = {"release": number, "batch": predicate["batch"], "rows": predicate["rows"]}
            details["as"] = next_number(layout.root / "intake")
            t.append("release", [artifact(layout, _kept(context, number))], details)
            batch = settle(t, context, judgement)
    verdict = judgement.verdict
    aside = len(verdict.quarantined.rows)
    return (
        f"went through intake as batch:{batch.id}: {verdict.outcome.value}, {aside} rows set aside"
    )


def _kept(context: Context, number: str) -> Path:
    return context.layout.release(number) / "rows" / data.FEEDBACK


def _question(context: Context, number: str, judgement: Judgement) -> Question:
    layout, folder = context.layout, context.layout.release(number)
    predicate, manifest = read_release(layout, number), data.read_manifest(folder / "rows")
    received = data.read_manifest(layout.intake(predicate["batch"])).sha256
    expected = judgement.verdict
    aside = len(expected.quarantined.rows)
    shown = [
        ("why it is asked", predicate["reason"]),
        (
            "rows",
            f"{manifest.rows} of batch:{predicate['batch']} ({_some(list(map(str, predicate['rows'])))})",
        ),
        ("received file", f"sha256:{received}"),
        ("sources", _some(sorted(manifest.sources)) or "not named"),
        ("held for", _some(predicate["held_for"]) or "the whole batch was held"),
        ("limits waived for these rows", "; ".join(predicate["waives"]) or "none"),
        ("intake would now say", f"{expected.outcome.value}, {aside} rows set aside again"),
        ("exception to be reviewed by", predicate["review_by"]),
        ("asked by", predicate["asked_by"] or "the runner"),
    ]
    rows = "1 row" if manifest.rows == 1 else f"{manifest.rows} rows"
    text = f"Release {rows} of batch:{predicate['batch']} from quarantine?"
    from sluicegate.review.pages import release_page

    page = release_page(context, predicate, text, shown, judgement)
    bound = [folder / "release.json", folder / "rows" / data.MANIFEST, folder / PAGE]
    bound += [
        layout.intake(predicate["batch"]) / name for name in ("verdict.json", "findings.json")
    ]
    return Question(f"release:{number}", text, shown, bound, page)


def _require_use(tried: Tried) -> None:
    """Raise Misused where the exception would let nothing through, naming what stops it."""
    verdict = tried.judgement.verdict
    through = len(tried.frame) - len(verdict.quarantined.rows)
    if verdict.outcome in (Outcome.PASS, Outcome.QUARANTINE) and through:
        return
    stops, blind = stopped_by(tried.judgement), unmeasured(tried.judgement)
    lines = [f"by {_some(stops)}"] if stops else []
    lines += (
        [f"because {_some(blind)} cannot be measured on {len(tried.frame)} rows"] if blind else []
    )
    raise Misused(
        f"Intake would stop these rows again, {' and '.join(lines)}; waive limits by name "
        "(--waive LIMIT, --waive-unmeasured), or release more rows together."
    )


def _write(t: Transaction, context: Context, wanted: Wanted, number: str, tried: Tried) -> None:
    layout, folder = context.layout, context.layout.release(number)
    table = _kept(context, number)
    about = {"release": number, "batch": wanted.batch, "received": context.now()}
    data.write_with_manifest(table, as_delivered(tried.frame), context.schema, about)
    t.store([table])
    why = held_for(context, wanted.batch, tried.frame)
    details = {
        "release": number,
        "batch": wanted.batch,
        "rows": [int(row) for row in tried.frame[ROW]],
        "held_for": list(dict.fromkeys(metric for each in why for metric in each)),
        "waives": list(tried.waives),
        "reason": wanted.reason,
        "review_by": wanted.review_by,
        "asked_by": context.started_by,
        "time": context.now(),
    }
    rows = artifact(layout, table)
    made = t.state(folder / "release.json", [rows], RELEASE, details)
    t.append("ask-release", [rows, made], {"release": number})


def _some(names: Sequence[str]) -> str:
    left = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {left} more" if left > 0 else "")
