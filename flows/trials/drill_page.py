"""drill_page: a drill on one page with its pictures, for the policy's owners."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sluicegate.flows.trials.drilled import (
    Drilled,
    adaptive_line,
    honest_line,
    outcomes_line,
    percent,
    smallest_line,
    verdict_line,
)
from sluicegate.flows.trials.tally import MEAN
from sluicegate.record.drills import AtStrength, Attacked, Drill, Honest, Rate
from sluicegate.record.threats import CAUGHT
from sluicegate.reports import plots
from sluicegate.reports.markup import escaped
from sluicegate.reports.plots import BETTER, INK, QUIET, WIDTH, WORSE
from sluicegate.stores import files

PAGE = "report.md"
CATCH, TREND = "catch.png", "trend.png"


def write_page(folder: Path, drilled: Drilled, drills: Sequence[Drill]) -> None:
    """Write the page and its pictures into `folder`."""
    for name, picture in pictures(drilled, drills).items():
        files.write_bytes(folder / name, picture)
    files.write_bytes(folder / PAGE, page(drilled, {CATCH: CATCH, TREND: TREND}).encode())


def read_pictures(folder: Path) -> dict[str, str]:
    """Return the pictures in `folder` as data URIs, for a page that stands elsewhere."""
    return {name: plots.as_uri((folder / name).read_bytes()) for name in (CATCH, TREND)}


def pictures(drilled: Drilled, drills: Sequence[Drill]) -> dict[str, bytes]:
    """Return the pictures of the page as PNG, by file name."""
    with plots.drawing():
        return {
            CATCH: plots.png_bytes(catch_rates(drilled.attacks, drilled.honest)),
            TREND: plots.png_bytes(trend(drills)),
        }


def page(drilled: Drilled, drawn: Mapping[str, str]) -> str:
    """Return the page; `drawn` says where each picture is."""
    lines = [
        f"# drill:{drilled.drill}, {drilled.kind}",
        "",
        f"**{verdict_line(drilled)}**",
        "",
        f"- windows of {drilled.window_rows} rows, from {escaped(drilled.windows_from)}",
        f"- gates tested: {', '.join(drilled.gates)}; not file reading, and not the "
        "comparison of a challenger with the champion",
        f"- policy `{drilled.policy[:12]}`, champion version {drilled.champion.version}, "
        f"seed {drilled.seed}, sluicegate {drilled.version}",
        f"- {honest_line(drilled.honest)}",
        *([f"- {adaptive_line(drilled.adaptive)}"] if drilled.adaptive else []),
        "",
        f"![Attacks caught]({drawn[CATCH]})",
        "",
        "## Attack by attack",
        "",
        "| attack | ATLAS | poison | caught | outcomes | by | precision / recall of rows |",
        "|---|---|---|---|---|---|---|",
        *(_row(each, at) for each in drilled.attacks for at in each.strengths),
        *(f"| {name} | | | not applicable | | {escaped(why)} | |"
          for name, why in drilled.not_applicable.items()),
        "",
        "Caught: paused or rejected for a reason that the same window without the attack lacks, "
        "or at least half of the poison set aside. For `slow`, one row is a campaign of windows.",
        "",
        "## The smallest share of poison caught four times in five",
        "",
        *(f"- {each.attack}: {smallest_line(each.smallest)}" for each in drilled.attacks),
        "",
        "## Open threats",
        "",
        *([f"- {row.attack} ({row.atlas}): first missed in drill {row.first_missed}, last in "
           f"{row.last_missed}" for row in drilled.threats] or ["None."]),
        "",
        "## Over time",
        "",
        f"![Over time]({drawn[TREND]})",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def catch_rates(attacks: Sequence[Attacked], honest: Honest) -> Figure:
    """Return the share of each attack caught at its usual strength, and of the honest windows stopped."""
    shown = [each for each in attacks if each.caught.rate is not None]
    shown.sort(key=lambda each: (each.caught.rate or 0.0, each.caught.of))
    figure = Figure(figsize=(WIDTH, 0.32 * len(shown) + 1.8), layout="constrained")
    axis = figure.subplots()
    false = honest.false_stops
    if false.rate is not None:
        _interval(axis, 0, honest.paused_or_rejected, QUIET)
        _interval(axis, 1, false, QUIET)
    for at, each in enumerate(shown, 2):
        missed = (each.caught.rate or 0.0) < CAUGHT
        _interval(axis, at, each.caught, WORSE if missed else BETTER)
    names = [f"{each.attack}, {each.share:.1%}" for each in shown]
    quiet = ["honest, paused or rejected", f"honest, stopped ({false.of} windows)"]
    axis.set_yticks(range(len(shown) + 2), [*quiet, *names])
    axis.axhline(1.5, color=QUIET, linewidth=0.8)
    axis.axvline(CAUGHT, color=QUIET, linewidth=0.8, linestyle=":")
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(-0.6, len(shown) + 1.6)
    axis.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0], ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"])
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("windows caught, with 95 % interval (at the usual share of poison)")
    return figure


def trend(drills: Sequence[Drill]) -> Figure:
    """Return the mean catch rate and the honest windows stopped, drill by drill."""
    figure = Figure(figsize=(WIDTH, 2.4), layout="constrained")
    axis = figure.subplots()
    at = range(len(drills))
    mean = [float("nan") if each.mean is None else each.mean for each in drills]
    false = [each.honest.false_stops for each in drills]
    axis.plot(at, mean, "o-", color=BETTER, label="attacked windows caught (mean of attacks)")
    rates = [float("nan") if each.rate is None else each.rate for each in false]
    axis.plot(at, rates, "s-", color=WORSE, label="honest windows stopped", markersize=4)
    axis.vlines(at, [e.low for e in false], [e.high for e in false], color=WORSE, alpha=0.4)
    low, high = (min(at, default=0) - 0.5, max(at, default=0) + 0.5)
    budget = drills[-1].honest.budget if drills else 0.0
    axis.hlines(budget, low, high, color=WORSE, linewidth=0.8, linestyle="--")
    axis.text(high, budget, " budget", va="center", color=INK)
    for place, each in zip(at, drills, strict=True):
        floor = each.floors.get(MEAN)
        if floor is not None:
            axis.hlines(
                floor, place - 0.4, place + 0.4, color=BETTER, linewidth=0.8, linestyle="--"
            )
    step = max(1, len(drills) // 10)
    names = [f"{each.drill}\n{each.time[:10]}" for each in drills]
    axis.set_xticks(list(at)[::step], names[::step])
    axis.set_xlim(low, high)
    axis.set_ylim(-0.03, 1.03)
    axis.set_yticks([0, 0.5, 1.0], ["0 %", "50 %", "100 %"])
    axis.legend(loc="lower center", ncols=2, bbox_to_anchor=(0.5, 1.0))
    return figure


def _row(attack: Attacked, at: AtStrength) -> str:
    by = ", ".join(escaped(metric) for metric in list(at.by)[:3])
    figures = " / ".join("-" if k is None else f"{k:.2f}" for k in (at.precision, at.recall))
    usual = "" if at.strength == 1.0 else f" (x {at.strength:g})"
    return (
        f"| {attack.attack}{usual} | {attack.atlas} | {at.share:.2%} "
        f"| {percent(at.caught)} | {outcomes_line(at.outcomes)} | {by} | {figures} |"
    )


def _interval(axis: Any, at: int, rate: Rate, colour: str) -> None:
    axis.plot(
        [rate.low, rate.high], [at, at], color=colour, linewidth=4, alpha=0.45,
        solid_capstyle="butt",
    )  # fmt: skip
    axis.plot([rate.rate], [at], "o", color=colour, markersize=7)
