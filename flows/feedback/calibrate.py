"""calibrate: measure honest windows of this workspace and raise the limits that would stop them.

Callers: `init`, `retrain` if something changed (`is_stale`), whatever takes batches out of the
accepted data, and the ML engineer with `sluicegate calibrate`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluicegate.core import Artifact, Finding, Outcome
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import CALIBRATION
from sluicegate.flows.feedback.eligible import accused_by, eligible, history, window_of
from sluicegate.gates import Limit
from sluicegate.gates.calibration import Calibrated, Calibration, Window, calibrated, stops
from sluicegate.record.calibration import VERB, read_calibration
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context
from sluicegate.record.findings import findings_of
from sluicegate.record.policy_in_force import policy_in_force
from sluicegate.record.quarantine import lots
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.incident import barred
from sluicegate.record.subjects.release import RELEASED, read_release, releases
from sluicegate.stores import data, files, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.transaction import transaction

ROOMS = ("calibration", "ledger")
FRESH_BATCHES = 5
MOST_BATCHES = 60
MOST_SHARE = 0.1


@dataclass(frozen=True)
class CalibrateResult:
    """The result of calibrate: the calibration, and the limits before it."""

    calibration: Calibration
    before: Calibration | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `calibrate`; `before` is what each limit was held to until now."""
        known = {_key(x): x.limit for x in self.before.limits} if self.before else {}
        details = self.calibration.to_dict()
        for each, limit in zip(details["limits"], self.calibration.limits, strict=True):
            each["before"] = known.get(_key(limit), limit.written)
            each["loosened"] = limit.limit > each["before"]
        return details | {"told": self.calibration.told}


@dataclass(frozen=True)
class FalseStop:
    """A release, and the waived findings as measured when the rows first arrived."""

    release: str
    window: Window


def calibrate(context: Context) -> CalibrateResult:
    """Calibrate the limits of intake and record it: file, signed statement, ledger entry, commit.

    The policy that its owners last signed measures the honest windows.
    """
    context = policy_in_force(context)
    before = read_calibration(context.layout)
    made = measure_null(context, before)
    _record(context, made)
    return CalibrateResult(made, before)


def try_calibration(context: Context) -> CalibrateResult:
    """Return what `calibrate` would record, without recording it."""
    before = read_calibration(context.layout)
    return CalibrateResult(measure_null(context, before), before)


def measure_null(context: Context, before: Calibration | None) -> Calibration:
    """Return the calibration that the golden set and the accepted history give now."""
    from sluicegate.flows.feedback.null_windows import block_of, measured_windows, pool_of

    layout, settings = context.layout, context.settings
    policy = settings.policy("intake")
    batches = eligible(context)[-MOST_BATCHES:]
    pool = pool_of(context, batches)
    context.tell(f"Calibrating the limits on {settings.checks.calibration_windows} honest windows")
    drawn = list(measured_windows(context, pool, policy))
    stopped = false_stops(context)
    past = [*history(layout, batches), *(each.window for each in stopped)]
    budget = settings.checks.false_stops
    asked = filter(policy.applies, policy.limits)
    limits = calibrated(asked, drawn, past, budget, before.limits if before else ())
    both = (*drawn, *past)
    return Calibration(
        time=context.now(),
        budget=budget,
        rows=pool.rows,
        block=block_of(pool),
        drawn=len(drawn),
        history=len(past) - len(stopped),
        batches=tuple(each.batch for each in batches),
        sources=pool.sources,
        materials=_materials(context, [each.batch for each in batches]),
        limits=limits,
        false_stops=tuple(each.release for each in stopped),
        stopped=stops(limits, both, written=True),
        stops=stops(limits, both, written=False),
    )


def recalibrate_if_stale(context: Context) -> Calibration | None:
    """Calibrate again if the last calibration is out of date; return the new one, if any."""
    return calibrate(context).calibration if is_stale(context) else None


