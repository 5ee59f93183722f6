"""Changes of keys as a person reads them: what would follow, what a key signed, and what rests on it."""

import argparse
from typing import Any

from rich.console import Console

from sluicegate.terminal.output import plain_console
from sluicegate.terminal.words import escape


def print_rotation(options: argparse.Namespace, plan: dict[str, Any]) -> dict[str, Any]:
    """Print what a rotation would do."""
    if options.json:
        return plan
    console = plain_console()

    def line(text: str) -> None:
        console.print(escape(text), soft_wrap=True)

    for name, each in plan["keys"].items():
        old = each["before"][:12]
        if plan["finishes"]:
            line(f"{name}: {each['after'][:12]} follows {old}; what was broken off would be ended")
        else:
            line(f"{name}: a new key would follow {old}, whose private half would be gone")
    if plan["vouches_for"]:
        line(f"  the new key would vouch for {plan['vouches_for']} statements of the old one")
    for each in plan["models"]:
        line(f"  would be signed again: version {each['version']} (update:{each['update']})")
    if plan["entries"]:
        line(f"  entries of the ledger, in one commit: {', '.join(plan['entries'])}")
    for note in plan["notes"]:
        line(f"  afterwards: {note}")
    return plan


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
