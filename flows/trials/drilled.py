"""The result of a drill."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluicegate.core import ModelRef, Outcome, Verdict
from sluicegate.flows.trials.play import Played


@dataclass(frozen=True, eq=False)
class Drilled:
    """What a drill came to; `verdict` is None where no floor is set, `id` before it is kept."""

    kind: str
    seed: int
    version: str
    policy: str
    champion: ModelRef
    gates: tuple[str, ...]
    window_rows: int
    windows_from: str
    attacks: tuple[dict[str, Any], ...]
    not_applicable: Mapping[str, str]
    honest: dict[str, Any]
    adaptive: dict[str, Any] | None
    mean: float | None
    floors: Mapping[str, float]
    verdict: Verdict | None
    played: tuple[Played, ...]
    seconds: float
    id: str | None = None
    opened: tuple[dict[str, Any], ...] = ()

    @property
    def exit_code(self) -> int:
        """Return 0 where the floor held or none is set, 4 below it, 1 where it was not measured."""
        if self.verdict is None:
            return 0
        return {Outcome.PASS: 0, Outcome.REJECT: 4}.get(self.verdict.outcome, 1)

    def said(self) -> dict[str, Any]:
        """Return what is signed: everything but the single windows."""
        return {
            "kind": self.kind,
            "seed": self.seed,
            "version": self.version,
            "policy": self.policy,
            "champion": self.champion.to_dict(),
            "gates": list(self.gates),
            "window_rows": self.window_rows,
            "windows_from": self.windows_from,
            "attacks": list(self.attacks),
            "not_applicable": dict(self.not_applicable),
            "honest": self.honest,
            "adaptive": self.adaptive,
            "mean": self.mean,
            "floors": dict(self.floors),
            "outcome": None if self.verdict is None else self.verdict.outcome.value,
            "reasons": [] if self.verdict is None else list(self.verdict.reasons),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `drill`."""
        return {
            "schema": 1,
            "drill": self.id,
            **self.said(),
            "threats": list(self.opened),
            "seconds": round(self.seconds, 3),
        }
