"""Deeds that are disturbed in a forked child: killed, stopped, or with no space left on any disk."""

import contextlib
import errno
import json
import os
import random
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sluicegate.stores import effects

CHANGES = {
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "subprocess.Popen",
}
WRITE = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Point:
    """Where a deed dies: `after` effect `number`, or `inside` the effect, before change `number`.

    `during` is inside the process that change `number` starts, which is killed with the deed. `full`
    is no death: change `number` finds no space left.
    """

    how: str
    number: int
    effect: str


def in_child(deed: Callable[[], Any]) -> Any:
    """Return what `deed` returns, as JSON; the calling process has touched nothing by then."""
    reader, writer = os.pipe()
    child = _forked()
    if child == 0:
        os.close(reader)
        _end(deed, writer)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, said
    return json.loads(said)


def points_of(deed: Callable[[], Any]) -> list[Point]:
    """Carry `deed` out undisturbed and return where it can be disturbed.

    After each side effect, in the middle of each, and, once for each kind, with a full disk and in the
    process that it starts.
    """
    points: list[Point] = []
    effects_seen, changes, last, started = [], 0, 0, 0
    for kind, name in in_child(lambda: _noted(deed)):
        if kind == "change":
            changes += 1
            started = changes if name == "subprocess.Popen" else started
            continue
        if changes > last:
            middle = (last + changes + 2) // 2
            points.append(Point("inside", middle, name))
            if name not in effects_seen:
                points.append(Point("full", middle, name))
        if started > last and name not in effects_seen:
            points.append(Point("during", started, name))
        effects_seen.append(name)
        points.append(Point("after", len(effects_seen), name))
        last = changes
    return points


def first_of_each(points: list[Point]) -> list[Point]:
    """Return where each kind of effect is disturbed in each way for the first time."""
    return list({(point.how, point.effect): point for point in reversed(points)}.values())[::-1]


def disturbed(deed: Callable[[], Any], point: Point) -> str:
    """Disturb `deed` at `point`, with SIGKILL or a full disk; return what it said, "" when it died."""
    reader, writer = os.pipe()
    child = _forked()
    if child == 0:
        os.close(reader)
        os.setsid()
        _arm(point)
        _end(deed, writer)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1, -signal.SIGKILL), code
    return said


@contextlib.contextmanager
def stopped(deed: Callable[[], Any], point: Point) -> Iterator[None]:
    """Stop `deed` at `point` with SIGSTOP, and let it go on to its end on leaving."""
    child = _forked()
    if child == 0:
        _arm(point, signal.SIGSTOP)
        _end(deed, os.open(os.devnull, os.O_WRONLY))
    assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
    yield
    os.kill(child, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@contextlib.contextmanager
def watched(look: Callable[[], str]) -> Iterator[list[str]]:
    """Let another process `look` all the time; what it saw, each time it saw another thing."""
    seen: list[str] = []
    (stopped, stop), (reader, writer) = os.pipe(), os.pipe()
    child = _forked()
    if child == 0:
        os.close(stop)
        _end(lambda: _looked(look, stopped), writer)
    os.close(stopped)
    os.close(writer)
    try:
        yield seen
    finally:
        os.close(stop)
        with os.fdopen(reader) as file:
            seen += json.loads(file.read())
        os.waitpid(child, 0)


def _forked() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of threads
        return os.fork()


def _end(deed: Callable[[], Any], writer: int) -> None:
    """End this child with what `deed` returns, or with why it did not."""
    code = 0
    try:
        said = json.dumps(deed())
    except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
        said, code = traceback.format_exc(), 1
    with os.fdopen(writer, "w") as file:
        file.write(said)
    os._exit(code)


def _noted(deed: Callable[[], Any]) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    sys.addaudithook(
        lambda event, given: seen.append(("change", event)) if _changes(event, given) else None
    )
    effects.observer = lambda name: seen.append(("effect", name))
    deed()
    return list(seen)


def _changes(event: str, given: tuple[Any, ...]) -> bool:
    return event in CHANGES or (
        event == "open" and isinstance(given[2], int) and bool(given[2] & WRITE)
    )


def _arm(point: Point, by: signal.Signals = signal.SIGKILL) -> None:
    seen = 0

    def count(hit: Callable[[], None]) -> None:
        nonlocal seen
        seen += 1
        if seen == point.number:
            hit()

    def die() -> None:
        os.kill(os.getpid(), by)

    def fill() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def die_with_all(delay: float) -> None:
        time.sleep(delay)
        os.killpg(0, signal.SIGKILL)

    def soon() -> None:
        delay = random.Random(point.number).uniform(0.001, 0.008)
        threading.Thread(target=die_with_all, args=[delay], daemon=True).start()

    if point.how == "after":
        effects.observer = lambda _: count(die)
    else:
        hit = {"inside": die, "full": fill, "during": soon}[point.how]
        sys.addaudithook(lambda event, given: count(hit) if _changes(event, given) else None)


def _looked(look: Callable[[], str], stopped: int) -> list[str]:
    seen: list[str] = []
    while not select.select([stopped], [], [], 0.03)[0]:
        try:
            now = look()
        except Exception as error:  # noqa: BLE001 - it counts as seen
            now = f"{type(error).__name__}: {error}"
        if seen[-1:] != [now]:
            seen.append(now)
    return seen
