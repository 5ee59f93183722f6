"""What models of parts of the data tell: bisect finds what did the harm, plan whether retraining pays."""

import argparse

from sluicegate.verbs.options import Answer, Verbs, add_verb, in_workspace, may_run_dry, opened


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    words = "find the batch, then the source, that makes something fail"
    verb = may_run_dry(in_workspace(add_verb(verbs, "bisect", bisect, words)))
    verb.add_argument(
        "update", metavar="UPDATE", nargs="?", type=lambda text: text.removeprefix("update:"),
        help="a rejected or paused update, like update:0007: its comparison is the test",
    )  # fmt: skip
    verb.add_argument(
        "--example", metavar="FILE", help="rows with the label that the champion should answer"
    )
    verb.add_argument(
        "--slice", metavar="COLUMN=VALUE", help="a slice of the golden set that became worse"
    )
    verb.add_argument(
        "--limit", metavar="SHARE", type=float,
        help="the share of the slice that may be missed (default: what the first champion missed, "
        "and compare.slice_margin)",
    )  # fmt: skip
    verb.add_argument(
        "--repeat", metavar="N", type=int, default=1,
        help="train each set with N seeds, the majority decides (for trainers that vary)",
    )  # fmt: skip
    verb.add_argument(
        "--most", metavar="N", type=int, default=3,
        help="name at most N guilty batches, and sources in each (default: 3)",
    )  # fmt: skip
    verb.add_argument(
        "--give-back", action="store_true",
        help="admit the innocent batches that a rejected update put on hold again",
    )  # fmt: skip

    words = "does retraining pay against a frozen champion, and how often"
    backtest = may_run_dry(in_workspace(add_verb(verbs, "plan", plan, words)))
    backtest.add_argument(
        "--most", metavar="N", type=int, default=8,
        help="train at most N models (default: 8); finer schedules need more",
    )  # fmt: skip


def plan(options: argparse.Namespace) -> Answer:
    """Backtest schedules of retraining: 0 an answer, 1 not enough history."""
    from sluicegate.terminal import bisections, output

    if options.dry_run:
        told = opened(options, output.mute).plan_backtest(most=options.most)
        return bisections.print_backtest_plan(options, told), 0 if told["enough"] else 1
    with output.progress(options) as tell:
        told = opened(options, tell).plan(most=options.most)
    return bisections.print_backtest(options, told), 0 if told["enough"] else 1


def bisect(options: argparse.Namespace) -> Answer:
    """Find what makes something fail: 0 found or nothing to find, 1 it cannot be told."""
    from sluicegate.terminal import bisections, output

    names = ("update", "example", "slice", "limit", "repeat", "most")
    asked = {name: getattr(options, name) for name in names}
    with output.progress(options) as tell:
        place = opened(options, tell)
        if options.dry_run:
            told = place.plan_bisect(**asked)
        else:
            told = place.bisect(**asked, give_back=options.give_back)
    if options.dry_run:
        return bisections.print_plan(options, told), 0
    return bisections.print_bisect(options, told), int(told["ended"] not in ("found", "passes"))
