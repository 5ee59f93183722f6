"""rollback: take something out of serving, data and models."""

import argparse
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sluicegate.cli.arguments import Answer, Verbs, add_verb
from sluicegate.cli.terminal import escape, working
from sluicegate.cli.trees import tree_of
from sluicegate.core.counted import counted

if TYPE_CHECKING:
    from sluicegate.flows.rollback.reinstate import Worth
    from sluicegate.flows.rollback.rollback import RollbackPlan, RolledBack

CAUSES = "batch:0003, source:NAME, row:0003/57, trigger:0003 or update:0003"
EXAMPLES = """\
sluicegate rollback --because batch:0003 --dry-run   what would go, and what would serve
sluicegate rollback --because source:c17 --reason "reported by support"
sluicegate rollback --to update:0002                 undo everything after it"""


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    verb = add_verb(verbs, "rollback", rollback, example=EXAMPLES).may_run_dry()
    what = verb.add_mutually_exclusive_group(required=True)
    what.add_argument("--because", metavar="WHAT", help=CAUSES)
    what.add_argument(
        "--to", metavar="UPDATE", type=lambda text: f"to:{text.removeprefix('update:')}", dest="because",
        help="go back to the data and champion of update:0002; remove everything after it",
    )  # fmt: skip
    verb.takes("--reason", "WHY", "for the record and the reviewers", default="")
    verb.flag("--no-retrain", "leave retraining to the schedule")


def rollback(options: argparse.Namespace) -> Answer[Any]:
    """Roll something back, or say what that would do."""
    with working(options) as place:
        if options.dry_run:
            return Answer(place.plan_rollback(options.because), print_plan)
        done = place.rollback(
            options.because, reason=options.reason, retrain=not options.no_retrain
        )
    return Answer(done, print_rollback)


def print_plan(console: Console, plan: "RollbackPlan") -> None:
    """Print what a rollback would do."""
    console.print(tree_of(plan), soft_wrap=False)
    serving = plan.serving
    if plan.withdraws:
        named = ", ".join(f"update:{each}" for each in plan.withdraws)
        console.print(f"would withdraw {named}")
    if not (plan.serving_is_tainted or plan.goes_to):
        console.print(f"version {serving.version} serves and did not learn from it")
        return
    how = "and learnt from it" if plan.serving_is_tainted else "now"
    console.print(f"version {serving.version} serves {how} ({_worth(serving)})")
    for at, each in enumerate(plan.clean):
        sound = each.fault is None
        first = sound and all(other.fault for other in plan.clean[:at])
        words = "would serve instead" if first else "is also clean"
        state = words if sound else f"cannot serve: {each.fault}"
        console.print(f"  version {each.version} {escape(state)} ({_worth(each)})")
    if not plan.clean:
        console.print("  no earlier champion is clean")


def print_rollback(console: Console, done: "RolledBack") -> None:
    """Print what a rollback did."""
    because, incident = escape(done.because), done.incident
    if incident is None:
        console.print(f"{because}: no admitted row and no model contains it; nothing to roll back")
        return
    if done.repeated:
        console.print(
            f"{because}: already rolled back by incident:{incident}; there is nothing left to do. "
            "It did this:"
        )
    else:
        console.print(f"{because}: rolled back, incident:{incident}")
    console.print(f"  serving: {_serving(done)}")
    for each in done.cleaned:
        rows = counted(each.rows, "row")
        console.print(f"  data: {rows} of batch:{each.batch} moved to quarantine")
    taken = done.differs.taken if done.differs else None
    if taken:
        console.print(
            f"  on the {counted(taken.rows, 'row')} that went, the earlier model agreed with the labels "
            f"on {taken.tainted:.0%}, the model that serves now on {taken.clean:.0%}"
        )
    for loader in done.still_serving:
        console.print(
            f"  [red]{escape(loader.loader)} still serves version {loader.version}[/]: have it "
            "refresh: the rollback is incomplete until then"
        )
    if done.update:
        update = done.update
        console.print(f"  retrained without it: update:{update.id} is {update.stage.value}")
    console.print(
        f"  next: reviewers countersign it (`sluicegate review show incident:{incident}`); "
        f"the account is in incidents/{incident}/incident.md"
    )


def _serving(done: "RolledBack") -> str:
    before, after = done.champion.before, done.champion.after
    if done.suspended == done.incident:
        return (
            f"[red]nobody[/]; version {before.version} learnt from it, and no clean version is left"
        )
    if done.suspended:
        return f"[red]nobody[/], since incident:{done.suspended}"
    if after.update in done.tainted.updates:
        return (
            f"[red]version {after.version}, which learnt from it[/]: no clean version is left, and "
            "rollback.without_clean is serve_on"
        )
    return f"version {before.version} before, version {after.version} now"


def _worth(version: "Worth") -> str:
    ((name, value),) = version.golden.items()
    return f"golden {name} {value:.4f}" if value is not None else "not measured"
