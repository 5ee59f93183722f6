"""The question a pause asks, the votes on it, and what they come to: verified anew on every reading."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sluicegate.core import Artifact, Conflict, Missing, Misused, SluicegateError
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import DECISION, REQUEST, VERDICT, VOTE, predicate_of
from sluicegate.flows.champion import champion_of
from sluicegate.flows.context import POLICY_FILES, Context
from sluicegate.flows.updates import read_update, started_by
from sluicegate.gates.approval import (
    NAMESPACE,
    Decision,
    Request,
    Standing,
    State,
    Vote,
    standing,
)
from sluicegate.stores import data, files, git, record, ssh, trust
from sluicegate.stores.layout import Layout

OWNED = (*POLICY_FILES, "golden", "reference")


def folder_of(layout: Layout, subject: str) -> Path:
    """Return where the record of `update:NNNN` or `batch:NNNN` lies; raises Misused or Missing."""
    kind, _, number = subject.partition(":")
    rooms = {"update": layout.update, "batch": layout.intake}
    if kind not in rooms or not (number.isascii() and number.isdigit()):
        raise Misused(f"{subject!r} cannot be reviewed; write update:0001 or batch:0001.")
    folder = rooms[kind](number)
    if not (folder / "request.json").is_file():
        raise Missing(f"{subject} asks nobody anything; `sluicegate review list` tells what does.")
    return folder


def ask(
    context: Context,
    folder: Path,
    subject: str,
    question: str,
    bound: Sequence[Path],
    shown: Sequence[tuple[str, str]],
) -> None:
    """Write the request about `subject` into `folder`; call inside a writing block.

    `bound` are the files that an answer stands or falls with, `shown` what is told besides.
    """
    layout = context.layout
    named = [
        Artifact(path.relative_to(layout.root).as_posix(), sha256_file(path))
        for path in (layout.params, *bound)
    ]
    names = [*shown, *((each.name, f"sha256:{each.sha256}") for each in named)]
    names.append(("ledger head", f"sha256:{record.head(layout)}"))
    expires = context.clock() + timedelta(days=context.settings.approval.expires_days)
    said = {
        "subject": subject,
        "question": question,
        "names": [list(pair) for pair in names],
        "nonce": secrets.token_hex(16),
        "expires": expires.isoformat(timespec="seconds"),
    }
    statement = record.write_statement(layout, folder / "request.json", named, REQUEST, said)
    record.append(layout, "ask", [statement], {"subject": subject}, context.now())


def read_request(layout: Layout, subject: str) -> tuple[Request, list[Artifact]]:
    """Return what is asked about `subject`, and the files that an answer is bound to."""
    path = folder_of(layout, subject) / "request.json"
    payload = record.read_statement(layout, path)
    said = predicate_of(payload, REQUEST, str(path))
    if said["subject"] != subject:
        raise Conflict(f"{path} asks about {said['subject']}; restore it from git.")
    names = tuple((label, value) for label, value in said["names"])
    bound = [Artifact(each["name"], each["digest"]["sha256"]) for each in payload["subject"]]
    return Request(subject, said["question"], names, said["nonce"], said["expires"]), bound


def expires_of(layout: Layout, subject: str) -> str | None:
    """Return until when `subject` can be decided on, None where nobody was asked."""
    try:
        path = folder_of(layout, subject) / "request.json"
    except Missing:
        return None
    return str(predicate_of(record.read_statement(layout, path), REQUEST, str(path))["expires"])


def require_alive(context: Context, request: Request, bound: Sequence[Artifact]) -> None:
    """Raise Conflict, saying why, when an answer to `request` means nothing any more."""
    again = f"ask again with `sluicegate review renew {request.subject}`"
    for each in bound:
        path = context.layout.root / each.name
        if not path.is_file() or sha256_file(path) != each.sha256:
            raise Conflict(
                f"{each.name} changed since {request.subject} was put to review; {again}."
            )
    if request.has_expired(context.clock()):
        raise Conflict(
            f"The question about {request.subject} expired at {request.expires}; {again}."
        )


def verified_vote(
    context: Context, request: Request, reviewer: str, decision: Decision, signature: str
) -> Vote:
    """Return the vote that `signature` proves; raises Misused or Conflict saying why it is none."""
    layout = context.layout
    text = request.text(decision, reviewer)
    key = ssh.verify(text, signature, reviewer, trust.allowed_signers(layout), NAMESPACE)
    if not context.settings.approval.separate_duties:
        found = trust.person_of(layout, reviewer)
        return Vote(found[0] if found else reviewer, key, decision)
    found = trust.person_of(layout, reviewer)
    if found is None:
        raise Conflict(
            f"{trust.PEOPLE} does not say who {reviewer} is, so nobody can tell what they may not "
            f"review; add `{reviewer}: {{signers: [{reviewer}], git: [...], sources: [...]}}`."
        )
    person, known = found
    why = _entangled(context, request.subject, known)
    if why:
        raise Conflict(
            f"{person} may not review {request.subject}: {why} (approval.separate_duties)."
        )
    return Vote(person, key, decision)


def current(context: Context, subject: str) -> tuple[Standing, list[str]]:
    """Return where `subject` stands by the votes that hold now, and why others do not."""
    layout = context.layout
    request, bound = read_request(layout, subject)
    require_alive(context, request, bound)
    votes, refused = [], []
    for said in cast(layout, subject):
        if said["nonce"] != request.nonce:
            continue
        try:
            decision = Decision(said["decision"])
            vote = verified_vote(context, request, said["reviewer"], decision, said["signature"])
            votes.append(vote)
        except SluicegateError as error:
            refused.append(f"{said['reviewer']}: {error}")
    return standing(votes, context.settings.approval.required), refused


def cast(layout: Layout, subject: str) -> list[dict[str, Any]]:
    """Return the recorded votes on `subject`, the oldest first, from statements of the service."""
    told = []
    for path in sorted((folder_of(layout, subject) / "reviews").glob("[0-9]*.json")):
        payload = record.read_statement(layout, path)
        told.append(predicate_of(payload, VOTE, str(path)))
    return told


def require_approved(context: Context, subject: str) -> Standing:
    """Return the standing of an approved subject; raises Conflict for any other.

    Called by whatever promotes or admits, right before it does: no recorded state replaces the proofs.
    """
    found, refused = current(context, subject)
    if found.state is not State.APPROVED:
        why = f" ({refused[0]})" if refused else ""
        raise Conflict(
            f"{subject} is {found.state.value}: {len(found.approved_by)} of {found.required} "
            f"approvals hold{why}."
        )
    return found


def batch_decision(layout: Layout, number: str) -> str | None:
    """Return the state that a review gave a paused batch, None before one did."""
    path = layout.intake(number) / "decision.json"
    if not path.is_file():
        return None
    return str(predicate_of(record.read_statement(layout, path), DECISION, str(path))["state"])


def _entangled(context: Context, subject: str, person: trust.Person) -> str | None:
    """Return what `person` had a hand in, None when nothing is known."""
    layout = context.layout
    own = set(person.sources)
    for batch in _new_batches(layout, subject):
        theirs = own & set(files.read_json(layout.intake(batch) / data.MANIFEST)["sources"])
        if theirs:
            return f"as source {sorted(theirs)[0]} they supplied rows of batch:{batch}"
    since = champion_of(layout).data_commit
    changed = git.authors(layout.root, since, OWNED)
    theirs = {name.lower() for name in person.git} & {name.lower() for name in changed}
    if theirs:
        return f"as {sorted(theirs)[0]} they changed policy, golden set or training code"
    started = _started_by(layout, subject)
    if started and started.lower() in {name.lower() for name in person.git}:
        return f"as {started} they started the run by hand"
    return None


def _started_by(layout: Layout, subject: str) -> str | None:
    kind, _, number = subject.partition(":")
    if kind == "update":
        return started_by(layout, number)
    path = layout.intake(number) / "verdict.json"
    told: str | None = predicate_of(record.read_statement(layout, path), VERDICT, str(path)).get(
        "started_by"
    )
    return told


def _new_batches(layout: Layout, subject: str) -> list[str]:
    kind, _, number = subject.partition(":")
    if kind == "batch":
        return [number]
    learnt = set(champion_of(layout).batches)
    return [each for each in read_update(layout, number)[0].batches if each not in learnt]
