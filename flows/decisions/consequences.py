"""consequences: what an approval, a rejection and a renewal do, for each kind of subject."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sluicegate.core import Conflict
from sluicegate.core.canonical import sha256_file
from sluicegate.flows.erasure import carry_out, order
from sluicegate.flows.feedback import reanchor, release
from sluicegate.flows.feedback.quarantine import hold_from
from sluicegate.flows.feedback.settle import place_reviewed
from sluicegate.flows.rollback import incident, proposal
from sluicegate.flows.updates.promote import promote
from sluicegate.flows.updates.record_update import refuse as refuse_challenger
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context
from sluicegate.record.questions import artifact, read_request
from sluicegate.record.subjects import kind_of
from sluicegate.record.subjects.incident import CONTESTED
from sluicegate.record.subjects.rollback import KEPT
from sluicegate.record.updates import policy_of, read_update
from sluicegate.review.ask import about_batch, about_update, keep_page
from sluicegate.review.votes import Question, conclude, decided, put
from sluicegate.stores import git
from sluicegate.stores.transaction import Transaction, transaction


@dataclass(frozen=True)
class Consequences:
    """What asking again, an approval and a rejection do for one kind of subject.

    An approval is carried out and returns what was done. A rejection sets the state `refused` and runs
    `undo` in one transaction; `words` report it. A refused update has its own statement, so no such state.
    """

    question: Callable[[Context, str], Question]
    accept: Callable[[Context, str, Sequence[str]], str]
    refused: str | None
    words: str
    undo: Callable[[Transaction, Context, str, str], None] | None = None


def ask_again(t: Transaction, context: Context, subject: str) -> None:
    """Put `subject` to the reviewers anew; raises Conflict where it has to be made anew instead."""
    kind, number = kind_of(subject)
    put(t, context, _OF[kind.name].question(context, number))


def accept(context: Context, subject: str, people: Sequence[str]) -> str:
    """Carry out what `people` approved and return what was done."""
    kind, number = kind_of(subject)
    return _OF[kind.name].accept(context, number, people)


def refuse(context: Context, subject: str, reason: str) -> str:
    """Carry out a rejection and return what was done."""
    kind, number = kind_of(subject)
    follows = _OF[kind.name]
    with transaction(context, "review", f"{subject} refused in review") as t:
        if follows.refused is not None:
            conclude(t, subject, follows.refused)
        if follows.undo is not None:
            follows.undo(t, context, number, reason)
    return follows.words.format(reason=reason)


def keep_pages(context: Context, subject: str) -> None:
    """Keep the evidence page in MLflow too, where the subject has a run there."""
    kind, number = kind_of(subject)
    if kind.name == "update":
        keep_page(context, number)


def _about_update(context: Context, number: str) -> Question:
    layout = context.layout
    update, _ = read_update(layout, number)
    same_policy = policy_of(layout, number) == context.policy_digest
    moved = git.changes(layout.root, update.data_commit, "HEAD", ("golden", "reference"))
    _, bound = read_request(layout, f"update:{number}")
    trusted = [each for each in bound if each.name.startswith(("golden/", "reference/"))]
    # judged on the signed ones, whatever HEAD had then
    others = any(sha256_file(layout.root / each.name) != each.sha256 for each in trusted)
    if not same_policy or moved or others or champion_of(layout).ref != update.champion:
        raise Conflict(
            f"The policy, golden set, reference or champion changed since update:{number} was judged; "
            "train again with `sluicegate update --supersede`."
        )
    return about_update(context, update)


def _accept_update(context: Context, number: str, people: Sequence[str]) -> str:
    with decided(context, f"update:{number}", "approved", people):
        pass
    made = promote(context, number)
    return f"version {made.challenger.version if made.challenger else '?'} is champion"


def _accept_batch(context: Context, number: str, people: Sequence[str]) -> str:
    with decided(context, f"batch:{number}", "admitted", people) as t:
        tables = place_reviewed(context, number)
        t.store(tables)
        named = [artifact(context.layout, table) for table in tables]
        t.append("admit", named, {"batch": number, "approved_by": list(people)})
    return "admitted; the next retrain will learn from it"


def _hold_batch(t: Transaction, context: Context, number: str, reason: str) -> None:
    hold_from(t, context.layout.intake(number) / "rows", number, reason)


_OF = {
    "batch": Consequences(
        about_batch, _accept_batch, "quarantined", "the whole batch is quarantined", _hold_batch
    ),
    "update": Consequences(
        _about_update,
        _accept_update,
        None,
        "refused; the champion keeps serving",
        refuse_challenger,
    ),
    "release": Consequences(
        release.question, release.accept, "refused", "refused; the rows stay in quarantine"
    ),
    "anchor": Consequences(
        reanchor.question,
        reanchor.accept,
        "refused",
        "refused ({reason}); the current tables stay trusted",
    ),
    "rollback": Consequences(
        proposal.question, proposal.accept, KEPT, "not rolled back; the champion keeps serving"
    ),
    "incident": Consequences(
        incident.question,
        incident.accept,
        CONTESTED,
        "contested: no source is barred, the champion stays, and the rows stay in quarantine until "
        "`sluicegate quarantine release`",
    ),
    "retirement": Consequences(
        order.question, carry_out.accept, "refused", "refused; nothing is destroyed"
    ),
}
