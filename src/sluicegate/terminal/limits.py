"""What a person reads of the limits and what they were calibrated on."""

import argparse
from typing import Any

from rich.table import Table

from sluicegate.gates.calibration import CALIBRATED
from sluicegate.terminal import output
from sluicegate.terminal.words import escape


def print_calibration(options: argparse.Namespace, answer: dict[str, Any]) -> dict[str, Any]:
    """Print every limit that calibrates: the largest honest value, as written and as it is held to."""
    if options.json:
        return answer
    console = output.plain_console()
    console.print(escape(answer["told"]), soft_wrap=True)
    windows = answer["drawn"] + answer["history"]
    console.print(
        f"  {answer['stopped']} of {windows} honest windows are beyond a written limit, "
        f"{answer['stops']} beyond a calibrated one"
    )
    console.print(f"  sources: {escape(answer['sources'])}", soft_wrap=True)
    table = Table(box=None)
    for name in ("limit", "beyond it", "largest", "written", "now", ""):
        words = name in ("limit", "beyond it", "")
        table.add_column(name, justify="left" if words else "right", no_wrap=name != "")
    for each in answer["limits"]:
        largest = each["quantiles"][-1] if each["quantiles"] else None
        figures = (largest, each["written"], each["limit"])
        table.add_row(
            escape(each["metric"]),
            each["outcome"],
            *("-" if x is None else f"{x:.3g}" for x in figures),
            _remark(each),
        )
    console.print(table)
    return answer


def _remark(each: dict[str, Any]) -> str:
    if each["state"] != CALIBRATED:
        return str(each["state"])
    loosened = f"[yellow]loosened[/] from {each['before']:.3g}" if each["loosened"] else ""
    bounded = "as far as one calibration may" if each["bounded"] else ""
    return ", ".join(word for word in (loosened, bounded) if word)
