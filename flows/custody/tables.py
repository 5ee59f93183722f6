"""Data: every pointer is well-formed, and every copy of a table matches its manifest's SHA-256.

DVC accepts a tampered cache object as up to date, and its own hash is MD5.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from sluicegate.core import SluicegateError
from sluicegate.core.canonical import sha256_file
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.flows.custody.statements import ROOMS, quoted_digest
from sluicegate.stores import data, dvc
from sluicegate.stores.quoting import QUOTING

TABLES = ("reference", "golden", *(room for room in ROOMS if room != "models"))


def tables(found: Inspection) -> None:
    """Check every pointer in the workspace, its table, and the manifest beside it."""
    root = found.context.layout.root
    remote = dvc.default_remote(root)
    if remote and "://" in remote:
        found.notes.append(f"the copies in {remote} were not checked: it is not on this machine")
    pointers = [n for n in found.below("", ".dvc") if n.split("/")[0] in TABLES]
    manifests = [n for n in found.below("", f"/{data.MANIFEST}") if n.split("/")[0] in TABLES]
    for place, name in enumerate(pointers):
        found.bar(place, len(pointers), "the data")
        _look(found, name, remote)
    beside = {_manifest_of(name) for name in pointers}
    for name in manifests:
        details = {} if name in beside else _manifest(found, name)
        if (
            details.get("file", "").endswith(".parquet")
            and "labels" in details
            and "state" not in details
        ):
            found.blame(name, "has no DVC pointer")


def pointed_at(found: Inspection, name: str) -> str | None:
    """Return the object that a pointer names; None for one that is not as sluicegate writes them."""
    try:
        return dvc.parse_pointer(found.held.read(name).decode(), Path(name)).md5
    except (SluicegateError, UnicodeDecodeError):
        found.blame(name, "is not a pointer that sluicegate wrote")
        return None


def _manifest_of(pointer: str) -> str:
    return f"{pointer.rpartition('/')[0]}/{data.MANIFEST}"


def _look(found: Inspection, pointer: str, remote: str | None) -> None:
    root, table, beside = found.context.layout.root, pointer[:-4], _manifest_of(pointer)
    md5 = pointed_at(found, pointer)
    if md5 is None:
        return
    if PurePosixPath(table).name in QUOTING:
        expected = quoted_digest(found, table)
        if expected is None:
            found.blame(pointer, "points to what no statement names")
        else:
            _copies(found, root / table, expected, dvc.copies(root, remote, md5))
        return
    manifest = _manifest(found, beside)
    sha256 = manifest.get("sha256")
    if manifest.get("file") != PurePosixPath(table).name or not sha256:
        found.blame(beside, f"does not describe {PurePosixPath(table).name}")
        return
    learnt = pointer.startswith("batches/")  # the same rows may not count twice
    known = found.is_known(pointer) & found.is_known(beside)
    named = found.named.get(table)
    if not known and (named or sha256) != sha256:
        found.blame(beside, "names a different table than the ledger")
    elif not known and (sha256 not in found.vouched or (learnt and not named)):
        found.blame(beside, "names a table that is not in the ledger")
    _copies(found, root / table, str(sha256), dvc.copies(root, remote, md5))


def _copies(found: Inspection, table: Path, sha256: str, places: dict[str, Path]) -> None:
    """Hold every copy of a table to its manifest; at least one has to be there."""
    there = {name: path for name, path in places.items() if path.is_file()}
    if not there:
        found.blame(table, "is missing from both the cache and the remote")
    for name, path in {"": table, **there}.items():
        if not path.is_file() or found.is_known(path):
            continue
        found.count("objects")
        if sha256_file(path) != sha256:
            copy = f"{found.name(path)}, its copy in the {name}," if name else "it"
            found.blame(table, f"{copy} does not match its manifest or statement")


def _manifest(found: Inspection, name: str) -> dict[str, Any]:
    try:
        result = found.held.json(name)
    except SluicegateError:
        found.blame(name, "is missing or is not valid JSON")
        return {}
    return result if isinstance(result, dict) else {}
