"""plots: pictures for the evidence page, drawn to be read at a glance on white and on black.

Orange is worse, or new; blue is better, or before. matplotlib's own objects are used, not pyplot,
which keeps figures in a global state.
"""

import base64
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sluicegate.checks.statistics.summaries import Categories, Numbers, Summary

INK = "#010203"  # stands for the page's own text colour, light or dark
WORSE, BETTER, QUIET = "#d9722b", "#3d85c6", "#8a9099"
WIDTH = 6.4
MOST_BARS = 14
MOST_CATEGORIES = 8
FARTHEST = 1e100
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sluicegate",
    "font.size": 9,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    # a contributor's "$x^2$" is text
    "text.parse_math": False,
}
_METADATA = re.compile("<metadata>.*?</metadata>", re.DOTALL)


@dataclass(frozen=True)
class Loss:
    """One line of `losses`: an interval, its estimate, and the limit that the policy sets."""

    name: str
    low: float
    value: float
    high: float
    limit: float | None


def losses(rows: Sequence[Loss]) -> Figure:
    """Return how much worse the challenger is per measure, each on a scale of its own."""
    figure = _figure(0.6 * len(rows) + 0.5)
    axes = np.atleast_1d(figure.subplots(len(rows), 1))
    for axis, row in zip(axes, rows, strict=True):
        colour = WORSE if row.low > 0 else BETTER if row.high < 0 else QUIET
        axis.plot([row.low, row.high], [0, 0], color=colour, linewidth=4, solid_capstyle="butt")
        axis.plot([row.value], [0], "o", color=colour, markersize=7)
        axis.axvline(0, color=INK, linewidth=0.8)
        if row.limit is not None:
            axis.axvline(row.limit, color=WORSE, linewidth=1.2, linestyle="--")
        reach = 1.15 * max(abs(row.low), abs(row.high), abs(row.limit or 0), 1e-9)
        axis.set_xlim(-reach, reach)
        axis.set_ylim(-1, 1)
        axis.set_yticks([0], [row.name])
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        axis.locator_params(axis="x", nbins=5)
    axes[-1].set_xlabel("← better than the champion      worse →")
    return figure


def lost_and_gained(slices: Sequence[tuple[str, int, int]]) -> Figure:
    """Return right answers lost and gained for each (slice, lost, gained), the worst on top."""
    shown = sorted(slices, key=lambda row: (row[2] - row[1], -row[1]))[:MOST_BARS][::-1]
    figure = _figure(0.3 * len(shown) + 0.7)
    axis = figure.subplots()
    names = _distinct([name for name, _, _ in shown])
    axis.barh(names, [-lost for _, lost, _ in shown], color=WORSE, label="lost")
    axis.barh(names, [gained for *_, gained in shown], color=BETTER, label="gained")
    for at, (_, lost, gained) in enumerate(shown):
        axis.text(-lost, at, f"{lost} " if lost else "", ha="right", va="center")
        axis.text(gained, at, f" {gained}" if gained else "", ha="left", va="center")
    reach = 1.2 * max(max(lost, gained, 1) for _, lost, gained in shown)
    axis.set_xlim(-reach, reach)
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)
    axis.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, -0.02))
    return figure


def by_source(rows: Sequence[tuple[str, int, int, int]]) -> Figure:
    """Return bars of each (source, agreeing rows, disagreeing rows, rows set aside)."""
    shown = rows[:MOST_BARS][::-1]
    figure = _figure(0.3 * len(shown) + 0.8)
    axis = figure.subplots()
    names = _distinct([name for name, *_ in shown])
    start = np.zeros(len(shown))
    for at, label, colour, hatch in (
        (1, "agrees with the champion", QUIET, None),
        (2, "disagrees with it", BETTER, None),
        (3, "set aside or in question", WORSE, "///"),
    ):
        counts = np.array([row[at] for row in shown], dtype=float)
        axis.barh(names, counts, left=start, color=colour, label=label, hatch=hatch)
        start += counts
    axis.set_xlabel("rows")
    axis.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.4, 1.0))
    return figure


