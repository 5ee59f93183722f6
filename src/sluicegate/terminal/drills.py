"""A drill as a person reads it: a line per attack."""

import argparse
from typing import TYPE_CHECKING, Any

from rich.table import Table

from sluicegate.terminal.output import plain_console
from sluicegate.terminal.words import escape

if TYPE_CHECKING:
    from sluicegate.flows.trials.drilled import Drilled


def print_drill(options: argparse.Namespace, drilled: "Drilled") -> dict[str, Any]:
    """Print what a drill came to."""
    answer = drilled.to_dict()
    if options.json:
        return answer
    from sluicegate.flows.trials.drill_page import adaptive_line, honest_line, verdict_line

    console = plain_console()
    console.print(f"[bold]drill:{drilled.id}[/], {drilled.kind} [dim]({drilled.seconds:.0f} s)[/]")
    console.print(f"  windows of {drilled.window_rows} rows, from {escape(drilled.windows_from)}")
    console.print(f"  gates: {', '.join(drilled.gates)}")
    console.print(_table(drilled))
    for name, why in drilled.not_applicable.items():
        console.print(f"  {name}: not applicable, {why}")
    console.print(f"  {honest_line(drilled.honest)}")
    if drilled.adaptive:
        console.print(f"  {adaptive_line(drilled.adaptive)}", soft_wrap=True)
    console.print(f"  {escape(verdict_line(drilled))}", soft_wrap=True)
    if drilled.opened:
        names = ", ".join(row["attack"] for row in drilled.opened)
        console.print(f"  open in threats.yaml: {names}")
    console.print(f"  report: drills/{drilled.id}/report.md")
    return answer


def _table(drilled: "Drilled") -> Table:
    from sluicegate.flows.trials.drill_page import outcomes_line, percent, smallest_short

    table = Table(expand=False, box=None, pad_edge=False)
    for heading in ("  attack", "poison", "caught", "outcomes", "80 % at", "mostly by"):
        table.add_column(heading, no_wrap=heading in ("caught", "80 % at"))
    for each in drilled.attacks:
        for at in each["strengths"]:
            usual = at["strength"] == 1.0
            table.add_row(
                f"  {each['attack']}" if usual else "",
                f"{at['share']:.2%}",
                percent(at["caught"]),
                outcomes_line(at["outcomes"]),
                smallest_short(each["smallest"]) if usual else "",
                escape(next(iter(at["by"]), "")),
            )
    return table
