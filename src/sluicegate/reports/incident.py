"""account: the story of an incident, from the record alone: nothing in it is typed twice."""

from collections.abc import Iterator, Sequence

from pydantic import ConfigDict, Field

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.core.counted import counted
from sluicegate.core.document import Document
from sluicegate.core.moment import moment
from sluicegate.evidence.ledger import PROMOTE, REINSTATE, SUSPEND
from sluicegate.record.context import Context
from sluicegate.record.lineage import Trace
from sluicegate.record.manifests import manifest_of
from sluicegate.record.serving_history import services
from sluicegate.record.subjects.incident import (
    Closed,
    Differs,
    Incident,
    Served,
    TakenOut,
    read_closed,
    since_opened,
    taken_out,
)
from sluicegate.record.updates import recorded_at
from sluicegate.record.words import nobody
from sluicegate.reports.incident_causes import Event, LetThrough, how_it_passed, receipt
from sluicegate.reports.markup import escaped
from sluicegate.stores import data, files
from sluicegate.stores.layout import Layout


class Delivery(Document):
    """A file whose rows are in question: the SHA-256 and the rows of its batch."""

    batch: str
    rows: int
    sha256: str


class Indicators(Document):
    """By what others can recognise it: the deliveries and the sources that were rolled back."""

    deliveries: tuple[Delivery, ...]
    sources: tuple[str, ...]


class ServedFor(Document):
    """From when until when a model that embodies it was the champion."""

    model_config = ConfigDict(populate_by_name=True)

    since: str = Field(alias="from")
    until: str
    update: str
    version: int


class Moved(Document):
    """The champion before and after a rollback."""

    after: Served
    before: Served


class Account(Document):
    """What is known of an incident, with its keys in order, as they lie on disk.

    `retrained` is the update that was made without it, `suspended` the incident since which nobody serves.
    """

    affected_predictions: str
    because: str
    champion: Moved
    controls: tuple[str, ...]
    detected_by: str
    differs: Differs | None
    incident: str
    indicators: Indicators
    let_through: tuple[LetThrough, ...]
    model: str
    reason: str
    retrained: str | None
    served: tuple[ServedFor, ...]
    still_embodied: bool = False
    suspended: str | None
    taken_out: tuple[TakenOut, ...]
    timeline: tuple[Event, ...]


def account(
    context: Context, number: str, found: Trace, opened: Incident, closed: Closed
) -> Account:
    """Return what is known of an incident."""
    layout = context.layout
    manifests = {each.batch: manifest_of(layout, each.batch) for each in found.batches}
    deliveries = tuple(
        Delivery(batch=batch, rows=manifest.rows, sha256=manifest.sha256)
        for batch, manifest in manifests.items()
    )
    timeline = sorted(_timeline(layout, found, opened, closed), key=lambda each: moment(each.time))
    return Account(
        affected_predictions=closed.predictions,
        because=opened.because,
        champion=Moved(before=opened.champion, after=closed.champion),
        controls=(*_controls(opened.sources), *_trusted(layout, opened.sources)),
        detected_by=opened.detected_by or opened.started_by or "the runner",
        differs=closed.differs,
        incident=number,
        indicators=Indicators(deliveries=deliveries, sources=opened.sources),
        let_through=tuple(how_it_passed(layout, found, opened)),
        model=context.settings.model,
        reason=opened.reason,
        retrained=closed.update,
        served=_served(layout, found),
        still_embodied=closed.champion.update in {each.update for each in found.updates},
        suspended=closed.suspended,
        taken_out=closed.cleaned,
        timeline=tuple(timeline),
    )


def written(told: Account) -> str:
    """Return an account as a page of markdown."""
    before, after = told.champion.before, told.champion.after
    if told.suspended:
        now = nobody(told.incident, told.suspended)
        moved = f"version {before.version} served, now {now}"
    elif before.version != after.version:
        moved = f"version {before.version} served, version {after.version} serves"
    elif told.still_embodied:
        moved = (
            f"version {after.version} still serves, although it learnt from it: no version is clean"
        )
    else:
        moved = f"version {after.version} still serves: it learnt none of it"
    lines = [
        f"# incident:{told.incident}: {escaped(told.because)}",
        "",
        f"**{escaped(told.reason)}**",
        "",
        f"- model {escaped(told.model)}: {moved}",
        f"- detected by {escaped(told.detected_by)}",
        f"- retrained without it: {'update:' + told.retrained if told.retrained else 'not yet'}",
        f"- affected predictions: {told.affected_predictions}",
        *(f"- {escaped(each)}" for each in told.controls),
        "",
        "## Timeline",
        "",
        "| time | what |",
        "|---|---|",
        *(f"| {each.time} | {escaped(each.what)} |" for each in told.timeline),
        "",
        "## How it got through",
        "",
        "What was measured on these rows, those nearest to their limits first.",
        "",
        *(_near(each) for each in told.let_through),
        *([] if told.let_through else ["Nothing: none of its rows reached the data."]),
        "",
        "## Removed from the data",
        "",
        *(f"- {each.rows} rows of batch:{each.batch}" for each in told.taken_out),
        *([] if told.taken_out else ["Nothing: none of its rows was admitted."]),
        "",
        "## Affected models in service",
        "",
        *(
            f"- version {each.version} (update:{each.update}): {each.since} to {each.until}"
            for each in told.served
        ),
        *([] if told.served else ["No model that learnt from it ever served."]),
        "",
        *_differences(told.differs),
    ]
    return "\n".join(lines)


