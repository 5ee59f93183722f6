"""What the verbs share: a parser per verb, its common options, and the workspace that they open."""

import argparse
from collections.abc import Callable
from typing import Any, TypeAlias

Answer = tuple[dict[str, Any], int]
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_verb(
    verbs: Verbs,
    name: str,
    run: Callable[[argparse.Namespace], Answer],
    words: str,
    needs_line: bool = True,
) -> argparse.ArgumentParser:
    """Add the verb that `run` carries out; its exit code is the outcome."""
    verb = verbs.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
    verb.add_argument("--json", action="store_true", help="print JSON and nothing else")
    verb.add_argument("--debug", action="store_true", help="show a traceback on errors")
    verb.set_defaults(run=run, needs_line=needs_line)
    return verb


def in_workspace(verb: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Give `verb` the option -C."""
    verb.add_argument(
        "-C", dest="root", metavar="DIR", default=".", help="the workspace (default: here)"
    )
    return verb


def may_run_dry(verb: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Give `verb` the option --dry-run."""
    verb.add_argument(
        "--dry-run", action="store_true", help="say what would happen, change nothing"
    )
    return verb


def opened(options: argparse.Namespace, tell: Callable[[str], None], reading: bool = False) -> Any:
    """Return the workspace at -C; a clone of it will do for `reading`."""
    from sluicegate.workspace import Workspace

    return Workspace.open(options.root, tell=tell, reading=reading)
