"""A bisect and a backtest as a person reads them: what was found, how, and what to do about it."""

import argparse
from typing import Any

from rich.table import Table

from sluicegate.core.counted import counted
from sluicegate.terminal.output import plain_console
from sluicegate.terminal.words import escape


def print_plan(options: argparse.Namespace, plan: dict[str, Any]) -> dict[str, Any]:
    """Print how many trainings a bisect would take."""
    if options.json:
        return plan
    console = plain_console()
    console.print(escape(plan["asked"]), soft_wrap=True)
    console.print(f"  fails where {escape(plan['metric'])} is beyond {plan['limit']:.4g}")
    console.print(
        f"  {counted(len(plan['batches']), 'batch')} in question, at most "
        f"{counted(plan['most_sources'], 'source')} in one: about "
        f"{counted(plan['trainings'], 'training')}, if one source of one batch is guilty"
    )
    if plan["ends_kept"]:
        console.print("  both ends are kept from an earlier bisect")
    return plan


def print_bisect(options: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    """Print what a bisect found."""
    if options.json:
        return told
    from sluicegate.flows.trials.bisected import Bisected, given_back, sentences

    found = Bisected.read(told, "the answer")
    console = plain_console()
    console.print(f"[bold]{escape(told['asked'])}[/]", soft_wrap=True)
    for each in sentences(found):
        console.print(f"  {escape(each)}", soft_wrap=True)
    console.print(_steps(told))
    done = told["trainings"]
    console.print(
        f"  {counted(done['sets'], 'set')}, {counted(done['trained'], 'model')} trained for it in "
        f"{done['seconds']:.0f} s"
    )
    for each in told["mend"]:
        console.print(f"  next: {each}", markup=False, soft_wrap=True)
    for each in given_back(found.given_back) if found.given_back else ():
        console.print(f"  {escape(each)}", soft_wrap=True)
    console.print(f"  report: {told['report']}")
    return told


def print_backtest_plan(options: argparse.Namespace, plan: dict[str, Any]) -> dict[str, Any]:
    """Print what a backtest would train."""
    if options.json:
        return plan
    console = plain_console()
    if not plan["enough"]:
        said = counted(len(plan["batches"]), "accepted batch")
        console.print(f"Not enough history: {said}")
        return plan
    console.print(
        f"{counted(plan['trainings'], 'model')}, {plan['kept']} of them kept, for retraining every "
        f"{', '.join(map(str, plan['every'])) or '(none)'} of "
        f"{counted(len(plan['batches']), 'batch')}"
    )
    if plan["left_out"]:
        console.print(f"  every {', '.join(map(str, plan['left_out']))} needs more: --most")
    return plan


def print_backtest(options: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    """Print what retraining is worth."""
    if options.json:
        return told
    console = plain_console()
    console.print(f"[bold]{escape(told['advice'])}[/]", soft_wrap=True)
    if not told["enough"]:
        return told
    from sluicegate.flows.trials.backtested import Backtested, figures, headings, remarks

    found = Backtested.read(told, "the answer")
    for each in told["reasons"]:
        console.print(f"  {escape(each)}", soft_wrap=True)

    table = Table(expand=False, box=None, pad_edge=False)
    table.add_column("  retrained", no_wrap=True)
    for heading in headings(found):
        table.add_column(heading, justify="right")
    for cells in figures(found):
        table.add_row(f"  {cells[0]}", *(escape(cell) for cell in cells[1:]))
    console.print(table)
    for each in remarks(found):
        console.print(f"  {escape(each)}", soft_wrap=True)
    console.print(f"  page: {told['report']}")
    return told


def _steps(told: dict[str, Any]) -> Table:
    table = Table(expand=False, box=None, pad_edge=False)
    for heading in ("  learnt, besides the base", told["metric"], "test", "seconds"):
        table.add_column(escape(heading))
    for step in told["steps"]:
        value = "not measured" if step["value"] is None else f"{step['value']:.4g}"
        votes = f" {step['votes'][0]}/{step['votes'][1]}" if step["votes"][1] > 1 else ""
        test = "[red]fails[/]" if step["failed"] else "[green]passes[/]"
        seconds = f"{step['seconds']:.0f}" if step["fresh"] else "kept"
        table.add_row(f"  {escape(step['told'])}", value, f"{test}{votes}", seconds)
    return table
