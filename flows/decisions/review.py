"""review: a named person's answer to a question, and its consequences."""

from dataclasses import dataclass
from typing import Any

from sluicegate.core import Conflict
from sluicegate.flows.decisions.consequences import accept, ask_again, keep_pages, refuse
from sluicegate.flows.rollback.proposal import withdraw
from sluicegate.gates.approval import Decision, State
from sluicegate.record.context import POLICY_FILES, Context
from sluicegate.record.policy import require_signed
from sluicegate.record.questions import cast, is_promoted, read_request
from sluicegate.record.security_review import require_reviewed
from sluicegate.record.subjects import kind_of, waiting
from sluicegate.review.question import Asked, _require_open, show
from sluicegate.review.votes import current, keep, require_alive, verified_vote
from sluicegate.stores import files, git
from sluicegate.stores.layout import Layout
from sluicegate.stores.transaction import tidy, transaction


@dataclass(frozen=True)
class Reviewed:
    """The state of a subject after an answer."""

    subject: str
    state: State
    approved_by: tuple[str, ...]
    required: int
    done: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `review approve`."""
        return {
            "schema": 1,
            "subject": self.subject,
            "state": self.state.value,
            "approved_by": list(self.approved_by),
            "required": self.required,
            "done": self.done,
        }


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
            return Reviewed(subject, State.OPEN, (), context.settings.approval.required, done)
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
    """Ask again about `subject`: a new text, so that earlier answers no longer count."""
    layout = context.layout
    git.require_committed(layout.root, POLICY_FILES)
    require_signed(layout)
    with transaction(context, "review", f"{subject} asked again") as t:
        _require_open(layout, subject)
        _require_no_no(context, subject)
        ask_again(t, context, subject)
    keep_pages(context, subject)
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
        done = accept(context, subject, found.approved_by)
    return Reviewed(subject, found.state, found.approved_by, found.required, done)


def _require_no_no(context: Context, subject: str) -> None:
    """Raise Conflict where somebody said no, and the process died before that was carried out."""
    try:
        rejected = current(context, subject).standing.state is State.REJECTED
    except Conflict:
        return  # what it was about has changed, and the no with it
    if rejected:
        raise Conflict(
            f"{subject} was rejected: {_why_not(context.layout, subject)}; repeat that answer."
        )


def _why_not(layout: Layout, subject: str) -> str:
    recorded = [each for each in cast(layout, subject) if each.decision is Decision.REJECT][-1]
    return f"{recorded.person} rejected it: {recorded.reason or 'no reason given'}"
