"""A human says yes or no: review."""

import argparse
import sys
from pathlib import Path

from .options import Answer, Verbs, add_verb, in_workspace, opened

REVIEW = "Decide on what is paused; `list`, `show` and `sign` also work in a reviewer's own clone."


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    review = verbs.add_parser("review", help="decide on what is paused", description=REVIEW)
    deeds = review.add_subparsers(metavar="DEED", required=True)
    in_workspace(add_verb(deeds, "list", review_list, "what waits for a decision"))
    for name, run, words in (
        ("show", review_show, "what is asked, and the digests an answer is bound to"),
        ("renew", review_renew, "ask again, after it expired or something changed"),
    ):
        in_workspace(add_verb(deeds, name, run, words)).add_argument("subject", metavar="SUBJECT")
    signing = _signing(in_workspace(add_verb(deeds, "sign", review_sign, "print a proof to paste")))
    said = signing.add_mutually_exclusive_group(required=True)
    for decision in ("approve", "reject", "withdraw"):
        flag = f"--{decision}"
        said.add_argument(flag, dest="decision", action="store_const", const=decision)
    signing.add_argument("--text", action="store_true", help="print the text to sign instead")
    for decision, words in (
        ("approve", "say yes"),
        ("reject", "say no"),
        ("withdraw", "take your approval back"),
    ):
        verb = _signing(in_workspace(add_verb(deeds, decision, review_answer, words)))
        verb.add_argument(
            "--proof", metavar="FILE", help="a signature made elsewhere; - reads stdin"
        )
        verb.add_argument("--reason", default="", help="why, for the record")
        verb.set_defaults(decision=decision)


def _signing(verb: argparse.ArgumentParser) -> argparse.ArgumentParser:
    verb.add_argument("subject", metavar="SUBJECT", help="update:0001 or batch:0001")
    verb.add_argument(
        "--as", dest="reviewer", metavar="NAME", required=True, help="you, in trust/allowed_signers"
    )
    verb.add_argument(
        "--key", metavar="FILE", default="~/.ssh/id_ed25519", help="your SSH key (%(default)s)"
    )
    return verb


def review_list(options: argparse.Namespace) -> Answer:
    """List what waits."""
    from sluicegate.terminal import output, reviews

    place = opened(options, output.mute, reading=True)
    shown = [place.show_review(subject) for subject in place.reviews()]
    return reviews.print_reviews(options, shown), 0


def review_show(options: argparse.Namespace) -> Answer:
    """Show one question."""
    from sluicegate.terminal import output, reviews

    place = opened(options, output.mute, reading=True)
    return reviews.print_review(options, place.show_review(options.subject)), 0


def review_renew(options: argparse.Namespace) -> Answer:
    """Ask again."""
    from sluicegate.terminal import output, reviews

    return reviews.print_review(
        options, opened(options, output.mute).renew_review(options.subject)
    ), 0


def review_sign(options: argparse.Namespace) -> Answer:
    """Print a proof; what is signed is shown beside it."""
    from sluicegate.terminal import output

    place = opened(options, output.mute, reading=True)
    text = place.text_to_sign(options.subject, options.decision, options.reviewer)
    key = Path(options.key).expanduser()
    made = (
        None
        if options.text
        else place.sign_review(options.subject, options.decision, options.reviewer, key)
    )
    if not options.json:
        print(text, end="", file=sys.stdout if made is None else sys.stderr)
        print(made or "", end="")
    return {"schema": 1, "subject": options.subject, "text": text, "proof": made}, 0


def review_answer(options: argparse.Namespace) -> Answer:
    """Answer with a proof, or sign here and now."""
    from sluicegate.terminal import output, reviews

    place = opened(options, output.mute)
    said = (options.subject, options.decision, options.reviewer)
    if options.proof == "-":
        proof = sys.stdin.read()
    elif options.proof:
        proof = reviews.read_proof(Path(options.proof))
    else:
        proof = place.sign_review(*said, Path(options.key).expanduser())
    done = place.answer_review(*said, proof, options.reason).to_dict()
    return reviews.print_reviewed(options, done), {"open": 3, "rejected": 4}.get(done["state"], 0)
