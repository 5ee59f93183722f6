"""Out of quarantine, and on to a new reference: quarantine and reanchor. Both ask the reviewers."""

import argparse
from typing import Any

from sluicegate.verbs.options import Answer, Verbs, add_verb, in_workspace, may_run_dry, opened

PAUSED = 3


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    words = "what is set aside, and how it gets out"
    deeds = verbs.add_parser("quarantine", help=words).add_subparsers(metavar="DEED", required=True)
    in_workspace(add_verb(deeds, "list", quarantine_list, "what is set aside, why and until when"))
    shown = in_workspace(
        add_verb(deeds, "show", quarantine_show, "every row and what it is held for")
    )
    shown.add_argument("batch", metavar="BATCH", help="batch:0001")
    _add_release(add_verb(deeds, "release", release, "ask to send rows through intake again"))
    words = "ask to destroy rows in quarantine, in every store and for good"
    gone = may_run_dry(in_workspace(add_verb(deeds, "destroy", destroy, words)))
    gone.add_argument("batch", metavar="BATCH", help="batch:0001")
    gone.add_argument("--reason", metavar="WHY", default="", help="for the reviewers")
    gone.add_argument(
        "--row", metavar="N", type=int, action="append", help="only this row of the file"
    )
    gone.add_argument(
        "--source", metavar="NAME", action="append", default=[], help="only rows of this source"
    )
    words = "ask to destroy a batch, source, person's rows or model, in every store and for good"
    last = may_run_dry(in_workspace(add_verb(verbs, "retire", retire, words)))
    last.add_argument(
        "what",
        metavar="WHAT",
        nargs="?",
        help="batch:0003, source:NAME, row:0003/57, subject:ID or model:2",
    )
    how = last.add_mutually_exclusive_group()
    how.add_argument("--destroy", action="store_true", help="keep nothing but digests")
    how.add_argument("--due", action="store_true", help="list what has passed its retention")
    how.add_argument("--archive", metavar="DIR", help="keep one copy there, outside the workspace")
    last.add_argument("--reason", metavar="WHY", default="", help="for the reviewers")
    again = add_verb(verbs, "reanchor", reanchor, "ask to trust a new reference or golden set")
    in_workspace(again)
    again.add_argument(
        "--reference", metavar="FILE", help="labelled data that models learn from first"
    )
    again.add_argument("--golden", metavar="FILE", help="trusted labelled examples")
    again.add_argument("--reason", metavar="WHY", required=True, help="for the reviewers")


def _add_release(verb: argparse.ArgumentParser) -> None:
    may_run_dry(in_workspace(verb))
    verb.add_argument("batch", metavar="BATCH", help="batch:0001")
    verb.add_argument("--reason", metavar="WHY", default="", help="for the reviewers")
    verb.add_argument(
        "--waive", metavar="LIMIT", action="append", default=[],
        help="do not hold these rows to this limit, by its key in params.yaml",
    )  # fmt: skip
    verb.add_argument(
        "--waive-unmeasured", action="store_true",
        help="also waive, by name, the limits that so few rows cannot be measured for",
    )  # fmt: skip
    verb.add_argument(
        "--row", metavar="N", type=int, action="append", help="only this row of the file"
    )
    verb.add_argument(
        "--source", metavar="NAME", action="append", default=[], help="only rows of this source"
    )
    verb.add_argument("--review-by", metavar="DATE", help="look at the exception again by then")


def quarantine_list(options: argparse.Namespace) -> Answer:
    """List what is set aside."""
    from sluicegate.terminal import output, reviews

    place = opened(options, output.mute, reading=True)
    return reviews.print_quarantine(options, place.quarantine()), 0


def quarantine_show(options: argparse.Namespace) -> Answer:
    """Show the rows of one batch that are set aside."""
    from sluicegate.terminal import output, reviews

    place = opened(options, output.mute, reading=True)
    return reviews.print_held(options, place.show_quarantine(_number(options.batch))), 0


def release(options: argparse.Namespace) -> Answer:
    """Ask to release rows, or say what intake would make of them."""
    from sluicegate.terminal import output, reviews

    wanted: dict[str, Any] = {
        "reason": options.reason,
        "waives": tuple(options.waive),
        "rows": tuple(options.row) if options.row else None,
        "sources": tuple(options.source),
        "review_by": options.review_by,
        "waive_unmeasured": options.waive_unmeasured,
    }
    batch = _number(options.batch)
    with output.progress(options) as tell:
        place = opened(options, tell)
        if options.dry_run:
            plan = place.plan_release(batch, **wanted)
        else:
            asked = place.release(batch, **wanted)
    if options.dry_run:
        return output.print_plan(options, plan), 0
    return reviews.print_review(options, asked), PAUSED


def destroy(options: argparse.Namespace) -> Answer:
    """Ask to destroy rows in quarantine, or say what holds them."""
    from sluicegate.terminal import output, retirements

    what = f"quarantine:{_number(options.batch)}"
    chosen: dict[str, Any] = {
        "rows": tuple(options.row) if options.row else None,
        "sources": tuple(options.source),
    }
    with output.progress(options) as tell:
        place = opened(options, tell)
        if options.dry_run:
            plan = place.plan_retirement(what, **chosen)
        else:
            told = place.retire(what, reason=options.reason, **chosen)
    if options.dry_run:
        return retirements.print_plan(options, plan), 0
    return retirements.print_retired(options, told), PAUSED if told["asked"] else 0


def retire(options: argparse.Namespace) -> Answer:
    """Ask to retire something, say what embodies it, or finish what was agreed to."""
    from sluicegate.core.errors import Misused
    from sluicegate.terminal import output, retirements

    if options.due:
        place = opened(options, output.mute, reading=True)
        return retirements.print_due(options, place.due()), 0
    if not options.what:
        raise Misused("Name what to retire, like batch:0003, or list it with --due.")
    if not (options.dry_run or options.destroy or options.archive):
        raise Misused("Say what becomes of it: --destroy, or --archive DIR.")
    if options.what.startswith("quarantine:"):
        raise Misused("Write `sluicegate quarantine destroy batch:0001`.")
    with output.progress(options) as tell:
        place = opened(options, tell)
        if options.dry_run:
            plan = place.plan_retirement(options.what, archive=options.archive)
        else:
            told = place.retire(options.what, reason=options.reason, archive=options.archive)
    if options.dry_run:
        return retirements.print_plan(options, plan), 0
    return retirements.print_retired(options, told), PAUSED if told["asked"] else 0


def reanchor(options: argparse.Namespace) -> Answer:
    """Ask to trust new tables."""
    from sluicegate.terminal import output, reviews

    with output.progress(options) as tell:
        place = opened(options, tell)
        asked = place.reanchor(
            reason=options.reason, reference=options.reference, golden=options.golden
        )
    return reviews.print_review(options, asked), PAUSED


def _number(subject: str) -> str:
    from sluicegate.core.errors import Misused

    kind, _, number = subject.partition(":")
    if kind != "batch" or not (number.isascii() and number.isdigit()):
        raise Misused(f"{subject!r} names no batch; write batch:0001.")
    return number
