"""Signed statements: each holds, is the one that the ledger names, and what it binds is as it says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sluicegate.core import SluicegateError
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import REQUEST, UPDATE, VERDICT
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.stores import git, record
from sluicegate.stores.layout import Layout

ROOMS = (*(room for room in record.ROOMS if room != "ledger"), "calibration", "drills", "trust")
BOUND = {
    VERDICT: {
        "findings": "findings.json",
        "sources": "sources.json",
        "patterns": "patterns.json",
        "triggers": "triggers.json",
        "manifest": "manifest.json",
    },
    UPDATE: {"comparison": "comparison.json"},
}
"""Files beside a statement whose digests its predicate holds, by predicate type."""


def statements(found: Inspection) -> None:
    """Look at every statement, and at every file that the ledger names."""
    layout = found.context.layout
    paths = list(_candidates(layout))
    for place, path in enumerate(paths):
        found.bar(place, len(paths), "the statements")
        _look(found, path)
    for name, sha256 in found.named.items():
        _named(found, name, sha256)
    rooms = [room for room in ROOMS if (layout.root / room).exists()]
    for changed in git.changed_paths(layout.root, rooms):
        found.blame(changed, "differs from what git has committed")


def _candidates(layout: Layout) -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((layout.root / room).rglob("*.json"))


def _look(found: Inspection, path: Path) -> None:
    if path.is_symlink():
        found.blame(path, "is a link")
        return
    beside = (each for each in path.parent.rglob("*") if each.suffix != ".parquet")
    known = [found.is_known(each) for each in beside if each.is_file()]  # each is to be remembered
    if all(known):
        return
    try:
        envelope = json.loads(path.read_bytes())
    except ValueError:
        found.blame(path, "is not JSON any more")
        return
    if (
        not (isinstance(envelope, dict) and "payloadType" in envelope)
        or path.name == "keyring.json"
    ):
        return
    found.count("statements")
    try:
        payload = record.read_statement(found.context.layout, path)
        bound = list(_bound(found, path, payload))
    except (SluicegateError, KeyError, TypeError) as error:
        found.blame(path, f"does not hold: {error}")
        return
    if record.is_doubted(found.context.layout, path):
        found.count("doubted statements")
    elif found.named.get(found.name(path)) is None:
        found.blame(path, "is named by no entry of the ledger")
    for each, sha256 in bound:
        if not each.is_file():
            found.blame(each, f"is gone; {found.name(path)} names it")
        elif sha256_file(each) != sha256:
            found.blame(each, f"is not the file that {found.name(path)} names")


def _bound(found: Inspection, path: Path, payload: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield the files that a statement pins, in its own folder: others may change after it."""
    root, kind, said = found.context.layout.root, payload["predicateType"], payload["predicate"]
    for key, name in BOUND.get(kind, {}).items():
        if said.get(key):
            yield path.parent / name, said[key]
    for name, sha256 in said.get("products", {}).items() if kind == UPDATE else ():
        yield path.parent / "products" / name, sha256
    for subject in payload["subject"]:
        each = root / subject["name"]
        own = each.is_relative_to(path.parent) and each.suffix != ".parquet"
        if kind == REQUEST and (path.parent / "decision.json").exists():
            own = own and each.suffix == ".html"
        if own:
            yield each, subject["digest"]["sha256"]
    if kind == REQUEST:
        _head_of(found, path, said)


def _head_of(found: Inspection, path: Path, said: dict[str, Any]) -> None:
    """Hold the ledger to the head that reviewers saw; one before the last verified is known."""
    head = dict(said["names"]).get("ledger head", "").removeprefix("sha256:")
    if not found.before.head.sequence and head not in found.digests.values():
        found.blame("ledger", f"has lost the entry that {found.name(path)} showed to reviewers")


def _named(found: Inspection, name: str, sha256: str) -> None:
    """Hold a file to the digest under which the ledger named it last."""
    root = found.context.layout.root
    path = root / name
    inside = "/" in name and path.resolve().is_relative_to(root) and ":" not in name
    if not inside or name.endswith(".parquet"):
        return  # a model, a delivery by its file name, or a table, which may have been moved
    if not path.is_file():
        found.blame(path, "is gone, though the ledger names it")
    elif sha256_file(path) != sha256:
        found.blame(path, "is not the file that the ledger names")
