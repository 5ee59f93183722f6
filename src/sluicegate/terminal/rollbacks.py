"""What a person reads of a rollback."""

import argparse
from typing import Any

import yaml
from rich.console import Console

from sluicegate.core.counted import counted
from sluicegate.terminal.output import plain_console
from sluicegate.terminal.traces import tree_of
from sluicegate.terminal.words import escape


def print_plan(options: argparse.Namespace, plan: dict[str, Any]) -> dict[str, Any]:
    """Print what a rollback would do."""
    if options.json:
        return plan
    console = plain_console()
    console.print(tree_of(plan))
    serving = plan["serving"]
    if plan["withdraws"]:
        named = ", ".join(f"update:{each}" for each in plan["withdraws"])
        console.print(f"withdrawn would be {named}")
    if not (plan["serving_is_tainted"] or plan["goes_to"]):
        console.print(f"version {serving['version']} serves and embodies none of it")
        return plan
    how = "and embodies it" if plan["serving_is_tainted"] else "now"
    console.print(f"version {serving['version']} serves {how} ({_worth(serving)})")
    for at, each in enumerate(plan["clean"]):
        sound = each["fault"] is None
        first = sound and all(other["fault"] for other in plan["clean"][:at])
        words = "would serve instead" if first else "is clean, too"
        told = words if sound else f"cannot serve: {each['fault']}"
        console.print(f"  version {each['version']} {escape(told)} ({_worth(each)})")
    if not plan["clean"]:
        console.print("  no former champion is clean of it")
    return plan


def print_rollback(options: argparse.Namespace, answer: dict[str, Any]) -> dict[str, Any]:
    """Print what a rollback did."""
    if options.json:
        return answer
    console = plain_console()
    because = escape(answer["because"])
    if answer["incident"] is None:
        console.print(f"{because}: no admitted row and no model embodies it; nothing to take back")
        return answer
    if answer["repeated"]:
        console.print(
            f"{because}: was rolled back before, nothing is left to do; incident:{answer['incident']} "
            "says why, and this was done then:"
        )
    else:
        console.print(f"{because}: rolled back, incident:{answer['incident']}")
    before, after = answer["champion"]["before"], answer["champion"]["after"]
    if answer["suspended"] == answer["incident"]:
        console.print(
            f"  serving: [red]nobody[/]; version {before['version']} embodies it, and no clean "
            "version is left"
        )
    elif answer["suspended"]:
        console.print(f"  serving: [red]nobody[/], since incident:{answer['suspended']}")
    elif after["update"] in answer["tainted"]["updates"]:
        console.print(
            f"  serving: [red]version {after['version']}, which embodies it[/]: no clean version is "
            "left, and rollback.without_clean is serve_on"
        )
    else:
        now = f"version {after['version']} now"
        console.print(f"  serving: version {before['version']} before, {now}")
    for each in answer["cleaned"]:
        rows = counted(each["rows"], "row")
        console.print(f"  data: {rows} of batch:{each['batch']} went to quarantine")
    _print_differs(console, answer["differs"])
    for each in answer["still_serving"]:
        console.print(
            f"  [red]{escape(each['loader'])} still serves version {each['version']}[/]: have it "
            "refresh; the rollback is not complete until it did"
        )
    update = answer["update"]
    if update:
        console.print(f"  trained without it: update:{update['id']} is {update['stage']}")
    console.print(
        f"  next: reviewers countersign it (`sluicegate review show incident:{answer['incident']}`); "
        f"the account is in incidents/{answer['incident']}/incident.md"
    )
    return answer


def print_watch(options: argparse.Namespace, answer: dict[str, Any]) -> dict[str, Any]:
    """Print whether the champion keeps its promise."""
    if options.json:
        return answer
    console = plain_console()
    console.print(f"version {answer['champion']['version']}: {answer['outcome']}")
    for each in answer["findings"]:
        console.print(f"  {escape(each['detail'])}", soft_wrap=True)
    if answer["proposed"]:
        told = (
            f"{answer['proposed']} is proposed: see `sluicegate review show {answer['proposed']}`"
        )
        console.print(f"  {told}")
    if answer["rollback"]:
        print_rollback(options, answer["rollback"])
    return answer


def print_incident(options: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    """Print an incident as YAML, the form in which ATLAS takes case studies."""
    if not options.json:
        text = yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
        plain_console().print(text, end="", markup=False, soft_wrap=True)
    return told


def _print_differs(console: Console, differs: dict[str, Any] | None) -> None:
    taken = differs["taken"] if differs else None
    if taken:
        console.print(
            f"  on the {counted(taken['rows'], 'row')} that went, the model before answered "
            f"{taken['tainted']:.0%} as they are labelled, the model that serves now "
            f"{taken['clean']:.0%}"
        )


def _worth(version: dict[str, Any]) -> str:
    ((name, value),) = version["golden"].items()
    return f"golden {name} {value:.4f}" if value is not None else "not measured"
