"""measure: what intake's checks see and find; one failing check does not stop the others."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.checks.barred import Barred
from sluicegate.checks.concept import ConceptDrift
from sluicegate.checks.corrections import Corrections
from sluicegate.checks.duplicates import Duplicates
from sluicegate.checks.echo import Echo
from sluicegate.checks.fairness import Fairness
from sluicegate.checks.heterogeneity import Heterogeneity
from sluicegate.checks.memory import Heard, SourceMemory
from sluicegate.checks.missingness import Missingness
from sluicegate.checks.novelty import Novelty
from sluicegate.checks.origins import Origins
from sluicegate.checks.outliers import Outliers
from sluicegate.checks.sources import SourceDisagreement, SourceShare
from sluicegate.checks.statistics.panel import Panel, panel_of
from sluicegate.checks.statistics.pulls import Pulled, Trigger
from sluicegate.checks.statistics.scoring import Answers, Mask, known, truth_of
from sluicegate.checks.taken_out import TakenOut
from sluicegate.checks.tiers import Tiers
from sluicegate.checks.times import Times
from sluicegate.checks.trigger_memory import TriggerMemory, pulled_in
from sluicegate.checks.triggers import Triggers
from sluicegate.core import CannotDecide, Check, Feedback, Finding, Reference, Schema, Task
from sluicegate.core.finding import quoted_in
from sluicegate.core.schema import PREDICTED
from sluicegate.flows.feedback import workers
from sluicegate.gates import Policy, decide
from sluicegate.record.champion import Champion, champion_of
from sluicegate.record.context import Context
from sluicegate.record.known_triggers import learnt_triggers, stopped_for
from sluicegate.record.removed_rows import taken_out
from sluicegate.record.source_history import earlier
from sluicegate.record.source_standing import standing
from sluicegate.record.subjects.incident import barred
from sluicegate.stores import keys, models
from sluicegate.stores.data import (
    FEEDBACK,
    admitted_batches,
    read_admitted,
    read_manifest,
    read_trusted,
    read_verified,
    stamp,
)
from sluicegate.stores.layout import Layout
from sluicegate.stores.reading import Table
from sluicegate.stores.settings import Checks

REFERENCE_ROWS = 20_000
MISSES = 0.9
"""Of a model that answers with numbers, an error beyond this quantile of the golden set's is a miss."""


def intake_checks(
    settings: Checks,
    policy: Policy,
    schema: Schema,
    earlier: tuple[Heard, ...] = (),
    now: datetime | None = None,
    taken: pd.DataFrame | None = None,
) -> tuple[Check[Feedback], ...]:
    """Return the checks of intake but for contract and drift, which run in children.

    If params.yaml has no source column, no check asks about sources: init declared `sources.*` not
    applicable. Without that declaration their limits go unanswered, and pause. `now` is the time of
    receipt, `taken` are the rows that rollbacks took out.
    """
    limits = (x.limit for x in policy.limits if x.covers("sources.disagreement"))
    accused = min(limits, default=math.inf)
    ahead, behind = timedelta(hours=settings.ahead_hours), timedelta(days=settings.behind_days)
    by_source: tuple[Check[Feedback], ...] = (
        SourceShare(),
        Tiers(),
        Barred(),
        SourceDisagreement(min_rows=settings.min_rows, accused=accused),
        SourceMemory(min_rows=settings.min_rows, earlier=earlier),
        Heterogeneity(min_rows=settings.min_rows, accused=accused),
    )
    return (
        ConceptDrift(min_rows=settings.min_rows),
        Missingness(min_rows=settings.min_rows),
        Novelty(min_rows=settings.min_rows),
        Outliers(min_rows=settings.min_rows),
        *(by_source if schema.source is not None else ()),
        *((Echo(min_rows=settings.min_rows),) if schema.task is Task.CLASSIFICATION else ()),
        *((Origins(),) if schema.label_origin is not None else ()),
        *((Corrections(),) if schema.id is not None and schema.time is not None else ()),
        *((Times(now or datetime.now(UTC), ahead, behind),) if schema.time is not None else ()),
        Duplicates(min_rows=settings.min_rows),
        TakenOut(taken),
        Triggers(min_rows=settings.min_rows),
        TriggerMemory(min_rows=settings.min_rows, earlier=earlier),
    )


