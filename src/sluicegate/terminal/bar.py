"""A bar while something runs: off a terminal, under --json or without rich there is none."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from sluicegate.core.visible import visible


@contextlib.contextmanager
def bar(options: argparse.Namespace) -> Iterator[Callable[[int, int, str], None]]:
    """Yield a function that shows how many parts are done, and of what."""
    if options.json or not sys.stderr.isatty() or find_spec("rich") is None:
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("Starting", total=None)
        yield lambda done, total, what: shown.update(
            task, completed=done, total=total, description=escape(visible(what))
        )
