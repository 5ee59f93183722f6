"""backtest_page: what retraining was worth, as a picture and a page of its own."""

from html import escape

from matplotlib.figure import Figure

from sluicegate.flows.trials.backtested import Backtested, figures, heading, headings, remarks
from sluicegate.reports.plots import BETTER, INK, QUIET, WIDTH, WORSE, png

_LINES = ("-", "--", "-.", ":")
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .7rem;text-align:right}"
    "th{border-bottom:1px solid}td:first-child,th:first-child{text-align:left}img{max-width:100%}"
    "h1{font-size:1.6rem}td{white-space:nowrap}"
    ".advised{font-weight:bold}.note{color:#555;font-size:.9rem}"
)


def picture(found: Backtested) -> Figure:
    """Return the running score of each schedule above, and its gain with the interval below."""
    listed = found.schedules
    figure = Figure(figsize=(WIDTH, 3.2 + 0.35 * len(listed)), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[2.4, 0.5 + 0.35 * len(listed)])
    batches = [str(int(batch)) for batch in found.batches[1:]]
    unit = 100 if found.classifies else -1  # percent, or the error itself
    shown = {name: [unit * each for each in run] for name, run in found.running.items()}
    above.plot(batches, shown["frozen"], color=QUIET, linewidth=2.4, label="never")
    for at, each in enumerate(listed):
        taken = each == found.taken
        above.plot(
            batches, shown[str(each.every)], color=BETTER, linestyle=_LINES[at % len(_LINES)],
            linewidth=2.2 if taken else 1.2, label=each.often,
        )  # fmt: skip
    percent = " in %" if found.classifies else ""
    above.set_title(f"{found.measure}{percent} up to each batch, scored before training on it")
    above.set_xlabel("batch")
    above.legend(title="retrained", loc="center left", bbox_to_anchor=(1.0, 0.5))
    for at, each in enumerate(listed):
        colour = BETTER if each.low > 0 else WORSE if each.high < 0 else QUIET
        low, gain, high = (abs(unit) * end for end in (each.low, each.gain, each.high))
        below.plot([low, high], [at, at], color=colour, linewidth=4)
        below.plot([gain], [at], "o", color=colour, markersize=7)
    below.axvline(0, color=INK, linewidth=0.8)
    below.set_yticks(range(len(listed)), [each.often for each in listed])
    below.set_ylim(-0.6, len(listed) - 0.4)
    below.tick_params(axis="y", length=0)
    points = " in points" if found.classifies else ""
    below.set_xlabel(f"gain{points} over never retraining, with 95 % intervals")
    return figure


def page(found: Backtested) -> str:
    """Return a page with the answer, the picture and the figures; call while drawing."""
    heads = "".join(f"<th>{escape(each)}</th>" for each in ("retrained", *headings(found)))
    advised = found.taken.often if found.taken else "never"
    rows = ""
    for cells in figures(found):
        mark = " class=advised" if cells[0] == advised else ""
        rows += f"<tr{mark}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
    why = escape(" ".join(found.reasons))
    notes = "".join(f"<p class=note>{escape(each)}</p>" for each in remarks(found))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Does retraining pay?</title>'
        f"<style>{_STYLE}</style><h1>{escape(heading(found))}</h1>"
        f"<p><b>{escape(found.advice)}</b></p><p>{why}</p>"
        f'<p><img src="{png(picture(found))}" alt="Score and gain of each schedule"></p>'
        f"<table><tr>{heads}</tr>{rows}</table>{notes}</html>\n"
    )


def summary(found: Backtested, drawn: str) -> str:
    """Return the same as markdown; `drawn` says where the picture is."""
    heads = ("retrained", *headings(found))
    lines = [
        f"# {heading(found)}",
        "",
        f"**{found.advice}**",
        "",
        " ".join(found.reasons),
        "",
        f"![Score and gain of each schedule]({drawn})",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
        *(f"| {' | '.join(cells)} |" for cells in figures(found)),
        "",
        *(f"- {each}" for each in remarks(found)),
    ]
    return "\n".join(lines) + "\n"
