"""plots: what is caught, and how that went over time."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from sluicegate.record.threats import CAUGHT
from sluicegate.reports.plots import BETTER, INK, QUIET, WIDTH, WORSE


def catch_rates(attacks: Sequence[dict[str, Any]], honest: dict[str, Any]) -> Figure:
    """Return the share caught of each attack at its usual strength, and of the honest windows stopped."""
    shown = [each for each in attacks if each["caught"]["rate"] is not None]
    shown.sort(key=lambda each: (each["caught"]["rate"], each["caught"]["of"]))
    figure = Figure(figsize=(WIDTH, 0.32 * len(shown) + 1.8), layout="constrained")
    axis = figure.subplots()
    false = honest["false_stops"]
    if false["rate"] is not None:
        _interval(axis, 0, honest["paused_or_rejected"], QUIET)
        _interval(axis, 1, false, QUIET)
    for at, each in enumerate(shown, 2):
        _interval(axis, at, each["caught"], WORSE if each["caught"]["rate"] < CAUGHT else BETTER)
    names = [f"{each['attack']}, {each['share']:.1%}" for each in shown]
    quiet = ["honest, paused or rejected", f"honest, not passed ({false['of']} windows)"]
    axis.set_yticks(range(len(shown) + 2), [*quiet, *names])
    axis.axhline(1.5, color=QUIET, linewidth=0.8)
    axis.axvline(CAUGHT, color=QUIET, linewidth=0.8, linestyle=":")
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(-0.6, len(shown) + 1.6)
    axis.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0], ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"])
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("windows caught, with 95 % interval (usual share of poison)")
    return figure


def trend(drills: Sequence[dict[str, Any]]) -> Figure:
    """Return the mean catch rate and the honest windows stopped, drill by drill."""
    figure = Figure(figsize=(WIDTH, 2.4), layout="constrained")
    axis = figure.subplots()
    at = range(len(drills))
    mean = [float("nan") if said["mean"] is None else said["mean"] for said in drills]
    false = [said["honest"]["false_stops"] for said in drills]
    axis.plot(at, mean, "o-", color=BETTER, label="attacked windows caught (mean of attacks)")
    rates = [float("nan") if each["rate"] is None else each["rate"] for each in false]
    axis.plot(at, rates, "s-", color=WORSE, label="honest windows not passed", markersize=4)
    axis.vlines(at, [e["low"] for e in false], [e["high"] for e in false], color=WORSE, alpha=0.4)
    low, high = (min(at, default=0) - 0.5, max(at, default=0) + 0.5)
    budget = drills[-1]["honest"]["budget"] if drills else 0.0
    axis.hlines(budget, low, high, color=WORSE, linewidth=0.8, linestyle="--")
    axis.text(high, budget, " budget", va="center", color=INK)
    for place, said in zip(at, drills, strict=True):
        floor = said["floors"].get("mean")
        if floor is not None:
            axis.hlines(
                floor, place - 0.4, place + 0.4, color=BETTER, linewidth=0.8, linestyle="--"
            )
    step = max(1, len(drills) // 10)
    names = [f"{said['drill']}\n{said['time'][:10]}" for said in drills]
    axis.set_xticks(list(at)[::step], names[::step])
    axis.set_xlim(low, high)
    axis.set_ylim(-0.03, 1.03)
    axis.set_yticks([0, 0.5, 1.0], ["0 %", "50 %", "100 %"])
    axis.legend(loc="lower center", ncols=2, bbox_to_anchor=(0.5, 1.0))
    return figure


def _interval(axis: Any, at: int, rate: dict[str, Any], colour: str) -> None:
    axis.plot(
        [rate["low"], rate["high"]], [at, at], color=colour, linewidth=4, alpha=0.45,
        solid_capstyle="butt",
    )  # fmt: skip
    axis.plot([rate["rate"]], [at], "o", color=colour, markersize=7)