def is_stale(context: Context) -> bool:
    """Tell whether the calibration is missing or out of date.

    Reasons: a batch that it used may no longer calibrate (a hold, a rollback, an accusation); the
    golden set, the reference, a limit or the budget changed; other releases
    from quarantine count as false stops; or five more batches may calibrate. A new champion
    alone is no reason: it had to pass on the same rows.
    """
    found = read_calibration(context.layout)
    if found is None:
        return context.settings.checks.calibration_windows > 0
    now = [each.batch for each in eligible(context)][-MOST_BATCHES:]
    fresh = set(now) - set(found.batches)
    gone = [b for b in found.batches if b not in now and (not now or int(b) >= int(now[0]))]
    policy = context.settings.policy("intake")
    written = calibrated(filter(policy.applies, policy.limits), (), (), 1.0)
    moved = {_key(x) for x in found.limits} != {_key(x) for x in written}
    trusted = _materials(context, [])
    changed = not set(trusted[:2]) <= set(found.materials)
    labels = tuple(each.release for each in false_stops(context)) != found.false_stops
    budget = found.budget != context.settings.checks.false_stops
    return bool(gone or moved or changed or budget or labels or len(fresh) >= FRESH_BATCHES)


def false_stops(context: Context) -> tuple[FalseStop, ...]:
    """Return the releases whose stopped findings count as honest, oldest first; of too many, the newest.

    An attacker who gets rows released could loosen limits. So a release counts only while nothing speaks
    against it, only for the findings that its exception waived and all of whose rows it let out, once for
    each delivery, and all together as at most a tenth of the windows.
    """
    layout = context.layout
    found: dict[str, FalseStop] = {}
    entries = (entry.details for entry in record.backwards(layout) if entry.verb == "release")
    became = {str(details["release"]): str(details["as"]) for details in entries}
    for number in releases(layout):
        if state_of(layout, f"release:{number}") != RELEASED or number not in became:
            continue
        predicate = read_release(layout, number)
        window = window_of(_false(layout, number, predicate))
        if window and _stands(layout, number, predicate, became[number]):
            found[predicate["batch"]] = FalseStop(number, window)
    most = int(MOST_SHARE * context.settings.checks.calibration_windows)
    counted = sorted(found.values(), key=lambda each: int(each.release))
    return tuple(counted[-most:]) if most else ()


def _record(context: Context, made: Calibration) -> None:
    layout = context.layout
    with transaction(context, VERB, "The limits are calibrated", ROOMS) as t:
        before = sha256_file(layout.calibration) if layout.calibration.is_file() else None
        files.write_json(layout.calibration, made.to_dict())
        about = Artifact("calibration/calibration.json", sha256_file(layout.calibration))
        details: Mapping[str, Any] = {"told": made.told, "time": context.now(), "before": before}
        path = layout.calibration.with_name("statement.json")
        subjects = [about, *made.materials]
        statement = t.state(path, subjects, CALIBRATION, dict(details))
        t.append(VERB, [about, statement], details)


def _materials(context: Context, batches: list[str]) -> tuple[Artifact, ...]:
    """Return what a calibration is made of: golden set, reference, batches and the champion."""
    layout = context.layout
    champion = champion_of(layout)
    reference, *rest = data.materials(layout, batches)
    serving = Artifact(f"model:{context.settings.model}", champion.sha256)
    return (data.golden_artifact(layout), reference, *rest, serving)


def _key(limit: Calibrated) -> tuple[str, str, float]:
    return limit.metric, limit.outcome.value, limit.written


def _stands(layout: Layout, number: str, predicate: Mapping[str, Any], became: str) -> bool:
    """Tell whether all that was let in is in still, and no other receipt accuses its sources."""
    taken_out = [lot for lot in lots(layout, became) if lot != layout.quarantine(became)]
    if taken_out or not (layout.admitted(became) / data.MANIFEST).is_file():
        return False
    suspects: set[str] = set().union(*barred(layout))
    for batch in record.received(layout):
        if batch not in (predicate["batch"], became):
            suspects |= accused_by(data.read_manifest(layout.intake(batch)), False)
    return not suspects & data.read_manifest(layout.release(number) / "rows").sources.keys()


def _false(layout: Layout, number: str, predicate: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings that the exception waived, if all rows that they speak of were let out."""
    came = data.read_manifest(layout.intake(predicate["batch"]))
    out = data.read_manifest(layout.release(number) / "rows")
    waived = [Limit(metric, 0.0, Outcome.QUARANTINE) for metric in predicate["waives"]]
    for each in findings_of(layout, predicate["batch"]):
        if each.passed or not any(limit.covers(each.metric) for limit in waived):
            continue
        whose = each.sources
        whole = not (each.rows or whose) and out.rows == came.rows
        named = bool(each.rows or whose) and (
            set(each.rows) <= set(predicate["rows"])
            and all(out.sources.get(name) == came.sources.get(name) for name in whose)
        )
        if whole or named:
            yield each.finding
