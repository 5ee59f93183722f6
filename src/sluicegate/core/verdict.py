"""Verdict: the gate's answer, and what it holds back."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .document import Plain


class Outcome(Enum):
    """The gate's four answers, ordered: PASS < QUARANTINE < PAUSE < REJECT. The worst wins."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    QUARANTINE = "quarantine"
    PAUSE = "pause"
    REJECT = "reject"

    @property
    def severity(self) -> int:
        """Return the place in the order, 0 for PASS."""
        return list(Outcome).index(self)

    @property
    def exit_code(self) -> int:
        """Return the exit code: 0 also with rows quarantined, 3 paused, 4 rejected."""
        return {Outcome.PAUSE: 3, Outcome.REJECT: 4}.get(self, 0)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of `outcomes`; raises ValueError when there is none, for that is no pass.

    >>> worst([Outcome.PASS, Outcome.PAUSE, Outcome.QUARANTINE])
    <Outcome.PAUSE: 'pause'>
    """
    return max(outcomes, key=lambda outcome: outcome.severity)


@dataclass(frozen=True)
class Selection(Plain):
    """Rows (sorted positions in the received file) and sources (sorted names)."""

    rows: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict(Plain):
    """What the gate answered about one subject under one policy.

    `quarantined` is held back; `suspects` is what a pause asks a human about. `policy` is the
    SHA-256 of the policy it was judged under, `rules` what a limit meant in it; a verdict that says
    nothing of them is one by rules 1.
    """

    subject: str
    policy: str
    outcome: Outcome
    reasons: tuple[str, ...]
    quarantined: Selection = Selection()
    suspects: Selection = Selection()
    rules: int = 1
