"""A verification as a person reads it: what was looked at, and a line for each thing that is wrong."""

import argparse
from typing import Any

from sluicegate.terminal.output import plain_console
from sluicegate.terminal.words import escape


def print_verified(options: argparse.Namespace, answer: dict[str, Any]) -> dict[str, Any]:
    """Print what a verification found."""
    if options.json:
        return answer
    console = plain_console()
    wrong, undecided = answer["wrong"], answer["undecided"]
    said = "[green]as recorded[/]"
    if undecided:
        said = "[magenta]could not be decided[/]"
    if wrong:
        said = f"[red]{len(wrong)} {'thing is' if len(wrong) == 1 else 'things are'} wrong[/]"
    console.print(f"verify: {said} [dim]({answer['seconds']:.1f} s)[/]")
    counts = ", ".join(f"{number} {what}" for what, number in answer["looked_at"].items() if number)
    since = f" since entry {answer['since']} of the ledger" if answer["since"] else ""
    console.print(f"  looked at{since}: {counts or 'nothing is new'}")
    for each in wrong:
        console.print(
            f"  [red]wrong[/] {escape(each['where'])}: {escape(each['says'])}", soft_wrap=True
        )
    for each in undecided:
        console.print(
            f"  [magenta]undecided[/] {escape(each['where'])}: {escape(each['says'])}",
            soft_wrap=True,
        )
    for note in answer["notes"]:
        console.print(f"  note: {escape(note)}", soft_wrap=True)
    return answer


def print_explained(options: argparse.Namespace, told: dict[str, Any]) -> dict[str, Any]:
    """Print each finding beside its limit, what stopped it last, and whether the verdict is the same."""
    if options.json:
        return told
    console = plain_console()
    policy = told["policy"]
    console.print(f"{told['subject']}, judged by params.yaml in {policy['commit'][:12]}")
    worst_last = sorted(told["findings"], key=lambda each: str(each["outcome"]) != "pass")
    for each in worst_last:
        if each.get("limit") is not None:
            value = "not measured" if each["value"] is None else f"{each['value']:.4g}"
            said = f"{each['metric']}: {value} (limit {each['limit']:.4g}) {each['outcome']}"
            console.print(f"  {escape(said)}", soft_wrap=True)
    then, now = told["recorded"]["outcome"], told["replayed"]["outcome"]
    for reason in told["recorded"]["reasons"]:
        console.print(f"  because: {escape(reason)}", soft_wrap=True)
    if told.get("not_replayed"):
        console.print(f"  not replayed: {escape(told['not_replayed'])}", soft_wrap=True)
    same = "the same verdict" if told["same"] else "[red]NOT the verdict that was recorded[/]"
    console.print(f"recorded: {then}; replayed: {now}: {same}")
    return told
