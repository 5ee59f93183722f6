"""inbox: take in every dropped file exactly once, the oldest first.

It never writes, renames or deletes a file in inbox/: they are the user's. Whether a file was taken is
decided by intake's own record of its SHA-256; `.sluicegate/inbox.json` only saves reading it again.
"""

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluicegate.core import Conflict, Misused, SluicegateError
from sluicegate.flows.feedback.intake import intake
from sluicegate.record.context import Context, Step, plainly
from sluicegate.record.feeds import SUFFIX
from sluicegate.record.results import IntakeResult
from sluicegate.stores import files

Taken = tuple[str, IntakeResult | str]
UNFINISHED = (".tmp", ".part", "~")
QUIET_SECONDS = 2.0
MOST_TURNS_LEFT_OUT = 256


@dataclass(frozen=True)
class Dropped:
    """A name in inbox/, and values that change with its contents or with the signature beside it."""

    name: str
    link: bool
    size: int
    mtime_ns: int
    inode: int
    signed_ns: int = 0

    @property
    def stamp(self) -> list[int]:
        """Return what the memory knows this very file by."""
        return [self.size, self.mtime_ns, self.inode, self.signed_ns]


def inbox(
    context: Context, step: Step = plainly, sleep: Callable[[float], None] = time.sleep
) -> list[Taken]:
    """Take in each new file of inbox/ and return its result, or the sentence that says why not.

    A file that is still being written waits for the next turn. A file that cannot be taken blocks no
    other: a fault of its own is reported once, until it changes; a passing one (an uncommitted
    policy, a remote that is down) is retried. A second call at the same time does nothing.
    """
    layout = context.layout
    busy = f"Another process is already taking in {layout.inbox}; leaving it to that one."
    try:
        with files.locked(layout.home / "inbox.lock", busy, wait=False):
            return _take_all(context, step, sleep)
    except Conflict as error:
        context.tell(str(error))
        return []


def dropped(folder: Path) -> list[Dropped]:
    """Return the files and links in `folder` that have their final names, the oldest first.

    A file without a signature beside it is unsigned and waits for none.
    """
    found = []
    there = {e.name: e for e in (os.scandir(folder) if folder.is_dir() else ())}
    for name, entry in there.items():
        result = entry.stat(follow_symlinks=False)
        link = stat.S_ISLNK(result.st_mode)
        if name.startswith(".") or name.endswith((*UNFINISHED, SUFFIX)):
            continue
        if link or stat.S_ISREG(result.st_mode):
            beside = there.get(name + SUFFIX)
            signed = beside.stat(follow_symlinks=False).st_mtime_ns if beside else 0
            whole = result.st_size, result.st_mtime_ns, result.st_ino, signed
            found.append(Dropped(name, link, *whole))
    return sorted(found, key=lambda each: (each.mtime_ns, each.name))


def _take_all(context: Context, step: Step, sleep: Callable[[float], None]) -> list[Taken]:
    layout = context.layout
    memory, there = _remembered(layout.home / "inbox.json"), dropped(layout.inbox)
    memory = {each.name: memory[each.name] for each in there if each.name in memory}
    taken: list[Taken] = []
    for each in _quiet(layout.inbox, [e for e in there if _is_due(memory, e)], sleep):
        result, remembered = _take(context, each, memory.get(each.name, {}), step)
        taken.append((each.name, result))
        memory[each.name] = {"stamp": each.stamp} | remembered
        files.write_json(layout.home / "inbox.json", memory)
    files.write_json(layout.home / "inbox.json", memory)
    return taken


def _take(
    context: Context, each: Dropped, before: dict[str, Any], step: Step
) -> tuple[IntakeResult | str, dict[str, Any]]:
    """Return the result or the sentence, and what to remember of it."""
    path = context.layout.inbox / each.name
    if each.link:
        sentence = f"{path} is a symbolic link and was skipped; put the file itself there."
        return sentence, {"error": sentence}
    context.tell(f"Taking {each.name}")
    try:
        result = intake(context, path, step)
    except Conflict as error:
        return str(error), {"error": str(error), "wait": 0}
    except Misused as error:
        return str(error), {"error": str(error)}
    except (SluicegateError, OSError) as error:
        # A remote that is down comes back; a file that kills its reader must not be read all day.
        failures = int(before.get("failures", 0)) + 1 if before.get("stamp") == each.stamp else 1
        wait = min(2 ** (failures - 1) - 1, MOST_TURNS_LEFT_OUT)
        return str(error), {"error": str(error), "failures": failures, "wait": wait}
    return result, {"batch": result.assessment.batch.id}


def _is_due(memory: dict[str, Any], each: Dropped) -> bool:
    """Tell whether to take a file now; one that failed is left out for more and more turns."""
    known = memory.get(each.name)
    if known is None or known["stamp"] != each.stamp:
        return True
    if "wait" not in known:
        return False
    known["wait"] -= 1
    return bool(known["wait"] < 0)


def _quiet(
    folder: Path, candidates: list[Dropped], sleep: Callable[[float], None]
) -> list[Dropped]:
    """Return the candidates that nobody is writing to: untouched for two seconds, watched if need be."""
    age = min((time.time() - each.mtime_ns / 1e9 for each in candidates), default=QUIET_SECONDS)
    if age >= QUIET_SECONDS:
        return candidates
    sleep(min(QUIET_SECONDS, QUIET_SECONDS - age))
    unchanged = {(each.name, *each.stamp) for each in dropped(folder)}
    return [each for each in candidates if (each.name, *each.stamp) in unchanged]


def _remembered(path: Path) -> dict[str, Any]:
    try:
        memory = files.read_json(path)
    except SluicegateError:
        return {}  # reading a file again is all that it costs
    sound = isinstance(memory, dict) and all(
        isinstance(known, dict) and isinstance(known.get("stamp"), list)
        for known in memory.values()
    )
    return memory if sound else {}
