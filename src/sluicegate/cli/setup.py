"""init, demo, up and doctor: make a workspace, see one at work, serve it, and find out what ails it."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.prompt import Prompt
from rich.table import Table

from sluicegate import workspace
from sluicegate.cli.arguments import Answer, Verbs, add_verb, add_verb_anywhere
from sluicegate.cli.show import print_status
from sluicegate.cli.terminal import (
    coloured,
    escape,
    find_workspace,
    opened,
    plain_console,
    print_plan,
    progress,
)
from sluicegate.core import Misused

GIVEN = (
    "data", "time", "id", "label_origin", "golden", "model", "task", "remote",
)  # fmt: skip
INIT = """\
sluicegate init loans --data base.parquet --label accepted --source contributor
sluicegate init loans --data base.csv --label y --golden golden.csv --time sent --dry-run"""


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    _add_init(verbs)
    played = add_verb_anywhere(verbs, "demo", demo)
    played.add_argument("root", metavar="DIR", nargs="?", default="sluicegate-demo")
    played.takes("--data", "FILE", "your own data instead of the digits")
    played.takes("--label", "COL", "the label column of --data")
    played.flag("--no-prefect", "run without Prefect")
    served = add_verb(verbs, "up", up)
    served.add_argument("--prefect-port", type=int, metavar="PORT")
    served.add_argument("--mlflow-port", type=int, metavar="PORT")
    add_verb(verbs, "doctor", doctor)


def _add_init(verbs: Verbs) -> None:
    verb = add_verb_anywhere(verbs, "init", init, example=INIT).may_run_dry()
    verb.takes("root", "DIR", "where to create the workspace")
    verb.takes("--data", "FILE", "labelled base data", required=True)
    for name, words in (
        ("label", "the column to predict"),
        ("source", "the column that names a row's contributor"),
        ("time", "the column with a row's time"),
        ("id", "the column that identifies a row"),
        ("label-origin", "the column that says where a label comes from"),
    ):
        verb.takes(f"--{name}", "COL", words)
    verb.takes("--golden", "FILE", "trusted labelled examples")
    verb.takes("--model", "NAME", "the model's name in MLflow (default: DIR's)")
    verb.takes("--sensitive", "COL", "pseudonymise this column", action="append", default=[])
    verb.takes("--slice", "COL", "compare its values one by one", action="append", default=[])
    verb.add_argument("--task", choices=("classification", "regression"))
    verb.takes("--remote", "URL", "the DVC remote (default: inside DIR)")
    verb.flag("--no-input", "never prompt")


def init(options: argparse.Namespace) -> Answer[Any]:
    """Make a workspace."""
    label, source = _roles(options)
    given = {name: getattr(options, name) for name in GIVEN}
    given |= {"label": label, "source": source}
    given |= {"sensitive": tuple(options.sensitive), "slices": tuple(options.slice)}
    if options.dry_run:
        return Answer(workspace.plan_init(options.root, **given), print_plan)
    with progress(options) as tell:
        made = workspace.Workspace.init(options.root, **given, tell=tell)
    return Answer(made.status(), lambda console, now: print_status(console, now, made.root))


def _roles(options: argparse.Namespace) -> tuple[str, str | None]:
    """Return the label and source columns, asked for on a terminal where they were left out.

    Raises Misused where nobody can be asked.
    """
    asks = not options.no_input and not options.json and sys.stdin.isatty()
    if options.label and (options.source or not asks):
        return options.label, options.source
    if not asks:
        raise Misused("init needs --label COL, the column to predict.")
    console = Console(stderr=True)
    label = options.label or Prompt.ask("Which column does the model predict?", console=console)
    words = "Which column of the feedback names its contributor? (empty: none)"
    source = options.source or Prompt.ask(words, default="", show_default=False, console=console)
    return label, source or None


def demo(options: argparse.Namespace) -> Answer[dict[str, Any]]:
    """Run the demonstration and print it as it goes; on a terminal, then serve it for a decision."""
    console = Console(stderr=True) if options.json else plain_console()

    def tell(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    root, prefect, code = Path(options.root), not options.no_prefect, 0
    played = workspace.demo(root, options.data, options.label, prefect, tell)
    if not options.json:
        print_demo(console, played)
        if played["waits"] and console.is_terminal and prefect:
            console.print()
            code = workspace.serve_demo(root, played["waits"], tell)
    return Answer(played, lambda *_: None, code)


def up(options: argparse.Namespace) -> Answer[dict[str, Any]]:
    """Serve until Ctrl-C."""
    place = opened(options, tell=lambda text: print(text, file=sys.stderr))
    code = place.up(options.prefect_port, options.mlflow_port)
    return Answer({"schema": 1}, lambda *_: None, code)


def doctor(options: argparse.Namespace) -> Answer[dict[str, Any]]:
    """Say what is wrong: 1 when something is broken."""
    root = find_workspace() if options.root is None else Path(options.root)
    diagnoses = workspace.diagnose(root or Path())
    broken = any(each["ok"] is False for each in diagnoses)
    made = {"schema": 1, "ok": not broken, "diagnoses": diagnoses}
    return Answer(made, print_diagnoses, int(broken))


def print_diagnoses(console: Console, made: dict[str, Any]) -> None:
    """Print what doctor found, and how to fix it."""
    marks = {True: "[green]ok[/]  ", False: "[red]bad[/] ", None: "[yellow]note[/]"}
    for each in made["diagnoses"]:
        console.print(f"{marks[each['ok']]} {escape(each['name'])}: {escape(each['says'])}")
        if each["ok"] is not True and each["mend"]:
            console.print(f"     fix: {escape(each['mend'])}")


def print_demo(console: Console, played: dict[str, Any]) -> None:
    """Print what happened in each round, and what to do next."""
    headings = ("", "sent", "intake", "update", "what it means")
    table = Table(*headings, title="What happened", title_justify="left")
    for row in played["rounds"]:
        table.add_row(
            str(row["round"]),
            escape(row["sent"]),
            coloured(row["intake"]) + f"\n{escape(row['held'])}",
            coloured(row["retrain"]) if row["retrain"] else "-",
            escape(row["means"]),
        )
    console.print()
    console.print(table, soft_wrap=False)
    console.print(f"Poison caught: {escape(played['truth'])}")
    console.print(f"Evidence: {escape(played['evidence'])}")
    console.print("Next:")
    for command in played["next"]:
        console.print(f"  {escape(command)}")
