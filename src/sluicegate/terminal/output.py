"""What a person reads: progress on stderr, results on stdout; nothing at all under --json."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sluicegate.core import Misused
from sluicegate.core.counted import counted
from sluicegate.terminal.words import escape

COLOURS = {"pass": "green", "quarantine": "yellow", "pause": "magenta", "reject": "red"}
WORST_FIRST = ("reject", "pause", "quarantine", "pass")
MOST_SHOWN = 8
MOST_SOURCES = 6
SHOWN_WIDTH = 110


def mute(_: str) -> None:
    """Show no progress."""


@contextlib.contextmanager
def progress(options: argparse.Namespace) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows what is going on; quiet under --json or off a terminal."""
    if options.json or not sys.stderr.isatty():
        yield mute
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Starting", total=None)
        yield lambda text: bar.update(task, description=escape(text))


def roles(options: argparse.Namespace) -> tuple[str, str | None]:
    """Return the label and source columns, asked for on a terminal where they were left out.

    Raises Misused where nobody can be asked.
    """
    asks = not options.no_input and not options.json and sys.stdin.isatty()
    if options.label and (options.source or not asks):
        return options.label, options.source
    if not asks:
        raise Misused("init needs --label COL: the column that the model predicts.")
    from rich.prompt import Prompt

    console = Console(stderr=True)
    label = options.label or Prompt.ask("Which column does the model predict?", console=console)
    source = options.source or Prompt.ask(
        "Which column of the feedback names its contributor? (empty: none)",
        default="",
        show_default=False,
        console=console,
    )
    return label, source or None


def print_intake(options: argparse.Namespace, answer: dict[str, Any]) -> dict[str, Any]:
    """Print what became of a batch."""
    if options.json:
        return answer
    console = plain_console()
    batch = answer["batch"]
    name = f"batch:{batch['id']}" if batch["id"] else Path(batch["path"]).name
    console.print(f"{name}: {_coloured(answer['outcome'])}", _seconds(answer))
    sent = f"{counted(batch['rows'], 'row')} from {counted(batch['sources'], 'source')}"
    console.print(f"  {sent}")
    if batch["duplicate_of"]:
        console.print(f"  received before as batch:{batch['duplicate_of']}; nothing changed")
    if answer["outcome"] != "reject":  # of what is rejected nothing is kept apart
        _print_selection(console, "set aside", answer["quarantined"])
    _print_selection(console, "in question", answer["suspects"])
    _print_reasons(console, answer["reasons"])
    _print_findings(console, answer["findings"])
    return answer


def print_retrain(options: argparse.Namespace, answer: dict[str, Any]) -> dict[str, Any]:
    """Print what became of an update."""
    if options.json:
        return answer
    console = plain_console()
    update = answer["update"]
    console.print(
        f"update:{update['id']}: {_coloured(answer['outcome'])}, {update['stage']}",
        _seconds(answer),
    )
    champion, challenger = update["champion"], update["challenger"]
    if champion and challenger:
        serving = challenger if update["stage"] == "promoted" else champion
        console.print(
            f"  challenger version {challenger['version']} against champion "
            f"version {champion['version']}; version {serving['version']} serves"
        )
    console.print(f"  learnt from batches {', '.join(update['batches']) or '(none)'}")
    _print_reasons(console, answer["reasons"])
    _print_findings(console, answer["findings"])
    if update["stage"] == "awaiting":
        console.print(
            f"  next: read updates/{update['id']}/report.md, "
            f"then `sluicegate review show update:{update['id']}`"
        )
    return answer


def print_update(options: argparse.Namespace, answer: dict[str, Any]) -> dict[str, Any]:
    """Print what became of a batch and of the update that it led to."""
    print_intake(options, answer["intake"])
    if answer["retrain"]:
        print_retrain(options, answer["retrain"])
    elif not options.json:
        plain_console().print("  nothing was trained; the champion serves on")
    return answer


