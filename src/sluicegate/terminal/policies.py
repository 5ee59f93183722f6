"""What an ML engineer reads of a changed policy: what it would have stopped."""

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from sluicegate.core.visible import visible
from sluicegate.terminal.output import plain_console
from sluicegate.terminal.words import escape

MOST_DECIDING = 3


def print_trial(options: argparse.Namespace, trial: dict[str, Any]) -> dict[str, Any]:
    """Print the changed limits, every batch that they or the committed ones stop, and the rate."""
    if options.json:
        return trial
    console = plain_console()
    if not trial["changes"]:
        console.print("No limit differs from the committed policy.")
    _print_changes(console, trial["changes"])
    shown = [b for b in trial["batches"] if {b["before"], b["after"]} != {"pass"}]
    if shown:
        console.print(_table(shown))
    console.print(f"{len(trial['batches']) - len(shown)} further batches pass under both policies.")
    for side, words in (("before", "committed limits"), ("after", "changed limits")):
        console.print(f"{words}: {_rate(trial['stops'][side])}", soft_wrap=True)
    drill = trial["drill"]
    if drill:
        mean = "not measured" if drill["mean"] is None else f"{drill['mean']:.0%}"
        attacks = len(drill["attacks"])
        console.print(f"quick drill: {mean} of {attacks} kinds of attack caught by changed limits")
    return trial


def print_difference(
    options: argparse.Namespace, found: dict[str, Any], verb: str = "differ from it"
) -> dict[str, Any]:
    """Print which files `verb`, how, and which limits let more pass."""
    if options.json:
        return found
    console = plain_console()
    if not found["signed"] and not found["diff"]:
        console.print(
            "policy: nobody has signed one, so there is nothing to differ from; name its owners under "
            "policy.owners in params.yaml, then run `sluicegate policy sign`"
        )
        return found
    signed = f"{found['signed']}, signed by {found['owner']}" if found["signed"] else "not signed"
    console.print(f"policy: {escape(signed)}; files that {verb}: {len(found['files'])}")
    _print_changes(console, found["limits"])
    for line in found["diff"].splitlines():
        console.print(visible(line), markup=False, highlight=False, soft_wrap=True)
    return found


def _print_changes(console: Console, limits: list[dict[str, Any]]) -> None:
    for change in limits:
        word = "[yellow]LOOSENED[/]" if change["loosened"] else "tightened"
        sides = f"{_number(change['before'])} -> {_number(change['after'])}"
        console.print(f"{word} {escape(change['metric'])} {change['outcome']}: {sides}")


def _table(batches: list[dict[str, Any]]) -> Table:
    table = Table(expand=False)
    for name in ("batch", "recorded", "committed", "changed", "decided by"):
        table.add_column(name)
    for batch in batches:
        differs = batch["before"] != batch["after"]
        after = f"[bold]{batch['after']}[/]" if differs else batch["after"]
        why = "\n".join(_deciding(each) for each in batch["decides"][:MOST_DECIDING])
        again = " (measured again)" if batch["remeasured"] else ""
        table.add_row(batch["batch"] + again, batch["recorded"], batch["before"], after, why)
    return table


def _deciding(told: dict[str, Any]) -> str:
    limits = _number(told["limit_after"])
    if told["limit_before"] != told["limit_after"]:
        limits = f"{_number(told['limit_before'])} -> {limits}"
    return escape(f"{told['metric']} {_number(told['value'])}, limit {limits}")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _rate(stops: dict[str, Any]) -> str:
    if not stops["accepted"]:
        return "no accepted batch to count stops among"
    within = "within" if stops["within_budget"] else "[yellow]beyond[/]"
    return (
        f"{stops['stopped']} of {stops['accepted']} accepted batches stopped or held rows back, "
        f"{stops['per_60']:g} in 60, {within} the budget of {stops['budget_per_60']:g} "
        "(checks.false_stops)"
    )
