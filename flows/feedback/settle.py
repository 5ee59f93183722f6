"""settle: move the rows of a judged batch where its verdict says, and record it, in one transaction."""

import hashlib
import hmac
from pathlib import Path

import pandas as pd

from sluicegate.checks.taken_out import TakenOut
from sluicegate.core import Artifact, Batch, CannotDecide, Outcome, Verdict
from sluicegate.core.canonical import sha256_file
from sluicegate.core.schema import HOLDOUT, PREDICTED, ROW
from sluicegate.core.standing import Tier
from sluicegate.evidence.statement import VERDICT
from sluicegate.flows.feedback.judge import batch_of
from sluicegate.flows.feedback.measure import feedback
from sluicegate.flows.feedback.quarantine import set_aside
from sluicegate.gates import Policy, decide
from sluicegate.gates.decide import outcome_of
from sluicegate.record import source_history as history
from sluicegate.record.attest import attest_result
from sluicegate.record.calibration import intake_policy
from sluicegate.record.causes import concerned, parse_cause
from sluicegate.record.context import Context
from sluicegate.record.judgement import Frozen, Judgement
from sluicegate.record.known_triggers import keep_stopped
from sluicegate.record.questions import artifact
from sluicegate.record.removed_rows import taken_out
from sluicegate.record.results import judged
from sluicegate.record.source_standing import accused_in, standing
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.incident import (
    CONTESTED,
    barred,
    cleaned_since,
    incidents,
    read_incident,
)
from sluicegate.review.ask import about_batch
from sluicegate.review.votes import put
from sluicegate.stores import data, files, keys, record
from sluicegate.stores.layout import next_number
from sluicegate.stores.quoting import OF_BATCH, QUOTES
from sluicegate.stores.reading import Table
from sluicegate.stores.transaction import Transaction


def settle(t: Transaction, context: Context, judgement: Judgement) -> Batch:
    """Write the record, and the rows where the verdict sends them; then push."""
    layout = context.layout
    context.tell(f"Settling: {judgement.verdict.outcome.value}")
    batch = batch_of(context, judgement.frozen, next_number(layout.root / "intake"))
    number = str(batch.id)
    _keep_received(context, judgement.frozen)
    state, tables = _place(context, judgement, number)
    result = _write_record(t, context, judgement, batch, state)
    quoting = [layout.intake(number) / name for name in OF_BATCH]
    t.store([*tables, *(path for path in quoting if path.is_file())])
    t.append(
        "intake",
        [batch.artifact, *(artifact(layout, table) for table in tables), *result],
        {
            "batch": number,
            "state": state,
            "outcome": judgement.verdict.outcome.value,
            "policy": judgement.verdict.policy,
        },
    )
    if state == "paused":
        put(t, context, about_batch(context, number))
    t.commits_as(f"batch:{number} {state}")
    return batch


def _place(context: Context, judgement: Judgement, number: str) -> tuple[str, list[Path]]:
    """Write the rows where they belong; return the batch's state and the tables written."""
    layout, frozen, verdict = context.layout, judgement.frozen, judgement.verdict
    if frozen.table is None or verdict.outcome is Outcome.REJECT:
        return "rejected", []
    frame = frozen.table.frame.assign(**{PREDICTED: judgement.predicted.to_numpy()})
    if verdict.outcome is Outcome.PAUSE:
        return "paused", [_write_rows(context, layout.intake(number) / "rows", frame, number)]
    held = frame[ROW].isin(verdict.quarantined.rows)
    reasons = pd.Series(_reasons(judgement, len(frame)), index=frame.index)
    tables = _divide(context, number, frame, held, reasons)
    return "quarantined" if held.all() else "admitted", tables


def place_reviewed(context: Context, number: str) -> list[Path]:
    """Admit the rows of a batch that reviewers approved; what the gate set aside stays aside."""
    layout = context.layout
    folder = layout.intake(number)
    predicate = record.read_statement(layout, folder / "verdict.json")["predicate"]
    verdict = Verdict.read(predicate, "verdict.json")
    frame = data.read_verified(folder / "rows" / data.FEEDBACK)
    taken = _taken_back(context, number, frame)
    held = frame[ROW].isin(verdict.quarantined.rows) | taken
    gate = f"set aside by the gate; see intake/{number}/findings.json"
    rollback = "removed by a rollback that began while the batch waited"
    return _divide(context, number, frame, held, taken.map({True: rollback, False: gate}))


