"""proposal: withdrawing an approval after promotion proposes a rollback of the update.

The champion keeps serving until somebody acts: the proposal is its own question, which a rollback
picks up. It never expires.
"""

from collections.abc import Sequence
from typing import Any

from sluicegate.core import Artifact, Conflict
from sluicegate.evidence.statement import DECISION, ROLLBACK_PROPOSAL
from sluicegate.gates.approval import Decision
from sluicegate.record.causes import cause_of, command
from sluicegate.record.champion import champion_of, read_promotion
from sluicegate.record.context import Context
from sluicegate.record.questions import cast, read_request
from sluicegate.record.subjects import kind_of
from sluicegate.record.subjects.kind import stated
from sluicegate.record.subjects.rollback import AGREED, before, proposals, read_proposal
from sluicegate.record.updates import read_update
from sluicegate.review.votes import Question, decided, keep, put
from sluicegate.stores import trust
from sluicegate.stores.quoting import PAGE
from sluicegate.stores.transaction import Transaction, transaction

PROPOSE = "propose-rollback"


def withdraw(context: Context, subject: str, reviewer: str, reason: str, proof: str) -> str:
    """Record the withdrawal of an approval that promoted `subject`, and propose its rollback.

    Neither an expiry nor a changed policy prevents a withdrawal. Raises
    Conflict for anyone who did not approve it. A repeated withdrawal counts once.
    """
    layout, number = context.layout, kind_of(subject)[1]
    request, _ = read_request(layout, subject)
    vote = trust.reviewers(layout, 1).prove(request, reviewer, Decision.WITHDRAW, proof)
    approved = stated(layout, layout.update(number) / "decision.json", DECISION)["approved_by"]
    counted = [each for each in cast(layout, subject) if each.person in approved]
    if not any(vote.person == each.person or vote.key == each.key for each in counted):
        raise Conflict(f"{vote.person} did not approve {subject}, so there is nothing to withdraw.")
    with transaction(context, "withdraw", f"{subject}: withdrawn by {vote.person}") as t:
        keep(t, request, reviewer, vote, reason, proof)
        if number not in proposals(layout):
            why = f"{vote.person} withdrew their approval: {reason or 'no reason given'}"
            propose(t, context, number, vote.person, why)
    return f"rollback:{number} is proposed; the model keeps serving until somebody acts"


def question(context: Context, number: str) -> Question:
    """Return the question whether to roll an update back."""
    layout, folder = context.layout, context.layout.rollback(number)
    update, _ = read_update(layout, number)
    predicate = read_proposal(layout, number)
    serving, former = champion_of(layout), before(layout, number)
    shown = [
        ("why it is proposed", predicate["reason"]),
        ("version to take back", f"{predicate['version']}, sha256:{predicate['sha256']}"),
        ("version before it", f"{former.version}, sha256:{former.sha256}"),
        ("version that serves now", f"{serving.version}, sha256:{serving.sha256}"),
        ("data commit", update.data_commit),
        ("batches", ", ".join(update.batches) or "none"),
    ]
    text = f"Roll back update:{number}, which its reviewers had approved?"
    from sluicegate.review.pages import rollback_page

    page = rollback_page(context, update, text, shown, predicate["reason"])
    bound = [folder / "proposal.json", folder / PAGE]
    bound += [layout.update(number) / name for name in ("promotion.json", "comparison.json")]
    return Question(f"rollback:{number}", text, shown, bound, page)


def accept(context: Context, number: str, people: Sequence[str]) -> str:
    """Record that the reviewers want `number` rolled back."""
    with decided(context, f"rollback:{number}", AGREED, people):
        takes = command(cause_of(context.layout, number))
    return f"approved; the model serves until somebody runs `{takes}`"


def propose(t: Transaction, context: Context, number: str, proposed_by: str, reason: str) -> None:
    """Propose to roll `number` back and ask the reviewers."""
    layout = context.layout
    promoted = read_promotion(layout, number)
    subject = Artifact(f"model:{context.settings.model}", promoted.sha256)
    details: dict[str, Any] = {
        "because": str(cause_of(layout, number)),
        "version": promoted.version,
        "sha256": promoted.sha256,
        "proposed_by": proposed_by,
        "reason": reason,
        "time": context.now(),
    }
    path = layout.rollback(number) / "proposal.json"
    made = t.state(path, [subject], ROLLBACK_PROPOSAL, details)
    t.append(PROPOSE, [subject, made], details)
    put(t, context, question(context, number))
