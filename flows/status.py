"""status and show: the state of the workspace, read from its own record."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainSerializer

from sluicegate.core import Missing, Misused
from sluicegate.core.document import Document, Result
from sluicegate.flows.erasure.certified import certified
from sluicegate.record.calibration import read_calibration
from sluicegate.record.champion import Champion, champion_of, suspended
from sluicegate.record.comparison import describe_isolation, findings_in
from sluicegate.record.context import Context
from sluicegate.record.findings import findings_of, in_full
from sluicegate.record.keys.ages import describe_keys
from sluicegate.record.open_incidents import incomplete
from sluicegate.record.policy_in_force import judged_under
from sluicegate.record.quarantine import batches, lots
from sluicegate.record.questions import expires_of
from sluicegate.record.states import batch_states
from sluicegate.record.subjects import folder_of, kind_of, state_of, waiting
from sluicegate.record.subjects.anchor import moved_so_far, read_anchor
from sluicegate.record.subjects.incident import read_incident
from sluicegate.record.subjects.release import read_release
from sluicegate.record.subjects.retirement import Retirement, read_retirement
from sluicegate.record.subjects.rollback import AGREED, proposal_state, proposals, read_proposal
from sluicegate.record.threats import open_threats
from sluicegate.record.updates import approved, read_comparison, read_update
from sluicegate.stores import checked, data
from sluicegate.stores.layout import Layout
from sluicegate.stores.quoting import PAGE
from sluicegate.stores.reports import read_reports

STATES = ("admitted", "paused", "quarantined", "rejected")


def _as_listed(champion: Champion) -> dict[str, Any]:
    return {**champion.ref.to_dict(), "update": champion.update, "since": champion.since}


class Status(Result):
    """The champion, what waits for review, and how many batches are in which state."""

    model: str
    champion: Annotated[Champion, PlainSerializer(_as_listed)]
    awaiting: tuple[dict[str, Any], ...]
    suspended: str | None
    """The incident since which no model serves, because no version is clean."""
    unfinished: str | None
    """The approved update whose promotion is running or was interrupted."""
    batches: dict[str, int]
    quarantine: dict[str, int]
    """How many rows of how many batches are in quarantine."""
    golden_verified: bool
    insistent: dict[str, int]
    """Who recently checked many variants of nearly the same rows, and how often."""
    calibration: str
    """What the limits were calibrated on, in one line."""
    anchored: tuple[dict[str, Any], ...]
    """The re-anchored tables, and the distance of each from the very first."""
    open_threats: tuple[str, ...]
    """The attacks that got past the gates in the latest drill that played them."""
    incidents: Annotated[tuple[tuple[str, tuple[str, ...]], ...], PlainSerializer(dict)]
    """The unfinished rollbacks, and what is left to do for each."""
    trainer: str
    """Which wall stood around the trainer of the champion."""
    serving: tuple[dict[str, Any], ...]
    """What each loader last reported to serve, and whether that differs from the champion."""
    keys: tuple[str, ...]
    """Which service keys were revoked, and whether the one that signs is old."""


def status(context: Context) -> Status:
    """Return the state of the workspace."""
    context = context.pinned()
    layout = context.layout
    states = batch_states(layout)
    golden = data.read_manifest(layout.golden.parent)
    found, champion = read_calibration(layout), champion_of(layout)
    stopped = suspended(layout)
    return Status(
        model=context.settings.model,
        champion=champion,
        awaiting=tuple(_awaiting(layout)),
        suspended=stopped.details["incident"] if stopped else None,
        unfinished=approved(layout),
        batches={state: list(states.values()).count(state) for state in STATES},
        quarantine=_in_quarantine(layout),
        golden_verified=golden.verified,
        insistent=checked.insistent(layout, context.now()),
        calibration=found.told if found else "still calibrating: run `sluicegate policy calibrate`",
        anchored=tuple(moved_so_far(layout)),
        open_threats=tuple(open_threats(layout.root)),
        incidents=tuple((number, tuple(left)) for number, left in incomplete(context).items()),
        trainer=describe_isolation(read_comparison(layout, champion.update)),
        keys=tuple(describe_keys(context)),
        serving=tuple(
            {**asdict(report), "behind": report.sha256 != (None if stopped else champion.sha256)}
            for report in read_reports(layout.serving)
        ),
    )


def _in_quarantine(layout: Layout) -> dict[str, int]:
    """Return how many rows of how many batches are set aside."""
    held = batches(layout)
    rows = sum(data.read_manifest(lot).rows for batch in held for lot in lots(layout, batch))
    return {"rows": rows, "batches": len(held)}


def show(context: Context, subject: str) -> dict[str, Any]:
    """Return the record of `batch:NNNN` or `update:NNNN`, or another subject's question or certificate.

    Raises Misused for any other name, Missing if there is no such record.
    """
    kind, _, number = subject.partition(":")
    if kind == "batch" and number.isdigit():
        return _show_batch(context.layout, number)
    if kind == "update" and number.isdigit():
        return _show_update(context.layout, number)
    if kind in _STATEMENTS and number.isdigit():
        return _show_statement(context.layout, subject)
    raise Misused(f"There is no subject {subject!r}; write one like batch:0001 or update:0001.")


_STATEMENTS = {
    "release": read_release,
    "anchor": read_anchor,
    "rollback": read_proposal,
    "incident": read_incident,
    "retirement": read_retirement,
}


def _show_statement(layout: Layout, subject: str) -> dict[str, Any]:
    kind, _, number = subject.partition(":")
    statement = _STATEMENTS[kind](layout, number)
    state = state_of(layout, subject)
    page = folder_of(layout, subject).relative_to(layout.root) / PAGE
    shown = {"schema": 1, "subject": subject, "state": state, kind: statement, "page": str(page)}
    if isinstance(statement, Document):
        shown[kind] = statement.to_dict()
    if isinstance(statement, Retirement):
        carried_out = certified(layout, number)
        shown["certificate"] = carried_out and carried_out.to_dict()
    return shown


def _show_batch(layout: Layout, number: str) -> dict[str, Any]:
    folder = layout.intake(number)
    if not folder.is_dir():
        raise Missing(f"There is no batch:{number}; `sluicegate status` shows how many there are.")
    found = findings_of(layout, number)
    return {
        "schema": 1,
        "subject": f"batch:{number}",
        "state": batch_states(layout)[number],
        "manifest": data.read_manifest(folder).to_dict(),
        "verdict": in_full(layout, number),
        "findings": [each.to_dict() for each in found],
        "policy": judged_under(found),
    }


def _show_update(layout: Layout, number: str) -> dict[str, Any]:
    update, verdict = read_update(layout, number)
    comparison = read_comparison(layout, number)
    return {
        "schema": 1,
        "subject": f"update:{number}",
        "update": update.to_dict(),
        "verdict": verdict.to_dict(),
        "metrics": comparison.report.metrics,
        "findings": [each.to_dict() for each in comparison.findings],
        "policy": judged_under(findings_in(comparison)),
        "report": str(Path("updates") / number / "report.md"),
        "rollback": _rollback(layout, number),
    }


def _rollback(layout: Layout, number: str) -> dict[str, Any] | None:
    if number not in proposals(layout):
        return None
    return {"state": proposal_state(layout, number), **read_proposal(layout, number)}


def _awaiting(layout: Layout) -> Iterator[dict[str, Any]]:
    """Yield what waits for a human: open questions, and rollbacks that were agreed on but not made."""
    agreed = [each for each in proposals(layout) if proposal_state(layout, each) == AGREED]
    for subject in [*waiting(layout), *(f"rollback:{each}" for each in agreed)]:
        kind, number = kind_of(subject)
        since, why = kind.told(layout, number)
        expires = expires_of(layout, subject)
        yield {"subject": subject, "since": since, "why": why, "expires": expires}
