"""drilled: the result of a drill, as a type and in sentences."""

from collections.abc import Mapping

from pydantic import Field

from sluicegate.core import Outcome
from sluicegate.core.document import Result
from sluicegate.flows.trials.play import Played
from sluicegate.record.drills import Adaptive, Figures, Honest, Rate, Smallest
from sluicegate.record.threats import Threat


class DrillPlan(Result):
    """What a drill would play, the size of its windows in rows, and for how long; None: until the end."""

    kind: str
    seed: int
    window_rows: int
    windows_from: str
    gates: tuple[str, ...]
    attacks: tuple[str, ...]
    not_applicable: Mapping[str, str]
    rounds: int
    adaptive_calls: int
    seconds: float | None


class Numbered(Result):
    """A drill by its number; None before it is kept."""

    drill: str | None = None


class Drilled(Figures, Numbered):
    """The result of a drill, the threats open since, and the single windows.

    `outcome` is None where no floor is set.
    """

    threats: tuple[Threat, ...]
    seconds: float
    played: tuple[Played, ...] = Field(exclude=True)

    @property
    def exit_code(self) -> int:
        """Return 0 where the floor held or none is set, 4 below it, 1 where it was not measured."""
        if self.outcome is None:
            return 0
        return {Outcome.PASS: 0, Outcome.REJECT: 4}.get(self.outcome, 1)


def verdict_line(drilled: Drilled) -> str:
    """Return the result of the drill in one sentence."""
    caught = "No attack was played" if drilled.mean is None else f"{drilled.mean:.0%} caught"
    mean = f"{caught} on average over {len(drilled.attacks)} attacks"
    if drilled.outcome is None:
        return f"{mean}; no floor is set."
    if drilled.exit_code == 0:
        return f"{mean}; no attack is below its floor."
    missed = "some floors could not be measured" if drilled.exit_code == 1 else "below the floor"
    return f"{mean}; {missed}. {' '.join(drilled.reasons[:3])}"


def honest_line(honest: Honest) -> str:
    """Return in one sentence how honest windows fared."""
    words = {
        "within": "within the budget of",
        "beyond": "BEYOND the budget of",
        "open": "too few windows to compare with the budget of",
    }
    return (
        f"honest windows stopped: {percent(honest.false_stops)} ({outcomes_line(honest.outcomes)}); "
        f"{words[honest.against_budget]} {honest.budget:.1%}; "
        f"{honest.rows_set_aside or 0:.2%} of their rows set aside"
    )


def adaptive_line(found: Adaptive) -> str:
    """Return in one sentence what the attacker who knows the code got past."""
    recipe = found.recipe
    if not found.admitted or recipe is None:
        return f"an attacker who knows the code got no row past in {found.calls} calls of `check`"
    names = f"{recipe.names} {'known' if recipe.known else 'new'} names"
    return (
        f"an attacker who knows the code got {found.admitted} of {found.rows} rows "
        f"({found.share:.1%}) past in {found.calls} calls of `check`: {names}, "
        f"{recipe.sly:.0%} of the flips where the champion is unsure, "
        f"{recipe.pattern:.0%} of the poison in a backdoor"
    )


def smallest_line(found: Smallest | None) -> str:
    """Return the least share of poison that is caught, with its interval."""
    if found is None:
        return "not measured (only one strength)"
    least, most = found.played
    if found.share is None:
        return f"more than {most:.2%}, the largest share played"
    ends = [
        f"{most:.2%} or more" if end is None else f"{end:.2%}" for end in (found.low, found.high)
    ]
    sign = "at most " if found.at_most else ""
    return (
        f"{sign}{found.share:.2%} (95 %: {ends[0]} to {ends[1]}; played {least:.2%} to {most:.2%})"
    )


def smallest_short(found: Smallest | None) -> str:
    """Return the least share of poison that is caught, without its interval."""
    if found is None:
        return "-"
    if found.share is None:
        return f"> {found.played[1]:.2%}"
    return f"{'<= ' if found.at_most else ''}{found.share:.2%}"


def percent(rate: Rate) -> str:
    """Return a rate with its interval."""
    if rate.rate is None:
        return "none played"
    low, high = round(100 * rate.low), round(100 * rate.high)
    return f"{rate.hits}/{rate.of} ({low}-{high} %)"


def outcomes_line(outcomes: Mapping[str, int]) -> str:
    """Return the outcomes that occurred."""
    return ", ".join(f"{count} {name}" for name, count in outcomes.items() if count)
