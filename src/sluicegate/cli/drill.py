"""drill: attack one's own gates; nothing is learnt from it."""

import argparse
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from sluicegate.cli.arguments import Answer, Verbs, add_verb
from sluicegate.cli.terminal import bar, escape, opened, print_plan

if TYPE_CHECKING:
    from sluicegate.flows.trials.drilled import Drilled


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    verb = add_verb(verbs, "drill", drill).may_run_dry()
    verb.flag("--full", "more windows, and 200 tries for the adaptive attacker")
    verb.takes("--attack", "NAME", "run only these", nargs="+", action="extend", default=[])
    verb.takes("--seed", "N", "the seed (default: from params.yaml)", type=int)


def drill(options: argparse.Namespace) -> Answer[Any]:
    """Attack the gates: 0 the floor held, 4 below it, 1 it was not measured."""
    full, attacks, seed = options.full, tuple(options.attack), options.seed
    place = opened(options)
    if options.dry_run:
        return Answer(place.plan_drill(full=full, attacks=attacks, seed=seed), print_plan)
    with bar(options) as shown:
        done = place.drill(full=full, attacks=attacks, seed=seed, bar=shown)
    return Answer(done, print_drill, done.exit_code)


def print_drill(console: Console, drilled: "Drilled") -> None:
    """Print what a drill came to."""
    from sluicegate.flows.trials.drilled import adaptive_line, honest_line, verdict_line

    console.print(
        f"[bold]drill:{drilled.drill}[/], {drilled.kind} [dim]({drilled.seconds:.0f} s)[/]"
    )
    console.print(f"  windows of {drilled.window_rows} rows, from {escape(drilled.windows_from)}")
    console.print(f"  gates: {', '.join(drilled.gates)}")
    console.print(_table(drilled), soft_wrap=False)
    for name, why in drilled.not_applicable.items():
        console.print(f"  {name}: not applicable, {why}")
    console.print(f"  {honest_line(drilled.honest)}")
    if drilled.adaptive:
        console.print(f"  {adaptive_line(drilled.adaptive)}")
    console.print(f"  {escape(verdict_line(drilled))}")
    if drilled.threats:
        names = ", ".join(row.attack for row in drilled.threats)
        console.print(f"  open in threats.yaml: {names}")
    console.print(f"  report: drills/{drilled.drill}/report.md")


def _table(drilled: "Drilled") -> Table:
    from sluicegate.flows.trials.drilled import outcomes_line, percent, smallest_short

    table = Table(expand=False, box=None, pad_edge=False)
    for heading in ("  attack", "poison", "caught", "outcomes", "80 % at", "mostly by"):
        table.add_column(heading, no_wrap=heading in ("caught", "80 % at"))
    for each in drilled.attacks:
        for at in each.strengths:
            usual = at.strength == 1.0
            table.add_row(
                f"  {each.attack}" if usual else "",
                f"{at.share:.2%}",
                percent(at.caught),
                outcomes_line(at.outcomes),
                smallest_short(each.smallest) if usual else "",
                escape(next(iter(at.by), "")),
            )
    return table
