"""bisect: find the batch, then the source, that makes something fail."""

import argparse
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from sluicegate.cli.arguments import Answer, Verbs, add_verb
from sluicegate.cli.terminal import escape, working
from sluicegate.core.counted import counted

if TYPE_CHECKING:
    from sluicegate.flows.trials.bisected import Bisected, BisectPlan

ASKED = ("update", "example", "slice", "limit", "repeat", "most")
EXAMPLES = """\
sluicegate bisect update:0007                     what made this update fail?
sluicegate bisect --example complaints.parquet    what makes the champion answer these wrong?
sluicegate bisect --slice region=north --dry-run  how many training runs would it take?"""


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    verb = add_verb(verbs, "bisect", bisect, example=EXAMPLES).may_run_dry()
    words = "a rejected or paused update, like update:0007; its comparison is the test"
    verb.takes("update", "UPDATE", words, nargs="?", type=lambda text: text.removeprefix("update:"))
    verb.takes("--example", "FILE", "rows with the labels that the champion should predict")
    verb.takes("--slice", "COLUMN=VALUE", "a slice of the golden set that got worse")
    words = (
        "the share of the slice that may be wrong (default: what the first champion got wrong, "
        "plus compare.slice_margin)"
    )
    verb.takes("--limit", "SHARE", words, type=float)
    words = "train each set with N seeds and take the majority (for trainers that are not deterministic)"
    verb.takes("--repeat", "N", words, type=int, default=1)
    words = "name at most N guilty batches, and sources in each (default: 3)"
    verb.takes("--most", "N", words, type=int, default=3)
    verb.flag("--give-back", "readmit the innocent batches that a rejected update put on hold")


def bisect(options: argparse.Namespace) -> Answer[Any]:
    """Find what makes something fail: 0 found or nothing to find, 1 it could not decide."""
    asked = {name: getattr(options, name) for name in ASKED}
    with working(options) as place:
        if options.dry_run:
            return Answer(place.plan_bisect(**asked), print_plan)
        found = place.bisect(**asked, give_back=options.give_back)
    return Answer(found, print_bisect, int(found.ended not in ("found", "passes")))


def print_plan(console: Console, plan: "BisectPlan") -> None:
    """Print how many trainings a bisect would take."""
    console.print(escape(plan.asked))
    console.print(f"  fails when {escape(plan.metric)} exceeds {plan.limit:.4g}")
    console.print(
        f"  {counted(len(plan.batches), 'batch')} in question, at most "
        f"{counted(plan.most_sources, 'source')} in one: about "
        f"{counted(plan.trainings, 'training')}, if one source of one batch is guilty"
    )
    if plan.ends_kept:
        console.print("  both ends are kept from an earlier bisect")


def print_bisect(console: Console, found: "Bisected") -> None:
    """Print what a bisect found."""
    from sluicegate.flows.trials.bisected import given_back, sentences

    console.print(f"[bold]{escape(found.asked)}[/]")
    for each in sentences(found):
        console.print(f"  {escape(each)}")
    console.print(_steps(found), soft_wrap=False)
    done = found.trainings
    console.print(
        f"  {counted(done.sets, 'set')}, {counted(done.trained, 'model')} trained in "
        f"{done.seconds:.0f} s"
    )
    for each in found.mend:
        console.print(f"  next: {each}", markup=False)
    for each in given_back(found.given_back) if found.given_back else ():
        console.print(f"  {escape(each)}")
    console.print(f"  report: {found.report}")


def _steps(found: "Bisected") -> Table:
    headings = ("  learnt besides the base data", escape(found.metric), "test", "seconds")
    table = Table(*headings, box=None, pad_edge=False)
    for step in found.steps:
        value = "not measured" if step.value is None else f"{step.value:.4g}"
        votes = f" {step.votes[0]}/{step.votes[1]}" if step.votes[1] > 1 else ""
        test = "[red]fails[/]" if step.failed else "[green]passes[/]"
        seconds = f"{step.seconds:.0f}" if step.fresh else "kept"
        table.add_row(f"  {escape(step.told)}", value, f"{test}{votes}", seconds)
    return table
