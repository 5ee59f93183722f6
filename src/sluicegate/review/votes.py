"""The question a pause asks, the votes on it, and what they come to: verified anew on every reading."""

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sluicegate.core import Artifact, Conflict
from sluicegate.core.canonical import sha256_file
from sluicegate.core.moment import written
from sluicegate.evidence.approvals import Answers, answers_to
from sluicegate.evidence.statement import DECISION, REQUEST, VOTE
from sluicegate.gates.approval import Decision, Request, Standing, State, Vote
from sluicegate.record.context import PARAMS, Context
from sluicegate.record.policy_in_force import describe_signature
from sluicegate.record.questions import artifact, cast, read_request
from sluicegate.record.subjects import folder_of, kind_of
from sluicegate.review.duties import require_separate
from sluicegate.stores import files, git, pinned, record, trust
from sluicegate.stores.layout import Layout
from sluicegate.stores.quoting import PAGE, bring
from sluicegate.stores.record import ROOMS
from sluicegate.stores.transaction import Transaction, transaction

MOST_REASON = 2000


@dataclass(frozen=True)
class Question:
    """What reviewers are asked about `subject`, and what they are shown.

    `bound` are the files that an answer stands or falls with, `page` is the evidence that lies beside the
    request.
    """

    subject: str
    text: str
    shown: Sequence[tuple[str, str]]
    bound: Sequence[Path]
    page: str


def put(t: Transaction, context: Context, question: Question) -> None:
    """Put a question to the reviewers: its evidence page, the signed request, and the ledger entry."""
    layout, (kind, number) = context.layout, kind_of(question.subject)
    folder = kind.folder(layout, number)
    page = folder / PAGE
    files.write_bytes(page, question.page.encode())
    if not git.tracked(layout.root, layout.named(page)):  # as one of an older version is
        t.store([page])
    named = [pinned.artifact(layout, PARAMS), *(artifact(layout, each) for each in question.bound)]
    names = [*question.shown, *((each.name, f"sha256:{each.sha256}") for each in named)]
    names.append(("policy", describe_signature(layout)))
    names.append(("ledger head", f"sha256:{record.head(layout)}"))
    expires = context.clock() + timedelta(days=context.settings.approval.expires_days)
    details = {
        "subject": question.subject,
        "question": question.text,
        "names": [list(pair) for pair in names],
        "nonce": secrets.token_hex(16),
        "expires": written(expires),
    }
    statement = t.state(folder / "request.json", named, REQUEST, details)
    t.append("ask", [statement], {"subject": question.subject})


def require_alive(context: Context, request: Request, bound: Sequence[Artifact]) -> None:
    """Raise Conflict, saying why, when an answer to `request` means nothing any more."""
    again = f"ask again with `sluicegate review renew {request.subject}`"
    for each in bound:
        path = context.layout.root / each.name
        if not bring(context.layout.root, path) or sha256_file(path) != each.sha256:
            raise Conflict(
                f"{each.name} changed since the review of {request.subject} began; {again}."
            )
    if request.has_expired(context.clock()):
        raise Conflict(
            f"The question about {request.subject} expired at {request.expires}; {again}."
        )


def verified_vote(
    context: Context, request: Request, reviewer: str, decision: Decision, signature: str
) -> Vote:
    """Return the vote that `signature` proves, of somebody who may cast it; else Misused or Conflict."""
    vote = trust.reviewers(context.layout, 1).prove(request, reviewer, decision, signature)
    if decision is Decision.APPROVE:
        _require_believed(context.layout, request.subject)
    require_separate(context, request.subject, reviewer)
    return vote


def _require_believed(layout: Layout, subject: str) -> None:
    """Raise Conflict where what `subject` rests on was signed with a key that was revoked since."""
    paths = sorted(folder_of(layout, subject).glob("*.json"))
    doubted = [path for path in paths if record.is_doubted(layout, path)]
    if doubted:
        raise Conflict(
            f"{subject} rests on {doubted[0].name}, whose signing key has since been revoked, so nobody "
            "can approve it; reject it: you can release its rows from quarantine afterwards."
        )


@dataclass(frozen=True)
class _Entitled:
    """The reviewers of now, but for those who may not review what they are asked about."""

    context: Context

    @property
    def required(self) -> int:
        return self.context.settings.approval.required

    def prove(self, request: Request, reviewer: str, decision: Decision, signature: str) -> Vote:
        return verified_vote(self.context, request, reviewer, decision, signature)


def current(context: Context, subject: str) -> Answers:
    """Return where `subject` stands by the votes that hold now, and why others do not."""
    request, bound = read_request(context.layout, subject)
    require_alive(context, request, bound)
    return answers_to(request, cast(context.layout, subject), _Entitled(context))


def keep(
    t: Transaction, request: Request, reviewer: str, vote: Vote, reason: str, proof: str
) -> None:
    """Record a verified vote, unless it is known."""
    layout, folder = t.layout, folder_of(t.layout, request.subject)
    details = {
        "subject": request.subject,
        "nonce": request.nonce,
        "reviewer": reviewer,
        "person": vote.person,
        "key": vote.key,
        "decision": vote.decision.value,
        "reason": reason[:MOST_REASON],
        "signature": proof,
    }
    known = cast(layout, request.subject)
    this = (request.nonce, reviewer, vote.decision)
    if any((each.nonce, each.reviewer, each.decision) == this for each in known):
        return
    path = folder / "reviews" / f"{len(known) + 1:03d}.json"
    about = artifact(layout, folder / "request.json")
    made = t.state(path, [about], VOTE, {**details, "time": t.now()})
    entries = {name: details[name] for name in ("subject", "person", "key", "decision")}
    t.append("review", [made], entries)


def conclude(t: Transaction, subject: str, state: str, people: Sequence[str] = ()) -> None:
    """Record what the votes on `subject` came to."""
    folder = folder_of(t.layout, subject)
    paths = [folder / "request.json", *sorted((folder / "reviews").glob("*.json"))]
    details = {"subject": subject, "state": state, "approved_by": list(people), "time": t.now()}
    votes = [artifact(t.layout, path) for path in paths]
    t.append("decide", [t.state(folder / "decision.json", votes, DECISION, details)], details)


@contextlib.contextmanager
def decided(
    context: Context, subject: str, state: str, people: Sequence[str], rooms: Sequence[str] = ROOMS
) -> Iterator[Transaction]:
    """Record that `people` approved `subject`; the block carries it out in the same transaction.

    Raises Conflict unless their approvals still hold.
    """
    with transaction(context, "review", f"{subject} {state}", rooms) as t:
        require_approved(context, subject)
        conclude(t, subject, state, people)
        yield t


def require_approved(context: Context, subject: str) -> Standing:
    """Return the standing of an approved subject; raises Conflict for any other.

    Called by whatever promotes or admits, right before it does: no recorded state replaces the proofs.
    """
    found = current(context, subject)
    if found.standing.state is not State.APPROVED:
        raise Conflict(f"{subject} is {found.standing.state.value}: it has {found.tally}.")
    return found.standing
