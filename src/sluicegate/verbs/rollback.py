"""After promotion: watch, trace, rollback, and what is told of it."""

import argparse

from sluicegate.verbs.options import Answer, Verbs, add_verb, in_workspace, may_run_dry, opened

CAUSE = "batch:0003, source:NAME, row:0003/57, trigger:0003 or update:0003"


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    traced = in_workspace(
        add_verb(
            verbs, "trace", trace, "where something came from, and which data and models embody it"
        )
    )
    traced.add_argument("because", metavar="WHAT", help=f"{CAUSE}; or model:3, a version in MLflow")
    words = "take something out of serving, data and models"
    back = may_run_dry(in_workspace(add_verb(verbs, "rollback", rollback, words)))
    what = back.add_mutually_exclusive_group(required=True)
    what.add_argument("--because", metavar="WHAT", help=CAUSE)
    what.add_argument(
        "--to", metavar="UPDATE", type=_goal, dest="because",
        help="go back to data and champion of update:0002, and take out all that came after",
    )  # fmt: skip
    back.add_argument(
        "--reason", metavar="WHY", default="", help="for the record and the reviewers"
    )
    back.add_argument(
        "--no-retrain", action="store_true", help="leave training without it to the schedule"
    )

    words = "does the champion keep what it promised, on what it has not learnt from"
    in_workspace(add_verb(verbs, "watch", watch, words))
    deeds = verbs.add_parser("incident", help="what was rolled back, for others to read")
    parts = deeds.add_subparsers(metavar="DEED", required=True)
    words = "print an incident in full, as a MITRE ATLAS case study, or redacted"
    told = in_workspace(add_verb(parts, "export", export, words))
    told.add_argument("incident", metavar="INCIDENT", help="incident:0001")
    told.add_argument("--profile", choices=("full", "atlas", "public"), default="full")


def _goal(text: str) -> str:
    """Return the cause that is everything after the update that `text` names."""
    return f"to:{text.removeprefix('update:')}"


def trace(options: argparse.Namespace) -> Answer:
    """Trace something through data and models."""
    from sluicegate.terminal import output, traces

    found = opened(options, output.mute, reading=True).trace(options.because)
    return traces.print_trace(options, found), 0


def watch(options: argparse.Namespace) -> Answer:
    """Judge the champion in service."""
    from sluicegate.terminal import output, rollbacks

    with output.progress(options) as tell:
        seen = opened(options, tell).watch()
    return rollbacks.print_watch(options, seen.to_dict()), seen.verdict.outcome.exit_code


def export(options: argparse.Namespace) -> Answer:
    """Print an incident."""
    from sluicegate.terminal import output, rollbacks

    place = opened(options, output.mute, reading=True)
    number = options.incident.removeprefix("incident:")
    told = place.export_incident(number, options.profile)
    return rollbacks.print_incident(options, told), 0


def rollback(options: argparse.Namespace) -> Answer:
    """Roll something back, or say what that would do."""
    from sluicegate.terminal import output, rollbacks

    with output.progress(options) as tell:
        place = opened(options, tell)
        if options.dry_run:
            plan = place.plan_rollback(options.because)
        else:
            made = place.rollback(
                options.because, reason=options.reason, retrain=not options.no_retrain
            )
    if options.dry_run:
        return rollbacks.print_plan(options, plan), 0
    return rollbacks.print_rollback(options, made.to_dict()), 0
