"""plan: what a drill plays, in which order, and for how long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sluicegate.attacks import Attack
from sluicegate.attacks.battery import BATTERY
from sluicegate.attacks.flips import SlowFlips
from sluicegate.core import Misused


@dataclass(frozen=True)
class Plan:
    """How much to play: rounds of every attack at its usual share and at `strengths` times it.

    Each round has `honest` windows without an attack. A campaign has up to `campaign` windows, the
    adaptive attacker `calls` tries. After `seconds` the drill stops, except in the first
    round at the usual shares.
    """

    name: str
    strengths: tuple[float, ...]
    rounds: int
    honest: int
    campaign: int
    calls: int
    seconds: float | None


LEAST = 6
QUICK = Plan("quick", (0.5, 0.25), 4, 5, 4, 20, 80.0)
FULL = Plan("full", (2.0, 0.5, 0.25, 0.125), 20, 6, 8, 200, None)


@dataclass(frozen=True)
class Turn:
    """One window to play, or a campaign: an attack (None: honest), its strength, its window's number."""

    attack: Attack | None
    strength: float
    number: int
    campaign: bool = False
    first: bool = False

    @property
    def what(self) -> str:
        """Return what to show of it."""
        if self.attack is None:
            return "an honest window"
        return f"{self.attack.name}, {self.strength * self.attack.share:.2%} of the rows"


def turns(plan: Plan, attacks: Sequence[Attack], rows: int) -> Iterator[Turn]:
    """Return the turns of `plan` in windows of `rows` rows, the most important ones first."""
    for turn in range(plan.rounds):
        first = turn == 0
        for number in range(turn * plan.honest, (turn + 1) * plan.honest):
            yield Turn(None, 0.0, number, first=first)
        for strength in (1.0, *plan.strengths):
            for attack in attacks:
                campaign = isinstance(attack, SlowFlips)
                number = turn * plan.honest
                at = _fitting(strength, attack, rows)
                yield Turn(attack, at, number, campaign, first and strength == 1.0)


def _fitting(strength: float, attack: Attack, rows: int) -> float:
    """Return `strength`, or its inverse where it would leave fewer rows of poison than an attack sends."""
    fewer = strength < 1 and strength * attack.share * rows < LEAST
    return 1 / strength if fewer else strength


def chosen(names: Sequence[str]) -> tuple[Attack, ...]:
    """Return the attacks of these names, all of them where none is named; raises Misused."""
    known = {attack.name: attack for attack in BATTERY}
    for name in names:
        if name not in known:
            raise Misused(f"There is no attack {name!r}; choose from {', '.join(known)}.")
    return tuple(known[name] for name in dict.fromkeys(names)) if names else BATTERY
