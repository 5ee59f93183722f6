"""Data: every pointer strictly, and every copy of every table against its manifest, by SHA-256.

DVC takes a tampered cache object as up to date, and its own hash is MD5.
"""

import json
from pathlib import Path
from typing import Any

from sluicegate.core import SluicegateError
from sluicegate.core.canonical import sha256_file
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.flows.custody.statements import ROOMS
from sluicegate.stores import data, dvc, git

TABLES = ("reference", "golden", *(room for room in ROOMS if room != "models"))


def tables(found: Inspection) -> None:
    """Look at every pointer in the workspace, what it points to, and the manifest beside it."""
    root = found.context.layout.root
    remote = dvc.default_remote(root)
    if remote and "://" in remote:
        found.notes.append(f"the copies in {remote} were not looked at: it is not on this machine")
    pointers = sorted(path for room in TABLES for path in (root / room).rglob("*.dvc"))
    manifests = {path for room in TABLES for path in (root / room).rglob(data.MANIFEST)}
    for place, path in enumerate(pointers):
        found.bar(place, len(pointers), "the data")
        manifests.discard(path.with_name(data.MANIFEST))
        _look(found, path, remote)
    for path in sorted(manifests):
        told = _manifest(found, path)
        if told.get("file", "").endswith(".parquet") and "labels" in told and "state" not in told:
            found.blame(path, "has no pointer beside it")
    for name in git.changed_paths(
        root, [r for r in ("reference", "golden") if (root / r).exists()]
    ):
        found.blame(name, "differs from what git has committed")


def pointed_at(found: Inspection, path: Path) -> str | None:
    """Return the object that a pointer names; None for one that is not as sluicegate writes them."""
    try:
        if not path.is_symlink():
            return str(dvc.read_pointer(path)["md5"])
    except SluicegateError:
        pass
    found.blame(path, "is not a pointer that sluicegate wrote")
    return None


def _look(found: Inspection, path: Path, remote: str | None) -> None:
    root, table = found.context.layout.root, path.with_name(path.name.removesuffix(".dvc"))
    md5 = pointed_at(found, path)
    if md5 is None:
        return
    manifest = _manifest(found, path.with_name(data.MANIFEST))
    sha256 = manifest.get("sha256")
    if manifest.get("file") != table.name or not sha256:
        found.blame(path.with_name(data.MANIFEST), f"does not describe {table.name}")
        return
    learnt = found.name(path).startswith("batches/")  # the same rows may not count twice
    known = found.is_known(path) & found.is_known(path.with_name(data.MANIFEST))
    named = found.named.get(found.name(table))
    if not known and (named or sha256) != sha256:
        found.blame(path.with_name(data.MANIFEST), "names another table than the ledger does")
    elif not known and (sha256 not in found.vouched or (learnt and not named)):
        found.blame(path.with_name(data.MANIFEST), "names a table that the ledger knows nothing of")
    _copies(found, table, str(sha256), dvc.copies(root, remote, md5))


def _copies(found: Inspection, table: Path, sha256: str, places: dict[str, Path]) -> None:
    """Hold every copy of a table to its manifest; at least one has to be there."""
    there = {name: path for name, path in places.items() if path.is_file()}
    if not there:
        found.blame(table, "is lost: neither the cache nor the remote has it")
    for name, path in {"": table, **there}.items():
        if not path.is_file() or found.is_known(path):
            continue
        found.count("objects")
        if sha256_file(path) != sha256:
            copy = f"{found.name(path)}, its copy in the {name}," if name else "it"
            found.blame(table, f"{copy} is not the table that its manifest names")


def _manifest(found: Inspection, path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        found.blame(path, "is gone or is not JSON any more")
        return {}
    return told if isinstance(told, dict) else {}
