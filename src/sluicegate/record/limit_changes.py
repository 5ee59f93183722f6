"""limits: which limits differ between two policies, and which of them let more pass."""

from typing import get_args

from pydantic import computed_field

from sluicegate.core.document import Document
from sluicegate.gates import Policy
from sluicegate.stores.settings import Gate, Settings


class Change(Document):
    """A limit that differs; `before` or `after` is None where there is none."""

    metric: str
    outcome: str
    before: float | None
    after: float | None

    @computed_field  # type: ignore[prop-decorator] # mypy knows no decorated property
    @property
    def loosened(self) -> bool:
        """Tell whether more passes than before."""
        return self.after is None or (self.before is not None and self.after > self.before)

    @property
    def told(self) -> str:
        """Return the change in one line, marked where more passes."""
        word = "LOOSENED" if self.loosened else "tightened"
        sides = " -> ".join("none" if x is None else f"{x:.4g}" for x in (self.before, self.after))
        return f"{word} {self.metric} {self.outcome}: {sides}"


def changes(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Return the limits that differ, those that let more pass first.

    A metric that is newly declared not applicable counts as a limit that is gone.
    """
    before, after = _levels(old), _levels(new)
    differing = [
        Change(
            metric=metric,
            outcome=outcome,
            before=before.get((metric, outcome)),
            after=after.get((metric, outcome)),
        )
        for metric, outcome in sorted(before.keys() | after.keys())
        if before.get((metric, outcome)) != after.get((metric, outcome))
    ]
    return tuple(sorted(differing, key=lambda change: not change.loosened))


def _levels(policy: Policy) -> dict[tuple[str, str], float]:
    """Return the strictest limit of each metric and outcome that applies."""
    levels: dict[tuple[str, str], float] = {}
    for each in policy.limits:
        if policy.applies(each):
            key = (each.metric, each.outcome.value)
            levels[key] = min(each.limit, levels.get(key, each.limit))
    return levels


def changed_limits(before: Settings, now: Settings) -> list[Change]:
    """Return the limits that differ, gate by gate, those of each that let more pass first."""
    gates = [gate for gate in get_args(Gate) if gate in before.gates or gate in now.gates]
    sides = ([_policy(settings, gate) for settings in (before, now)] for gate in gates)
    return [change for old, new in sides for change in changes(old, new)]


def _policy(settings: Settings, gate: Gate) -> Policy:
    return settings.policy(gate) if gate in settings.gates else Policy(gate, ())
