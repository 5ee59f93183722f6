"""The question as a reviewer meets it: shown, written out to sign, and signed."""

import contextlib
from pathlib import Path

from sluicegate.core import CannotDecide, Conflict
from sluicegate.core.document import Document, Result
from sluicegate.gates.approval import NAMESPACE, Decision
from sluicegate.record.context import Context
from sluicegate.record.questions import cast, is_promoted, read_request
from sluicegate.record.subjects import folder_of, is_open, kind_of, state_of
from sluicegate.reports.silence import after_silence
from sluicegate.review.duties import require_separate
from sluicegate.review.votes import require_alive
from sluicegate.stores import ssh
from sluicegate.stores.layout import Layout


class Said(Document):
    """A vote as it is shown."""

    reviewer: str
    decision: Decision
    reason: str
    time: str


class Asked(Result):
    """The question about a subject, the votes, and why it might be dead."""

    subject: str
    open: bool
    state: str
    question: str
    why: str
    names: dict[str, str]
    nonce: str
    expires: str
    dead: str | None
    required: int
    votes: list[Said]
    if_nobody_decides: str


def show(context: Context, subject: str) -> Asked:
    """Return the question about `subject`, its verified record, the votes, and why it might be dead."""
    layout = context.layout
    request, bound = read_request(layout, subject)
    dead = None
    try:
        if is_open(layout, subject):
            require_alive(context, request, bound)
    except Conflict as error:
        dead = str(error)
    kind, number = kind_of(subject)
    votes = [each for each in cast(layout, subject) if each.nonce == request.nonce]
    return Asked(
        subject=subject,
        open=is_open(layout, subject),
        state=state_of(layout, subject),
        question=request.question,
        why=kind.told(layout, number)[1],
        names=dict(request.names),
        nonce=request.nonce,
        expires=request.expires,
        dead=dead,
        required=context.settings.approval.required,
        votes=[Said.model_validate(dict(vote)) for vote in votes],
        if_nobody_decides=_otherwise(context, subject, request.expires),
    )


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


def _require_open(layout: Layout, subject: str, decision: Decision | None = None) -> None:
    folder_of(layout, subject)
    if is_open(layout, subject):
        return
    if decision is Decision.WITHDRAW and state_of(layout, subject) == "admitted":
        raise Conflict(
            f"{subject} is already admitted; roll it back with "
            f"`sluicegate rollback --because {subject} --reason WHY`."
        )
    raise Conflict(f"{subject} is already decided; `sluicegate show {subject}` shows how.")


def _otherwise(context: Context, subject: str, expires: str) -> str:
    then = context.settings.approval.on_expiry if kind_of(subject)[0].lapses else "hold"
    return f"If nobody decides by {expires}, it {after_silence(subject, then)}."
