"""What a reviewer reads: questions, votes, and what an answer led to."""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from sluicegate.core import Misused
from sluicegate.core.counted import counted
from sluicegate.terminal.output import plain_console, shortened
from sluicegate.terminal.words import escape


def print_reviews(options: argparse.Namespace, shown: list[dict[str, Any]]) -> dict[str, Any]:
    """Print what waits for a decision."""
    if not options.json:
        console = plain_console()
        if not shown:
            console.print("Nothing waits for a decision.")
        for each in shown:
            console.print(f"{each['subject']}: {escape(each['question'])}")
            console.print(f"  {escape(shortened(each['why']))}")
            console.print(f"  {escape(each['dead'] or each['if_nobody_decides'])}", soft_wrap=True)
    return {"schema": 1, "reviews": shown}


def print_review(options: argparse.Namespace, shown: dict[str, Any]) -> dict[str, Any]:
    """Print one question, what an answer is bound to, and how to answer."""
    if options.json:
        return shown
    console = plain_console()
    console.print(f"[bold]{escape(shown['question'])}[/]")
    for name, value in shown["names"].items():
        console.print(f"  {escape(name)}: {escape(value)}", soft_wrap=True)
    for vote in shown["votes"]:
        why = vote["reason"] or "no reason given"
        said = f"{vote['decision']} by {vote['reviewer']}, {vote['time']}: {why}"
        console.print(f"  {escape(said)}", soft_wrap=True)
    if not shown["open"]:
        console.print("  decided already")
        return shown
    console.print(f"  {escape(shown['dead'] or shown['if_nobody_decides'])}", soft_wrap=True)
    console.print(f"  approvals needed: {shown['required']}; answer with")
    console.print(
        f"    sluicegate review approve {shown['subject']} --as NAME --reason WHY", soft_wrap=True
    )
    return shown


def print_reviewed(options: argparse.Namespace, done: dict[str, Any]) -> dict[str, Any]:
    """Print what an answer led to."""
    if not options.json:
        plain_console().print(f"{done['subject']}: {done['state']}, {escape(done['done'])}")
    return done


def print_quarantine(options: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    """Print what is set aside, and the exceptions by which rows were let out."""
    if options.json:
        return told
    console = plain_console()
    if not told["quarantine"]:
        console.print("Nothing is in quarantine.")
    for lot in told["quarantine"]:
        late = "[bold red]overdue[/], " if lot["overdue"] else ""
        whole = " (the whole batch)" if lot["whole"] else ""
        console.print(
            f"{lot['subject']}: {counted(lot['rows'], 'row')}{whole}, "
            f"{late}to be looked at by {lot['review_by']}"
        )
        console.print(f"  {escape(shortened(lot['reason'] or 'held by no limit of intake'))}")
        if lot["sources"]:
            console.print(f"  sources {escape(shortened(', '.join(lot['sources'])))}")
        for asked in lot["asked"]:
            console.print(f"  {asked} asks to let rows out")
    for each in told["exceptions"]:
        late = ", [bold red]overdue[/]" if each["overdue"] else ""
        console.print(
            f"{each['subject']}: {counted(each['rows'], 'row')} of batch:{each['batch']}, {each['state']}, "
            f"waives {escape(', '.join(each['waives']) or 'nothing')}, "
            f"to be looked at again by {each['review_by']}{late}"
        )
    for each in told["destroyed"]:
        lost = ", ".join(
            f"{counted(rows, 'row')} of batch:{batch}" for batch, rows in each["rows"].items()
        )
        state = "destroyed" if each["state"] == "retired" else "being destroyed"
        console.print(f"{each['subject']}: {escape(each['what'])} {state}, {lost}")
    return told


def print_held(options: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    """Print how many rows each source has in quarantine for what; --json lists every row."""
    if options.json:
        return told
    console = plain_console()
    rows = counted(told["rows"], "row")
    console.print(f"{told['subject']}: {rows}, to be looked at by {told['review_by']}")
    groups = Counter(
        (row["source"] or "nobody named", ", ".join(row["held_for"]) or told["reason"])
        for row in told["held"]
        if not row["released"]
    )
    for (source, why), count in groups.most_common():
        console.print(f"  {counted(count, 'row')} of {escape(source)}: {escape(shortened(why))}")
    out = sum(row["released"] for row in told["held"])
    if out:
        console.print(f"  {out} more {'row was' if out == 1 else 'rows were'} released")
    return told


def read_proof(path: Path) -> str:
    """Return the signature in a file; raises Misused where there is none."""
    if not path.exists():
        raise Misused(f"{path} is not there; make a proof with `sluicegate review sign`.")
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{path} holds no SSH signature; make one with `review sign`.") from error
