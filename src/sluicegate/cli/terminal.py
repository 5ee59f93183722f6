"""The terminal: what is shown alike by several verbs, on stdout, and progress, on stderr."""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sluicegate.core import Judged, Missing, Misused
from sluicegate.core.counted import counted
from sluicegate.core.document import Document
from sluicegate.core.visible import visible

if TYPE_CHECKING:  # a host that only verifies has no rich
    from rich.console import Console

    from sluicegate.workspace import Workspace

COLOURS = {"pass": "green", "quarantine": "yellow", "pause": "magenta", "reject": "red"}
MOST_SHOWN = 8
MOST_SOURCES = 6
SHOWN_WIDTH = 110


def find_workspace() -> Path | None:
    """Return the nearest folder from here upward that is a workspace.

    Raises Misused where that one is above and belongs to somebody else: its train.py would run, so it
    has to be named, as in git.
    """
    here = Path.cwd()
    for place in (here, *here.parents):
        if (place / "params.yaml").is_file() and (place / "ledger").is_dir():
            if place != here and place.stat().st_uid != os.getuid():
                raise Misused(f"{place} belongs to another user; pass it with -C if you trust it.")
            return place
    return None


def workspace_of(options: argparse.Namespace) -> Path:
    """Return the workspace at -C, or else the nearest; raises Missing where there is none."""
    place = find_workspace() if options.root is None else Path(options.root)
    if place is None:
        raise Missing(
            "This is not a sluicegate workspace; pass one with -C DIR, or create one with "
            "`sluicegate init DIR`."
        )
    return place


def opened(
    options: argparse.Namespace,
    tell: Callable[[str], None] = lambda _: None,
    reading: bool = False,
) -> "Workspace":
    """Return the workspace that was asked for; a clone of it will do for `reading`."""
    from sluicegate.workspace import Workspace

    return Workspace.open(workspace_of(options), tell=tell, reading=reading)


@contextlib.contextmanager
def working(options: argparse.Namespace) -> Iterator["Workspace"]:
    """Yield the workspace that was asked for, and show what it is doing meanwhile."""
    with progress(options) as tell:
        yield opened(options, tell)


@contextlib.contextmanager
def progress(options: argparse.Namespace) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows what is going on; quiet under --json or off a terminal."""
    with _shown(options, "SpinnerColumn") as update:
        yield lambda text: update(description=escape(text))


@contextlib.contextmanager
def bar(options: argparse.Namespace) -> Iterator[Callable[[int, int, str], None]]:
    """Yield a function that shows how far something is; quiet under --json or off a terminal."""
    with _shown(options, "BarColumn", "TaskProgressColumn") as update:
        yield lambda done, total, what: update(
            completed=done, total=total, description=escape(what)
        )


@contextlib.contextmanager
def _shown(options: argparse.Namespace, *columns: str) -> Iterator[Callable[..., None]]:
    if options.json or not sys.stderr.isatty() or find_spec("rich") is None:
        yield lambda **_: None
        return
    from rich import progress
    from rich.console import Console

    named = [getattr(progress, name)() for name in (*columns, "TimeElapsedColumn")]
    console, what = Console(stderr=True), progress.TextColumn("{task.description}")
    with progress.Progress(what, *named, console=console, transient=True) as shown:
        task = shown.add_task("Starting", total=None)
        yield lambda **changed: shown.update(task, **changed)


class Unstyled:
    """The console where rich is not installed: the same lines, without their markup."""

    def print(self, *parts: str, **_: Any) -> None:
        """Print `parts` on one line."""
        print(*(re.sub(r"(?<!\\)\[[^\]]*\]", "", each).replace(r"\[", "[") for each in parts))


def plain_console() -> "Console":
    """Return the console that results are printed to; long lines are left to the terminal to break."""
    if find_spec("rich") is None:
        return cast("Console", Unstyled())
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def escape(text: str) -> str:
    """Return `text` on one line, without any effect on the terminal or as rich's markup.

    Names of sources and files are other people's words: they are shown, never obeyed.
    """
    return visible(text).replace("[", r"\[")


def shortened(text: str) -> str:
    """Return `text`, cut off where it would fill the screen."""
    return text if len(text) <= 2 * SHOWN_WIDTH else text[: 2 * SHOWN_WIDTH - 1] + "…"


def coloured(outcome: str) -> str:
    """Return an outcome in its colour."""
    return f"[bold {COLOURS[outcome]}]{outcome}[/]"


def after(seconds: float) -> str:
    """Return how long something took, as an aside."""
    return f"[dim]({seconds:.1f} s)[/]"


def say(console: "Console", text: str) -> None:
    """Print one line of plain text."""
    console.print(escape(text))


def sentence(text: str) -> Callable[["Console", Any], None]:
    """Return what shows a result as this one sentence."""
    return lambda console, _: say(console, text)


def print_plan(console: "Console", plan: Document | dict[str, Any]) -> None:
    """Print what would happen."""
    for name, value in (plan.to_dict() if isinstance(plan, Document) else plan).items():
        if name != "schema":
            console.print(f"  {name}: {escape(str(value))}")


def print_selection(console: "Console", words: str, rows: int, sources: Iterable[str]) -> None:
    """Print how many rows and which sources were selected, if any."""
    named = list(sources)
    if rows or named:
        more = " ..." if len(named) > MOST_SOURCES else ""
        by = f", sources {', '.join(named[:MOST_SOURCES])}{more}" if named else ""
        console.print(f"  {words}: {counted(rows, 'row')}{escape(by)}")


def print_reasons(console: "Console", reasons: Iterable[str]) -> None:
    """Print why a verdict is as it is."""
    listed = list(reasons)
    for reason in listed[:MOST_SHOWN]:
        console.print(f"  - {escape(shortened(reason))}")
    if len(listed) > MOST_SHOWN:
        console.print(f"  - and {len(listed) - MOST_SHOWN} more (--json lists them)")


def print_findings(console: "Console", findings: Iterable[Judged]) -> None:
    """Print how many limits were checked and exceeded."""
    limited = [each for each in findings if each.limit is not None]
    beyond = [each for each in limited if not each.passed]
    blind = sum(each.value is None for each in beyond)
    unmeasured = f", {blind} could not be measured" if blind else ""
    console.print(f"  {len(limited)} limits checked, {len(beyond) - blind} exceeded{unmeasured}")
