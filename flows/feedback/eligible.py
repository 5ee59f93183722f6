"""eligible: which accepted batches may calibrate the limits, and with which sources.

Attackers can send feedback: one who widens the limits with odd rows gets in with the
next batch. So only batches calibrate that people approved or that aged without an accusation.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite

from sluicegate.core import Finding, Outcome
from sluicegate.core.moment import moment
from sluicegate.gates.calibration import Window
from sluicegate.record.context import Context
from sluicegate.record.findings import findings_of
from sluicegate.record.subjects.incident import barred
from sluicegate.record.subjects.kind import decision_in
from sluicegate.stores import data, record
from sluicegate.stores.layout import Layout


@dataclass(frozen=True)
class Eligible:
    """A batch that may calibrate: whether people approved it, and which of its sources do not count."""

    batch: str
    reviewed: bool
    tainted: frozenset[str]


def eligible(context: Context) -> tuple[Eligible, ...]:
    """Return the batches that may calibrate, the oldest first.

    Those that are still admitted (no hold, no rejection since) and that a decision of reviewers
    approved or that were received `checks.aged_days` ago. A source is tainted by any receipt, its
    own or a later one, that accuses it; what paused and was approved is no accusation.
    """
    layout = context.layout
    receipts = {b: data.read_manifest(layout.intake(b)) for b in record.received(layout)}
    inside = set(data.admitted_batches(layout))
    decisions = {b: decision_in(layout, layout.intake(b), f"batch:{b}") for b in receipts}
    reviewed = {batch for batch, decided in decisions.items() if decided == "admitted"}
    eldest = context.clock() - timedelta(days=context.settings.checks.aged_days)
    found: list[Eligible] = []
    tainted: set[str] = set().union(*barred(layout))
    for batch in reversed(receipts):
        tainted |= accused_by(receipts[batch], batch in reviewed)
        aged = moment(receipts[batch].received) <= eldest
        if batch in inside and (batch in reviewed or aged):
            mine = tainted & receipts[batch].sources.keys()
            found.append(Eligible(batch, batch in reviewed, frozenset(mine)))
    return tuple(reversed(found))


def history(layout: Layout, batches: tuple[Eligible, ...]) -> list[Window]:
    """Return what intake measured on `batches` at receipt, before any model learnt them.

    Batches with a tainted source say nothing about honest ones, nor do those of which the gate set
    rows aside, unless people approved them; then the accused rows are left out.
    """
    windows = []
    for each in batches:
        findings = findings_of(layout, each.batch)
        accused = any(entry.outcome is Outcome.QUARANTINE for entry in findings)
        if each.tainted or (accused and not each.reviewed):
            continue
        windows.append(
            window_of(t.finding for t in findings if t.outcome is not Outcome.QUARANTINE)
        )
    return windows


def window_of(findings: Iterable[Finding]) -> Window:
    """Return each metric's largest finite value."""
    window: dict[str, float] = {}
    for entry in findings:
        metric, value = entry.metric, entry.to_dict()["value"]
        if value is not None and isfinite(value) and abs(value) < 1e300:
            window[metric] = max(window.get(metric, value), float(value))
    return window


def accused_by(receipt: data.Manifest, reviewed: bool) -> set[str]:
    """Return the sources that a receipt accuses; a pause that was approved does not accuse."""
    accused = receipt.accused.items()
    return {source for source, outcome in accused if not (reviewed and outcome == "pause")}
