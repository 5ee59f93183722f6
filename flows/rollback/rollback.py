"""rollback: take one cause out of serving, data and models, in that order, and keep the rest.

Each step checks the record for what is left to do, so that the same command finishes a rollback that
was killed anywhere, and does nothing when it is run again.
"""

import time
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import PlainSerializer

from sluicegate.core import Artifact, Conflict, SluicegateError, Stage, Update
from sluicegate.core.canonical import sha256_bytes
from sluicegate.core.document import Document, Result
from sluicegate.evidence.statement import INCIDENT, WITHDRAWAL
from sluicegate.flows.feedback.calibrate import calibrate
from sluicegate.flows.rollback.incident import close, served
from sluicegate.flows.rollback.reinstate import Worth, costs, reinstate, suspend
from sluicegate.flows.rollback.take_out import take_out
from sluicegate.flows.updates.record_update import refuse
from sluicegate.flows.updates.retrain import retrain
from sluicegate.record.calibration import read_calibration
from sluicegate.record.causes import Cause, as_recorded, parse_cause
from sluicegate.record.champion import Champion, champion_of, mirror
from sluicegate.record.clean_versions import NothingClean, clean_versions
from sluicegate.record.context import POLICY_FILES, Context, Step, plainly
from sluicegate.record.lineage import Trace, embodied, trace
from sluicegate.record.open_incidents import still_serving
from sluicegate.record.policy_in_force import policy_in_force
from sluicegate.record.subjects.incident import (
    OPEN,
    Differs,
    Incident,
    Served,
    TakenOut,
    incidents,
    is_closed,
    read_closed,
    read_incident,
    taken_back,
)
from sluicegate.record.subjects.retirement import destroyed_models
from sluicegate.record.traced import Embodied, Traced
from sluicegate.record.updates import read_update
from sluicegate.stores import files, git, record
from sluicegate.stores.layout import Layout, next_number
from sluicegate.stores.reports import Report
from sluicegate.stores.transaction import Transaction, tidy, transaction

UNDECIDED = (Stage.AWAITING, Stage.APPROVED)


@dataclass(frozen=True)
class Order:
    """What to roll back, why, and whether to retrain without it at once."""

    because: Cause
    reason: str = ""
    retrain: bool = True
    detected_by: str | None = None
    """What noticed it, where that was not whoever gives the order."""


class Tainted(Document):
    """The batches, updates and versions that embody what was traced."""

    batches: tuple[str, ...]
    updates: tuple[str, ...]
    versions: tuple[int, ...]


class Champions(Document):
    """Who served before a rollback and after it."""

    before: Served
    after: Served


class RolledBack(Result):
    """What a rollback did, as its incident's end says; `incident` is None where there was nothing to do."""

    because: str
    tainted: Tainted
    champion: Champions
    cleaned: tuple[TakenOut, ...] = ()
    differs: Differs | None = None
    update: Annotated[Update, PlainSerializer(Update.to_dict)] | None = None
    incident: str | None = None
    suspended: str | None = None
    repeated: bool = False
    """Whether all of it had been carried out before, and nothing was left to do."""
    still_serving: tuple[Report, ...] = ()
    seconds: float


class RollbackPlan(Traced):
    """What a rollback would take back, and what each clean version would cost.

    `goes_to` is the update to go back to where another one serves, `clean` the first choice first.
    """

    serving: Worth
    serving_is_tainted: bool
    goes_to: str | None
    withdraws: tuple[str, ...]
    clean: tuple[Worth, ...]


def _tainted(found: Trace) -> Tainted:
    return Tainted(
        batches=tuple(each.batch for each in found.batches),
        updates=tuple(each.update for each in found.updates),
        versions=tuple(each.version for each in found.updates),
    )


def plan(context: Context, because: Cause) -> RollbackPlan:
    """Return what a rollback would remove, and what each clean version would cost."""
    found = trace(context, because)
    serving = champion_of(context.layout)
    clean, target = _versions(context, found), found.because.goes_to
    recorded = found.recorded
    return RollbackPlan(
        because=recorded.because,
        batches=recorded.batches,
        updates=recorded.updates,
        serving=costs(context, [serving])[0],
        serving_is_tainted=_embodies(found, serving),
        goes_to=target if target != serving.update else None,
        withdraws=_withdraws(context, found),
        clean=costs(context, clean),
    )