def distributions(columns: Sequence[tuple[str, dict[str, Summary]]]) -> Figure:
    """Return for each (title, partition -> its values) the distributions laid over one another."""
    across = min(3, len(columns))
    down = -(-len(columns) // across)
    figure = _figure(1.7 * down + 0.3)
    axes = np.atleast_1d(figure.subplots(down, across)).ravel()
    for axis, (title, parts) in zip(axes, columns, strict=False):
        axis.set_title(_short(title, 30))
        if all(isinstance(part, Numbers) for part in parts.values()):
            _draw_numbers(axis, parts)
        else:
            _draw_categories(axis, parts)
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
    for axis in axes[len(columns) :]:
        axis.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def svg(figure: Figure) -> str:
    """Return `figure` as an SVG element whose ink is the page's text colour."""
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    text = _METADATA.sub("", drawn.getvalue())  # matplotlib's own address
    return text[text.index("<svg") :].replace(INK, "currentColor")


def png(figure: Figure) -> str:
    """Return `figure` as a data URI of a PNG on white, for markdown."""
    return as_uri(png_bytes(figure))


def png_bytes(figure: Figure) -> bytes:
    """Return `figure` as a PNG on white."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=80, facecolor="white", metadata={"Software": None})
    return drawn.getvalue()


def as_uri(picture: bytes) -> str:
    """Return a PNG as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


@contextmanager
def drawing() -> Iterator[None]:
    """Draw and save figures in the page's style."""
    with rc_context(STYLE), warnings.catch_warnings():
        # The page's own fonts have the letters that matplotlib's lack.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), layout="constrained")


def _draw_numbers(axis: Axes, parts: dict[str, Summary]) -> None:
    values = {name: part.values for name, part in parts.items() if isinstance(part, Numbers)}
    # beyond FARTHEST sums of edges overflow
    finite = {
        name: np.clip(each[np.isfinite(each)], -FARTHEST, FARTHEST) for name, each in values.items()
    }
    pooled = np.concatenate(list(finite.values()))
    if not pooled.size:
        return
    low, high = np.quantile(pooled, [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1, 21)
    for (name, each), look in zip(finite.items(), _looks(), strict=False):
        counts, _ = np.histogram(np.clip(each, edges[0], edges[-1]), edges)
        share = counts / max(each.size, 1)
        axis.stairs(share, edges, label=name, **look)
    axis.locator_params(axis="x", nbins=4)


def _draw_categories(axis: Axes, parts: dict[str, Summary]) -> None:
    counts = {
        name: pd.Series(part.counts, dtype=float)
        for name, part in parts.items()
        if isinstance(part, Categories)
    }
    shares = pd.DataFrame({name: each / max(each.sum(), 1) for name, each in counts.items()})
    shares = shares.fillna(0.0)
    shares = shares.loc[shares.max(axis=1).sort_values(ascending=False).index[:MOST_CATEGORIES]]
    shares = shares.sort_index()
    places, wide = np.arange(len(shares)), 0.8 / max(len(counts), 1)
    for at, (name, look) in enumerate(zip(counts, _looks(), strict=False)):
        axis.bar(places + (at - 1) * wide, shares[name], wide, color=look["color"], label=name)
    axis.set_xticks(places, [_short(str(each), 8) for each in shares.index])


def _looks() -> list[dict[str, Any]]:
    return [
        {"color": QUIET, "fill": True, "alpha": 0.45},
        {"color": BETTER, "linewidth": 1.4},
        {"color": WORSE, "linewidth": 1.8},
    ]


def _distinct(names: Sequence[str]) -> list[str]:
    """Return short names that stay apart: bars of one name would be drawn over one another."""
    short = [_short(name, 28) for name in names]
    return [name + "\u200b" * short[:at].count(name) for at, name in enumerate(short)]


def _short(text: str, most: int) -> str:
    plain = "".join(mark if mark.isprintable() else " " for mark in text)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