def print_status(options: argparse.Namespace, answer: dict[str, Any], root: Path) -> dict[str, Any]:
    """Print where a workspace stands."""
    if options.json:
        return answer
    console = plain_console()
    champion = answer["champion"]
    console.print(f"[bold]{escape(answer['model'])}[/] in {escape(str(root))}")
    console.print(
        f"  champion: version {champion['version']} (update:{champion['update']}), "
        f"since {champion['since']}, {champion['sha256'][:12]}"
    )
    if answer["suspended"]:
        console.print(
            f"  [red]nobody serves[/] since incident:{answer['suspended']}: no version is clean of it; "
            "train one with `sluicegate retrain`"
        )
    if not answer["golden_verified"]:
        console.print(
            "  golden set: [yellow]unverified[/], held out from the base data; "
            "nobody vouched for its labels"
        )
    counts = ", ".join(f"{count} {state}" for state, count in answer["batches"].items())
    aside = answer["quarantine"]
    rows = counted(aside["rows"], "row")
    held = (
        f"; in quarantine: {rows} of {counted(aside['batches'], 'batch')}" if aside["rows"] else ""
    )
    console.print(f"  batches: {counts}{held}")
    if answer["trainer"].startswith("trainer not"):
        console.print(f"  [yellow]{escape(answer['trainer'])}[/]")
    if answer["open_threats"]:
        names = ", ".join(answer["open_threats"])
        threats = counted(len(answer["open_threats"]), "threat")
        console.print(f"  {threats} open after drills: {escape(names)}")
    console.print(f"  limits: {escape(answer['calibration'])}", soft_wrap=True)
    for waiting in answer["awaiting"]:
        console.print(f"  awaiting: {waiting['subject']} since {waiting['since']}")
        console.print(f"    {escape(shortened(waiting['why']))}")
    for number, left in answer["incidents"].items():
        console.print(f"  [red]incident:{number}[/]: {escape('; '.join(left))}", soft_wrap=True)
    for who, count in answer["insistent"].items():
        console.print(
            f"  checks: {escape(who)} asked {counted(count, 'time')} about rows that were checked in many "
            "versions; see `sluicegate doctor`"
        )
    for moved in answer["anchored"]:
        console.print(
            f"  {moved['table']}: re-anchored by {moved['subject']}; farthest from the very first: "
            f"{escape(moved['farthest'])}"
        )
    for said in answer["keys"]:
        console.print(f"  keys: [yellow]{escape(said)}[/]", soft_wrap=True)
    for loader in answer["serving"]:
        what = f"version {loader['version']}" if loader["version"] else "nothing"
        state = "[red]behind[/]" if loader["behind"] else loader["state"]
        said = f"; {shortened(loader['said'])}" if loader["said"] else ""
        console.print(
            f"  serving: {escape(loader['loader'])}: {escape(str(what))}, {state}, "
            f"looked {escape(str(loader['checked']))}{escape(said)}"
        )
    if answer["unfinished"]:
        console.print(
            f"  update:{answer['unfinished']} is approved and its promotion has not ended; "
            "`sluicegate up` or the next `sluicegate retrain` finishes it"
        )
    return answer


def print_record(options: argparse.Namespace, shown: dict[str, Any]) -> dict[str, Any]:
    """Print the record of a batch or an update."""
    if options.json:
        return shown
    console = plain_console()
    if "verdict" not in shown:
        kind = shown["subject"].partition(":")[0]
        console.print(f"{shown['subject']}: {shown['state']}")
        console.print(f"  {escape(shortened(shown[kind]['reason']))}")
        console.print(f"  page: {shown['page']}")
        return shown
    verdict = shown["verdict"]
    stage = shown.get("state") or shown["update"]["stage"]
    console.print(f"{shown['subject']}: {_coloured(verdict['outcome'])}, {stage}")
    _print_selection(console, "set aside", verdict["quarantined"])
    _print_selection(console, "in question", verdict["suspects"])
    _print_reasons(console, verdict["reasons"])
    for name, figures in shown.get("metrics", {}).get("golden", {}).items():
        numbers = ", ".join(
            f"{k} {v:.4g}" for k, v in figures.items() if isinstance(v, int | float)
        )
        console.print(f"  {name} on golden: {numbers}")
    _print_findings(console, [each for each in shown["findings"] if "outcome" in each])
    console.print(f"  policy: {escape(shown['policy'])}", soft_wrap=True)
    if "report" in shown:
        console.print(f"  report: {shown['report']}")
    if shown.get("rollback"):
        rollback = shown["rollback"]
        console.print(f"  rollback {rollback['state']}: {escape(shortened(rollback['reason']))}")
    return shown


def print_plan(options: argparse.Namespace, plan: dict[str, Any]) -> dict[str, Any]:
    """Print what would happen."""
    if not options.json:
        for name, value in plan.items():
            if name != "schema":
                plain_console().print(f"  {name}: {escape(str(value))}")
    return plan


