"""The question about a subject and the votes on it, from signed statements."""

from pathlib import Path
from typing import Any

from sluicegate.core import Artifact, Conflict, Missing, Stage
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import REQUEST, VOTE, predicate_of
from sluicegate.gates.approval import Request
from sluicegate.record.subjects import folder_of, kind_of
from sluicegate.record.updates import read_update
from sluicegate.stores import record
from sluicegate.stores.layout import Layout


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


def cast(layout: Layout, subject: str) -> list[dict[str, Any]]:
    """Return the recorded votes on `subject`, the oldest first, from statements of the service."""
    told = []
    for path in sorted((folder_of(layout, subject) / "reviews").glob("[0-9]*.json")):
        payload = record.read_statement(layout, path)
        told.append(predicate_of(payload, VOTE, str(path)))
    return told


def artifact(layout: Layout, path: Path) -> Artifact:
    """Return the file at `path` as it is now."""
    return Artifact(layout.named(path), sha256_file(path))


def is_promoted(layout: Layout, subject: str) -> bool:
    """Tell whether `subject` is an update that was promoted, so that a no comes too late."""
    kind, number = kind_of(subject)
    return kind.name == "update" and read_update(layout, number)[0].stage is Stage.PROMOTED
