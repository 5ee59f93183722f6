"""policy try: what changed limits would have stopped in the accepted history, before anybody commits them.

It judges recorded findings again by both policies. If settings of the checks changed, it also measures
stored rows again. Two things then differ from the past: today's champion has learnt from
rows that it answers, and what depends on the moment of receipt (HISTORY) stays as recorded.
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from sluicegate.core import Finding, Judged, Outcome
from sluicegate.core.document import Document, Result
from sluicegate.core.schema import ROW
from sluicegate.flows.feedback.measure import feedback, measured
from sluicegate.flows.trials.drill import quick
from sluicegate.flows.trials.drilled import Drilled
from sluicegate.gates import Policy, decide
from sluicegate.gates.calibration import effective
from sluicegate.gates.decide import outcome_of
from sluicegate.gates.policy import matches
from sluicegate.record.calibration import read_calibration
from sluicegate.record.context import Context
from sluicegate.record.findings import findings_of
from sluicegate.record.limit_changes import Change, changes
from sluicegate.record.policy import TREE
from sluicegate.record.source_history import earlier
from sluicegate.stores import data, record
from sluicegate.stores.reading import Table
from sluicegate.stores.settings import Settings, read_settings

WINDOW = 60
FALSE_STOPS = 1 / WINDOW
# Cells that could not be read are not stored, and earlier batches were fewer then.
HISTORY = (
    "contract.*",
    "sources.memory",
    "triggers.memory",
    "triggers.learnt",
    "sources.tier.*",
    "sources.barred",
    "sources.in_question",
    "corrections.*",
    "duplicates.taken_out",
    "oracle.*",
    "times.*",
)
# Settings that say what is done with rows, not how they are measured.
UNMEASURED = ("max_source_share", "false_stops", "aged_days", "calibration_windows")


class Deciding(Document):
    """A finding beyond a limit of either policy: its value, how many rows it names, and both verdicts."""

    metric: str
    value: float | None
    rows: int
    limit_before: float | None
    before: Outcome
    limit_after: float | None
    after: Outcome


class Tried(Document):
    """A batch: the recorded verdict, those of the committed and the changed policy, and what decides."""

    batch: str
    recorded: Outcome
    state: str
    before: Outcome
    after: Outcome
    remeasured: bool
    decides: tuple[Deciding, ...]


class Stops(Document):
    """How many of the admitted batches a policy stops, in total and per 60."""

    accepted: int
    stopped: int
    per_60: float | None
    budget_per_60: float
    within_budget: bool | None


class BothStops(Document):
    """What the committed and the changed policy stop."""

    before: Stops
    after: Stops


class Trial(Result):
    """The effect of changed limits on the whole history and, if wanted, in a quick drill.

    `policy` names what was tried: the working tree, or a file.
    """

    policy: str
    changes: tuple[Change, ...]
    batches: tuple[Tried, ...]
    stops: BothStops
    drill: Drilled | None


def try_policy(
    context: Context, params: Path | None = None, measure: bool = False, drilled: bool = False
) -> Trial:
    """Judge the history by params.yaml as it lies here, or by `params`, beside the committed one.

    With `drilled`, a quick drill attacks the changed policy, too; its result is not kept.

    Changes nothing. Raises Misused for a file that is no policy.
    """
    committed = context.settings
    changed = read_settings(params or context.layout.params)
    again = measure or _measures(committed) != _measures(changed)
    old, new = committed.policy("intake"), changed.policy("intake")
    differing = changes(old, new)
    # Both are held to what they are calibrated to; a limit that was changed is as written.
    found = read_calibration(context.layout)
    old, new = (effective(policy, found, None) for policy in (old, new))
    numbers = record.received(context.layout)
    tried = []
    for place, number in enumerate(numbers, 1):
        context.tell(f"Trying batch {number} ({place} of {len(numbers)})")
        tried.append(_tried(context, number, old, new, changed if again else None))
    budget = float(getattr(changed.checks, "false_stops", FALSE_STOPS))
    drill = None
    if drilled:
        context.tell("Attacking the changed policy")
        drill = quick(replace(context, settings=changed), new, seed=changed.seed)
    accepted = [each for each in tried if each.state == "admitted"]
    stops = BothStops(
        before=_stops([each.before for each in accepted], budget),
        after=_stops([each.after for each in accepted], budget),
    )
    policy = TREE if params is None else str(params)
    return Trial(policy=policy, changes=differing, batches=tuple(tried), stops=stops, drill=drill)


def _stops(accepted: Sequence[Outcome], budget: float) -> Stops:
    stopped = sum(each is not Outcome.PASS for each in accepted)
    share = stopped / len(accepted) if accepted else None
    return Stops(
        accepted=len(accepted),
        stopped=stopped,
        per_60=None if share is None else round(WINDOW * share, 2),
        budget_per_60=round(WINDOW * budget, 2),
        within_budget=None if share is None else share <= budget,
    )


def _measures(settings: Settings) -> dict[str, Any]:
    return settings.checks.model_dump(exclude=set(UNMEASURED))


def _tried(
    context: Context, number: str, old: Policy, new: Policy, changed: Settings | None
) -> Tried:
    manifest = data.read_manifest(context.layout.intake(number))
    judged = findings_of(context.layout, number)
    findings = [each.finding for each in judged]
    rows_of: dict[str, tuple[int, ...]] = dict.fromkeys(manifest.sources, (0,))
    before = decide(old, f"batch:{number}", findings, rows_of)
    table = _stored(context, number, int(manifest.rows)) if changed else None
    if changed and table is not None:
        findings = _measured_again(replace(context, settings=changed), table, new, findings)
    after = decide(new, f"batch:{number}", findings, rows_of)
    return Tried(
        batch=number,
        recorded=_recorded(judged),
        state=manifest.state,
        before=before.outcome,
        after=after.outcome,
        remeasured=table is not None,
        decides=tuple(_deciding(old, new, findings, rows_of)),
    )


def _recorded(judged: Iterable[Judged]) -> Outcome:
    outcomes = [Outcome.PASS, *(each.outcome for each in judged)]
    return max(outcomes, key=lambda outcome: outcome.severity)


def _deciding(
    old: Policy, new: Policy, findings: Sequence[Finding], rows_of: dict[str, tuple[int, ...]]
) -> list[Deciding]:
    """Return the findings beyond a limit of either policy, those that either one stops for first."""
    deciding = []
    for finding in findings:
        judged = [outcome_of(policy, finding, rows_of) for policy in (old, new)]
        if any(outcome is not Outcome.PASS for _, outcome in judged):
            (limit_before, before), (limit_after, after) = judged
            deciding.append(
                Deciding(
                    metric=finding.metric,
                    value=finding.to_dict()["value"],
                    rows=len(finding.rows),
                    limit_before=limit_before,
                    before=before,
                    limit_after=limit_after,
                    after=after,
                )
            )
    return sorted(deciding, key=lambda each: (each.before is each.after, each.metric))


def _stored(context: Context, number: str, rows: int) -> Table | None:
    """Return the batch as it was measured, put together again; None where rows are not kept."""
    layout = context.layout
    rooms = [layout.admitted(number), layout.quarantine(number), *layout.intake(number).iterdir()]
    paths = [room / data.FEEDBACK for room in rooms if (room / data.FEEDBACK).is_file()]
    parts = [data.read_verified(path) for path in paths]
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if len(whole) != rows or not rows:
        return None
    ours = [name for name in whole if str(name).startswith("_") and name != ROW]
    ordered = whole.sort_values(ROW).reset_index(drop=True)
    return Table(ordered.drop(columns=ours), {})


def _measured_again(
    context: Context, table: Table, policy: Policy, recorded: Sequence[Finding]
) -> list[Finding]:
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as scratch:
        path = Path(scratch) / "normal.parquet"
        table.frame.to_parquet(path, index=False)
        heard = earlier(context.layout, context.schema)
        found, _ = measured(context, table, path, policy, heard, feedback)

    def kept(finding: Finding) -> bool:
        return any(matches(pattern, finding.metric) for pattern in HISTORY)

    return [*(f for f in recorded if kept(f)), *(f for f in found if not kept(f))]