def _divide(
    context: Context,
    number: str,
    frame: pd.DataFrame,
    held: "pd.Series[bool]",
    reasons: "pd.Series[str]",
) -> list[Path]:
    """Set the `held` rows aside and admit the others; return the tables written."""
    tables = []
    if held.any():
        folder = context.layout.quarantine(number)
        tables.append(set_aside(context, folder, frame[held], reasons[held], batch=number))
    if not held.all():
        tables.append(_admit(context, frame[~held], number))
    return tables


def _taken_back(context: Context, number: str, frame: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows a rollback speaks of that began while the batch waited.

    Those of its source or of its trigger, the incident may wait for its countersignature; and those that
    repeat what it took out elsewhere. What was taken out before was measured, and reviewers know of it.
    """
    layout, source = context.layout, context.schema.source
    rows: set[int] = set()
    for incident in incidents(layout):
        cause = parse_cause(read_incident(layout, incident).because)
        contested = state_of(layout, f"incident:{incident}") == CONTESTED
        if cause.kind == "trigger" and not contested:
            rows.update(concerned(context, cause).get(number, ()))
    gone = taken_out(context, cleaned_since(layout, number))
    if gone is not None:
        (found,) = TakenOut(gone)(feedback(context, Table(frame, {})))
        rows.update(int(row) for row in frame[ROW].iloc[list(found.rows)])
    held = frame[ROW].isin(rows)
    if source is None or source not in frame:
        return held
    named = frame[source].fillna("").astype(str)
    return held | named.isin(frozenset.union(*barred(layout)))


def _admit(context: Context, admitted: pd.DataFrame, number: str) -> Path:
    out = held_out_rows(context, number, admitted[ROW]) | on_probation(context, admitted)
    admitted = with_label_type(context, admitted.assign(**{HOLDOUT: out}))
    return _write_rows(context, context.layout.admitted(number), admitted, number)


def held_out_rows(context: Context, number: str, rows: "pd.Series[int]") -> "pd.Series[bool]":
    """Return the rows that no model trains on: their keyed hash of (batch, row) is below the share."""
    key = keys.derived_key(context.layout, "held out")
    most = context.settings.compare.held_out * 2**32

    def drawn(row: int) -> bool:
        digest = hmac.new(key, f"{number}/{row}".encode(), hashlib.sha256).digest()
        return int.from_bytes(digest[:4], "big") < most

    return rows.map(drawn).astype(bool)


def on_probation(context: Context, admitted: pd.DataFrame) -> "pd.Series[bool]":
    """Return the first rows of new sources; they serve only for comparison."""
    source, most = context.schema.source, context.settings.sources.probation_rows
    if not most or source is None or source not in admitted:
        return pd.Series(False, index=admitted.index)
    names = admitted[source].fillna("").astype(str)
    tiers = standing(context.layout, context.settings.sources, context.now())
    earlier = data.admitted_rows_of_sources(context.layout)
    place = names.groupby(names).cumcount() + names.map(earlier).fillna(0)
    new = names.map({name: tiers.tier(name) is Tier.NEW for name in names.unique()}).astype(bool)
    return new & (place < most)


def with_label_type(context: Context, frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with its labels as the classes' own type, as they train the model."""
    schema = context.schema
    if not schema.classes:
        return frame
    codes = schema.label_codes(frame[schema.label])
    if (codes < 0).any():
        raise CannotDecide(
            "The policy would admit labels outside data.classes; give contract.warning a limit."
        )
    return frame.assign(**{schema.label: pd.Series(schema.classes).to_numpy()[codes]})


def _reasons(judgement: Judgement, rows: int) -> list[str]:
    """Return for each row the metrics that set it aside."""
    reasons: list[list[str]] = [[] for _ in range(rows)]
    judgements = judged(judgement.findings, judgement.policy, judgement.rows_of)
    for finding, entry in zip(judgement.findings, judgements, strict=True):
        if entry.outcome is Outcome.QUARANTINE:
            named = set(finding.rows).union(*(judgement.rows_of[s] for s in finding.sources))
            for row in named:
                reasons[row].append(finding.metric)
    return ["; ".join(dict.fromkeys(each)) for each in reasons]


def _write_rows(context: Context, folder: Path, frame: pd.DataFrame, number: str) -> Path:
    path = folder / data.FEEDBACK
    about = {"batch": number, "received": context.now()}
    data.write_with_manifest(path, frame, context.schema, about)
    return path


def _write_record(
    t: Transaction, context: Context, judgement: Judgement, batch: Batch, state: str
) -> tuple[Artifact, Artifact]:
    """Write intake/NNNN; return the verdict, last, and the same as a test result."""
    number = str(batch.id)
    folder = context.layout.intake(number)
    table, feed = judgement.frozen.table, judgement.frozen.feed
    bare = [each.bare for each in judgement.findings]
    verdict = decide(judgement.policy, f"batch:{batch.id}", bare, judgement.rows_of)
    listed = judged(bare, judgement.policy, judgement.rows_of)
    files.write_json(
        folder / data.MANIFEST,
        {
            "batch": batch.id,
            "file": batch.artifact.name,
            "sha256": batch.artifact.sha256,
            "received": batch.received,
            "rows": batch.rows,
            "sources": data.source_counts(table.frame, context.schema) if table else {},
            "labels": data.label_counts(table.frame, context.schema) if table else {},
            "state": state,
            "feed": feed.to_dict() if feed else None,
            "accused": accused_in(listed),
        },
    )
    # With sensitive columns it would tell whether a guess at the delivery's content is right.
    if feed and not context.schema.sensitive:
        files.write_bytes(folder / "delivery.sig", feed.signature.encode())
    files.write_json_rows(folder / "findings.json", [each.to_dict() for each in listed])
    extended = context.settings.defaults
    statement = t.state(
        folder / "verdict.json",
        [batch.artifact],
        VERDICT,
        verdict.to_dict()
        | {
            "started_by": context.started_by,
            "time": context.now(),
            "findings": sha256_file(folder / "findings.json"),
            "sources": _keep_heard(context, judgement, number),
            "patterns": _keep_patterns(context, judgement, number),
            "triggers": keep_stopped(context.layout, number, judgement.stopped, context.schema),
            "quotes": _keep_quotes(context, judgement, number),
            "manifest": sha256_file(folder / data.MANIFEST),
            **({"defaults": extended.to_dict()} if extended else {}),
        },
    )
    result = attest_result(t, context, folder, batch.artifact, verdict.outcome, listed)
    return result, statement


def _keep_quotes(context: Context, judgement: Judgement, number: str) -> str | None:
    """Keep in full what findings quote of rows, return the file's SHA-256; None: nothing."""
    found = judged(judgement.findings, judgement.policy, judgement.rows_of)
    changed = (each.detail != each.bare.detail for each in judgement.findings)
    quotes = {str(at): found[at].detail for at, quoting in enumerate(changed) if quoting}
    if not quotes:
        return None
    path = context.layout.intake(number) / QUOTES
    files.write_json(path, quotes)
    return sha256_file(path)


def _keep_heard(context: Context, judgement: Judgement, number: str) -> str | None:
    """Keep what was heard of each source for later batches; None when nobody was asked."""
    if judgement.panel is None:
        return None
    accused = (
        f.sources
        for f in judgement.findings
        if f.metric == "sources.disagreement"
        and outcome_of(judgement.policy, f, judgement.rows_of)[1] is not Outcome.PASS
    )
    return history.keep(context.layout, number, judgement.panel, set().union(*accused))


def _keep_patterns(context: Context, judgement: Judgement, number: str) -> str | None:
    """Keep what was said of suspected patterns; those of rows that reviewers release are forgotten."""
    pulled, table = judgement.pulled, judgement.frozen.table
    if table is not None and _waives_patterns(context, judgement.policy):
        past = history.earlier(context.layout, context.schema)
        pulled = history.released(past, table.frame, context.schema)
    return history.keep_patterns(context.layout, number, pulled)


def _waives_patterns(context: Context, policy: Policy) -> bool:
    """Tell whether `policy` lets patterns through that this workspace's own would stop."""
    own, these = (
        [any(limit.covers(metric) for limit in each.limits) for metric in history.OF_PATTERNS]
        for each in (intake_policy(context), policy)
    )
    return any(mine and not this for mine, this in zip(own, these, strict=True))


def _keep_received(context: Context, frozen: Frozen) -> None:
    target = context.layout.received / f"{frozen.artifact.sha256}{frozen.path.suffix}"
    raw = frozen.table is None and context.schema.sensitive  # no pseudonyms without a table
    if not raw and not target.exists():
        files.copy_in(frozen.path, target)