def rollback(context: Context, order: Order, step: Step = plainly) -> RolledBack:
    """Take `order.because` out of serving, data and models, and open an incident about it.

    Raises Missing for a cause that nobody knows, CannotDecide where the update to go back to cannot serve
    or the trainer fails; then the same command goes on where it stopped.
    """
    started, layout = time.monotonic(), context.layout
    order = replace(order, because=as_recorded(context, order.because))
    busy = f"Another rollback is running in {layout.root}; wait for it to finish."
    with files.locked(layout.home / "rollback.lock", busy, wait=False):
        git.require_branch(layout.root)
        tidy(layout)
        found = trace(context, order.because)
        _versions(context, found)
        number, is_done = _incident_of(layout, order.because)
        if number is None or (is_done and _has_effect(layout, found)):
            if not _has_effect(layout, found) and order.because.kind != "source":
                serving = served(champion_of(layout))
                return RolledBack(
                    because=str(order.because),
                    tainted=_tainted(found),
                    champion=Champions(before=serving, after=serving),
                    cleaned=(),
                    differs=None,
                    update=None,
                    incident=None,
                    suspended=None,
                    repeated=False,
                    still_serving=(),
                    seconds=round(time.monotonic() - started, 3),
                )
            number, is_done = step("open the incident", _open, context, order, found), False
            found = trace(context, order.because)  # with what was promoted until then
        if is_done:
            mirror(context)  # MLflow may have been away
        else:
            step("serve a clean version", _serve_clean, context, number, order.because)
            step("take it out of the data", _clean, context, number, order.because)
            step("calibrate the limits", _recalibrate, context, found)
            # who goes back to a state wants that state, and no other model than it had
            retrains = order.retrain and order.because.goes_to is None
            if retrains:
                step("retrain without it", _retrain, context, number, order.because, step)
            made = _made(context, number, order.because) if retrains else None
            whole = trace(context, order.because)  # with what came in until it was taken out
            step("close the incident", close, context, number, whole, made)
    return _done(context, number, found, is_done, round(time.monotonic() - started, 3))


def _incident_of(layout: Layout, because: Cause) -> tuple[str | None, bool]:
    """Return the last incident about `because`, and whether all of it was carried out."""
    for number in reversed(incidents(layout)):
        if parse_cause(read_incident(layout, number).because) == because:
            return number, is_closed(layout, number)
    return None, False


def _has_effect(layout: Layout, found: Trace) -> bool:
    """Tell whether anything is left to take back."""
    if found.because.goes_to not in (None, champion_of(layout).update):
        return True
    standing = any(each.stage in (Stage.PROMOTED, *UNDECIDED) for each in found.updates)
    return standing or any(each.admitted for each in found.batches)


def _embodies(found: Trace, champion: Champion) -> bool:
    return champion.update in {each.update for each in found.updates}


def _open(context: Context, order: Order, found: Trace) -> str:
    """Write down what is to be taken back before anything is, and return the incident's number."""
    layout = context.layout
    cause, reason = order.because, order.reason.strip() or "No reason was given."
    with transaction(context, "rollback") as t:
        number = next_number(layout.root / "incidents")
        opened = Incident(
            incident=number,
            because=str(cause),
            reason=reason,
            sources=(cause.name,) if cause.kind == "source" else (),
            trace=found.recorded,
            withdraws=_withdraws(context, found),
            champion=served(champion_of(layout)),
            commit=git.head(layout.root),
            last_update=record.updates(layout)[-1],
            started_by=context.started_by,
            detected_by=order.detected_by,
            time=context.now(),
        )
        about = Artifact(str(cause), sha256_bytes(str(cause).encode()))
        path = layout.incident(number) / "incident.json"
        made = t.state(path, [about], INCIDENT, opened)
        details = {"incident": number, "because": str(cause), "reason": reason}
        t.append(OPEN, [about, made], details)
        t.commits_as(f"incident:{number}: {order.because}")
    return number


def _serve_clean(context: Context, number: str, because: Cause) -> None:
    """Let the newest clean version serve, if the champion is tainted; no model is trained for it.

    Where none is left, nobody serves, or the champion does on, as the policy says.
    """
    found, serving = trace(context, because), champion_of(context.layout)
    versions = _versions(context, found)
    target = because.goes_to
    if _embodies(found, serving) or target not in (None, serving.update):
        try:
            reinstate(context, number, because, versions)
        except NothingClean as error:
            if target is not None:
                raise
            context.tell(str(error))
            if _stops(context):
                suspend(context, number, because)
    mirror(context)


def _stops(context: Context) -> bool:
    """Tell whether nobody serves where nothing is clean, as the owners signed and somebody committed.

    Where that cannot be told, nobody does.
    """
    try:
        git.require_committed(context.layout.root, POLICY_FILES)
        return policy_in_force(context).settings.rollback.without_clean == "stop"
    except SluicegateError as error:
        context.tell(f"{error} So no model is served.")
        return True


