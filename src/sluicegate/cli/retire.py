"""retire and reanchor: destroy data or models for good, trust new tables; the reviewers decide."""

import argparse
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.tree import Tree

from sluicegate.cli.arguments import Answer, Parser, Verbs, add_former, add_verb
from sluicegate.cli.review import print_review
from sluicegate.cli.terminal import escape, opened, say, working
from sluicegate.core import Misused
from sluicegate.core.counted import counted

if TYPE_CHECKING:
    from sluicegate.flows.erasure.certified import SignedBy
    from sluicegate.flows.erasure.due import Due
    from sluicegate.flows.erasure.order import RetirementPlan
    from sluicegate.flows.erasure.retire import Retired
    from sluicegate.review.question import Asked

PAUSED = 3
SUBJECTS = "batch:0003, source:NAME, row:0003/57, subject:ID, model:2 or quarantine:0003"
EXAMPLES = """\
sluicegate retire batch:0003 --dry-run                     what would go, and from where
sluicegate retire subject:u81 --destroy --reason "asked to be forgotten"
sluicegate retire quarantine:0003 --source c17 --destroy   only quarantined rows
sluicegate retire --due                                    what is past its retention"""


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    verb = add_verb(verbs, "retire", retire, example=EXAMPLES).may_run_dry()
    verb.takes("what", "SUBJECT", SUBJECTS, nargs="?")
    how = verb.add_mutually_exclusive_group()
    how.add_argument("--destroy", action="store_true", help="keep only digests")
    how.add_argument("--due", action="store_true", help="list what is past its retention")
    how.add_argument("--archive", metavar="DIR", help="keep one copy there, outside the workspace")
    verb.takes("--reason", "WHY", "for the reviewers", default="")
    takes_rows(verb)
    again = add_verb(verbs, "reanchor", reanchor)
    again.takes("--reference", "FILE", "labelled data that every model starts from")
    again.takes("--golden", "FILE", "trusted labelled examples")
    again.takes("--reason", "WHY", "for the reviewers", required=True)


def takes_rows(verb: Parser) -> None:
    """Give `verb` the options that choose among rows in quarantine."""
    words = "among quarantined rows, only this row of the file"
    verb.takes("--row", "N", words, type=int, action="append")
    words = "among quarantined rows, only those from this source"
    verb.takes("--source", "NAME", words, action="append", default=[])


def add_destroy(commands: Verbs) -> None:
    """Add the old name of `retire quarantine:0001 --destroy`."""
    verb = add_former(commands, "quarantine destroy", destroy).may_run_dry()
    verb.takes("batch", "SUBJECT", "batch:0001")
    verb.takes("--reason", "WHY", "for the reviewers", default="")
    takes_rows(verb)


def number_of(subject: str) -> str:
    """Return the number of a batch like `batch:0001`; raises Misused for anything else."""
    kind, _, number = subject.partition(":")
    if kind != "batch" or not (number.isascii() and number.isdigit()):
        raise Misused(f"{subject!r} is not a batch; write it like batch:0001.")
    return number


def retire(options: argparse.Namespace) -> Answer[Any]:
    """Ask to retire something, say what contains it, or finish what was agreed to."""
    if options.due:
        return Answer(opened(options, reading=True).due(), print_due)
    if not options.what:
        raise Misused("Name what to retire, like batch:0003, or list what is due with --due.")
    if not (options.dry_run or options.destroy or options.archive):
        raise Misused("Choose --destroy or --archive DIR.")
    if (options.row or options.source) and not options.what.startswith("quarantine:"):
        raise Misused("--row and --source need a subject like quarantine:0001.")
    return _retire(options, options.what, options.archive)


def destroy(options: argparse.Namespace) -> Answer[Any]:
    """Ask to destroy rows in quarantine."""
    return _retire(options, f"quarantine:{number_of(options.batch)}", None)


def _retire(options: argparse.Namespace, what: str, archive: str | None) -> Answer[Any]:
    rows = tuple(options.row) if options.row else None
    chosen: dict[str, Any] = {"rows": rows, "sources": tuple(options.source), "archive": archive}
    with working(options) as place:
        if options.dry_run:
            return Answer(place.plan_retirement(what, **chosen), print_plan)
        made = place.retire(what, reason=options.reason, **chosen)
    return Answer(made, print_retired, PAUSED if made.asked else 0)


def reanchor(options: argparse.Namespace) -> Answer["Asked"]:
    """Ask to trust new tables."""
    with working(options) as place:
        asked = place.reanchor(
            reason=options.reason, reference=options.reference, golden=options.golden
        )
    return Answer(asked, print_review, PAUSED)


