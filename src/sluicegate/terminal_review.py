"""What a reviewer reads: questions, votes, and what an answer led to."""

import argparse
from pathlib import Path
from typing import Any

from rich.markup import escape

from sluicegate.core import Misused
from sluicegate.terminal import plain_console, shortened


def print_reviews(options: argparse.Namespace, shown: list[dict[str, Any]]) -> dict[str, Any]:
    """Print what waits for a decision."""
    if not options.json:
        console = plain_console()
        if not shown:
            console.print("Nothing waits for a decision.")
        for each in shown:
            console.print(f"{each['subject']}: {escape(each['question'])}")
            console.print(f"  {escape(shortened(each['names']['why it paused']))}")
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
        said = f"{vote['decision']} by {vote['reviewer']}, {vote['time']}: {vote['reason']}"
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


def read_proof(path: Path) -> str:
    """Return the signature in a file; raises Misused where there is none."""
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{path} holds no SSH signature; make one with `review sign`.") from error