def _versions(context: Context, found: Trace) -> list[Champion]:
    """Return the versions that may serve instead, the first choice first.

    Raises Conflict for an update to go back to that was rolled back itself, or never promoted.
    """
    clean = clean_versions(context, {each.update for each in found.updates})
    target = found.because.goes_to
    if target is None:
        return clean
    chosen = [each for each in clean if each.update == target]
    if not chosen and target in destroyed_models(context.layout):
        raise Conflict(f"The model of update:{target} was destroyed; name another update.")
    if not chosen:
        stage = read_update(context.layout, target)[0].stage
        by = taken_back(context.layout).get(target)
        recorded = stage.value
        if stage is Stage.PROMOTED:
            recorded = f"rolled back by incident:{by}" if by else "withdrawn by a reviewer"
        raise Conflict(f"update:{target} is {recorded} and cannot serve again; name another.")
    return chosen


def _clean(context: Context, number: str, because: Cause) -> None:
    """Take the rows out of the data, and what embodies them out of the running, as one commit."""
    why = f"incident:{number}: {because}"
    with transaction(context, "rollback", f"{why} taken out") as t:
        found = trace(context, because)  # under the lock: nothing is admitted meanwhile
        take_out(t, context, found.batches, number, why)
        for each in [*found.updates, *_later(context, found)]:
            if each.stage in UNDECIDED:
                refuse(t, context, each.update, why)
            elif each.stage is Stage.PROMOTED:
                _withdraw(t, context, each, number, because)


def _later(context: Context, found: Trace) -> list[Embodied]:
    """Return the updates after the one to go back to that learnt nothing more than it did."""
    target, layout = found.because.goes_to, context.layout
    if target is None:
        return []
    known, later = {each.update for each in found.updates}, []
    for number in record.updates(layout):
        challenger = read_update(layout, number)[0].challenger
        if challenger and int(number) > int(target) and number not in known:
            later.append(embodied(layout, number, challenger, {}))
    return later


def _withdraws(context: Context, found: Trace) -> tuple[str, ...]:
    """Return the updates that were champion and would not be any more."""
    every = (*found.updates, *_later(context, found))
    return tuple(each.update for each in every if each.stage is Stage.PROMOTED)


def _withdraw(
    t: Transaction, context: Context, embodied: Embodied, number: str, because: Cause
) -> None:
    layout = context.layout
    subject = Artifact(f"model:{context.settings.model}", embodied.sha256)
    details = {
        "update": embodied.update,
        "version": embodied.version,
        "incident": number,
        "because": str(because),
        "time": context.now(),
    }
    path = layout.update(embodied.update) / "withdrawal.json"
    made = t.state(path, [subject], WITHDRAWAL, details)
    t.append("roll-back", [subject, made], details)


def _recalibrate(context: Context, found: Trace) -> None:
    """Calibrate anew where the limits were calibrated on what was taken out."""
    calibrated = read_calibration(context.layout)
    if calibrated and {each.batch for each in found.batches} & set(calibrated.batches):
        calibrate(context)


def _retrain(context: Context, number: str, because: Cause, step: Step) -> None:
    """Train without what was taken out, unless that was done before this process took over."""
    made = _made(context, number, because)
    if made is None or made.stage is Stage.APPROVED:
        retrain(context, supersede=True, step=step)


def _made(context: Context, number: str, because: Cause) -> Update | None:
    """Return the first update that was made since, without what the incident takes back."""
    layout = context.layout
    last = int(read_incident(layout, number).last_update)
    tainted = {each.update for each in trace(context, because).updates}
    made = (each for each in record.updates(layout) if int(each) > last)
    first = next((each for each in made if each not in tainted), None)
    return read_update(layout, first)[0] if first else None


def _done(
    context: Context, number: str, found: Trace, repeated: bool, seconds: float
) -> RolledBack:
    layout = context.layout
    opened, closed = read_incident(layout, number), read_closed(layout, number)
    return RolledBack(
        because=opened.because,
        tainted=_tainted(found),
        champion=Champions(before=opened.champion, after=closed.champion),
        cleaned=closed.cleaned,
        differs=closed.differs,
        update=read_update(layout, closed.update)[0] if closed.update else None,
        incident=number,
        suspended=closed.suspended,
        repeated=repeated,
        still_serving=tuple(still_serving(layout, opened)),
        seconds=seconds,
    )
