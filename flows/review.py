"""review: a named human's answer to what paused, and what follows from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluicegate.core import Artifact, Conflict, Stage
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import DECISION, VOTE
from sluicegate.flows.ask import ask_batch, ask_update, keep_page
from sluicegate.flows.champion import champion_of
from sluicegate.flows.context import Context
from sluicegate.flows.promote import promote
from sluicegate.flows.settle import place_reviewed
from sluicegate.flows.updates import policy_of, read_update, refuse
from sluicegate.flows.votes import (
    batch_decision,
    cast,
    current,
    folder_of,
    read_request,
    require_alive,
    require_approved,
    verified_vote,
)
from sluicegate.gates.approval import NAMESPACE, Decision, State
from sluicegate.stores import data, dvc, files, git, record, ssh
from sluicegate.stores.layout import Layout, numbered

MOST_REASON = 2000


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


def waiting(layout: Layout) -> list[str]:
    """Return the subjects that ask for a decision, batches first."""
    batches = [f"batch:{each}" for each in record.received(layout)]
    updates = [f"update:{each}" for each in numbered(layout.root / "updates")]
    return [subject for subject in [*batches, *updates] if _is_open(layout, subject)]


def show(context: Context, subject: str) -> dict[str, Any]:
    """Return the question about `subject`, its verified record, the votes, and why it might be dead."""
    layout = context.layout
    request, bound = read_request(layout, subject)
    dead = None
    try:
        if _is_open(layout, subject):
            require_alive(context, request, bound)
    except Conflict as error:
        dead = str(error)
    return {
        "schema": 1,
        "subject": subject,
        "open": _is_open(layout, subject),
        "state": _state(layout, subject),
        "question": request.question,
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
        "if_nobody_decides": _otherwise(context, request.expires),
    }


def text_to_sign(context: Context, subject: str, decision: Decision, reviewer: str) -> str:
    """Return what `reviewer` signs, once the record behind it is verified; raises Conflict if dead."""
    request, bound = read_request(context.layout, subject)
    _require_open(context.layout, subject)
    require_alive(context, request, bound)
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
        with record.writing(layout, "review", record.ROOMS):
            _require_open(layout, subject)
            request, bound = read_request(layout, subject)
            require_alive(context, request, bound)
            vote = verified_vote(context, request, reviewer, decision, proof)
            said = {
                "subject": subject,
                "nonce": request.nonce,
                "reviewer": reviewer,
                "person": vote.person,
                "key": vote.key,
                "decision": decision.value,
                "reason": reason[:MOST_REASON],
                "signature": proof,
            }
            if not _known(layout, subject, said):
                _record(context, subject, said)
        return _carry_out(context, subject)


def renew(context: Context, subject: str) -> dict[str, Any]:
    """Ask again about `subject`: a new text, so that earlier answers no longer count."""
    layout = context.layout
    with record.writing(layout, "review", record.ROOMS):
        _require_open(layout, subject)
        kind, _, number = subject.partition(":")
        if kind == "batch":
            ask_batch(context, number)
        else:
            update, _ = read_update(layout, number)
            same_policy = policy_of(layout, number) == context.policy_digest
            if not same_policy or champion_of(layout).ref != update.champion:
                raise Conflict(
                    f"{subject} was judged under another policy or against another champion; "
                    "train anew with `sluicegate retrain --supersede`."
                )
            ask_update(context, update)
        git.commit_all(layout.root, record.ROOMS, f"{subject} asked again")
    if kind == "update":
        keep_page(context, number)
    return show(context, subject)


def refuse_expired(context: Context) -> list[str]:
    """Reject what nobody decided in time, where approval.on_expiry says so; return the subjects."""
    if context.settings.approval.on_expiry != "reject":
        return []
    layout, rejected = context.layout, []
    for subject in waiting(layout):
        request, _ = read_request(layout, subject)
        if request.has_expired(context.clock()):
            with record.writing(layout, "expiry", record.ROOMS):
                _reject(context, subject, f"nobody decided until {request.expires}")
            rejected.append(subject)
    return rejected


def _carry_out(context: Context, subject: str) -> Reviewed:
    layout = context.layout
    found, _ = current(context, subject)
    done = f"{len(found.approved_by)} of {found.required} approvals"
    kind, _, number = subject.partition(":")
    if found.state is State.REJECTED:
        with record.writing(layout, "review", record.ROOMS):
            _reject(context, subject, _why_not(layout, subject))
        done = "refused; the champion serves on" if kind == "update" else "quarantined whole"
    elif found.state is State.APPROVED and kind == "batch":
        with record.writing(layout, "review", record.ROOMS):
            require_approved(context, subject)
            tables = place_reviewed(context, number)
            dvc.add(layout.root, tables)
            dvc.push(layout.root, tables)
            _conclude(context, subject, "admitted", found.approved_by)
            git.commit_all(layout.root, record.ROOMS, f"{subject} admitted after review")
        done = "admitted; the next retrain learns from it"
    elif found.state is State.APPROVED:
        with record.writing(layout, "review", record.ROOMS):
            _conclude(context, subject, "approved", found.approved_by)
            git.commit_all(layout.root, record.ROOMS, f"{subject} approved")
        made = promote(context, number)
        version = made.challenger.version if made.challenger else "?"
        done = f"version {version} is champion"
    return Reviewed(subject, found.state, found.approved_by, found.required, done)


def _reject(context: Context, subject: str, reason: str) -> None:
    layout = context.layout
    kind, _, number = subject.partition(":")
    if kind == "update":
        refuse(context, number, reason)
    else:
        source, target = layout.intake(number) / "rows", layout.quarantine(number) / "held"
        table = source / data.FEEDBACK
        for path in (source / data.MANIFEST, dvc.pointer(table), table):
            if path.exists():
                files.move(path, target / path.name)
        files.write_json(target / "reason.json", {"reason": reason, "time": context.now()})
        _conclude(context, subject, "quarantined", ())
    git.commit_all(layout.root, record.ROOMS, f"{subject} refused in review")


def _conclude(context: Context, subject: str, state: str, people: tuple[str, ...]) -> None:
    layout, folder = context.layout, folder_of(context.layout, subject)
    votes = [
        Artifact(path.relative_to(layout.root).as_posix(), sha256_file(path))
        for path in [folder / "request.json", *sorted((folder / "reviews").glob("*.json"))]
    ]
    said = {"subject": subject, "state": state, "approved_by": list(people), "time": context.now()}
    made = record.write_statement(layout, folder / "decision.json", votes, DECISION, said)
    record.append(layout, "decide", [made], said, context.now())


def _record(context: Context, subject: str, said: dict[str, Any]) -> None:
    layout, folder = context.layout, folder_of(context.layout, subject)
    request = folder / "request.json"
    about = Artifact(request.relative_to(layout.root).as_posix(), sha256_file(request))
    number = len(list((folder / "reviews").glob("[0-9]*.json"))) + 1
    path = folder / "reviews" / f"{number:03d}.json"
    vote = record.write_statement(layout, path, [about], VOTE, {**said, "time": context.now()})
    told = {name: said[name] for name in ("subject", "person", "key", "decision")}
    record.append(layout, "review", [vote], told, context.now())
    git.commit_all(layout.root, record.ROOMS, f"{subject}: {said['decision']} by {said['person']}")


def _known(layout: Layout, subject: str, said: dict[str, Any]) -> bool:
    same = ("nonce", "reviewer", "decision")
    return any(all(vote[name] == said[name] for name in same) for vote in cast(layout, subject))


def _is_open(layout: Layout, subject: str) -> bool:
    return _state(layout, subject) in (Stage.AWAITING.value, "paused")


def _state(layout: Layout, subject: str) -> str:
    kind, _, number = subject.partition(":")
    if kind == "update":
        return read_update(layout, number)[0].stage.value
    manifest = files.read_json(layout.intake(number) / data.MANIFEST)
    return batch_decision(layout, number) or str(manifest["state"])


def _require_open(layout: Layout, subject: str) -> None:
    folder_of(layout, subject)
    if not _is_open(layout, subject):
        raise Conflict(f"{subject} is decided already; `sluicegate show {subject}` tells how.")


def _why_not(layout: Layout, subject: str) -> str:
    said = [each for each in cast(layout, subject) if each["decision"] == Decision.REJECT.value][-1]
    return f"{said['person']} rejected it: {said['reason'] or 'no reason given'}"


def _otherwise(context: Context, expires: str) -> str:
    after = {
        "hold": "it goes on waiting, the champion serves on, and it has to be asked again",
        "reject": "it is refused",
    }
    return f"At {expires}: {after[context.settings.approval.on_expiry]}."
