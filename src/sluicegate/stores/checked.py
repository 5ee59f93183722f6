"""Every call of `check`, remembered outside git: who asked about which rows, and what came of it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sluicegate.core.moment import moment

from .layout import Layout

MOST_READ = 2000
MANY, DAYS = 5, 7


@dataclass(frozen=True)
class Checked:
    """One call: when, by whom, about which bytes, a sketch of the rows, and what came of it.

    `repeats` counts the other files of nearly the same rows that had been asked about before.
    """

    time: str
    who: str
    sha256: str
    rows: int
    sketch: tuple[int, ...]
    outcome: str
    repeats: int


def remember(layout: Layout, call: Checked) -> None:
    """Append the call; an OSError goes up, since what cannot be recorded must not be answered."""
    folder = layout.home / "checks"
    folder.mkdir(exist_ok=True)
    line = json.dumps(asdict(call), sort_keys=True)
    with (folder / f"{call.time[:7]}.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def newest(layout: Layout) -> list[Checked]:
    """Return the newest calls, the oldest of them first; a broken line is left out."""
    calls = [call for _, call in zip(range(MOST_READ), _backwards(layout), strict=False)]
    return calls[::-1]


def insistent(layout: Layout, now: str) -> dict[str, int]:
    """Return who lately asked about the same rows in many versions, and how often."""
    since = moment(now) - timedelta(days=DAYS)
    asked: dict[str, int] = {}
    for call in newest(layout):
        if call.repeats >= MANY and moment(call.time) >= since:
            asked[call.who] = asked.get(call.who, 0) + 1
    return asked


def _backwards(layout: Layout) -> Iterator[Checked]:
    for path in sorted((layout.home / "checks").glob("*.jsonl"), reverse=True):
        for line in reversed(path.read_text(encoding="utf-8", errors="replace").splitlines()):
            try:
                recorded: dict[str, Any] = json.loads(line)
                yield Checked(**(recorded | {"sketch": tuple(recorded["sketch"])}))
            except (ValueError, TypeError, KeyError):
                continue  # a process that was killed leaves half a line
