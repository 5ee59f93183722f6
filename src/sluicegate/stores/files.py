"""Files: written whole or not at all, read once, locked by the kernel."""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sluicegate.core import Conflict, Missing, Tampered

from .effects import effect


@effect
def write_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys; NaN is refused."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def write_json_rows(path: Path, rows: Iterable[Any]) -> None:
    """Write a JSON array with one element a line, which diffs well and stays small."""
    lines = (json.dumps(row, sort_keys=True, ensure_ascii=False, allow_nan=False) for row in rows)
    write_bytes(path, ("[\n" + ",\n".join(lines) + "\n]\n").encode())


def read_json(path: Path) -> Any:
    """Return the JSON in `path`; raises Missing or Tampered in one sentence."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise Missing(f"{path} is missing; restore it from git.") from error
    except ValueError as error:
        raise Tampered(f"{path} is not valid JSON; restore it from git.") from error


@effect
def copy_in(source: Path, target: Path) -> None:
    """Copy the file `source` to `target`, whole or not at all; one process at a time for one target.

    What a killed copy left is overwritten by the next one. A link that lies there instead is removed,
    never followed: its name is known to who may commit one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.part")
    temporary.unlink(missing_ok=True)
    try:
        with source.open("rb") as made, temporary.open("xb") as kept:
            shutil.copyfileobj(made, kept)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@effect
def copy_tree(source: Path, target: Path) -> None:
    """Copy the directory `source` to `target`, whole or not at all; an existing one is kept."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
        temporary.replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@effect
def move(source: Path, target: Path) -> None:
    """Move the file `source` to `target` on the same disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


@effect
def remove(path: Path) -> None:
    """Remove the file at `path`, if it is there."""
    path.unlink(missing_ok=True)


@effect
def remove_tree(path: Path) -> None:
    """Remove a directory of ours, if it is there."""
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path, busy: str, wait: bool = True) -> Iterator[None]:
    """Hold the kernel lock at `path`, which dies with its process.

    Raises Conflict with the sentence `busy` when another process holds it and `wait` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(busy) from error
        yield
