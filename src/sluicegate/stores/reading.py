"""Reading a delivered file: refused by its path here, parsed in a child process of its own.

A parser that a hostile file takes over, or drives out of memory, is not the process that holds the
keys: the child has a scrubbed environment, limits on memory and time, and hands back plain parquet.
"""

import json
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sluicegate.core import CannotDecide, Missing, Misused, Schema
from sluicegate.core.normalise import Faults

from .environment import scrubbed
from .settings import Reading

SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


_BROKE = "The file crashes its parser; write it again with another tool."
# What a file can make its parser die of. SIGKILL is not among them: that is the machine, or a person.
DIED_OF: dict[int, str] = {
    signal.SIGXCPU: "The file takes more than reading.max_seconds ({most}) to read; split it.",
    signal.SIGSEGV: _BROKE,
    signal.SIGBUS: _BROKE,
    signal.SIGABRT: _BROKE,
}
# A thread of a numerical library reserves memory that the budget would count.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # pathlib leaves one slash of two


class Unreadable(Exception):
    """The file arrived but cannot be read as a table: for intake that is a "no", not an error."""


@dataclass(frozen=True, eq=False)
class Table:
    """A normalised frame and the cells that could not be read as their kind."""

    frame: pd.DataFrame
    faults: Faults


def require_file(given: str | Path) -> Path:
    """Return the path of a delivered file; raises Misused for what is no plain path to a file."""
    text = str(given)
    if _URL.match(text):
        raise Misused(f"{text} is a URL; download the file and give its path.")
    path = Path(text)
    if ".." in path.parts:
        raise Misused(f"{text} contains '..'; give the resolved path: {path.resolve()}")
    try:
        there = path.exists()
    except OSError as error:
        raise Misused(f"{text[:80]}… cannot be a path ({error.strerror}); shorten it.") from error
    if not there:
        raise Missing(f"{text} does not exist; give the path of a Parquet, CSV or JSONL file.")
    if not path.is_file():
        raise Misused(f"{text} is not a file; give the path of a Parquet, CSV or JSONL file.")
    if path.suffix.lower() not in SUFFIXES:
        raise Misused(f"{text} ends in {path.suffix!r}; give a .parquet, .csv or .jsonl file.")
    return path


def read_raw(path: Path, form: str, budget: Reading, out: Path) -> pd.DataFrame:
    """Return the file's table as it is, for profiling base data."""
    _read_in_child({"form": form}, path, budget, out)
    return pd.read_parquet(out)


def read_table(
    path: Path, form: str, schema: Schema, key: bytes, budget: Reading, out: Path
) -> Table:
    """Return the file's table in normal form, sensitive columns pseudonymised with `key`.

    Raises Unreadable when the file is no table, CannotDecide when the child process fails.
    """
    result = _read_in_child(
        {"form": form, "schema": schema_to_dict(schema), "key": key.hex()}, path, budget, out
    )
    faults = {name: tuple(rows) for name, rows in result["faults"].items()}
    return Table(pd.read_parquet(out), faults)


def schema_to_dict(schema: Schema) -> dict[str, object]:
    """Return `schema` as JSON types."""
    return {
        "task": schema.task.value,
        "label": schema.label,
        "features": [[column.name, column.kind.value] for column in schema.features],
        "classes": list(schema.classes),
        "source": schema.source,
        "time": schema.time,
        "id": schema.id,
        "label_origin": schema.label_origin,
        "sensitive": list(schema.sensitive),
        "slices": list(schema.slices),
    }


def _read_in_child(
    order: dict[str, object], path: Path, budget: Reading, out: Path
) -> dict[str, Any]:
    order = order | {"path": str(path.resolve()), "out": str(out), "budget": budget.model_dump()}
    done = subprocess.run(
        [sys.executable, "-m", "sluicegate.stores.reading_child"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        env=scrubbed() | ONE_THREAD,
        check=False,
    )
    if -done.returncode in DIED_OF:
        raise Unreadable(DIED_OF[-done.returncode].format(most=budget.max_seconds))
    try:
        recorded: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise CannotDecide(
            f"Reading {path.name} failed with exit code {done.returncode}; try again, and split the file "
            "if the machine ran out of memory."
        ) from error
    if "unreadable" in recorded:
        raise Unreadable(recorded["unreadable"])
    if "failed" in recorded:
        raise OSError(recorded["failed"], recorded["said"], str(out.parent))
    return recorded
