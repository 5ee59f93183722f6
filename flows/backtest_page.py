"""backtest_page: what retraining was worth, as a picture and a page of its own."""

from collections.abc import Mapping
from html import escape
from typing import Any

from matplotlib.figure import Figure

from sluicegate.flows.plots import BETTER, INK, QUIET, WIDTH, WORSE, png
from sluicegate.flows.report import number

_LINES = ("-", "--", "-.", ":")
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right}"
    "th{border-bottom:1px solid}img{max-width:100%}"
)


def picture(told: Mapping[str, Any]) -> Figure:
    """Return the running score of each schedule above, and its gain with the interval below."""
    listed = told["schedules"]
    figure = Figure(figsize=(WIDTH, 3.2 + 0.35 * len(listed)), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[2.4, 0.5 + 0.35 * len(listed)])
    batches = [str(int(batch)) for batch in told["batches"][1:]]
    above.plot(batches, told["running"]["frozen"], color=QUIET, linewidth=2.4, label="frozen")
    for at, each in enumerate(listed):
        running = told["running"][str(each["every"])]
        taken = each["every"] == told["every"]
        above.plot(
            batches, running, color=BETTER, linestyle=_LINES[at % len(_LINES)],
            linewidth=2.2 if taken else 1.2, label=_every(each["every"]),
        )  # fmt: skip
    above.set_title(f"{told['measure']} on batches before they are learnt, so far")
    above.set_xlabel("batch")
    above.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    for at, each in enumerate(listed):
        colour = BETTER if each["low"] > 0 else WORSE if each["high"] < 0 else QUIET
        below.plot([each["low"], each["high"]], [at, at], color=colour, linewidth=4)
        below.plot([each["gain"]], [at], "o", color=colour, markersize=7)
    below.axvline(0, color=INK, linewidth=0.8)
    below.set_yticks(range(len(listed)), [_every(each["every"]) for each in listed])
    below.set_ylim(-0.6, len(listed) - 0.4)
    below.tick_params(axis="y", length=0)
    below.set_xlabel(
        "gain per row against the frozen champion, intervals that hold together at 95 %"
    )
    return figure


def page(told: Mapping[str, Any]) -> str:
    """Return a page with the advice, the picture and the figures; call while drawing."""
    heads = "".join(f"<th>{each}</th>" for each in ("schedule", *HEADINGS))
    rows = "".join(
        f"<tr><td>{cells[0]}</td>{''.join(f'<td>{cell}</td>' for cell in cells[1:])}</tr>"
        for cells in figures(told)
    )
    notes = "".join(f"<p>{escape(each)}</p>" for each in remarks(told))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Does retraining pay?</title>'
        f"<style>{_STYLE}</style><h1>Does retraining pay?</h1><p><b>{escape(told['advice'])}</b></p>"
        f'<p><img src="{png(picture(told))}" alt="score and gain of each schedule"></p>'
        f"<table><tr>{heads}</tr>{rows}</table>{notes}</html>\n"
    )


def summary(told: Mapping[str, Any], drawn: str) -> str:
    """Return the same as markdown; `drawn` says where the picture is."""
    heads = ("schedule", *HEADINGS)
    lines = [
        "# Does retraining pay?",
        "",
        f"**{told['advice']}**",
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


HEADINGS = ("score", "gain", "interval", "retrainings", "seconds")


def figures(told: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row of cells for the frozen champion and for each schedule."""
    rows: list[tuple[str, ...]] = [("frozen", number(told["frozen"]), "-", "-", "0", "0")]
    for each in told["schedules"]:
        interval = f"[{each['low']:.3f}, {each['high']:.3f}]"
        cells = (number(each["score"]), f"{each['gain']:.3f}", interval)
        done = (str(each["retrainings"]), f"{each['seconds']:.0f}")
        rows.append((_every(each["every"]), *cells, *done))
    return rows


def remarks(told: Mapping[str, Any]) -> list[str]:
    """Return what limits the figures."""
    done = told["trainings"]
    said = [
        f"{len(told['batches'])} accepted batches; {done['models']} models, {done['trained']} of "
        f"them trained for it in {done['seconds']:.0f} s."
    ]
    if told["left_out"]:
        names = ", ".join(_every(each) for each in told["left_out"])
        said.append(f"Not tried, for want of trainings (--most): {names}.")
    if told["few"]:
        said.append("With so few batches the intervals are too narrow: take this as a hint.")
    return said


def _every(every: int) -> str:
    return "every batch" if every == 1 else f"every {every} batches"