def print_line(options: argparse.Namespace, answer: dict[str, Any], said: str) -> dict[str, Any]:
    """Print what was done in one line."""
    if not options.json:
        plain_console().print(escape(said), soft_wrap=True)
    return answer


def print_diagnosis(
    options: argparse.Namespace, diagnoses: list[dict[str, Any]]
) -> tuple[dict[str, Any], int]:
    """Print what doctor found; the exit code is 1 when something is broken."""
    broken = any(each["ok"] is False for each in diagnoses)
    if not options.json:
        marks = {True: "[green]ok[/]  ", False: "[red]bad[/] ", None: "[yellow]note[/]"}
        for each in diagnoses:
            console = plain_console()
            console.print(f"{marks[each['ok']]} {escape(each['name'])}: {escape(each['says'])}")
            if each["ok"] is not True and each["mend"]:
                console.print(f"     mend: {escape(each['mend'])}")
    return {"schema": 1, "ok": not broken, "diagnoses": diagnoses}, int(broken)


def demo(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Run the demonstration and print it as it goes."""
    from sluicegate import workspace

    console = Console(stderr=True) if options.json else plain_console()

    def tell(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    told = workspace.demo(
        Path(options.root),
        data=options.data,
        label=options.label,
        prefect=not options.no_prefect,
        tell=tell,
    )
    if not options.json:
        _print_demo(console, told)
        if told["waits"] and console.is_terminal and not options.no_prefect:
            console.print()
            return told, workspace.serve_demo(Path(options.root), told["waits"], tell)
    return told, 0


def _print_demo(console: Console, told: dict[str, Any]) -> None:
    table = Table(title="What happened", title_justify="left", expand=False)
    for heading in ("", "sent", "intake", "update", "what it means"):
        table.add_column(heading)
    for row in told["rounds"]:
        table.add_row(
            str(row["round"]),
            escape(row["sent"]),
            _coloured(row["intake"]) + f"\n{escape(row['held'])}",
            _coloured(row["retrain"]) if row["retrain"] else "-",
            escape(row["means"]),
        )
    console.print()
    console.print(table)
    console.print(f"Poison caught: {escape(told['truth'])}")
    console.print(f"Evidence: {escape(told['evidence'])}")
    console.print("Next:")
    for command in told["next"]:
        console.print(f"  {escape(command)}", soft_wrap=True)


def _print_selection(console: Console, words: str, selection: dict[str, Any]) -> None:
    rows, sources = selection["rows"], selection["sources"]
    if not rows and not sources:
        return
    named = ", ".join(sources[:MOST_SOURCES]) + (" ..." if len(sources) > MOST_SOURCES else "")
    by = f", sources {named}" if sources else ""
    console.print(f"  {words}: {counted(len(rows), 'row')}{escape(by)}")


def _print_reasons(console: Console, reasons: list[str]) -> None:
    for reason in reasons[:MOST_SHOWN]:
        console.print(f"  - {escape(shortened(reason))}", soft_wrap=True)
    if len(reasons) > MOST_SHOWN:
        console.print(f"  - and {len(reasons) - MOST_SHOWN} more (--json lists them)")


def _print_findings(console: Console, findings: list[dict[str, Any]]) -> None:
    limited = [each for each in findings if each["limit"] is not None]
    limited.sort(key=lambda each: (WORST_FIRST.index(each["outcome"]), each["metric"]))
    beyond = [each for each in limited if each["outcome"] != "pass"]
    blind = sum(each["value"] is None for each in beyond)
    said = f", {blind} could not be measured" if blind else ""
    console.print(f"  {len(limited)} limits checked, {len(beyond) - blind} exceeded{said}")


def shortened(text: str) -> str:
    """Return `text`, cut off where it would fill the screen."""
    return text if len(text) <= 2 * SHOWN_WIDTH else text[: 2 * SHOWN_WIDTH - 1] + "…"


def _coloured(outcome: str) -> str:
    return f"[bold {COLOURS[outcome]}]{outcome}[/]"


def _seconds(answer: dict[str, Any]) -> str:
    return f"[dim]({answer['seconds']:.1f} s)[/]"


def plain_console() -> Console:
    """Return the console that results are printed to."""
    return Console(highlight=False)
