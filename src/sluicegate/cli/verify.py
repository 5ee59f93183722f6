"""verify: what the record says, and whether it still holds."""

import argparse
from typing import TYPE_CHECKING

from sluicegate.cli.arguments import Answer, Verbs, add_verb
from sluicegate.cli.terminal import bar, escape, opened

if TYPE_CHECKING:
    from rich.console import Console

    from sluicegate.flows.custody.verify import Verified


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    verb = add_verb(verbs, "verify", verify)
    verb.flag("--full", "check everything, not only what is new or changed")


def verify(options: argparse.Namespace) -> Answer["Verified"]:
    """Verify: 0 all is as recorded, 4 something is not, 1 something could not be decided."""
    place = opened(options, reading=True)
    with bar(options) as shown:
        done = place.verify(options.full, shown)
    return Answer(done, print_verified, done.exit_code)


def print_verified(console: "Console", done: "Verified") -> None:
    """Print what a verification found."""
    result = "[green]as recorded[/]"
    if done.undecided:
        result = "[magenta]could not be decided[/]"
    if done.wrong:
        count = len(done.wrong)
        result = f"[red]{count} {'problem' if count == 1 else 'problems'}[/]"
    console.print(f"verify: {result} [dim]({done.seconds:.1f} s)[/]")
    counts = ", ".join(f"{number} {what}" for what, number in done.looked_at.items() if number)
    since = f" since ledger entry {done.since}" if done.since else ""
    console.print(f"  checked{since}: {counts or 'nothing is new'}")
    for title, found in (("[red]wrong[/]", done.wrong), ("[magenta]undecided[/]", done.undecided)):
        for each in found:
            console.print(f"  {title} {escape(each.where)}: {escape(each.says)}")
    for note in done.notes:
        console.print(f"  note: {escape(note)}")
