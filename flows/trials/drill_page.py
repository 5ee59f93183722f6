"""page: a drill on one page, for whoever owns the policy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sluicegate.flows.trials.drilled import Drilled
from sluicegate.flows.trials.plots import catch_rates, trend
from sluicegate.reports import plots
from sluicegate.reports.markup import escaped
from sluicegate.stores import files

PAGE = "report.md"
CATCH, TREND = "catch.png", "trend.png"


def write_page(folder: Path, drilled: Drilled, drills: Sequence[dict[str, Any]]) -> None:
    """Write the page and its pictures into `folder`."""
    for name, picture in pictures(drilled, drills).items():
        files.write_bytes(folder / name, picture)
    files.write_bytes(folder / PAGE, page(drilled, {CATCH: CATCH, TREND: TREND}).encode())


def read_pictures(folder: Path) -> dict[str, str]:
    """Return the pictures in `folder` as data URIs, for a page that stands elsewhere."""
    return {name: plots.as_uri((folder / name).read_bytes()) for name in (CATCH, TREND)}


def pictures(drilled: Drilled, drills: Sequence[dict[str, Any]]) -> dict[str, bytes]:
    """Return the pictures of the page as PNG, by file name."""
    with plots.drawing():
        return {
            CATCH: plots.png_bytes(catch_rates(drilled.attacks, drilled.honest)),
            TREND: plots.png_bytes(trend(drills)),
        }


def page(drilled: Drilled, drawn: Mapping[str, str]) -> str:
    """Return the page; `drawn` says where each picture is."""
    lines = [
        f"# drill:{drilled.id}, {drilled.kind}",
        "",
        f"**{verdict_line(drilled)}**",
        "",
        f"- windows of {drilled.window_rows} rows, from {escaped(drilled.windows_from)}",
        f"- gates that were played: {', '.join(drilled.gates)}; not the reading of files, and not the "
        "comparison of a challenger with the champion",
        f"- policy `{drilled.policy[:12]}`, champion version {drilled.champion.version}, "
        f"seed {drilled.seed}, sluicegate {drilled.version}",
        f"- {honest_line(drilled.honest)}",
        *([f"- {adaptive_line(drilled.adaptive)}"] if drilled.adaptive else []),
        "",
        f"![What was caught]({drawn[CATCH]})",
        "",
        "## Attack by attack",
        "",
        "| attack | ATLAS | poison | caught | outcomes | by | precision / recall of rows |",
        "|---|---|---|---|---|---|---|",
        *(_row(each, at) for each in drilled.attacks for at in each["strengths"]),
        *(f"| {name} | | | not applicable | | {escaped(why)} | |"
          for name, why in drilled.not_applicable.items()),
        "",
        "Caught: paused or rejected for a reason that the same window without the attack does not give, "
        "or at least half of the poison set aside. For `slow`, one row is a campaign of windows.",
        "",
        "## The least poison that is caught four times in five",
        "",
        *(f"- {each['attack']}: {smallest_line(each['smallest'])}" for each in drilled.attacks),
        "",
        "## Open threats",
        "",
        *([f"- {row['attack']} ({row['atlas']}): first missed in drill {row['first_missed']}, last in "
           f"{row['last_missed']}" for row in drilled.opened] or ["None."]),
        "",
        "## Over time",
        "",
        f"![Over time]({drawn[TREND]})",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def verdict_line(drilled: Drilled) -> str:
    """Return in one sentence what the drill came to."""
    caught = "Nothing was attacked" if drilled.mean is None else f"{drilled.mean:.0%} caught"
    mean = f"{caught} in the mean of {len(drilled.attacks)} attacks"
    if drilled.verdict is None:
        return f"{mean}; no floor is set."
    if drilled.exit_code == 0:
        return f"{mean}; the floor held."
    said = "below the floor" if drilled.exit_code else ""
    if drilled.exit_code == 1:
        said = "not all of the floor could be measured"
    return f"{mean}; {said}. {' '.join(drilled.verdict.reasons[:3])}"


def honest_line(honest: Mapping[str, Any]) -> str:
    """Return in one sentence how honest windows fared."""
    false, against = honest["false_stops"], honest["against_budget"]
    words = {
        "within": "within the budget of",
        "beyond": "BEYOND the budget of",
        "open": "too few to say whether that is within the budget of",
    }
    return (
        f"honest windows not passed: {percent(false)}: {outcomes_line(honest['outcomes'])}; "
        f"{words[against]} {honest['budget']:.1%}; "
        f"{honest['rows_set_aside'] or 0:.2%} of their rows set aside"
    )


def adaptive_line(told: Mapping[str, Any]) -> str:
    """Return in one sentence what the attacker who knows the code got past."""
    if not told["admitted"]:
        return (
            f"an attacker who knows the code got nothing past in {told['calls']} calls of `check`"
        )
    recipe = told["recipe"]
    names = f"{recipe['names']} {'known' if recipe['known'] else 'new'} names"
    return (
        f"an attacker who knows the code got {told['admitted']} of {told['rows']} rows "
        f"({told['share']:.1%}) past in {told['calls']} calls of `check`: {names}, "
        f"{recipe['sly']:.0%} of the flips where the champion doubts, "
        f"{recipe['pattern']:.0%} of the poison a backdoor"
    )


def smallest_line(told: Mapping[str, Any] | None) -> str:
    """Return the least share of poison that is caught, with its interval."""
    if told is None:
        return "not measured (one strength only)"
    least, most = told["played"]
    if told["share"] is None:
        return f"more than {most:.2%}, the most that was played"
    ends = [
        f"{most:.2%} or more" if end is None else f"{end:.2%}"
        for end in (told["low"], told["high"])
    ]
    sign = "at most " if told["at_most"] else ""
    return f"{sign}{told['share']:.2%} (95 %: {ends[0]} to {ends[1]}; played {least:.2%} to {most:.2%})"


def smallest_short(told: Mapping[str, Any] | None) -> str:
    """Return the least share of poison that is caught, without its interval."""
    if told is None:
        return "-"
    if told["share"] is None:
        return f"> {told['played'][1]:.2%}"
    return f"{'<= ' if told['at_most'] else ''}{told['share']:.2%}"


def percent(rate: Mapping[str, Any]) -> str:
    """Return a rate with its interval."""
    if rate["rate"] is None:
        return "none played"
    low, high = round(100 * rate["low"]), round(100 * rate["high"])
    return f"{rate['hits']}/{rate['of']} ({low}-{high} %)"


def outcomes_line(outcomes: Mapping[str, int]) -> str:
    """Return the outcomes that came up."""
    return ", ".join(f"{count} {name}" for name, count in outcomes.items() if count)


def _row(attack: Mapping[str, Any], at: Mapping[str, Any]) -> str:
    by = ", ".join(escaped(metric) for metric in list(at["by"])[:3])
    figures = " / ".join("-" if at[k] is None else f"{at[k]:.2f}" for k in ("precision", "recall"))
    usual = "" if at["strength"] == 1.0 else f" (x {at['strength']:g})"
    return (
        f"| {attack['attack']}{usual} | {attack['atlas']} | {at['share']:.2%} "
        f"| {percent(at['caught'])} | {outcomes_line(at['outcomes'])} | {by} | {figures} |"
    )
