"""A revocation as a person reads it: what the key signed, before and since, and what rests on it."""

import argparse
from typing import Any

from rich.console import Console
from rich.markup import escape

from sluicegate.terminal import plain_console


def print_revocation(options: argparse.Namespace, made: dict[str, Any]) -> dict[str, Any]:
    """Print what a revoked key signed, or would have, if it is only tried."""
    if options.json:
        return made
    console = plain_console()
    done = "was revoked" if "succession" in made else "would be revoked"
    console.print(f"key {made['key'][:12]} {done} since entry {made['since']} of the ledger")
    by = made["anchor"]["by"]
    console.print(f"  believed until entry {made['believed_until']} (last pinned by {escape(by)})")
    _print_signed(console, "before, and believed", made["signed_before"])
    _print_signed(console, "since, and not believed", made["signed_since"])
    for each in made["resting"]:
        console.print(f"  [red]first[/]: {escape(each)}", soft_wrap=True)
    for note in made.get("notes", []):
        console.print(f"  {escape(note)}", soft_wrap=True)
    return made


def _print_signed(console: Console, when: str, signed: dict[str, Any]) -> None:
    counts = ", ".join(f"{len(listed)} {name}" for name, listed in signed.items())
    console.print(f"  signed {when}: {counts}")
    for each in signed["entries"]:
        console.print(
            f"    entry {each['entry']}: {escape(each['verb'])} by {escape(each['who'])}, {each['time']}"
        )
    for name in signed["statements"]:
        console.print(f"    {escape(name)}", soft_wrap=True)
    told = [f"version {v}" for v in signed["versions"]] + [f"tag {t}" for t in signed["tags"]]
    if told:
        console.print(f"    {escape(', '.join(told))}", soft_wrap=True)
