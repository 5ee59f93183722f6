"""review: a named person's answer to a question, and its consequences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sluicegate.core import Conflict
from sluicegate.core.canonical import sha256_file
from sluicegate.core.document import Result
from sluicegate.flows.erasure import carry_out, order
from sluicegate.flows.feedback import reanchor, release
from sluicegate.flows.feedback.quarantine import hold_from
from sluicegate.flows.feedback.settle import place_reviewed
from sluicegate.flows.rollback import incident, proposal
from sluicegate.flows.rollback.proposal import withdraw
from sluicegate.flows.updates.promote import promote
from sluicegate.flows.updates.record_update import refuse as refuse_challenger
from sluicegate.gates.approval import Decision, State
from sluicegate.record.champion import champion_of
from sluicegate.record.context import POLICY_FILES, Context
from sluicegate.record.policy import require_signed
from sluicegate.record.questions import artifact, cast, is_promoted, read_request
from sluicegate.record.security_review import require_reviewed
from sluicegate.record.subjects import kind_of, waiting
from sluicegate.record.subjects.incident import CONTESTED
from sluicegate.record.subjects.rollback import KEPT
from sluicegate.record.updates import policy_of, read_update
from sluicegate.review.ask import about_batch, about_update, keep_page
from sluicegate.review.question import Asked, _require_open, show
from sluicegate.review.votes import (
    Question,
    conclude,
    current,
    decided,
    keep,
    put,
    require_alive,
    verified_vote,
)
from sluicegate.stores import files, git
from sluicegate.stores.layout import Layout
from sluicegate.stores.transaction import Transaction, tidy, transaction


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


class Reviewed(Result):
    """The state of a subject after an answer."""

    subject: str
    state: State
    approved_by: tuple[str, ...]
    required: int
    done: str


def answer(
    context: Context,
    subject: str,
    decision: Decision,
    reviewer: str,
    reason: str,
    proof: str,
    wait: bool = False,
) -> Reviewed:
    """Record a proven answer and carry out the result of the votes; a repeated answer counts once.

    `wait` for a retrain that is at work, rather than raise Conflict.

    Raises Misused for a proof that does not hold, Conflict for a subject that is decided, changed or
    expired and for a reviewer who may not review it.
    """
    layout = context.layout
    busy = f"A retrain is running in {layout.root}; answer again when it has finished."
    with files.locked(layout.home / "retrain.lock", busy, wait):
        git.require_branch(layout.root)
        git.require_committed(layout.root, POLICY_FILES)
        tidy(layout)
        require_signed(layout)
        if decision is Decision.WITHDRAW and is_promoted(layout, subject):
            done = withdraw(context, subject, reviewer, reason, proof)
            required = context.settings.approval.required
            return Reviewed(
                subject=subject, state=State.OPEN, approved_by=(), required=required, done=done
            )
        with transaction(context, "review") as t:
            _require_open(layout, subject, decision)
            request, bound = read_request(layout, subject)
            require_alive(context, request, bound)
            if decision is Decision.APPROVE and subject.startswith("update:"):
                require_reviewed(context, subject.removeprefix("update:"))
            vote = verified_vote(context, request, reviewer, decision, proof)
            keep(t, request, reviewer, vote, reason, proof)
            t.commits_as(f"{subject}: {decision.value} by {vote.person}")
        return _carry_out(context, subject)


def renew(context: Context, subject: str) -> Asked:
    """Ask again about `subject`: a new text, so that earlier answers no longer count.

    Raises Conflict where the subject has to be made anew instead.
    """
    layout = context.layout
    git.require_committed(layout.root, POLICY_FILES)
    require_signed(layout)
    with transaction(context, "review", f"{subject} asked again") as t:
        _require_open(layout, subject)
        _require_no_no(context, subject)
        kind, number = kind_of(subject)
        put(t, context, _OF[kind.name].question(context, number))
    if kind.name == "update":
        keep_page(context, number)  # in MLflow, too
    return show(context, subject)


def refuse_expired(context: Context) -> list[str]:
    """Reject what expired undecided, if approval.on_expiry says so; return the subjects."""
    if context.settings.approval.on_expiry != "reject":
        return []
    layout, rejected = context.layout, []
    for subject in waiting(layout):
        request, _ = read_request(layout, subject)
        if request.has_expired(context.clock()) and kind_of(subject)[0].lapses:
            refuse(context, subject, f"nobody decided by {request.expires}")
            rejected.append(subject)
    return rejected


def _carry_out(context: Context, subject: str) -> Reviewed:
    found = current(context, subject).standing
    done = f"{len(found.approved_by)} of {found.required} approvals"
    if found.state is State.REJECTED:
        done = refuse(context, subject, _why_not(context.layout, subject))
    elif found.state is State.APPROVED:
        kind, number = kind_of(subject)
        done = _OF[kind.name].accept(context, number, found.approved_by)
    return Reviewed(
        subject=subject,
        state=found.state,
        approved_by=found.approved_by,
        required=found.required,
        done=done,
    )


def _require_no_no(context: Context, subject: str) -> None:
    """Raise Conflict where somebody said no, and the process died before that was carried out."""
    try:
        rejected = current(context, subject).standing.state is State.REJECTED
    except Conflict:
        return  # what it was about has changed, and the no with it
    if rejected:
        why = _why_not(context.layout, subject)
        raise Conflict(f"{subject} was rejected: {why}; repeat that answer.")


def _why_not(layout: Layout, subject: str) -> str:
    recorded = [each for each in cast(layout, subject) if each.decision is Decision.REJECT][-1]
    return f"{recorded.person} rejected it: {recorded.reason or 'no reason given'}"


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
