"""Run untrusted code within its budgets, and leave none of its processes behind."""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sluicegate.core import CannotDecide

from .isolation import Cell, walled
from .settings import Trainer

SUBREAPER = 36
EVERY, EVERY_FILE = 0.1, 1.0  # seconds between two looks at processes, and at files


def run(by: str | None, cell: Cell, command: list[str]) -> int:
    """Run `command` in the cell behind the wall `by` and return its exit code, 128 + n for signal n.

    What it prints goes where ours goes. Raises CannotDecide when it exceeds a budget. Every process
    that it started is ended, also those that left its group or session.
    """
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)  # orphans become our children
    process = subprocess.Popen(
        walled(by, cell, command),
        cwd=cell.folder,
        env=cell.environment,
        stdin=subprocess.DEVNULL,
        stdout=sys.stdout.fileno(),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        code = _within(process, cell)
    finally:
        _end_all()
        process.wait()
    return code if code >= 0 else 128 - code


def _within(process: "subprocess.Popen[bytes]", cell: Cell) -> int:
    started = looked = time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(EVERY)
        now = time.monotonic()
        _require_processes(cell.limits)
        if now - started > cell.limits.max_seconds:
            raise _too_much("max_seconds", cell.limits.max_seconds)
        if now - looked > EVERY_FILE:
            looked = now
            require_size(cell.folder, cell.limits)


def require_size(folder: Path, limits: Trainer) -> None:
    """Raise CannotDecide when the files below `folder` hold more than trainer.max_bytes."""
    if sum(_sizes(folder)) > limits.max_bytes:
        raise _too_much("max_bytes", limits.max_bytes)


def _sizes(folder: Path) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                # an empty file costs a block, too
                yield max(4096, os.lstat(f"{place}/{name}").st_blocks * 512)


def _require_processes(limits: Trainer) -> None:
    living = descendants()
    if len(living) > limits.max_processes:
        raise _too_much("max_processes", limits.max_processes)
    if sum(map(_resident, living)) > limits.max_memory:
        raise _too_much("max_memory", limits.max_memory)


def _too_much(name: str, most: int) -> CannotDecide:
    return CannotDecide(
        f"The trainer used more than trainer.{name} ({most}); raise it in params.yaml if needed."
    )


def descendants() -> list[int]:
    """Return the processes that this one, or one of them, started and that have not ended."""
    children: dict[int, list[int]] = {}
    for name in (each.name for each in Path("/proc").iterdir()):
        if name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # the name in brackets may hold anything
                result = (
                    Path(f"/proc/{name}/stat")
                    .read_text(errors="replace")
                    .rpartition(")")[2]
                    .split()
                )
                if result[0] != "Z":
                    children.setdefault(int(result[1]), []).append(int(name))
    found, new = [], [os.getpid()]
    while new:
        new = [child for parent in new for child in children.get(parent, ())]
        found += new
    return found


def _resident(process: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    return 0


def _end_all() -> None:
    """End every descendant until none is left: each orphan becomes our own child."""
    while living := descendants():
        for process in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)
