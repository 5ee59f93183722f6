"""status and show: where the workspace stands, and one subject from every side.

Once called trace, card and incident export, too.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console

from sluicegate.cli.arguments import Answer, Verbs, add_former, add_verb
from sluicegate.cli.retire import print_certificate
from sluicegate.cli.terminal import (
    coloured,
    escape,
    opened,
    print_findings,
    print_reasons,
    print_selection,
    shortened,
)
from sluicegate.cli.trees import print_tree
from sluicegate.core import Judged, Misused
from sluicegate.core.counted import counted
from sluicegate.core.document import Document

if TYPE_CHECKING:
    from sluicegate.flows.status import Status
    from sluicegate.record.replay import Explained
    from sluicegate.record.traced import MadeOf, Traced
    from sluicegate.reports.profiles import Card

RECORD, TREE, CARD, BOM, ACCOUNT, ATLAS = "record", "tree", "card", "cyclonedx", "account", "atlas"
FORMS = (RECORD, TREE, CARD, BOM, ACCOUNT, ATLAS)
TRACED_ONLY = ("source", "row", "trigger", "model")
"""Subjects without a record of their own: they are shown as a tree."""
PROFILES = ("internal", "partner", "public")
PROFILE = "the audience of a card or account; public omits limits, sources and parameters"
SUBJECTS = (
    "batch:0003, update:0007, incident:0001, release:, anchor: or retirement:0001; "
    "with --as tree also source:NAME, row:0003/57, trigger:0003 or model:3"
)
AS = (
    "tree: the data and models that contain it; card, cyclonedx: for those who rely on it; "
    "account, atlas: an incident in full, or as a MITRE ATLAS case study (default: its record)"
)
EXAMPLES = """\
sluicegate show update:0007                      what was measured, and the verdict
sluicegate show source:c17 --as tree             which models learnt from c17
sluicegate show update:0007 --as card --profile public
sluicegate show incident:0001 --as atlas"""


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    add_verb(verbs, "status", status)
    shown = add_verb(verbs, "show", show, example=EXAMPLES)
    shown.takes("subject", "SUBJECT", SUBJECTS)
    shown.add_argument("--as", dest="form", choices=FORMS, help=AS)
    words = "judge the stored findings again by the stored policy, and compare the verdicts"
    shown.flag("--explain", words)
    shown.add_argument("--profile", choices=PROFILES, default=PROFILES[0], help=PROFILE)
    _add_former(verbs)


def _add_former(verbs: Verbs) -> None:
    add_former(verbs, "trace", show_tree).takes("subject", "WHAT", SUBJECTS)
    card = add_former(verbs, "card", former_card)
    card.takes("subject", "WHAT", "batch:0003 or update:0007")
    card.add_argument("--profile", choices=PROFILES, default=PROFILES[0], help=PROFILE)
    card.add_argument("--format", choices=("md", "json", BOM), default="md")
    incident = verbs.add_parser("incident").add_subparsers(metavar="command", required=True)
    exported = add_former(incident, "incident export", former_export)
    exported.takes("subject", "INCIDENT", "incident:0001")
    exported.add_argument("--profile", choices=("full", ATLAS, "public"), default="full")


def status(options: argparse.Namespace) -> Answer["Status"]:
    """Say where the workspace stands."""
    place = opened(options)
    return Answer(place.status(), lambda console, now: print_status(console, now, place.root))


def show(options: argparse.Namespace) -> Answer[Any]:
    """Show one subject in the form that was asked for."""
    kind = options.subject.partition(":")[0]
    form = options.form or (TREE if kind in TRACED_ONLY else RECORD)
    if options.explain:
        if options.form:
            raise Misused("Use --explain or --as, not both.")
        explained = opened(options, reading=True).explain(options.subject)
        return Answer(explained, print_explained, 0 if explained.same else 4)
    if form in (ACCOUNT, ATLAS) and kind != "incident":
        raise Misused(
            f"{options.subject} is not an incident; --as {form} needs one, like incident:0001."
        )
    if form in (CARD, BOM):
        return _card(options, form)
    if form == TREE:
        return show_tree(options)
    if form == RECORD:
        shown = opened(options, reading=True).show(options.subject)
        return Answer(shown, print_certificate if shown.get("certificate") else print_record)
    if form == ATLAS:
        return _incident(options, ATLAS)
    if options.profile == "partner":
        raise Misused("An account has no partner profile; choose internal or public.")
    return _incident(options, "full" if options.profile == "internal" else options.profile)


def show_tree(options: argparse.Namespace) -> "Answer[Traced | MadeOf]":
    """Trace something through data and models."""
    return Answer(opened(options, reading=True).trace(options.subject), print_tree)


def _card(options: argparse.Namespace, form: str) -> Answer[Any]:
    place = opened(options, reading=True)
    if form == BOM:
        return Answer(place.bill_of_materials(options.subject, options.profile), print_json)
    return Answer(place.card(options.subject, options.profile), print_card)


def former_card(options: argparse.Namespace) -> Answer[Any]:
    """Write a card, as `card` did."""
    made = _card(options, options.format)
    return Answer(made.result, print_json) if options.format == "json" else made


def former_export(options: argparse.Namespace) -> Answer[Document]:
    """Print an incident, as `incident export` did."""
    return _incident(options, options.profile)


def _incident(options: argparse.Namespace, profile: str) -> Answer[Document]:
    number = options.subject.removeprefix("incident:")
    return Answer(opened(options, reading=True).export_incident(number, profile), print_yaml)


def print_card(_: Console, made: "Card") -> None:
    """Print a card as Markdown."""
    from sluicegate.reports.card_page import written

    print(written(made))


def print_json(_: Console, made: Document) -> None:
    """Print JSON for a file."""
    print(json.dumps(made.to_dict(), ensure_ascii=False, indent=2))


def print_yaml(console: Console, incident: Document) -> None:
    """Print an incident as YAML, the form in which ATLAS takes case studies."""
    text = yaml.safe_dump(incident.to_dict(), sort_keys=False, allow_unicode=True)
    console.print(text, end="", markup=False)


def print_record(console: Console, shown: dict[str, Any]) -> None:
    """Print the record of a batch or an update."""
    if "verdict" not in shown:
        kind = shown["subject"].partition(":")[0]
        console.print(f"{shown['subject']}: {shown['state']}")
        console.print(f"  {escape(shortened(shown[kind]['reason']))}")
        console.print(f"  page: {shown['page']}")
        return
    verdict = shown["verdict"]
    stage = shown.get("state") or shown["update"]["stage"]
    console.print(f"{shown['subject']}: {coloured(verdict['outcome'])}, {stage}")
    for words, chosen in (
        ("set aside", verdict["quarantined"]),
        ("in question", verdict["suspects"]),
    ):
        print_selection(console, words, len(chosen["rows"]), chosen["sources"])
    print_reasons(console, verdict["reasons"])
    for name, figures in shown.get("metrics", {}).get("golden", {}).items():
        numbers = ", ".join(
            f"{k} {v:.4g}" for k, v in figures.items() if isinstance(v, int | float)
        )
        console.print(f"  {name} on golden: {numbers}")
    print_findings(console, [Judged(**each) for each in shown["findings"] if "outcome" in each])
    console.print(f"  policy: {escape(shown['policy'])}")
    if "report" in shown:
        console.print(f"  report: {shown['report']}")
    if shown.get("rollback"):
        rollback = shown["rollback"]
        console.print(f"  rollback {rollback['state']}: {escape(shortened(rollback['reason']))}")


def print_explained(console: Console, replay: "Explained") -> None:
    """Print each finding beside its limit, what stopped it last, and whether the verdict is the same."""
    console.print(f"{replay.subject}, judged by params.yaml in {replay.policy.commit[:12]}")
    for each in sorted(replay.findings, key=lambda each: not each.passed):
        if each.limit is not None:
            value = "not measured" if each.value is None else f"{each.value:.4g}"
            line = f"{each.metric}: {value} (limit {each.limit:.4g}) {each.outcome.value}"
            console.print(f"  {escape(line)}")
    for reason in replay.recorded.reasons:
        console.print(f"  because: {escape(reason)}")
    if replay.not_replayed:
        console.print(f"  not replayed: {escape(replay.not_replayed)}")
    same = "the same verdict" if replay.same else "[red]NOT the recorded verdict[/]"
    then, now = replay.recorded.outcome.value, replay.replayed.outcome.value
    console.print(f"recorded: {then}; replayed: {now}: {same}")


def print_status(console: Console, now: "Status", root: Path) -> None:
    """Print where a workspace stands."""
    champion = now.champion
    console.print(f"[bold]{escape(now.model)}[/] in {escape(str(root))}")
    console.print(
        f"  champion: version {champion.version} (update:{champion.update}), "
        f"since {champion.since}, {champion.sha256[:12]}"
    )
    if now.suspended:
        console.print(
            f"  [red]no version has served[/] since incident:{now.suspended}: none is clean; "
            "train one with `sluicegate update`"
        )
    if not now.golden_verified:
        console.print(
            "  golden set: [yellow]unverified[/], held out from the base data; "
            "nobody has verified its labels"
        )
    counts = ", ".join(f"{count} {state}" for state, count in now.batches.items())
    rows, batches = now.quarantine["rows"], now.quarantine["batches"]
    held = f"; in quarantine: {counted(rows, 'row')} of {counted(batches, 'batch')}" if rows else ""
    console.print(f"  batches: {counts}{held}")
    if now.trainer.startswith("trainer not"):
        console.print(f"  [yellow]{escape(now.trainer)}[/]")
    if now.open_threats:
        threats = counted(len(now.open_threats), "threat")
        console.print(f"  {threats} open after drills: {escape(', '.join(now.open_threats))}")
    console.print(f"  limits: {escape(now.calibration)}")
    for waiting in now.awaiting:
        console.print(f"  awaiting: {waiting['subject']} since {waiting['since']}")
        console.print(f"    {escape(shortened(waiting['why']))}")
    for number, left in now.incidents:
        console.print(f"  [red]incident:{number}[/]: {escape('; '.join(left))}")
    for who, count in now.insistent.items():
        console.print(
            f"  checks: {escape(who)} checked many versions of the same rows, "
            f"{counted(count, 'time')}; see `sluicegate doctor`"
        )
    for moved in now.anchored:
        console.print(
            f"  {moved['table']}: replaced by {moved['subject']}; moved most from the original: "
            f"{escape(moved['farthest'])}"
        )
    for line in now.keys:
        console.print(f"  keys: [yellow]{escape(line)}[/]")
    _print_serving(console, now)
    if now.unfinished:
        console.print(
            f"  update:{now.unfinished} is approved, but its promotion is unfinished; "
            "`sluicegate up` or the next `sluicegate update` finishes it"
        )


def _print_serving(console: Console, now: "Status") -> None:
    for loader in now.serving:
        what = f"version {loader['version']}" if loader["version"] else "nothing"
        state = "[red]behind[/]" if loader["behind"] else loader["state"]
        why = f"; {shortened(loader['said'])}" if loader["said"] else ""
        console.print(
            f"  serving: {escape(loader['loader'])}: {escape(what)}, {state}, "
            f"last checked {escape(str(loader['checked']))}{escape(why)}"
        )
