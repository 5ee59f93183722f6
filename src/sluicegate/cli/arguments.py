"""Arguments: argparse with help in groups, usage errors of one sentence, and shell completion."""

import argparse
import difflib
import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeAlias, TypeVar

from sluicegate import __version__
from sluicegate.cli.contents import EXAMPLES, FORMER, GROUPS, MODULES, VERBS

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"
Run: TypeAlias = "Callable[[argparse.Namespace], Answer[Any]]"
EVERYTHING = sorted(set(MODULES.values()))
SHELLS = ("bash", "zsh")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a verb answers: a result, how a person is shown it, and the exit code.

    The result is what --json prints, or has it as `to_dict()`.
    """

    result: T
    show: "Callable[[Console, T], None]"
    code: int = 0


class Parser(argparse.ArgumentParser):
    """argparse that answers a wrong call in one sentence, with what was probably meant."""

    def __init__(self, **given: Any) -> None:
        """Take the arguments of argparse's parser."""
        super().__init__(**given, formatter_class=argparse.RawDescriptionHelpFormatter)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse an unknown long option first: argparse would complain of what is missing instead."""
        known = self._option_string_actions
        for each in args or ():
            name = each.partition("=")[0]
            if each == "--" or (self._subparsers and not each.startswith("-")):
                break
            if name.startswith("--") and not any(option.startswith(name) for option in known):
                self.error(f"unknown option {name}{_nearest(name, known)}")
        return super().parse_known_args(args, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        if isinstance(action, argparse._SubParsersAction):
            listed = [each.dest for each in action._get_subactions()] or list(VERBS)
            self.error(f"unknown {action.metavar} {value!r}{_nearest(value, listed)}")
        name, listed = action.option_strings[-1], [str(each) for each in action.choices]
        nearest = _nearest(str(value), listed) or f"; choose from {', '.join(listed)}"
        self.error(f"{name} cannot be {value!r}{nearest}")

    def flag(self, name: str, words: str) -> None:
        """Add an option that takes no value."""
        self.add_argument(name, action="store_true", help=words)

    def takes(self, name: str, what: str, words: str, **more: Any) -> None:
        """Add an argument, or an option with a value; the help calls the value `what`."""
        self.add_argument(name, metavar=what, help=words, **more)

    def may_run_dry(self) -> "Parser":
        """Take --dry-run, and return this verb."""
        self.flag("--dry-run", "show what would happen; change nothing")
        return self

    def signs(self, name: str, words: str, required: bool = True) -> None:
        """Take --as, who signs, and --key."""
        self.takes("--as", "NAME", words, dest=name, required=required)
        self.takes("--key", "FILE", "your SSH key (%(default)s)", default="~/.ssh/id_ed25519")

    def error(self, message: str) -> NoReturn:
        """Say in one sentence what is wrong with the call."""
        message = message.replace("the following arguments are required:", "missing")
        ending = "" if message.endswith("?") else f"; see `{self.prog} --help`."
        self.exit(2, f"{self.prog}: {message}{ending}\n")


class Whole(Parser):
    """The parser of all verbs."""

    def format_help(self) -> str:
        """Return the verbs in their groups."""
        lines = ["usage: sluicegate VERB [options]", "", str(self.description)]
        for title, verbs in GROUPS.items():
            lines += ["", title, *(f"  {name:<11} {words}" for name, (_, words) in verbs.items())]
        return "\n".join([*lines, "", EXAMPLES])


def _nearest(given: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def parser(modules: Iterable[str] = EVERYTHING) -> Parser:
    """Return the parser of the verbs in these modules of the command line."""
    words = "Let a model in production learn from user feedback without letting it take over."
    whole = Whole(prog="sluicegate", description=words)
    whole.add_argument("--version", action="version", version=f"sluicegate {__version__}")
    whole.add_argument("--print-completion", action=PrintCompletion, choices=SHELLS)
    verbs = whole.add_subparsers(metavar="verb", required=True, parser_class=Parser)
    for module in modules:
        importlib.import_module(f"sluicegate.cli.{module}").add(verbs)
    return whole


class PrintCompletion(argparse.Action):
    """Print what lets a shell complete verbs, options and files."""

    def __call__(self, whole: Any, _: Any, shell: Any, __: Any = None) -> None:
        """Print the script and end."""
        import shtab

        full = parser()
        for action in _actions(full):
            if action.metavar in ("FILE", "BATCH"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            if action.metavar in ("DIR", "FOLDER"):
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        print(shtab.complete(full, shell))
        whole.exit()


def _actions(of: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in of._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _actions(each)


def add_verb(
    verbs: Verbs, name: str, run: Run, words: str | None = None, example: str = ""
) -> Parser:
    """Add the verb that `run` carries out in a workspace.

    A verb of `sluicegate --help` has its words there.
    """
    return _in_workspace(add_verb_anywhere(verbs, name, run, words, example))


def add_verb_anywhere(
    verbs: Verbs, name: str, run: Run, words: str | None = None, example: str = ""
) -> Parser:
    """Add a verb that needs no workspace."""
    verb = _added(verbs, name, words or VERBS[name][1])
    if example:
        verb.epilog = "examples:\n" + "\n".join(f"  {each}" for each in example.splitlines())
    return _runs(verb, run)


def add_former(verbs: Verbs, old: str, run: Run) -> Parser:
    """Add an old name, which is listed nowhere."""
    words = f"Old name of `sluicegate {FORMER[old][1]}`."
    return _in_workspace(_runs(verbs.add_parser(old.split()[-1], description=words), run))


def add_group(verbs: Verbs, name: str) -> Verbs:
    """Add the verb `name`, which has commands of its own."""
    group = _added(verbs, name, VERBS[name][1])
    return group.add_subparsers(metavar="command", required=True)


def _added(verbs: Verbs, name: str, words: str) -> Parser:
    return verbs.add_parser(name, help=words, description=f"{words}.")


def _runs(verb: Parser, run: Run) -> Parser:
    verb.flag("--json", "print only JSON")
    verb.flag("--debug", "show a traceback on errors")
    verb.set_defaults(run=run)
    return verb


def _in_workspace(verb: Parser) -> Parser:
    words = "the workspace (default: this folder, or the nearest parent that is one)"
    verb.takes("-C", "DIR", words, dest="root")
    return verb
