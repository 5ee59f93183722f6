"""false_stops: findings that stopped rows which reviewers released count as those of honest windows.

An attacker who gets rows released could loosen limits. So a release counts only while nothing speaks
against it, only for the findings that its exception waived and all of whose rows it let out, once for
each delivery, and all together as at most a tenth of the windows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluicegate.core import Finding, Outcome
from sluicegate.flows.feedback.eligible import accused_by, window_of
from sluicegate.gates import Limit
from sluicegate.gates.calibration import Window
from sluicegate.record.context import Context
from sluicegate.record.findings import findings_of
from sluicegate.record.quarantine import lots
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.incident import barred
from sluicegate.record.subjects.release import RELEASED, read_release, releases
from sluicegate.stores import data, record
from sluicegate.stores.layout import Layout

MOST_SHARE = 0.1


@dataclass(frozen=True)
class FalseStop:
    """A release, and the waived findings as measured when the rows first arrived."""

    release: str
    window: Window


def false_stops(context: Context) -> tuple[FalseStop, ...]:
    """Return the releases that count, oldest first; if there are too many, the newest ones."""
    layout = context.layout
    found: dict[str, FalseStop] = {}
    became = _became(layout)
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


def _became(layout: Layout) -> dict[str, str]:
    """Return the batch that each release became, by the ledger."""
    entries = (entry.details for entry in record.backwards(layout) if entry.verb == "release")
    return {str(details["release"]): str(details["as"]) for details in entries}


def _stands(layout: Layout, number: str, said: Mapping[str, Any], became: str) -> bool:
    """Tell whether all that was let in is in still, and no other receipt accuses its sources."""
    taken_out = [lot for lot in lots(layout, became) if lot != layout.quarantine(became)]
    if taken_out or not (layout.admitted(became) / data.MANIFEST).is_file():
        return False
    suspects: set[str] = set().union(*barred(layout))
    for batch in record.received(layout):
        if batch not in (said["batch"], became):
            suspects |= accused_by(data.read_manifest(layout.intake(batch)), False)
    return not suspects & data.read_manifest(layout.release(number) / "rows").sources.keys()


def _false(layout: Layout, number: str, said: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings that the exception waived, if all rows that they speak of were let out."""
    came = data.read_manifest(layout.intake(said["batch"]))
    out = data.read_manifest(layout.release(number) / "rows")
    waived = [Limit(metric, 0.0, Outcome.QUARANTINE) for metric in said["waives"]]
    for each in findings_of(layout, said["batch"]):
        if each.passed or not any(limit.covers(each.metric) for limit in waived):
            continue
        whose = each.sources
        whole = not (each.rows or whose) and out.rows == came.rows
        named = bool(each.rows or whose) and (
            set(each.rows) <= set(said["rows"])
            and all(out.sources.get(name) == came.sources.get(name) for name in whose)
        )
        if whole or named:
            yield each.finding