@dataclass(frozen=True, eq=False)
class Measured:
    """All findings about a batch, the champion's answers, the panel on its sources, and patterns.

    The panel is None where nobody could be asked; `pulled` is what is said of suspected patterns, and
    `stopped` are the triggers that the policy does not let pass.
    """

    findings: list[Finding]
    predicted: "pd.Series[Any]"
    panel: Panel | None
    pulled: tuple[Pulled, ...] = ()
    stopped: tuple[Trigger, ...] = ()


def measure(context: Context, table: Table, path: Path, policy: Policy) -> Measured:
    """Return all findings about the normalised batch at `path`, and the champion's answers."""
    heard = earlier(context.layout, context.schema)
    findings, subject = measured(context, table, path, policy, heard, feedback)
    return Measured(
        findings=findings,
        predicted=predicted(context.schema, subject.scores, len(table.frame)),
        panel=panel_in(context, subject),
        pulled=pulled_in(subject),
        stopped=stopped_for(policy, findings, subject),
    )


def measured(
    context: Context,
    table: Table,
    path: Path,
    policy: Policy,
    heard: tuple[Heard, ...],
    seen: Callable[[Context, Table], Feedback],
) -> tuple[list[Finding], Feedback]:
    """Return all findings about the normalised batch at `path`, and the batch as it was `seen`.

    `heard` is what earlier batches said of their sources.

    The contract and drift are measured in children beside this process: their libraries take five
    seconds each to import.
    """
    settings = context.settings
    try:
        contract = workers.ask_contract(context, table, path)
        subject = seen(context, table)
        drift = workers.ask_drift(context, subject, path.parent)
        now, taken = context.clock(), taken_out(context)
        checks = intake_checks(settings.checks, policy, context.schema, heard, now, taken)
        findings = run_checks(checks, subject)
    except BaseException:
        workers.abandon()
        raise
    crashed = findings.pop()
    listed, faults = [], [crashed.detail] if crashed.value is None else []
    for answer in (contract, drift):
        try:
            listed += answer()
        except CannotDecide as error:
            faults.append(str(error))
    found = [*listed, *findings]
    fair = fairness(policy, found, subject, settings.checks.min_rows)
    stopped = stopped_for(policy, findings, subject)
    learnt = run_checks((learnt_triggers(context.layout, stopped),), subject)
    for after in (fair, learnt):
        crashed = after.pop()
        faults += [crashed.detail] if crashed.value is None else []
    return [*found, *fair, *learnt, ended(faults)], subject


def fairness(
    policy: Policy, findings: Sequence[Finding], subject: Feedback, min_rows: int
) -> list[Finding]:
    """Return whom the rows that `findings` would set aside belong to, and `checks.crashed`.

    The one check that looks at what the gate would do with the other findings.
    """
    groups = subject.sources.groupby(subject.sources).indices
    rows_of = {str(name): list(map(int, rows)) for name, rows in groups.items()}
    aside = decide(policy, "batch:aside", findings, rows_of).quarantined.rows
    return run_checks((Fairness(aside, min_rows=min_rows),), subject)


def panel_in(context: Context, subject: Feedback) -> Panel | None:
    """Return the panel's result for each source, None if no panel could be formed."""
    try:
        return panel_of(subject, context.settings.checks.min_rows)[0]
    except Exception:  # noqa: BLE001 - the checks that needed it died, too, and the batch pauses
        return None


def feedback(context: Context, table: Table) -> Feedback:
    """Return the batch with everything that it is compared with."""
    layout, schema = context.layout, context.schema
    champion = champion_of(layout)
    golden = _trusted(layout, "golden")
    golden_scores = scores_of(layout, schema, champion, golden)
    original = _trusted(layout, "reference")
    seed = keys.random_seed(layout, "sample of the reference")
    tiers = standing(layout, context.settings.sources, context.now())
    shut, doubted = barred(layout)
    anchor = Reference(
        "original",
        # in the order they were kept in, for its stretches tell what is usual
        original.sample(min(len(original), REFERENCE_ROWS), random_state=seed).sort_index(),
        predicted(schema, golden_scores, len(golden)),
    )
    return Feedback(
        schema=schema,
        frame=table.frame,
        scores=scores_of(layout, schema, champion, table.frame),
        references=(
            anchor,
            _previous(layout, len(table.frame)) or replace(anchor, name="previous"),
        ),
        golden=golden,
        golden_scores=golden_scores,
        faults=table.faults,
        standing=replace(tiers, barred=shut, in_question=doubted),
        earlier=_earlier(layout, schema, table.frame),
        key=keys.derived_key(layout, "random choices of the checks"),
    )


