"""What a person reads before something is destroyed, and of what was."""

import argparse
from typing import Any

from rich.tree import Tree

from sluicegate.core.counted import counted
from sluicegate.terminal.output import plain_console
from sluicegate.terminal.reviews import print_review
from sluicegate.terminal.words import escape


def print_plan(options: argparse.Namespace, plan: dict[str, Any]) -> dict[str, Any]:
    """Print what embodies what is to be retired, as a tree."""
    if options.json:
        return plan
    tree, where = Tree(escape(plan["what"])), "in DVC's cache and every remote"
    archive = plan["archive"]
    if archive:
        tree.add(escape(f"a copy of all that would be destroyed goes to {archive} first"))
    then = f"would then be destroyed, {where}" if archive else f"would be destroyed, {where}"
    tables = tree.add(then)
    for each in plan["tables"]:
        words = "row stays" if each["stays"] == 1 else "rows stay"
        stays = f"; its other {each['stays']} {words}" if each["stays"] else ""
        tables.add(escape(f"{each['name']}: {counted(len(each['rows']), 'row')}{stays}"))
    for each in plan["models"]:
        tables.add(f"the model of update:{each['update']} (version {each['version']})")
    for name in plan["received"]:
        tree.add(escape(f"would be destroyed whole: {name}, as it was received"))
    for each in plan["descendants"]:
        tree.add(
            f"learnt from it and stays: update:{each['update']}, version {each['version']} "
            f"({each['stage']}); `sluicegate retire model:{each['version']}`"
        )
    for name in plan["pages"]:
        tree.add(escape(f"stays in git and may show values: {name}"))
    if plan["warning"]:
        tree.add(f"[red]{escape(plan['warning'])}[/]")
    plain_console().print(tree)
    return plan


def print_retired(options: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    """Print the question that waits, or what was destroyed."""
    if options.json:
        return told
    if told["asked"]:
        print_review(options, told["asked"])
        return told
    console, said = plain_console(), told["certificate"]
    how = f"archived in {said['archive']} and destroyed" if said["archive"] else "destroyed"
    console.print(escape(f"{told['subject']}: {said['what']} is {how}"), soft_wrap=True)
    for name in said["stores"]:
        console.print(f"  gone from {escape(name)}")
    for each in said["descendants"]:
        console.print(f"  version {each['version']} (update:{each['update']}) learnt from it")
    for each in said["left"]:
        console.print(f"  left: {escape(each)}", soft_wrap=True)
    return told


def print_certificate(options: argparse.Namespace, shown: dict[str, Any]) -> dict[str, Any]:
    """Print the certificate of a retirement as text; as JSON it is the signed statement itself."""
    if options.json:
        return shown
    console, told = plain_console(), shown["certificate"]
    said = told["statement"]["predicate"]

    def line(text: str) -> None:
        console.print(escape(text), soft_wrap=True)

    how = f"kept in {said['archive']} alone" if said["archive"] else "destroyed"
    line(f"{shown['subject']}: {said['what']} was {how} ({said['time']})")
    line(f"  why: {told['reason']}")
    line(f"  asked by: {told['asked_by'] or 'the runner'}")
    for vote in told["approved_by"]:
        line(f"  approved by: {vote['person']} with {vote['key']} ({vote['time']})")
    line("  what:")
    for each in said["destroyed"]:
        line(f"    {each['name']}: sha256 {each['sha256'][:12]}, md5 {each['md5'][:12]}")
    for each in said["models"]:
        of = f"update:{each['update']}, version {each['version']}"
        line(f"    the model of {of}: sha256 {each['sha256'][:12]}, run {each['run'][:8]}")
    for name in said["received"]:
        place, _, file = name.rpartition("/")
        line(f"    as it was received: {place}/{file[:12]}")
    for name in said["stores"]:
        line(f"  gone from: {name}")
    for each in said["descendants"]:
        line(f"  learnt from it and stayed: version {each['version']} (update:{each['update']})")
    for each in said["left"]:
        line(f"  not reached: {each}")
    line(f"  certificate: {told['file']}, {_signature(told['signed_by'])}")
    return shown


def _signature(signed: dict[str, Any]) -> str:
    by = f"the service key {signed['key'][:12]}"
    if not signed["believed"]:
        return f"signed with {by} after it was revoked ({signed['revoked']}): do not believe it"
    followed = "" if signed["current"] else ", which another key has followed since,"
    return f"signed by {by}{followed} and verified"


def print_due(options: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    """Print what has passed its retention, and the cards that state no period."""
    if options.json:
        return told
    console = plain_console()
    for name, card in told["cards"].items():
        if not card["period"]:
            said = f"says {card['retention']!r}" if card["retention"] else "says nothing"
            console.print(escape(f"card.{name}.retention {said}: no period, like 24 months"))
    for each in told["due"]:
        console.print(f"{each['what']}: kept since {each['since']}, due on {each['until']}")
    if not told["due"]:
        console.print("Nothing has passed its retention.")
    return told
