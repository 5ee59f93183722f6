"""What the record says, and whether it still does: verify."""

import argparse

from .options import Answer, Verbs, add_verb, in_workspace, opened


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    words = "check ledger, statements, data, models and approvals against the record, offline"
    verb = in_workspace(add_verb(verbs, "verify", verify, words, needs_line=False))
    verb.add_argument(
        "--full", action="store_true", help="everything, not only what is new or was touched"
    )


def verify(options: argparse.Namespace) -> Answer:
    """Verify: 0 all is as recorded, 4 something is not, 1 something could not be decided."""
    from sluicegate.terminal.bar import bar
    from sluicegate.terminal.verification import print_verified

    place = opened(options, lambda _: None, reading=True)
    with bar(options) as shown:
        done = place.verify(options.full, shown)
    return print_verified(options, done.to_dict()), done.exit_code