def _timeline(layout: Layout, found: Trace, opened: Incident, closed: Closed) -> Iterator[Event]:
    for batch in found.batches:
        yield from receipt(layout, batch)
    for update in found.updates:
        rows = sum(update.learnt.values())
        learnt = f"update:{update.update} learnt from {rows} of them (version {update.version})"
        yield Event(time=recorded_at(layout, update.update), what=learnt)
        if update.promoted:
            yield Event(time=update.promoted, what=f"version {update.version} became champion")
    rolled_back = f"{opened.because} was rolled back: {opened.reason}"
    yield Event(time=opened.time, what=rolled_back)
    yield from _done(layout, closed.incident)
    yield Event(time=closed.time, what="the rollback was complete")


def _done(layout: Layout, number: str) -> Iterator[Event]:
    """Yield what the ledger says was done since an incident was opened: who served, what went."""
    for entry in since_opened(layout, number):
        details, gone = entry.details, taken_out(layout, number, entry)
        if gone:
            what = f"{counted(gone.rows, 'row')} of batch:{gone.batch} moved to quarantine"
        elif "succession" in details:
            continue  # new keys say again who the champion is
        elif entry.verb == SUSPEND:
            own = details["incident"] == number
            what = "serving stopped" + (": no version is clean" if own else "")
        elif entry.verb in (PROMOTE, REINSTATE):
            how = "became champion" if entry.verb == PROMOTE else "serves again"
            what = f"version {details['version']} {how}"
        else:
            continue
        yield Event(time=str(details.get("time", entry.time)), what=what)


def _served(layout: Layout, found: Trace) -> tuple[ServedFor, ...]:
    """Return from when until when each model that embodies it was the champion."""
    embodying = {each.update for each in found.updates}
    return tuple(
        ServedFor(
            since=each.since, until=each.until or "now", update=each.update, version=each.version
        )
        for each in services(layout)
        if each.update in embodying
    )


def _controls(sources: Sequence[str]) -> list[str]:
    changed = ["Limits calibrated on it are recalibrated without it."]
    if sources:
        named = ", ".join(sources)
        changed.insert(0, f"The source {named} is barred once reviewers countersign.")
    return changed


def _trusted(layout: Layout, sources: Sequence[str]) -> Iterator[str]:
    """Yield what no rollback takes out: rows in the tables that people trusted by re-anchoring."""
    for table in (layout.reference, layout.golden):
        counts = data.read_manifest(table.parent).sources
        rows = sum(counts.get(source, 0) for source in sources)
        if rows:
            yield (
                f"The {table.stem} table holds {counted(rows, 'row')} of it: every model learns from "
                "or is measured on them until `sluicegate reanchor` replaces it."
            )


def _near(each: LetThrough) -> str:
    lines = [
        f"{near.metric} {near.value:.3g} of {near.limit:.3g}, "
        f"{'exceeded' if near.value > near.limit else 'within'}"
        for near in each.nearest
    ]
    lines += [reason.removesuffix(".") for reason in each.reasons]
    if each.approved_by:
        lines.append(f"approved by {', '.join(each.approved_by)}")
    sentence = f": {escaped('; '.join(lines))}" if lines else ""
    return f"- {each.subject}: {each.outcome}, `{each.statement}`{sentence}"


def _differences(differs: Differs | None) -> list[str]:
    if differs is None:
        return []
    lines = ["## How the rolled-back champion differed", ""]
    if differs.fault:
        return [*lines, f"Not measured: {escaped(differs.fault)}", ""]
    lines += ["| slice of the golden set | rows | rolled back | serving now |", "|---|---|---|---|"]
    for each in differs.slices:
        figures = f"{each.tainted:.3f} | {each.clean:.3f}"
        lines.append(f"| {escaped(each.slice)} ({each.measure}) | {each.rows} | {figures} |")
    taken = differs.taken
    if taken:
        lines += [
            "",
            f"On the {taken.rows} rows removed from training, it agreed with the labels on "
            f"{taken.tainted:.0%} as they are labelled; the model that serves now {taken.clean:.0%}.",
        ]
    return [*lines, ""]


ACCOUNT, STORY = "incident.md", "account.json"


def read_account(layout: Layout, number: str) -> Account:
    """Return the account of an incident; raises Tampered for one that its signed end does not name."""
    path, ended = layout.incident(number) / STORY, read_closed(layout, number)
    # ends that were signed before accounts were named say nothing of theirs
    if not path.is_file() or (ended.account or sha256_file(path)) != sha256_file(path):
        raise Tampered(f"incidents/{number}/{STORY} was changed; restore it from git.")
    return Account.read(files.read_json(path), str(path))
