"""Verdict: the gate's answer, and what it holds back."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any


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
class Selection:
    """Rows (sorted positions in the received file) and sources (sorted names)."""

    rows: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {"rows": list(self.rows), "sources": list(self.sources)}


@dataclass(frozen=True)
class Verdict:
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

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            "subject": self.subject,
            "policy": self.policy,
            "outcome": self.outcome.value,
            "reasons": list(self.reasons),
            "quarantined": self.quarantined.to_dict(),
            "suspects": self.suspects.to_dict(),
            "rules": self.rules,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Verdict":
        """Return the verdict that `to_dict` wrote."""

        def selection(part: dict[str, Any]) -> Selection:
            return Selection(tuple(part["rows"]), tuple(part["sources"]))

        return cls(
            subject=data["subject"],
            policy=data["policy"],
            outcome=Outcome(data["outcome"]),
            reasons=tuple(data["reasons"]),
            quarantined=selection(data["quarantined"]),
            suspects=selection(data["suspects"]),
            rules=data.get("rules", 1),
        )
