"""review: a human says yes or no to what is paused."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sluicegate.cli.arguments import Answer, Verbs, add_group, add_verb
from sluicegate.cli.terminal import escape, opened, shortened
from sluicegate.core import Misused
from sluicegate.core.document import Result

if TYPE_CHECKING:
    from sluicegate.flows.decisions.review import Reviewed
    from sluicegate.review.question import Asked

EXIT_CODES = {"open": 3, "rejected": 4}
SUBJECT = "like update:0001, batch:0001 or incident:0001"
DECISIONS = {"approve": "Approve it", "reject": "Reject it", "withdraw": "Withdraw your approval"}


class Proof(Result):
    """The text of an answer and its signature, unless somebody signs elsewhere."""

    subject: str
    text: str
    proof: str | None


@dataclass(frozen=True)
class Reviews:
    """What waits for a decision."""

    reviews: tuple["Asked", ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `review list`."""
        return {"schema": 1, "reviews": [each.to_dict() for each in self.reviews]}


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    commands = add_group(verbs, "review")
    add_verb(commands, "list", review_list, "List what awaits a decision")
    words = "Show one question and the digests that an answer covers"
    shown = add_verb(commands, "show", review_show, words)
    for decision, words in DECISIONS.items():
        verb = add_verb(commands, decision, review_answer, words)
        verb.signs("reviewer", "your name in trust/allowed_signers")
        verb.takes("--proof", "FILE", "a signature made elsewhere; - reads stdin")
        verb.takes("--reason", "WHY", "for the record", default="")
        verb.set_defaults(decision=decision)
        verb.takes("subject", "SUBJECT", SUBJECT)
    words = "Print a proof to paste into Prefect's form or to send; your key stays with you"
    signing = add_verb(commands, "sign", review_sign, words)
    signing.signs("reviewer", "your name in trust/allowed_signers")
    chosen = signing.add_mutually_exclusive_group(required=True)
    for decision in DECISIONS:
        flag = f"--{decision}"
        chosen.add_argument(flag, dest="decision", action="store_const", const=decision)
    signing.flag("--text", "print only the text to sign")
    words = "Ask again after the question expired or its evidence changed"
    renewed = add_verb(commands, "renew", review_renew, words)
    for verb in (shown, signing, renewed):
        verb.takes("subject", "SUBJECT", SUBJECT)


def review_list(options: argparse.Namespace) -> Answer["Reviews"]:
    """List what waits."""
    place = opened(options, reading=True)
    shown = tuple(place.show_review(subject) for subject in place.reviews())
    return Answer(Reviews(shown), print_reviews)


def review_show(options: argparse.Namespace) -> Answer["Asked"]:
    """Show one question."""
    return Answer(opened(options, reading=True).show_review(options.subject), print_review)


def review_renew(options: argparse.Namespace) -> Answer["Asked"]:
    """Ask again."""
    return Answer(opened(options).renew_review(options.subject), print_review)


def review_sign(options: argparse.Namespace) -> Answer["Proof"]:
    """Print a proof; what is signed is shown beside it."""
    place = opened(options, reading=True)
    signed = (options.subject, options.decision, options.reviewer)
    text = place.text_to_sign(*signed)
    key = Path(options.key).expanduser()
    proof = None if options.text else place.sign_review(*signed, key)
    return Answer(Proof(subject=options.subject, text=text, proof=proof), print_proof)


def review_answer(options: argparse.Namespace) -> Answer["Reviewed"]:
    """Answer with a proof, or sign here and now."""
    place = opened(options)
    signed = (options.subject, options.decision, options.reviewer)
    if options.proof == "-":
        proof = sys.stdin.read()
    elif options.proof:
        proof = _read_proof(Path(options.proof))
    else:
        proof = place.sign_review(*signed, Path(options.key).expanduser())
    done = place.answer_review(*signed, proof, options.reason)
    return Answer(done, print_reviewed, EXIT_CODES.get(done.state.value, 0))


def _read_proof(path: Path) -> str:
    if not path.exists():
        raise Misused(f"{path} does not exist; make a proof with `sluicegate review sign`.")
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{path} is not an SSH signature; make one with `review sign`.") from error


def print_reviews(console: Console, listed: "Reviews") -> None:
    """Print what waits for a decision."""
    if not listed.reviews:
        console.print("Nothing awaits a decision.")
    for each in listed.reviews:
        console.print(f"{each.subject}: {escape(each.question)}")
        console.print(f"  {escape(shortened(each.why))}")
        console.print(f"  {escape(each.dead or each.if_nobody_decides)}")


def print_review(console: Console, shown: "Asked") -> None:
    """Print one question, what an answer is bound to, and how to answer."""
    console.print(f"[bold]{escape(shown.question)}[/]")
    for name, value in shown.names.items():
        console.print(f"  {escape(name)}: {escape(value)}")
    for vote in shown.votes:
        why = vote.reason or "no reason given"
        console.print(escape(f"  {vote.decision.value} by {vote.reviewer}, {vote.time}: {why}"))
    if not shown.open:
        console.print("  already decided")
        return
    console.print(f"  {escape(shown.dead or shown.if_nobody_decides)}")
    console.print(f"  approvals needed: {shown.required}; answer with")
    console.print(f"    sluicegate review approve {shown.subject} --as NAME --reason WHY")


def print_proof(_: Console, made: "Proof") -> None:
    """Print a proof alone on stdout, and on stderr what it signs; or on stdout what is to be signed."""
    print(made.text, end="", file=sys.stderr if made.proof else sys.stdout)
    print(made.proof or "", end="")


def print_reviewed(console: Console, done: "Reviewed") -> None:
    """Print what an answer led to."""
    console.print(f"{done.subject}: {done.state.value}, {escape(done.done)}")
