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

import pandas as pd

from sluicegate.core import CannotDecide, Missing, Misused, Schema
from sluicegate.core.normalise import Faults

from .environment import scrubbed
from .reading_child import Answer, Order
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
    _read_in_child(Order(form, str(path.resolve()), str(out), budget))
    return pd.read_parquet(out)


def read_table(
    path: Path, form: str, schema: Schema, key: bytes, budget: Reading, out: Path
) -> Table:
    """Return the file's table in normal form, sensitive columns pseudonymised with `key`.

    Raises Unreadable when the file is no table, CannotDecide when the child process fails.
    """
    order = Order(form, str(path.resolve()), str(out), budget, schema, key.hex())
    faults = _read_in_child(order)
    return Table(pd.read_parquet(out), faults)


def _read_in_child(order: Order) -> Faults:
    done = subprocess.run(
        [sys.executable, "-m", "sluicegate.stores.reading_child"],
        input=json.dumps(order.to_dict()),
        capture_output=True,
        text=True,
        env=scrubbed() | ONE_THREAD,
        check=False,
    )
    if -done.returncode in DIED_OF:
        raise Unreadable(DIED_OF[-done.returncode].format(most=order.budget.max_seconds))
    try:
        answer = Answer.read(json.loads(done.stdout), "the answer")
    except ValueError as error:
        raise CannotDecide(
            f"Reading {Path(order.path).name} failed with exit code {done.returncode}; try again, or split "
            "the file if the machine ran out of memory."
        ) from error
    if answer.unreadable is not None:
        raise Unreadable(answer.unreadable)
    if answer.errno is not None:
        raise OSError(answer.errno, answer.error, str(Path(order.out).parent))
    return answer.faults
