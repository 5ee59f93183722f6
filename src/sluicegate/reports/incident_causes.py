"""let_through: how rows that were rolled back got past the gates: what was measured of them, who agreed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sluicegate.core import Judged
from sluicegate.core.canonical import sha256_file
from sluicegate.core.document import Document
from sluicegate.evidence.statement import DECISION
from sluicegate.gates.approval import Decision
from sluicegate.record.findings import findings_of
from sluicegate.record.lineage import Touched, Trace
from sluicegate.record.manifests import manifest_of
from sluicegate.record.questions import cast
from sluicegate.record.subjects.incident import Incident
from sluicegate.record.subjects.kind import stated
from sluicegate.stores import record
from sluicegate.stores.layout import Layout

MOST_NEAR = 3


class Event(Document):
    """What happened, and when."""

    time: str
    what: str


class Near(Document):
    """A metric that came near to its limit, or beyond it."""

    limit: float
    metric: str
    value: float


class LetThrough(Document):
    """A verdict that let rows in or a model through: the statement of it, and what was measured.

    `nearest` are the findings nearest to their limits or beyond them, the first the farthest beyond.
    """

    approved_by: tuple[str, ...] = ()
    nearest: tuple[Near, ...]
    outcome: str
    reasons: tuple[str, ...] = ()
    sha256: str
    statement: str
    subject: str


def how_it_passed(layout: Layout, found: Trace, opened: Incident) -> Iterator[LetThrough]:
    """Yield the verdict on each delivery that reached the data, and on each update that served it."""
    reached = _reached(found, opened)
    for batch in found.batches:
        if batch.batch in reached:
            yield _of_batch(layout, batch, opened.sources)
    for update in found.promoted:
        where = f"updates/{update.update}/update.json"
        recorded = record.read_statement(layout, layout.root / where)["predicate"]["verdict"]
        yield _verdict(layout, f"update:{update.update}", where, recorded, [])


def receipt(layout: Layout, batch: Touched) -> Iterator[Event]:
    """Yield what became of the rows in question of a delivery, and of their review, with the time."""
    manifest = manifest_of(layout, batch.batch)
    state, name = str(manifest.state), f"batch:{batch.batch}"
    came = _shares(layout, batch) if state == "admitted" else state
    what = f"{name} arrived with {len(batch.rows)} such rows: {came}"
    yield Event(time=manifest.received, what=what)
    result = _decision(layout, name, layout.intake(batch.batch) / "decision.json")
    if result and result["approved_by"]:
        people = ", ".join(result["approved_by"])
        what = f"{name} was approved by {people}: {_shares(layout, batch)}"
        yield Event(time=result["time"], what=what)
    elif result:
        yield Event(time=result["time"], what=f"{name} was {_refused(layout, name)}")


def _reached(found: Trace, opened: Incident) -> set[str]:
    """Return the batches whose rows in question were in the data, or in what a model learnt."""
    stood = {each.batch for each in opened.trace.batches if each.learnable or each.held_out}
    return stood.union(*(each.learnt for each in found.updates))


def _shares(layout: Layout, batch: Touched) -> str:
    """Return in words how many of the rows in question intake let in and how many it set aside."""
    predicate = record.read_statement(layout, layout.intake(batch.batch) / "verdict.json")[
        "predicate"
    ]
    aside = len(set(predicate["quarantined"]["rows"]).intersection(batch.rows))
    let_in = len(batch.rows) - aside
    return f"{let_in} admitted" + (f", {aside} set aside" if aside else "")


def _refused(layout: Layout, subject: str) -> str:
    votes = [each for each in cast(layout, subject) if each.decision is Decision.REJECT]
    if not votes:
        return "refused, because nobody decided in time: no model learnt from it"
    why = votes[-1].reason or "no reason given"
    return f"rejected by {votes[-1].person} ({why}): no model learnt from it"


def _of_batch(layout: Layout, batch: Touched, sources: Sequence[str]) -> LetThrough:
    where = f"intake/{batch.batch}/verdict.json"
    predicate = record.read_statement(layout, layout.root / where)["predicate"]
    findings = findings_of(layout, batch.batch)
    whole = manifest_of(layout, batch.batch).rows == len(batch.rows)
    about = [each for each in findings if whole or _touches(each, batch, sources)]
    return _verdict(layout, f"batch:{batch.batch}", where, predicate, about)


def _touches(finding: Judged, batch: Touched, sources: Sequence[str]) -> bool:
    """Tell whether a finding speaks of rows in question; one that names nothing speaks of all."""
    rows, named = set(finding.rows), set(finding.sources)
    mine = rows.intersection(batch.rows) or named.intersection(sources)
    return bool(mine) or not (rows or named)


def _verdict(
    layout: Layout,
    subject: str,
    where: str,
    said: Mapping[str, Any],
    findings: list[Judged],
) -> LetThrough:
    near = [each for each in findings if _found_something(each)]
    near.sort(key=_distance, reverse=True)
    decided = _decision(layout, subject, (layout.root / where).with_name("decision.json"))
    passed = said["outcome"] == "pass"
    return LetThrough(
        approved_by=decided["approved_by"] if decided else (),
        nearest=tuple(
            Near(limit=each.limit or 0.0, metric=each.metric, value=each.value or 0.0)
            for each in near[:MOST_NEAR]
        ),
        outcome=said["outcome"],
        reasons=() if passed or findings else tuple(said["reasons"]),
        sha256=sha256_file(layout.root / where),
        statement=where,
        subject=subject,
    )


def _found_something(finding: Judged) -> bool:
    value, limit = finding.value, finding.limit
    return value is not None and limit is not None and (value > 0 or value > limit)


def _distance(finding: Judged) -> tuple[bool, float]:
    """Return how near a finding came to its limit: those beyond it first; any limit can be passed."""
    value, limit = finding.value or 0.0, finding.limit or 0.0
    return value > limit, value / limit if limit > 0 else value - limit


def _decision(layout: Layout, subject: str, path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    predicate = stated(layout, path, DECISION)
    return predicate if predicate["subject"] == subject else None
