"""backup: what is neither in git nor in DVC, in one signed archive.

git has the record and the ledger, DVC the data, the quarantine and the promoted models. Left over are
MLflow's own store, deliveries as received, calls of `check`, and models that wait for a decision.
"""

import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sluicegate.core import Artifact, Conflict
from sluicegate.core.canonical import sha256_file
from sluicegate.core.document import Document, Result
from sluicegate.evidence.signing import sign
from sluicegate.evidence.statement import BACKUP, statement
from sluicegate.record.context import Context
from sluicegate.record.keys.keys_left import keys_left
from sluicegate.record.updates import read_update
from sluicegate.stores import dvc, files, git, keys, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.transaction import held

ABOUT = "backup.json"
DATABASE = "mlflow/mlflow.db"
ROOMS = ("received", "checks", "mlflow")
OPEN = ("awaiting", "approved")


class About(Document):
    """The signed description of a backup: workspace folder, commit, last entry; whether it has keys."""

    root: str
    commit: str
    ledger: str | None
    keys: bool
    time: str


class Written(Result):
    """The archive, and how many files are in it."""

    path: str
    files: int


class BackedUp(About, Written):
    """A written backup, and what people still have to do."""

    notes: tuple[str, ...]


def backup(context: Context, target: Path, with_keys: bool = False) -> BackedUp:
    """Write the archive `target`, mode 0600, and push all data to the DVC remote.

    It includes the keys only `with_keys`. Raises Conflict if the file exists or is inside the workspace.
    """
    layout = context.layout
    if target.exists() or target.resolve().is_relative_to(layout.root):
        raise Conflict(f"{target} exists or is inside the workspace; name a new file outside it.")
    busy = f"Another command is writing to {layout.root}; try again."
    with (
        files.locked(layout.home / "retrain.lock", busy, wait=False),
        held(layout),
        tempfile.TemporaryDirectory(dir=layout.home) as scratch,
    ):
        dvc.push(layout.root, pointed(layout))
        paths = dict(_paths(layout, with_keys, Path(scratch)))
        about = About(
            root=str(layout.root),
            commit=git.head(layout.root),
            ledger=record.head(layout),
            keys=with_keys,
            time=context.now(),
        )
        named = [Artifact(name, sha256_file(path)) for name, path in paths.items()]
        named.append(Artifact("ledger", str(about.ledger)))
        signed = sign(statement(named, BACKUP, about.to_dict()), keys.service_signer(layout))
        files.write_json(Path(scratch) / ABOUT, signed)
        _write(target, {ABOUT: Path(scratch) / ABOUT, **paths})
    if with_keys:
        keys_left(context, "backup")
    notes = tuple(_notes(context, with_keys))
    return BackedUp(path=str(target), files=len(paths), **vars(about), notes=notes)


def pointed(layout: Layout) -> list[Path]:
    """Return every file that a committed pointer names, whether it is in the tree or not."""
    names = git.tracked(layout.root, ".")
    return [layout.root / name.removesuffix(".dvc") for name in names if name.endswith(".dvc")]


def _paths(layout: Layout, with_keys: bool, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Yield each file to keep by its name below .sluicegate; of the database a snapshot."""
    rooms = [layout.home / room for room in (*ROOMS, *(["keys"] if with_keys else []))]
    rooms += [layout.models / sha256 for sha256 in _waiting(layout)]
    for path in (each for room in rooms for each in sorted(room.rglob("*"))):
        name = path.relative_to(layout.home).as_posix()
        if name == DATABASE:
            yield name, _snapshot(path, scratch / "mlflow.db")
        elif path.is_file() and not path.is_symlink() and not name.startswith(f"{DATABASE}-"):
            yield name, path


def _waiting(layout: Layout) -> list[str]:
    """Return the models that wait for a decision, which are in no remote yet."""
    updates = (read_update(layout, each)[0] for each in record.updates(layout))
    return [u.challenger.sha256 for u in updates if u.challenger and u.stage.value in OPEN]


def _snapshot(database: Path, target: Path) -> Path:
    """Copy a database that others may be writing to."""
    source, copy = sqlite3.connect(database), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        source.close()
        copy.close()
    return target


def _write(target: Path, paths: dict[str, Path]) -> None:
    part = target.with_name(f".{target.name}.part")
    part.touch(mode=0o600, exist_ok=False)
    try:
        with tarfile.open(part, "w") as archive:
            for name, path in paths.items():
                archive.add(path, arcname=name, recursive=False)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _notes(context: Context, with_keys: bool) -> list[str]:
    root, url = context.layout.root, dvc.default_remote(context.layout.root)
    notes = []
    if with_keys:
        notes.append("It has the private keys: anyone who can read it can sign for this workspace.")
    else:
        notes.append(
            f"It does not contain the keys: copy {root / '.sluicegate' / 'keys'} elsewhere. Without them, "
            "a restored workspace cannot sign or recreate pseudonyms."
        )
    if not git.on_a_remote(root):
        notes.append("No git remote has the latest commit: push it, or you may lose it.")
    if url is None or Path(url).is_relative_to(root):
        notes.append("The DVC remote is in the workspace and would be lost with it; use another.")
    if context.settings.mlflow.tracking_uri:
        notes.append("MLflow runs elsewhere and is not included; back up that server.")
    return notes
