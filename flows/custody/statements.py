"""Signed statements: each is valid, is the one in the ledger, and matches the files that it pins."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from sluicegate.core import SluicegateError
from sluicegate.core.canonical import sha256_bytes
from sluicegate.evidence.keyring import PLACE
from sluicegate.evidence.statement import REQUEST, UPDATE, VERDICT
from sluicegate.evidence.verifier import Broken, Statement
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.gates.approval import Request
from sluicegate.stores import record
from sluicegate.stores.quoting import PAGE, PATTERNS, QUOTES, TRIGGERS

ROOMS = (*(room for room in record.ROOMS if room != "ledger"), "calibration", "drills", "trust")
BOUND = {
    VERDICT: {
        "findings": "findings.json",
        "sources": "sources.json",
        "patterns": PATTERNS,
        "triggers": TRIGGERS,
        "quotes": QUOTES,
        "manifest": "manifest.json",
    },
    UPDATE: {"comparison": "comparison.json"},
}
"""Files beside a statement whose digests its predicate holds, by predicate type."""


def statements(found: Inspection) -> None:
    """Check every statement, and every file that the ledger names."""
    names = [n for n in found.below("", ".json") if n.split("/")[0] in ROOMS]
    for place, name in enumerate(names):
        found.bar(place, len(names), "the statements")
        _look(found, name)
    for name, sha256 in found.named.items():
        _named(found, name, sha256)


def quoted_digest(found: Inspection, name: str) -> str | None:
    """Return the SHA-256 under which the statement beside a page, or what else quotes cells, names it."""
    folder, _, file = name.rpartition("/")
    beside = "request.json" if file == PAGE else "verdict.json"
    return dict(_bound(found, found.held.statement(f"{folder}/{beside}"))).get(name)


def _look(found: Inspection, name: str) -> None:
    if all(found.is_known(each) for each in found.below(f"{PurePosixPath(name).parent}/")):
        return
    try:
        envelope = found.held.json(name)
        if not (isinstance(envelope, dict) and "payloadType" in envelope) or name == PLACE:
            return
        found.count("statements")
        result = found.held.statement(name)
        bound = list(_bound(found, result))
    except Broken as error:
        found.blame(error.where, error.says)
        return
    except (SluicegateError, KeyError, TypeError) as error:
        found.blame(name, f"is not valid: {error}")
        return
    if result.doubted:
        found.count("doubted statements")
    elif found.named.get(name) is None:
        found.blame(name, "is not in the ledger")
    for each, sha256 in bound:
        _hold(found, each, sha256, name)


def _bound(found: Inspection, said: Statement) -> Iterator[tuple[str, str]]:
    """Yield the files that a statement pins, in its own folder: others may change after it."""
    kind, predicate = said.payload["predicateType"], said.payload["predicate"]
    folder = said.name.rpartition("/")[0]
    for key, name in BOUND.get(kind, {}).items():
        if predicate.get(key):
            yield f"{folder}/{name}", predicate[key]
    for name, sha256 in predicate.get("products", {}).items() if kind == UPDATE else ():
        yield f"{folder}/products/{name}", sha256
    decided = kind == REQUEST and f"{folder}/decision.json" in found.files.objects
    for subject in said.subjects:
        own = subject.name.startswith(f"{folder}/") and not subject.name.endswith(".parquet")
        if own and (not decided or subject.name.endswith(".html")):
            yield subject.name, subject.sha256
    if kind == REQUEST:
        _head_of(found, said.name, said.predicate(REQUEST, Request))


def _head_of(found: Inspection, name: str, asked: Request) -> None:
    """Hold the ledger to the head that reviewers saw; one before the last verified is known."""
    head = dict(asked.names).get("ledger head", "").removeprefix("sha256:")
    if not found.before.head.sequence and head not in found.digests.values():
        found.blame("ledger", f"lacks the entry that {name} showed to reviewers")


def _named(found: Inspection, name: str, sha256: str) -> None:
    """Hold a file to the digest under which the ledger named it last."""
    inside = "/" in name and ":" not in name and ".." not in name.split("/") and name[0] != "/"
    if (inside or name in record.PRODUCTS) and not name.endswith(".parquet"):
        # else a model, a delivery by its file name, or a table, which may have been moved
        _hold(found, name, sha256, "the ledger")


def _hold(found: Inspection, name: str, sha256: str, by: str) -> None:
    content = found.files.get(name)
    if content is None and f"{name}.dvc" in found.files:
        return  # tables.py looks at what DVC has of it
    if content is None and sha256 in found.destroyed:
        found.notes.append(
            f"{name} was destroyed by retirement:{found.destroyed[sha256]}, not lost"
        )
    elif content is None:
        found.blame(name, f"is missing, though {by} names it")
    elif sha256_bytes(content) != sha256:
        found.blame(name, f"does not match its digest in {by}")
