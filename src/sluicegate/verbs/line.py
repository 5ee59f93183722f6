"""The line from feedback to champion: check, intake, retrain, update, and what they left behind."""

import argparse
from typing import Any

from .options import Answer, Verbs, add_verb, in_workspace, may_run_dry, opened


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    for name, run, words in (
        ("check", check, "judge a batch and change nothing"),
        ("intake", intake, "judge a batch and carry it out"),
        ("update", update, "take a batch in, then retrain"),
    ):
        verb = in_workspace(add_verb(verbs, name, run, words))
        verb.add_argument("batch", metavar="BATCH", help="a parquet, CSV or JSONL file")
        if name != "check":
            may_run_dry(verb)
        if name == "update":
            verb.add_argument("--no-prefect", action="store_true", help="run without Prefect")
    again = may_run_dry(
        in_workspace(add_verb(verbs, "retrain", retrain, "train a challenger and compare it"))
    )
    again.add_argument(
        "--supersede", action="store_true", help="replace the update that awaits review"
    )
    in_workspace(
        add_verb(verbs, "status", status, "the champion, what waits, where the batches stand")
    )
    shown = in_workspace(add_verb(verbs, "show", show, "the whole record of a batch or an update"))
    shown.add_argument(
        "subject", metavar="SUBJECT",
        help="batch:0001, update:0001, or the like; retirement:0001 shows its certificate",
    )  # fmt: skip
    shown.add_argument(
        "--explain",
        action="store_true",
        help="replay the stored findings through the stored policy",
    )


def _difference(options: argparse.Namespace, place: Any, told: dict[str, Any]) -> None:
    """Show what no owner signed, where that paused something."""
    from sluicegate.terminal import policies

    unsigned = [each for each in told["findings"] if each["metric"] == "policy.unsigned"]
    if any(each["value"] for each in unsigned) and not options.json:
        policies.print_difference(options, place.policy_difference())


def check(options: argparse.Namespace) -> Answer:
    """Judge a batch."""
    from sluicegate.terminal import output

    with output.progress(options) as tell:
        place = opened(options, tell)
        result = place.check(options.batch)
    told = output.print_intake(options, result.to_dict())
    _difference(options, place, told)
    return told, result.outcome.exit_code


def intake(options: argparse.Namespace) -> Answer:
    """Take a batch in."""
    from sluicegate.terminal import output

    if options.dry_run:
        return check(options)
    with output.progress(options) as tell:
        place = opened(options, tell)
        result = place.intake(options.batch)
    told = output.print_intake(options, result.to_dict())
    _difference(options, place, told)
    return told, result.outcome.exit_code


def retrain(options: argparse.Namespace) -> Answer:
    """Train a challenger."""
    from sluicegate.terminal import output

    if options.dry_run:
        return output.print_plan(options, opened(options, output.mute).plan_retrain()), 0
    with output.progress(options) as tell:
        place = opened(options, tell)
        result = place.retrain(supersede=options.supersede)
    told = output.print_retrain(options, result.to_dict())
    _difference(options, place, told)
    return told, result.outcome.exit_code


def update(options: argparse.Namespace) -> Answer:
    """Take a batch in, then retrain."""
    from sluicegate.terminal import output

    if options.dry_run:
        return check(options)
    with output.progress(options) as tell:
        place = opened(options, tell)
        run = place.update if options.no_prefect else place.update_by_prefect
        result = run(options.batch)
    told = output.print_update(options, result.to_dict())
    _difference(options, place, told["retrain"] or told["intake"])
    return told, result.outcome.exit_code


def status(options: argparse.Namespace) -> Answer:
    """Tell where the workspace stands."""
    from sluicegate.terminal import output

    place = opened(options, output.mute)
    return output.print_status(options, place.status().to_dict(), place.root), 0


def show(options: argparse.Namespace) -> Answer:
    """Tell all about a batch, an update, or what else was asked."""
    from sluicegate.terminal import output, retirements, verification

    if options.explain:
        told = opened(options, output.mute, reading=True).explain(options.subject)
        return verification.print_explained(options, told), 0 if told["same"] else 4
    shown = opened(options, output.mute, reading=True).show(options.subject)
    if shown.get("certificate"):
        return retirements.print_certificate(options, shown), 0
    return output.print_record(options, shown), 0
