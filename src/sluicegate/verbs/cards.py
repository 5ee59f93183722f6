"""Cards: what is known of a batch or a model, for those who rely on it."""

import argparse
import json

from .options import Answer, Verbs, add_verb, in_workspace, opened


def add(verbs: Verbs) -> None:
    """Add this verb to the parser."""
    words = "write the data card of a batch, or the model card of an update"
    verb = in_workspace(add_verb(verbs, "card", card, words))
    verb.add_argument("subject", metavar="WHAT", help="batch:0003 or update:0007")
    verb.add_argument(
        "--profile", choices=("internal", "partner", "public"), default="internal",
        help="for whom: the public card names no limits, sources or parameters",
    )  # fmt: skip
    verb.add_argument("--format", choices=("md", "json", "cyclonedx"), default="md")


def card(options: argparse.Namespace) -> Answer:
    """Write a card."""
    from sluicegate.reports.card_page import written
    from sluicegate.terminal import output

    place = opened(options, output.mute, reading=True)
    make = place.bill_of_materials if options.format == "cyclonedx" else place.card
    made = make(options.subject, options.profile)
    if not options.json:
        as_page = options.format == "md"
        print(written(made) if as_page else json.dumps(made, ensure_ascii=False, indent=2))
    return made, 0
