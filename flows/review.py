"""review: a named human's answer to what paused, and what follows from it."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluicegate.core import CannotDecide, Conflict
from sluicegate.flows.going_back.proposal import withdraw
from sluicegate.flows.reviewing.consequences import accept, ask_again, keep_pages, may_lapse, refuse
from sluicegate.flows.reviewing.duties import require_separate
from sluicegate.flows.reviewing.silence import after_silence
from sluicegate.flows.reviewing.votes import current, keep, require_alive, verified_vote
from sluicegate.gates.approval import NAMESPACE, Decision, State
from sluicegate.record.context import POLICY_FILES, Context
from sluicegate.record.policy import require_signed
from sluicegate.record.questions import cast, is_promoted, read_request
from sluicegate.record.security_review import require_reviewed
from sluicegate.record.subjects import folder_of, is_open, kind_of, state_of, waiting
from sluicegate.stores import files, git, record, ssh
from sluicegate.stores.layout import Layout


@dataclass(frozen=True)
class Reviewed:
    """Where a subject stands after an answer."""

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


def show(context: Context, subject: str) -> dict[str, Any]:
    """Return the question about `subject`, its verified record, the votes, and why it might be dead."""
    layout = context.layout
    request, bound = read_request(layout, subject)
    dead = None
    try:
        if is_open(layout, subject):
            require_alive(context, request, bound)
    except Conflict as error:
        dead = str(error)
    return {
        "schema": 1,
        "subject": subject,
        "open": is_open(layout, subject),
        "state": state_of(layout, subject),
        "question": request.question,
        "why": kind_of(subject)[0].told(layout, kind_of(subject)[1])[1],
        "names": dict(request.names),
        "nonce": request.nonce,
        "expires": request.expires,
        "dead": dead,
        "required": context.settings.approval.required,
        "votes": [
            {name: vote[name] for name in ("reviewer", "decision", "reason", "time")}
            for vote in cast(layout, subject)
            if vote["nonce"] == request.nonce
        ],
        "if_nobody_decides": _otherwise(context, subject, request.expires),
    }


def text_to_sign(context: Context, subject: str, decision: Decision, reviewer: str) -> str:
    """Return what `reviewer` signs, once the record behind it is verified.

    Raises Conflict for a dead question, and for whoever would be refused for separate duties afterwards.
    """
    request, bound = read_request(context.layout, subject)
    if decision is not Decision.WITHDRAW or not is_promoted(context.layout, subject):
        _require_open(context.layout, subject, decision)
        require_alive(context, request, bound)
        with contextlib.suppress(CannotDecide):  # a shallow clone cannot tell; the workspace will
            require_separate(context, subject, reviewer)
    return request.text(decision, reviewer)


def sign(context: Context, subject: str, decision: Decision, reviewer: str, key: Path) -> str:
    """Return the proof; runs in the reviewer's own clone, and the key never leaves it."""
    return ssh.sign(text_to_sign(context, subject, decision, reviewer), key, NAMESPACE)


def answer(
    context: Context,
    subject: str,
    decision: Decision,
    reviewer: str,
    reason: str,
    proof: str,
    wait: bool = False,
) -> Reviewed:
    """Record a proven answer, and carry out what the votes come to; the same answer twice is one.

    `wait` for a retrain that is at work, rather than raise Conflict.

    Raises Misused for a proof that does not hold, Conflict for a subject that is decided, changed or
    expired and for a reviewer who may not review it.
    """
    layout = context.layout
    busy = f"A retrain is at work in {layout.root}; answer again when it has ended."
    with files.locked(layout.home / "retrain.lock", busy, wait):
        git.require_branch(layout.root)
        git.require_committed(layout.root, POLICY_FILES)
        record.tidy(layout)
        require_signed(layout)
        if decision is Decision.WITHDRAW and is_promoted(layout, subject):
            done = withdraw(context, subject, reviewer, reason, proof)
            return Reviewed(subject, State.OPEN, (), context.settings.approval.required, done)
        with record.writing(layout, "review", record.ROOMS):
            _require_open(layout, subject, decision)
            request, bound = read_request(layout, subject)
            require_alive(context, request, bound)
            if decision is Decision.APPROVE and subject.startswith("update:"):
                require_reviewed(context, subject.removeprefix("update:"))
            vote = verified_vote(context, request, reviewer, decision, proof)
            keep(context, request, reviewer, vote, reason, proof)
            told = f"{subject}: {decision.value} by {vote.person}"
            git.commit_all(layout.root, record.ROOMS, told)
        return _carry_out(context, subject)


def renew(context: Context, subject: str) -> dict[str, Any]:
    """Ask again about `subject`: a new text, so that earlier answers no longer count."""
    layout = context.layout
    git.require_committed(layout.root, POLICY_FILES)
    require_signed(layout)
    with record.writing(layout, "review", record.ROOMS):
        _require_open(layout, subject)
        _require_no_no(context, subject)
        ask_again(context, subject)
        git.commit_all(layout.root, record.ROOMS, f"{subject} asked again")
    keep_pages(context, subject)
    return show(context, subject)


def refuse_expired(context: Context) -> list[str]:
    """Reject what nobody decided in time, where approval.on_expiry says so; return the subjects."""
    if context.settings.approval.on_expiry != "reject":
        return []
    layout, rejected = context.layout, []
    for subject in waiting(layout):
        request, _ = read_request(layout, subject)
        if request.has_expired(context.clock()) and may_lapse(subject):
            refuse(context, subject, f"nobody decided until {request.expires}")
            rejected.append(subject)
    return rejected


def _carry_out(context: Context, subject: str) -> Reviewed:
    found, _ = current(context, subject)
    done = f"{len(found.approved_by)} of {found.required} approvals"
    if found.state is State.REJECTED:
        done = refuse(context, subject, _why_not(context.layout, subject))
    elif found.state is State.APPROVED:
        done = accept(context, subject, found.approved_by)
    return Reviewed(subject, found.state, found.approved_by, found.required, done)


def _require_open(layout: Layout, subject: str, decision: Decision | None = None) -> None:
    folder_of(layout, subject)
    if is_open(layout, subject):
        return
    if decision is Decision.WITHDRAW and state_of(layout, subject) == "admitted":
        raise Conflict(
            f"{subject} is admitted already; take it out again with "
            f"`sluicegate rollback --because {subject} --reason WHY`."
        )
    raise Conflict(f"{subject} is decided already; `sluicegate show {subject}` tells how.")


def _require_no_no(context: Context, subject: str) -> None:
    """Raise Conflict where somebody said no, and the process died before that was carried out."""
    try:
        rejected = current(context, subject)[0].state is State.REJECTED
    except Conflict:
        return  # what it was about has changed, and the no with it
    if rejected:
        raise Conflict(
            f"{subject} was rejected: {_why_not(context.layout, subject)}; give that answer again."
        )


def _why_not(layout: Layout, subject: str) -> str:
    said = [each for each in cast(layout, subject) if each["decision"] == Decision.REJECT.value][-1]
    return f"{said['person']} rejected it: {said['reason'] or 'no reason given'}"


def _otherwise(context: Context, subject: str, expires: str) -> str:
    then = context.settings.approval.on_expiry if may_lapse(subject) else "hold"
    return f"At {expires}: it {after_silence(subject, then)}."
