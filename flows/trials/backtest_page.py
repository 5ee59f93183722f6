"""page: what retraining was worth, as a picture and a page of its own."""

from collections.abc import Mapping
from html import escape
from typing import Any

from matplotlib.figure import Figure

from sluicegate.flows.trials.backtest_words import (
    ACCURACY,
    figures,
    heading,
    headings,
    remarks,
    schedule,
)
from sluicegate.reports.plots import BETTER, INK, QUIET, WIDTH, WORSE, png

_LINES = ("-", "--", "-.", ":")
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .7rem;text-align:right}"
    "th{border-bottom:1px solid}td:first-child,th:first-child{text-align:left}img{max-width:100%}"
    "h1{font-size:1.6rem}td{white-space:nowrap}"
    ".advised{font-weight:bold}.note{color:#555;font-size:.9rem}"
)


def picture(told: Mapping[str, Any]) -> Figure:
    """Return the running score of each schedule above, and its gain with the interval below."""
    listed = told["schedules"]
    figure = Figure(figsize=(WIDTH, 3.2 + 0.35 * len(listed)), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[2.4, 0.5 + 0.35 * len(listed)])
    batches = [str(int(batch)) for batch in told["batches"][1:]]
    classifies = told["measure"] == ACCURACY
    unit = 100 if classifies else -1  # percent, or the error itself
    shown = {name: [unit * each for each in run] for name, run in told["running"].items()}
    above.plot(batches, shown["frozen"], color=QUIET, linewidth=2.4, label="never")
    for at, each in enumerate(listed):
        taken = each["every"] == told["every"]
        above.plot(
            batches, shown[str(each["every"])], color=BETTER, linestyle=_LINES[at % len(_LINES)],
            linewidth=2.2 if taken else 1.2, label=schedule(each["every"]),
        )  # fmt: skip
    percent = " in %" if classifies else ""
    above.set_title(f"{told['measure']}{percent} up to each batch, answered before it was learnt")
    above.set_xlabel("batch")
    above.legend(title="retrained", loc="center left", bbox_to_anchor=(1.0, 0.5))
    for at, each in enumerate(listed):
        colour = BETTER if each["low"] > 0 else WORSE if each["high"] < 0 else QUIET
        low, gain, high = (abs(unit) * each[name] for name in ("low", "gain", "high"))
        below.plot([low, high], [at, at], color=colour, linewidth=4)
        below.plot([gain], [at], "o", color=colour, markersize=7)
    below.axvline(0, color=INK, linewidth=0.8)
    below.set_yticks(range(len(listed)), [schedule(each["every"]) for each in listed])
    below.set_ylim(-0.6, len(listed) - 0.4)
    below.tick_params(axis="y", length=0)
    points = " in points" if classifies else ""
    below.set_xlabel(f"gain{points} over never retraining, with 95 % intervals")
    return figure


def page(told: Mapping[str, Any]) -> str:
    """Return a page with the answer, the picture and the figures; call while drawing."""
    heads = "".join(f"<th>{escape(each)}</th>" for each in ("retrained", *headings(told)))
    rows = "".join(
        f"<tr{_marked(told, cells[0])}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for cells in figures(told)
    )
    why = escape(" ".join(told["reasons"]))
    notes = "".join(f"<p class=note>{escape(each)}</p>" for each in remarks(told))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Does retraining pay?</title>'
        f"<style>{_STYLE}</style><h1>{escape(heading(told))}</h1>"
        f"<p><b>{escape(told['advice'])}</b></p><p>{why}</p>"
        f'<p><img src="{png(picture(told))}" alt="score and gain of each schedule"></p>'
        f"<table><tr>{heads}</tr>{rows}</table>{notes}</html>\n"
    )


def summary(told: Mapping[str, Any], drawn: str) -> str:
    """Return the same as markdown; `drawn` says where the picture is."""
    heads = ("retrained", *headings(told))
    lines = [
        f"# {heading(told)}",
        "",
        f"**{told['advice']}**",
        "",
        " ".join(told["reasons"]),
        "",
        f"![Score and gain of each schedule]({drawn})",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
        *(f"| {' | '.join(cells)} |" for cells in figures(told)),
        "",
        *(f"- {each}" for each in remarks(told)),
    ]
    return "\n".join(lines) + "\n"


def _marked(told: Mapping[str, Any], named: str) -> str:
    """Return the attribute of the table's row that is advised."""
    advised = schedule(told["every"]) if told["every"] is not None else "never"
    return " class=advised" if named == advised else ""
