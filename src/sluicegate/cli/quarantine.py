"""quarantine: what is set aside, and how it gets out; the reviewers decide."""

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sluicegate.cli.arguments import Answer, Parser, Verbs, add_group, add_verb
from sluicegate.cli.retire import PAUSED, add_destroy, number_of, takes_rows
from sluicegate.cli.review import print_review
from sluicegate.cli.terminal import escape, opened, print_plan, shortened, working
from sluicegate.core.counted import counted

if TYPE_CHECKING:
    from sluicegate.record.quarantine import HeldRows, InQuarantine


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    commands = add_group(verbs, "quarantine")
    add_verb(commands, "list", list_all, "List what is in quarantine, why, and when to review it")
    shown = add_verb(commands, "show", show, "Show every quarantined row of a batch, and why")
    words = "Ask reviewers to send rows through intake again"
    released = add_verb(commands, "release", release, words).may_run_dry()
    for each in (shown, released):
        each.takes("batch", "SUBJECT", "batch:0001")
    _add_release(released)
    add_destroy(commands)


def _add_release(verb: Parser) -> None:
    verb.takes("--reason", "WHY", "for the reviewers", default="")
    words = "exempt these rows from this limit, named as in params.yaml"
    verb.takes("--waive", "LIMIT", words, action="append", default=[])
    verb.flag("--waive-unmeasured", "also waive the limits that need more rows to measure")
    takes_rows(verb)
    verb.takes("--review-by", "DATE", "review the exception again by then")


def list_all(options: argparse.Namespace) -> Answer["InQuarantine"]:
    """List what is set aside."""
    return Answer(opened(options, reading=True).quarantine(), print_quarantine)


def show(options: argparse.Namespace) -> Answer["HeldRows"]:
    """Show the rows of one batch that are set aside."""
    place = opened(options, reading=True)
    return Answer(place.show_quarantine(number_of(options.batch)), print_rows)


def release(options: argparse.Namespace) -> Answer[Any]:
    """Ask to let rows out, or say what intake would make of them."""
    batch = number_of(options.batch)
    wanted: dict[str, Any] = {
        "waives": tuple(options.waive),
        "rows": tuple(options.row) if options.row else None,
        "sources": tuple(options.source),
        "review_by": options.review_by,
        "reason": options.reason,
        "waive_unmeasured": options.waive_unmeasured,
    }
    with working(options) as place:
        if options.dry_run:
            return Answer(place.plan_release(batch, **wanted), print_plan)
        return Answer(place.release(batch, **wanted), print_review, PAUSED)


def print_quarantine(console: Console, found: "InQuarantine") -> None:
    """Print what is set aside, and the exceptions by which rows were let out."""
    if not found.quarantine:
        console.print("Nothing is in quarantine.")
    for lot in found.quarantine:
        late = "[bold red]overdue[/], " if lot.overdue else ""
        whole = " (the whole batch)" if lot.whole else ""
        console.print(
            f"{lot.subject}: {counted(lot.rows, 'row')}{whole}, {late}review by {lot.review_by}"
        )
        console.print(f"  {escape(shortened(lot.reason or 'removed by a rollback'))}")
        if lot.sources:
            console.print(f"  sources {escape(shortened(', '.join(lot.sources)))}")
        for asked in lot.asked:
            console.print(f"  {asked} asks to release rows")
    for each in found.exceptions:
        late = ", [bold red]overdue[/]" if each.overdue else ""
        console.print(
            f"{each.subject}: {counted(each.rows, 'row')} of batch:{each.batch}, "
            f"{each.state}, waives {escape(', '.join(each.waives) or 'nothing')}, "
            f"review by {each.review_by}{late}"
        )
    for gone in found.destroyed:
        lost = ", ".join(
            f"{counted(rows, 'row')} of batch:{batch}" for batch, rows in gone.rows.items()
        )
        state = "destroyed" if gone.state == "retired" else "being destroyed"
        console.print(f"{gone.subject}: {escape(gone.what)} {state}, {lost}")


def print_rows(console: Console, found: "HeldRows") -> None:
    """Print how many rows each source has in quarantine, and why; --json lists every row."""
    console.print(f"{found.subject}: {counted(found.rows, 'row')}, review by {found.review_by}")
    groups = Counter(
        (row.source or "an unnamed source", ", ".join(row.held_for) or found.reason)
        for row in found.held
        if not row.released
    )
    for (source, why), count in groups.most_common():
        console.print(f"  {counted(count, 'row')} from {escape(source)}: {escape(shortened(why))}")
    out = sum(row.released for row in found.held)
    if out:
        console.print(f"  {out} more {'row was' if out == 1 else 'rows were'} released")