def _earlier(layout: Layout, schema: Schema, frame: pd.DataFrame) -> pd.DataFrame | None:
    """Return the admitted rows that have an id of this batch, in the order of their admission."""
    if schema.id is None or schema.time is None or schema.id not in frame:
        return None
    asked = _hashes(frame[schema.id])
    parts = []
    for batch in admitted_batches(layout):
        path = layout.admitted(batch) / FEEDBACK
        if np.isin(asked, _ids(path, stamp(path), schema.id)).any():
            rows = read_verified(path)
            parts.append(rows[rows[schema.id].isin(set(frame[schema.id].dropna()))])
    return pd.concat(parts, ignore_index=True) if parts else None


def predicted(
    schema: Schema, scores: npt.NDArray[np.float64] | None, rows: int
) -> "pd.Series[Any]":
    """Return the champion's answers: class labels, or numbers; missing where it gave none."""
    if scores is None or len(scores) != rows:
        return pd.Series([None] * rows, dtype=object)
    if schema.task is Task.REGRESSION:
        return pd.Series(scores)
    return pd.Series(np.array(schema.classes)[scores.argmax(axis=1)])


def _previous(layout: Layout, rows: int) -> Reference | None:
    """Return the newest admitted batches, as many as hold enough rows to compare with.

    None before anything was admitted: then the original reference is also the previous one.
    """
    wanted, chosen, held = max(rows, 1000), [], 0
    for batch in reversed(admitted_batches(layout)):
        chosen.append(batch)
        held += read_manifest(layout.admitted(batch)).rows
        if held >= wanted:
            break
    if not chosen:
        return None
    newest = read_admitted(layout, chosen[::-1]).tail(REFERENCE_ROWS)
    return Reference("previous", newest, newest[PREDICTED])


def scores_of(
    layout: Layout, schema: Schema, champion: Champion, frame: pd.DataFrame
) -> npt.NDArray[np.float64] | None:
    """Return the champion's answers for `frame`; None if a feature is missing."""
    if not set(schema.feature_names) <= set(frame.columns):
        return None
    # Infinite cells break the contract and are set aside; a model must not be asked about them.
    return _model(layout, champion.sha256, schema).scores(frame.replace([np.inf, -np.inf], np.nan))


def answers_of(model: models.Model, frame: pd.DataFrame) -> Answers:
    """Return the answers of `model` on the rows of `frame` whose truth is known."""
    truth = truth_of(model.schema, frame)
    rows = known(truth)
    return Answers(model.scores(frame)[rows], truth[rows])


def bearable(answers: Answers) -> float:
    """Return the largest error that is no miss, for a model that answers with numbers."""
    return 0.0 if answers.classifies else float(np.quantile(answers.missed_by, MISSES))


def missed(answers: Answers, most: float) -> Mask:
    """Tell for each row whether the answer is wrong, or off by more than `most`."""
    return ~answers.right if answers.classifies else answers.missed_by > most


def run_checks(checks: Sequence[Check[Feedback]], subject: Feedback) -> list[Finding]:
    """Return what all `checks` find, and `checks.crashed`: 0.0, or None when one of them died."""
    findings: list[Finding] = []
    crashed: list[str] = []
    for check in checks:
        try:
            findings += check(subject)
        except Exception as error:  # noqa: BLE001 - whatever a check dies of, nothing was measured
            crashed.append(f"The check {check.name} crashed: {type(error).__name__}: {error}")
    return [*findings, ended(crashed)]


def ended(crashed: Sequence[str]) -> Finding:
    """Return the finding that says whether every check finished."""
    detail = " ".join(crashed)
    value = None if crashed else 0.0
    return Finding("checks", "checks.crashed", value, detail=detail, quotes=quoted_in(detail))


@lru_cache(maxsize=2)
def _model(layout: Layout, sha256: str, schema: Schema) -> models.Model:
    return models.load(layout.models / sha256, sha256, schema)


@lru_cache(maxsize=4096)
def _ids(path: Path, stamp: tuple[str, int, int], column: str) -> npt.NDArray[np.uint64]:
    """Return the hashes of a batch's ids: eight bytes a row tell whether it has to be read again."""
    rows = read_verified(path)
    return _hashes(rows[column]) if column in rows else np.empty(0, dtype=np.uint64)


def _hashes(ids: "pd.Series[Any]") -> npt.NDArray[np.uint64]:
    return pd.util.hash_array(ids.dropna().to_numpy(dtype=object))


@lru_cache(maxsize=4)
def _trusted(layout: Layout, table: str) -> pd.DataFrame:
    return read_trusted(layout, table)
