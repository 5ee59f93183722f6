"""policy: the limits, what changed ones would have stopped, and their owners' signature.

`policy calibrate` and `policy plan` were once verbs of their own.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Column, Table

from sluicegate.cli.arguments import Answer, Verbs, add_former, add_group, add_verb
from sluicegate.cli.terminal import escape, opened, sentence, working
from sluicegate.core import Outcome
from sluicegate.core.counted import counted
from sluicegate.core.visible import visible
from sluicegate.gates.calibration import CALIBRATED

if TYPE_CHECKING:
    from sluicegate.flows.decisions.policy_defaults import Newer, WholePolicy
    from sluicegate.flows.decisions.policy_sign import Difference
    from sluicegate.flows.trials.backtested import Backtested, BacktestPlan
    from sluicegate.flows.trials.policy_try import Deciding, Stops, Trial, Tried
    from sluicegate.record.limit_changes import Change

MOST_DECIDING = 3


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    commands = add_group(verbs, "policy")
    words = "Print the policy in force, with its defaults and calibrated limits"
    add_verb(commands, "show", show, words)
    add_verb(commands, "diff", diff, "Show what differs from the last signed policy")
    words = "Move params.yaml to the newest defaults"
    upgraded = add_verb(commands, "upgrade", upgrade, words).may_run_dry()
    upgraded.takes("--to", "NAME", "use these defaults, like sluicegate/2")
    tried = add_verb(commands, "try", try_policy, "Show what changed limits would have stopped")
    tried.takes("--params", "FILE", "the changed policy (default: the workspace's params.yaml)")
    tried.flag("--measure", "measure stored batches again in any case")
    tried.flag("--drill", "also run a quick drill against the changed policy")
    signed = add_verb(commands, "sign", sign, "Sign the committed policy as its owner")
    signed.signs("owner", "your name in policy.owners")
    words = "Write the checklist of the security review, or sign the completed one (--as)"
    reviewed = add_verb(commands, "review", review, words)
    reviewed.takes("path", "FILE", "the checklist")
    reviewed.signs("reviewer", "your name, to sign it", required=False)
    words = "Raise limits to fit the honest batches of this workspace"
    add_verb(commands, "calibrate", calibrate, words).may_run_dry()
    add_former(verbs, "calibrate", calibrate).may_run_dry()
    words = "Measure whether retraining pays off, and how often to do it"
    for verb in (add_verb(commands, "plan", plan, words), add_former(verbs, "plan", plan)):
        words = "train at most N models (default: 8); finer schedules need more"
        verb.may_run_dry().takes("--most", "N", words, type=int, default=8)


def show(options: argparse.Namespace) -> Answer["WholePolicy"]:
    """Print the policy."""
    return Answer(opened(options, reading=True).show_policy(), print_policy)


def upgrade(options: argparse.Namespace) -> Answer["Newer"]:
    """Extend newer defaults."""
    found = opened(options).upgrade_policy(options.to, options.dry_run)
    return Answer(found, print_dry_upgrade if options.dry_run else print_upgrade)


def diff(options: argparse.Namespace) -> Answer["Difference"]:
    """Show what differs from the signed policy: 3 when something does."""
    found = opened(options, reading=True).policy_difference()
    return Answer(found, print_difference, 3 if found.signed and found.files else 0)


def try_policy(options: argparse.Namespace) -> Answer["Trial"]:
    """Judge the history by changed limits."""
    with working(options) as place:
        trial = place.try_policy(options.params, measure=options.measure, drill=options.drill)
    return Answer(trial, print_trial)


def sign(options: argparse.Namespace) -> Answer["Difference"]:
    """Sign the policy."""
    found = opened(options).sign_policy(options.owner, Path(options.key).expanduser())
    return Answer(found, lambda console, found: print_difference(console, found, "it now accepts"))


def review(options: argparse.Namespace) -> Answer[dict[str, Any]]:
    """Write the blank checklist of the security review, or sign the filled one."""
    place, key = opened(options), Path(options.key).expanduser()
    if options.reviewer:
        made = place.sign_security_review(options.path, options.reviewer, key)
        words = f"{made['signed']} signed the security review; it is in trust/security-review/."
        return Answer(made, sentence(words))
    made = place.security_checklist(options.path)
    words = f"{made['path']} has {made['items']} items; answer each, then sign it with --as NAME."
    return Answer(made, sentence(words))


def calibrate(options: argparse.Namespace) -> Answer[dict[str, Any]]:
    """Calibrate the limits."""
    with working(options) as place:
        done = place.try_calibration() if options.dry_run else place.calibrate()
    return Answer(done.to_dict(), print_calibration)


def plan(options: argparse.Namespace) -> Answer[Any]:
    """Backtest schedules of retraining: 0 an answer, 1 not enough history."""
    if options.dry_run:
        planned = opened(options).plan_backtest(most=options.most)
        return Answer(planned, print_backtest_plan, 0 if planned.enough else 1)
    with working(options) as place:
        found = place.plan(most=options.most)
    return Answer(found, print_backtest, 0 if found.enough else 1)


def print_policy(console: Console, policy: "WholePolicy") -> None:
    """Print the policy as YAML, then as comments the limits that calibration raised."""
    raised = [each for each in policy.limits if each.limit != each.written]
    lines = [f"# {x.gate} {x.metric}: {x.written:.4g}, calibrated {x.limit:.4g}" for x in raised]
    for line in [*policy.text.splitlines(), *lines]:
        console.print(visible(line), markup=False)


def print_upgrade(console: Console, found: "Newer") -> None:
    """Print what the defaults changed, and what is left to do."""
    print_dry_upgrade(console, found)
    console.print(
        f"params.yaml extends {found.newest}. Check `git diff`, commit, and have an owner sign it."
    )


def print_dry_upgrade(console: Console, found: "Newer") -> None:
    """Print what the defaults change."""
    console.print(f"defaults: {found.extends or 'none'} -> {found.newest}")
    for each in found.limits:
        _print_change(console, each)
    for value in found.values:
        console.print(escape(f"{value.key}: {value.before} -> {value.after}"))


def print_difference(console: Console, found: "Difference", verb: str = "differ from it") -> None:
    """Print which files `verb`, how, and which limits let more pass."""
    console.print(f"policy: {found.policy}")
    for limit in found.retired:
        console.print(f"no longer measured, so this limit has no effect: {escape(limit)}")
    newer = found.defaults
    if newer.extends != newer.newest:
        count = counted(len(newer.limits) + len(newer.values), "value")
        console.print(
            f"defaults: {newer.newest} would change {count}; see `sluicegate policy upgrade --dry-run`"
        )
    if not found.signed and not found.diff:
        console.print(
            "It is not signed yet, so there is nothing to compare; list its owners under "
            "policy.owners in params.yaml, then run `sluicegate policy sign`"
        )
        return
    signed = f"{found.signed}, signed by {found.owner}" if found.signed else "not signed"
    console.print(f"signed policy: {escape(signed)}; files that {verb}: {len(found.files)}")
    for each in found.limits:
        _print_change(console, each)
    for line in found.diff.splitlines():
        console.print(visible(line), markup=False)


def _print_change(console: Console, limit: "Change") -> None:
    word = "[yellow]LOOSENED[/]" if limit.loosened else "tightened"
    sides = f"{_number(limit.before)} -> {_number(limit.after)}"
    console.print(f"{word} {escape(limit.metric)} {limit.outcome}: {sides}")


def print_trial(console: Console, trial: "Trial") -> None:
    """Print the changed limits, every batch that they or the committed ones stop, and the rate."""
    console.print(f"policy: {escape(trial.policy)}")
    if not trial.changes:
        console.print("No limit differs from the committed policy.")
    for each in trial.changes:
        _print_change(console, each)
    shown = [each for each in trial.batches if {each.before, each.after} != {Outcome.PASS}]
    if shown:
        console.print(_batches(shown), soft_wrap=False)
    console.print(f"{len(trial.batches) - len(shown)} other batches pass under both policies.")
    console.print(f"committed limits: {_rate(trial.stops.before)}")
    console.print(f"changed limits: {_rate(trial.stops.after)}")
    if trial.drill:
        mean = "not measured" if trial.drill.mean is None else f"{trial.drill.mean:.0%} caught"
        kinds = f"{len(trial.drill.attacks)} kinds of attack"
        console.print(f"quick drill of the changed limits: {mean}, over {kinds}")


def _batches(batches: list["Tried"]) -> Table:
    table = Table("batch", "recorded", "committed", "changed", "decided by")
    for each in batches:
        before, after = each.before.value, each.after.value
        after = f"[bold]{after}[/]" if before != after else after
        why = "\n".join(_deciding(found) for found in each.decides[:MOST_DECIDING])
        again = " (measured again)" if each.remeasured else ""
        table.add_row(each.batch + again, each.recorded.value, before, after, why)
    return table


def _deciding(found: "Deciding") -> str:
    limits = _number(found.limit_after)
    if found.limit_before != found.limit_after:
        limits = f"{_number(found.limit_before)} -> {limits}"
    return escape(f"{found.metric} {_number(found.value)}, limit {limits}")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _rate(stops: "Stops") -> str:
    if stops.per_60 is None:
        return "no accepted batches yet"
    within = "within" if stops.within_budget else "[yellow]over[/]"
    return (
        f"{stops.stopped} of {stops.accepted} accepted batches stopped or lost rows to quarantine, "
        f"{stops.per_60:g} in 60, {within} the budget of {stops.budget_per_60:g} "
        "(checks.false_stops)"
    )


def print_calibration(console: Console, done: dict[str, Any]) -> None:
    """Print every limit that calibrates: the largest honest value, as written and in force."""
    console.print(escape(done["told"]))
    console.print(
        f"  {done['stopped']} of {done['drawn'] + done['history']} honest windows exceed a "
        f"written limit, {done['stops']} a calibrated one"
    )
    console.print(f"  sources: {escape(done['sources'])}")
    table = Table(box=None)
    for name in ("limit", "outcome", "largest", "written", "now", ""):
        words = name in ("limit", "outcome", "")
        table.add_column(name, justify="left" if words else "right", no_wrap=name != "")
    for each in done["limits"]:
        largest = each["quantiles"][-1] if each["quantiles"] else None
        figures = (largest, each["written"], each["limit"])
        numbers = ("-" if x is None else f"{x:.3g}" for x in figures)
        table.add_row(escape(each["metric"]), each["outcome"], *numbers, _remark(each))
    console.print(table, soft_wrap=False)


def _remark(each: dict[str, Any]) -> str:
    if each["state"] != CALIBRATED:
        return str(each["state"])
    loosened = f"[yellow]loosened[/] from {each['before']:.3g}" if each["loosened"] else ""
    bounded = "capped for one calibration" if each["bounded"] else ""
    return ", ".join(word for word in (loosened, bounded) if word)


def print_backtest_plan(console: Console, plan: "BacktestPlan") -> None:
    """Print what a backtest would train."""
    if not plan.enough:
        accepted = counted(len(plan.batches), "accepted batch")
        console.print(f"Not enough history: {accepted}")
        return
    console.print(
        f"{counted(plan.trainings, 'model')}, {plan.kept} of them kept, for retraining every "
        f"{', '.join(map(str, plan.every)) or '(none)'} of "
        f"{counted(len(plan.batches), 'batch')}"
    )
    if plan.left_out:
        console.print(f"  every {', '.join(map(str, plan.left_out))} needs a larger --most")


def print_backtest(console: Console, found: "Backtested") -> None:
    """Print what retraining is worth."""
    from sluicegate.flows.trials.backtested import figures, headings, remarks

    console.print(f"[bold]{escape(found.advice)}[/]")
    if not found.enough:
        return
    for each in found.reasons:
        console.print(f"  {escape(each)}")
    table = Table(Column("  retrained", no_wrap=True), box=None, pad_edge=False)
    for heading in headings(found):
        table.add_column(heading, justify="right")
    for cells in figures(found):
        table.add_row(f"  {cells[0]}", *(escape(cell) for cell in cells[1:]))
    console.print(table, soft_wrap=False)
    for each in remarks(found):
        console.print(f"  {escape(each)}")
    console.print(f"  page: {found.report}")
