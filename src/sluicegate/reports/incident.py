"""account: the story of an incident, from the record alone: nothing in it is typed twice."""

from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.core.counted import counted
from sluicegate.core.moment import moment
from sluicegate.evidence.ledger import PROMOTE, REINSTATE, SUSPEND
from sluicegate.record.context import Context
from sluicegate.record.lineage import Trace
from sluicegate.record.manifests import manifest_of
from sluicegate.record.serving_history import services
from sluicegate.record.subjects.incident import read_closed, since_opened, taken_out
from sluicegate.record.updates import recorded_at
from sluicegate.record.words import nobody
from sluicegate.reports.incident_causes import how_it_passed, receipt
from sluicegate.reports.markup import escaped
from sluicegate.stores import data, files
from sluicegate.stores.layout import Layout


def account(
    context: Context,
    number: str,
    found: Trace,
    opened: Mapping[str, Any],
    closed: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what is known of an incident, as JSON types."""
    layout = context.layout
    manifests = {each.batch: manifest_of(layout, each.batch) for each in found.batches}
    return {
        "incident": number,
        "model": context.settings.model,
        "because": opened["because"],
        "reason": opened["reason"],
        "detected_by": opened.get("detected_by") or opened["started_by"] or "the runner",
        "timeline": sorted(
            _timeline(layout, found, opened, closed), key=lambda each: moment(each["time"])
        ),
        "indicators": {
            "sources": opened["sources"],
            "deliveries": [
                {"batch": batch, "sha256": manifest.sha256, "rows": manifest.rows}
                for batch, manifest in manifests.items()
            ],
        },
        "served": _served(layout, found),
        "affected_predictions": closed["predictions"],
        "let_through": [*how_it_passed(layout, found, opened)],
        "taken_out": closed["cleaned"],
        "champion": {"before": opened["champion"], "after": closed["champion"]},
        "suspended": closed["suspended"],
        "still_embodied": closed["champion"]["update"] in {each.update for each in found.updates},
        "differs": closed["differs"],
        "retrained": closed["update"],
        "controls": [*_controls(opened), *_trusted(layout, opened)],
    }


def written(told: Mapping[str, Any]) -> str:
    """Return an account as a page of markdown."""
    before, after = told["champion"]["before"], told["champion"]["after"]
    if told["suspended"]:
        now = nobody(told["incident"], told["suspended"])
        moved = f"version {before['version']} served, now {now}"
    elif before["version"] != after["version"]:
        moved = f"version {after['version']} replaced version {before['version']}"
    elif told["still_embodied"]:
        moved = f"version {after['version']} still serves, although it learnt from it: no version is clean"
    else:
        moved = f"version {after['version']} still serves: it learnt none of it"
    lines = [
        f"# incident:{told['incident']}: {escaped(told['because'])}",
        "",
        f"**{escaped(told['reason'])}**",
        "",
        f"- model {escaped(told['model'])}: {moved}",
        f"- detected by {escaped(told['detected_by'])}",
        f"- retrained without it: {'update:' + told['retrained'] if told['retrained'] else 'not yet'}",
        f"- affected predictions: {told['affected_predictions']}",
        *(f"- {escaped(each)}" for each in told["controls"]),
        "",
        "## Timeline",
        "",
        "| time | what |",
        "|---|---|",
        *(f"| {each['time']} | {escaped(each['what'])} |" for each in told["timeline"]),
        "",
        "## How it got through",
        "",
        "What was measured on these rows, those nearest to their limits first.",
        "",
        *(_near(each) for each in told["let_through"]),
        *([] if told["let_through"] else ["Nothing: none of its rows reached the data."]),
        "",
        "## Removed from the data",
        "",
        *(f"- {each['rows']} rows of batch:{each['batch']}" for each in told["taken_out"]),
        *([] if told["taken_out"] else ["Nothing: none of its rows was admitted."]),
        "",
        "## Affected models in service",
        "",
        *(
            f"- version {each['version']} (update:{each['update']}): {each['from']} to {each['until']}"
            for each in told["served"]
        ),
        *([] if told["served"] else ["No model that learnt from it ever served."]),
        "",
        *_differences(told["differs"]),
    ]
    return "\n".join(lines)


def _timeline(
    layout: Layout, found: Trace, opened: Mapping[str, Any], closed: Mapping[str, Any]
) -> Iterator[dict[str, str]]:
    for batch in found.batches:
        yield from receipt(layout, batch)
    for update in found.updates:
        rows = sum(update.learnt.values())
        learnt = f"update:{update.update} learnt from {rows} of them (version {update.version})"
        yield {"time": recorded_at(layout, update.update), "what": learnt}
        if update.promoted:
            yield {"time": update.promoted, "what": f"version {update.version} became champion"}
    yield {
        "time": opened["time"],
        "what": f"{opened['because']} was rolled back: {opened['reason']}",
    }
    yield from _done(layout, closed["incident"])
    yield {"time": closed["time"], "what": "the rollback was complete"}


def _done(layout: Layout, number: str) -> Iterator[dict[str, str]]:
    """Yield what the ledger says was done since an incident was opened: who served, what went."""
    for entry in since_opened(layout, number):
        details, gone = entry.details, taken_out(layout, number, entry)
        if gone:
            what = f"{counted(gone[1], 'row')} of batch:{gone[0]} moved to quarantine"
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
        yield {"time": str(details.get("time", entry.time)), "what": what}


def _served(layout: Layout, found: Trace) -> list[dict[str, Any]]:
    """Return from when until when each model that embodies it was the champion."""
    embodying = {each.update for each in found.updates}
    return [
        {
            "update": each.update,
            "version": each.version,
            "from": each.since,
            "until": each.until or "now",
        }
        for each in services(layout)
        if each.update in embodying
    ]


def _controls(opened: Mapping[str, Any]) -> list[str]:
    changed = ["Limits calibrated on it are recalibrated without it."]
    if opened["sources"]:
        named = ", ".join(opened["sources"])
        changed.insert(0, f"The source {named} is barred once reviewers countersign.")
    return changed


def _trusted(layout: Layout, opened: Mapping[str, Any]) -> Iterator[str]:
    """Yield what no rollback takes out: rows in the tables that people trusted by re-anchoring."""
    for table in (layout.reference, layout.golden):
        counts = data.read_manifest(table.parent).sources
        rows = sum(counts.get(source, 0) for source in opened["sources"])
        if rows:
            yield (
                f"The {table.stem} table holds {counted(rows, 'row')} of it: every model learns from "
                "or is measured on them until `sluicegate reanchor` replaces it."
            )


def _near(each: Mapping[str, Any]) -> str:
    lines = [
        f"{near['metric']} {near['value']:.3g} of {near['limit']:.3g}, "
        f"{'exceeded' if near['value'] > near['limit'] else 'within'}"
        for near in each["nearest"]
    ]
    lines += [reason.removesuffix(".") for reason in each["reasons"]]
    if each["approved_by"]:
        lines.append(f"approved by {', '.join(each['approved_by'])}")
    sentence = f": {escaped('; '.join(lines))}" if lines else ""
    return f"- {each['subject']}: {each['outcome']}, `{each['statement']}`{sentence}"


def _differences(differs: Mapping[str, Any] | None) -> list[str]:
    if differs is None:
        return []
    lines = ["## How the rolled-back champion differed", ""]
    if differs.get("fault"):
        return [*lines, f"Not measured: {escaped(differs['fault'])}", ""]
    lines += ["| slice of the golden set | rows | rolled back | serving now |", "|---|---|---|---|"]
    for each in differs["slices"]:
        figures = f"{each['tainted']:.3f} | {each['clean']:.3f}"
        lines.append(
            f"| {escaped(each['slice'])} ({each['measure']}) | {each['rows']} | {figures} |"
        )
    taken = differs["taken"]
    if taken:
        lines += [
            "",
            f"On the {taken['rows']} rows removed from training, it agreed with the labels on "
            f"{taken['tainted']:.0%}; the model serving now agrees on {taken['clean']:.0%}.",
        ]
    return [*lines, ""]


ACCOUNT, STORY = "incident.md", "account.json"


def read_account(layout: Layout, number: str) -> dict[str, Any]:
    """Return the account of an incident; raises Tampered for one that its signed end does not name."""
    path, ended = layout.incident(number) / STORY, read_closed(layout, number)
    # ends that were signed before accounts were named say nothing of theirs
    if not path.is_file() or ended.get("account", sha256_file(path)) != sha256_file(path):
        raise Tampered(f"incidents/{number}/{STORY} was changed; restore it from git.")
    recorded: dict[str, Any] = files.read_json(path)
    return recorded
