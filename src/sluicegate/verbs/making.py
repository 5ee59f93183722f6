"""Making and serving a workspace: init, demo, up, doctor."""

import argparse
import sys
from pathlib import Path
from typing import Any

from .options import Answer, Verbs, add_verb, in_workspace, may_run_dry


def add(verbs: Verbs) -> None:
    """Add these verbs to the parser."""
    _add_init(add_verb(verbs, "init", init, "make a workspace and train its first champion"))
    _add_demo(add_verb(verbs, "demo", demo, "see the whole line at work on real data"))
    _add_up(
        in_workspace(
            add_verb(verbs, "up", up, "serve the schedules, the Prefect UI and the MLflow UI")
        )
    )
    in_workspace(add_verb(verbs, "doctor", doctor, "what is wrong with this machine or workspace"))


def _add_init(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("root", metavar="DIR", help="where to make the workspace")
    verb.add_argument("--data", required=True, metavar="FILE", help="labelled base data")
    verb.add_argument("--label", metavar="COL", help="the column to predict")
    verb.add_argument("--source", metavar="COL", help="who contributed a row of feedback")
    verb.add_argument("--time", metavar="COL", help="when a row was given")
    verb.add_argument("--id", metavar="COL", help="what identifies a row")
    verb.add_argument("--label-origin", metavar="COL", help="where a label comes from")
    verb.add_argument("--golden", metavar="FILE", help="trusted labelled examples")
    verb.add_argument("--model", metavar="NAME", help="its name in MLflow (default: DIR's)")
    verb.add_argument(
        "--sensitive", metavar="COL", action="append", default=[], help="pseudonymise this column"
    )
    verb.add_argument(
        "--slice", metavar="COL", action="append", default=[], help="compare its values one by one"
    )
    verb.add_argument("--task", choices=("classification", "regression"))
    verb.add_argument("--remote", metavar="URL", help="the DVC remote (default: inside DIR)")
    verb.add_argument("--no-input", action="store_true", help="ask nothing")
    may_run_dry(verb)


def _add_demo(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("root", metavar="DIR", nargs="?", default="sluicegate-demo")
    verb.add_argument("--data", metavar="FILE", help="your own data instead of the digits")
    verb.add_argument("--label", metavar="COL", help="the label of --data")
    verb.add_argument("--no-prefect", action="store_true", help="run without Prefect")


def _add_up(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--prefect-port", type=int, metavar="PORT")
    verb.add_argument("--mlflow-port", type=int, metavar="PORT")


def init(options: argparse.Namespace) -> Answer:
    """Make a workspace."""
    from sluicegate import workspace
    from sluicegate.terminal import output

    label, source = output.roles(options)
    given: dict[str, Any] = {
        "data": options.data,
        "label": label,
        "source": source,
        "time": options.time,
        "id": options.id,
        "label_origin": options.label_origin,
        "golden": options.golden,
        "model": options.model,
        "sensitive": tuple(options.sensitive),
        "slices": tuple(options.slice),
        "task": options.task,
        "remote": options.remote,
    }
    if options.dry_run:
        return output.print_plan(options, workspace.plan_init(options.root, **given)), 0
    with output.progress(options) as tell:
        made = workspace.Workspace.init(options.root, **given, tell=tell)
    return output.print_status(options, made.status().to_dict(), made.root), 0


def demo(options: argparse.Namespace) -> Answer:
    """Run the demonstration."""
    from sluicegate.terminal import output

    return output.demo(options)


def up(options: argparse.Namespace) -> Answer:
    """Serve until Ctrl-C."""
    from sluicegate import workspace

    place = workspace.Workspace.open(options.root, tell=lambda text: print(text, file=sys.stderr))
    return {"schema": 1}, place.up(options.prefect_port, options.mlflow_port)


def doctor(options: argparse.Namespace) -> Answer:
    """Tell what is wrong."""
    from sluicegate import workspace
    from sluicegate.terminal import output

    return output.print_diagnosis(options, workspace.diagnose(Path(options.root)))
