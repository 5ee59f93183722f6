"""check and update: judge a batch, take it in, retrain; once called intake, retrain and watch, too."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console

from sluicegate.cli.arguments import Answer, Parser, Verbs, add_former, add_verb
from sluicegate.cli.policy import print_difference
from sluicegate.cli.rollback import print_rollback
from sluicegate.cli.terminal import (
    after,
    coloured,
    escape,
    opened,
    print_findings,
    print_plan,
    print_reasons,
    print_selection,
    working,
)
from sluicegate.core import Judged, Misused, Outcome
from sluicegate.core.counted import counted

if TYPE_CHECKING:
    from sluicegate.flows.rollback.watch import Watched
    from sluicegate.record.results import IntakeResult, RetrainResult, UpdateResult
    from sluicegate.workspace import Workspace

T = TypeVar("T")
CHECK = """\
sluicegate check feedback.parquet            would this batch pass?
sluicegate check feedback.parquet --json     the same for a script
sluicegate check --champion                  does the champion keep its promise?"""
UPDATE = """\
sluicegate update feedback.parquet               take it in, then retrain
sluicegate update feedback.parquet --no-retrain  only take it in
sluicegate update                                only retrain"""


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    checked = add_verb(verbs, "check", check, example=CHECK)
    _takes_batch(checked, "?")
    words = (
        "judge the serving champion on feedback it has not learnt from; a broken promise proposes "
        "a rollback to the reviewers"
    )
    checked.flag("--champion", words)
    updated = add_verb(verbs, "update", update, example=UPDATE).may_run_dry()
    _takes_batch(updated, "?")
    updated.flag("--no-retrain", "only take the batch in")
    updated.flag("--no-prefect", "run without Prefect")

    _takes_batch(add_former(verbs, "intake", intake).may_run_dry(), None)
    retrain_verb = add_former(verbs, "retrain", retrain).may_run_dry()
    for each in (updated, retrain_verb):
        each.flag("--supersede", "replace the update that awaits review")
    add_former(verbs, "watch", watch)


def _takes_batch(verb: Parser, nargs: str | None) -> None:
    verb.takes("batch", "BATCH", "a Parquet, CSV or JSONL file", nargs=nargs)


def check(options: argparse.Namespace) -> Answer[Any]:
    """Judge a batch, or the champion."""
    if options.champion == (options.batch is not None):
        raise Misused("Name a BATCH to check, or pass --champion to judge the champion.")
    return watch(options) if options.champion else judge(options)


def judge(options: argparse.Namespace) -> Answer["IntakeResult"]:
    """Judge a batch and change nothing."""
    with working(options) as place:
        result = place.check(options.batch)
    return _answer(place, result, print_intake, result.outcome, result.findings)


def intake(options: argparse.Namespace) -> Answer["IntakeResult"]:
    """Take a batch in."""
    if options.dry_run:
        return judge(options)
    with working(options) as place:
        result = place.intake(options.batch)
    return _answer(place, result, print_intake, result.outcome, result.findings)


def retrain(options: argparse.Namespace) -> Answer[Any]:
    """Train a challenger."""
    if options.dry_run:
        return Answer(opened(options).plan_retrain(), print_plan)
    with working(options) as place:
        result = place.retrain(supersede=options.supersede)
    return _answer(place, result, print_retrain, result.outcome, result.findings)


def update(options: argparse.Namespace) -> Answer[Any]:
    """Take a batch in, retrain, or both; the JSON has null for what was not done."""
    if options.batch is None and options.no_retrain:
        raise Misused("Nothing to do: name a BATCH, or drop --no-retrain.")
    if options.batch is not None and options.supersede:
        raise Misused("Take the batch in first, then run `sluicegate update --supersede`.")
    if options.dry_run:
        return retrain(options) if options.batch is None else judge(options)
    if options.batch is None or options.no_retrain:
        name = "retrain" if options.batch is None else "intake"
        half: Answer[Any] = retrain(options) if options.batch is None else intake(options)
        made = {"schema": 1, "intake": None, "retrain": None, name: half.result.to_dict()}
        return Answer(made, lambda console, _: half.show(console, half.result), half.code)
    with working(options) as place:
        run = place.update if options.no_prefect else place.update_by_prefect
        result = run(options.batch)
    findings = (result.retrain or result.intake).findings
    return _answer(place, result, print_update, result.outcome, findings)


def watch(options: argparse.Namespace) -> Answer["Watched"]:
    """Judge the champion in service."""
    with working(options) as place:
        seen = place.watch()
    return Answer(seen, print_watch, seen.verdict.outcome.exit_code)


def _answer(
    place: "Workspace",
    result: T,
    show: Callable[[Console, T], None],
    outcome: Outcome,
    findings: Iterable[Judged],
) -> Answer[T]:
    """Answer with `result`; where an unsigned policy paused it, a person also reads what differs."""
    unsigned = any(each.metric == "policy.unsigned" and each.value for each in findings)

    def show_all(console: Console, result: T) -> None:
        show(console, result)
        if unsigned:
            print_difference(console, place.policy_difference())

    return Answer(result, show_all, outcome.exit_code)


def print_intake(console: Console, result: "IntakeResult") -> None:
    """Print what became of a batch."""
    batch, verdict = result.assessment.batch, result.assessment.verdict
    name = f"batch:{batch.id}" if batch.id else escape(Path(result.path).name)
    console.print(f"{name}: {coloured(verdict.outcome.value)}", after(result.seconds))
    console.print(f"  {counted(batch.rows, 'row')} from {counted(batch.sources, 'source')}")
    if result.duplicate_of:
        console.print(f"  already received as batch:{result.duplicate_of}; nothing changed")
    held, asked = verdict.quarantined, verdict.suspects
    if verdict.outcome is not Outcome.REJECT:  # of what is rejected nothing is kept apart
        print_selection(console, "set aside", len(held.rows), held.sources)
    print_selection(console, "in question", len(asked.rows), asked.sources)
    for name in result.uncommitted:
        console.print(f"  {escape(name)} differs from the commit that this was judged by")
    print_reasons(console, verdict.reasons)
    print_findings(console, result.findings)


def print_retrain(console: Console, result: "RetrainResult") -> None:
    """Print what became of an update."""
    update, stage = result.update, result.update.stage.value
    outcome = coloured(result.outcome.value)
    console.print(f"update:{update.id}: {outcome}, {stage}", after(result.seconds))
    if update.champion and update.challenger:
        serving = update.challenger if stage == "promoted" else update.champion
        console.print(
            f"  challenger version {update.challenger.version} against champion "
            f"version {update.champion.version}; version {serving.version} serves"
        )
    console.print(f"  learnt from batches {', '.join(update.batches) or '(none)'}")
    print_reasons(console, result.reasons)
    print_findings(console, result.findings)
    if stage == "awaiting":
        console.print(
            f"  next: read updates/{update.id}/report.md, "
            f"then `sluicegate review show update:{update.id}`"
        )


def print_update(console: Console, result: "UpdateResult") -> None:
    """Print what became of a batch and of the update that it led to."""
    print_intake(console, result.intake)
    if result.retrain:
        print_retrain(console, result.retrain)
    else:
        console.print("  nothing was trained; the champion keeps serving")


def print_watch(console: Console, seen: "Watched") -> None:
    """Print whether the champion keeps its promise."""
    console.print(f"version {seen.champion.version}: {seen.verdict.outcome.value}")
    for each in seen.findings:
        console.print(f"  {escape(each.detail)}")
    if seen.proposed:
        console.print(f"  proposed: {seen.proposed}; see `sluicegate review show {seen.proposed}`")
    if seen.rolled_back:
        print_rollback(console, seen.rolled_back)
