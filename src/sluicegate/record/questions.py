"""The question about a subject and the votes on it, from signed statements."""

from pathlib import Path

from sluicegate.core import Artifact, Missing, Stage
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.approvals import question
from sluicegate.evidence.predicates import Ballot
from sluicegate.evidence.statement import REQUEST, VOTE
from sluicegate.gates.approval import Request
from sluicegate.record.subjects import folder_of, kind_of
from sluicegate.record.updates import read_update
from sluicegate.stores import record
from sluicegate.stores.layout import Layout


def read_request(layout: Layout, subject: str) -> tuple[Request, tuple[Artifact, ...]]:
    """Return what is asked about `subject`, and the files that an answer is bound to."""
    place = folder_of(layout, subject).relative_to(layout.root).as_posix()
    asked = record.committed(layout).statement(f"{place}/request.json")
    return question(asked, subject), asked.subjects


def expires_of(layout: Layout, subject: str) -> str | None:
    """Return until when `subject` can be decided on, None where nobody was asked."""
    try:
        path = folder_of(layout, subject) / "request.json"
    except Missing:
        return None
    name = path.relative_to(layout.root).as_posix()
    return record.working(layout).statement(name).predicate(REQUEST, Request).expires


def cast(layout: Layout, subject: str) -> list[Ballot]:
    """Return the recorded votes on `subject`, the oldest first, from statements of the service."""
    held = record.committed(layout)
    place = folder_of(layout, subject).relative_to(layout.root).as_posix()
    names = record.listed(layout, f"{place}/reviews")
    return [held.statement(name).predicate(VOTE, Ballot) for name in names]


def artifact(layout: Layout, path: Path) -> Artifact:
    """Return the file at `path` as it is now."""
    return Artifact(layout.named(path), sha256_file(path))


def is_promoted(layout: Layout, subject: str) -> bool:
    """Tell whether `subject` is an update that was promoted, so that a no comes too late."""
    kind, number = kind_of(subject)
    return kind.name == "update" and read_update(layout, number)[0].stage is Stage.PROMOTED