def print_plan(console: Console, plan: "RetirementPlan") -> None:
    """Print what contains what is to be retired, as a tree."""
    tree, where = Tree(escape(plan.what)), "in DVC's cache and every remote"
    archive = plan.archive
    if archive:
        tree.add(escape(f"first, a copy of everything goes to {archive}"))
    tables = tree.add(f"would {'then ' if archive else ''}be destroyed {where}")
    for each in plan.tables:
        words = "row stays" if each.stays == 1 else "rows stay"
        stays = f"; its other {each.stays} {words}" if each.stays else ""
        tables.add(escape(f"{each.name}: {counted(len(each.rows), 'row')}{stays}"))
    for model in plan.models:
        tables.add(f"the model of update:{model.update} (version {model.version})")
    for name in plan.received:
        tree.add(escape(f"would be destroyed entirely: {name}, as received"))
    for quote in plan.quotes:
        tables.add(escape(f"{quote.name}, which may show values"))
    for learner in plan.descendants:
        tree.add(
            f"stays, but learnt from it: update:{learner.update}, version {learner.version} "
            f"({learner.stage.value}); `sluicegate retire model:{learner.version}`"
        )
    for name in plan.pages:
        tree.add(escape(f"stays in git and may show values: {name}"))
    if plan.warning:
        tree.add(f"[red]{escape(plan.warning)}[/]")
    console.print(tree, soft_wrap=False)


def print_retired(console: Console, made: "Retired") -> None:
    """Print the question that waits, or what was destroyed."""
    if made.asked:
        print_review(console, made.asked)
    done = made.certificate
    if done is None:
        return
    how = f"archived in {done.archive} and destroyed" if done.archive else "destroyed"
    console.print(escape(f"{made.subject}: {done.what} is {how}"))
    for name in done.stores:
        console.print(f"  removed from {escape(name)}")
    for each in done.descendants:
        console.print(f"  version {each.version} (update:{each.update}) learnt from it")
    for name in done.left:
        console.print(f"  not reached: {escape(name)}")


def print_certificate(console: Console, shown: dict[str, Any]) -> None:
    """Print the certificate of a retirement as text; as JSON it is the signed statement itself."""
    from sluicegate.flows.erasure.certified import Certified

    certified = Certified.read(shown["certificate"], shown["subject"])
    done = certified.certificate

    how = f"kept only in {done.archive}" if done.archive else "destroyed"
    say(console, f"{shown['subject']}: {done.what} was {how} ({done.time})")
    say(console, f"  why: {certified.reason}")
    say(console, f"  asked by: {certified.asked_by or 'the runner'}")
    for vote in certified.approved_by:
        say(console, f"  approved by: {vote.person} with {vote.key} ({vote.time})")
    say(console, "  what:")
    for each in done.destroyed:
        say(console, f"    {each.name}: sha256 {each.sha256[:12]}, md5 {each.md5[:12]}")
    for model in done.models:
        of = f"update:{model.update}, version {model.version}"
        say(console, f"    the model of {of}: sha256 {model.sha256[:12]}, run {model.run[:8]}")
    for name in done.received:
        place, _, file = name.rpartition("/")
        say(console, f"    as received: {place}/{file[:12]}")
    for name in done.stores:
        say(console, f"  removed from: {name}")
    for learner in done.descendants:
        say(
            console,
            f"  learnt from it and stays: version {learner.version} (update:{learner.update})",
        )
    for place in done.left:
        say(console, f"  not reached: {place}")
    say(console, f"  certificate: {certified.file}, {_signature(certified.signed_by)}")


def _signature(signed: "SignedBy") -> str:
    by = f"the service key {signed.key[:12]}"
    if not signed.believed:
        return f"signed with {by} after it was revoked ({signed.revoked}): do not trust it"
    followed = "" if signed.current else ", since replaced by another key,"
    return f"signed by {by}{followed} and verified"


def print_due(console: Console, found: "Due") -> None:
    """Print what has passed its retention, and the cards that state no period."""
    for name, card in found.cards.items():
        if not card.period:
            says = f"says {card.retention!r}" if card.retention else "is empty"
            console.print(escape(f"card.{name}.retention {says}; write a period, like 24 months"))
    for each in found.due:
        console.print(f"{each.what}: kept since {each.since}, due on {each.until}")
    if not found.due:
        console.print("Nothing is past its retention.")
