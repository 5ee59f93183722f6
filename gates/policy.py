"""Policy: the limits a subject is judged by, and their digest."""

import re
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from typing import Any

from sluicegate.core import CannotDecide, Misused, Outcome
from sluicegate.core.canonical import sha256_json

RULES = (1,)
"""What a limit can mean, by number: a change of that is a new one, and every record keeps its own."""

RETIRED: dict[str, int] = {}
"""Metrics that are no longer measured, each with the first rules that do not know it.

A limit of one does not pause under those rules. Under earlier rules its check still runs and is judged.
"""

OUTCOMES_BEYOND = (Outcome.QUARANTINE, Outcome.PAUSE, Outcome.REJECT)


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def matches(pattern: str, metric: str) -> bool:
    """Tell whether `pattern` names `metric`: `*` stands for any text, all else for itself.

    Metrics carry column names, so brackets and question marks mean nothing special here.

    >>> matches("drift.*", "drift.effect.a[0]"), matches("drift.a[0]", "drift.a0")
    (True, False)
    """
    return _pattern(pattern).fullmatch(metric) is not None


@dataclass(frozen=True)
class Limit:
    """The most that is allowed of a metric, or of every metric that a `drift.*` pattern names.

    `written` is what the owner wrote where a calibration raised it. `calibrating` says that this
    workspace does not know yet what is usual: then a value beyond it pauses rather than accuses.
    """

    metric: str
    limit: float
    outcome: Outcome
    written: float | None = None
    calibrating: bool = False

    def __post_init__(self) -> None:
        if not isfinite(self.limit):
            raise Misused(f"The limit of {self.metric} is {self.limit}; give it a finite number.")
        if self.outcome is Outcome.PASS:
            raise Misused(
                f"The limit of {self.metric} cannot have the outcome pass; choose another."
            )

    def covers(self, metric: str) -> bool:
        """Tell whether this limit speaks of `metric`.

        >>> Limit("drift.*", 0.3, Outcome.PAUSE).covers("drift.effect.age")
        True
        """
        return matches(self.metric, metric)


@dataclass(frozen=True)
class Policy:
    """The limits of one gate, what its owner declared not applicable, and the calibration's digest.

    The digest covers exactly these: not the trainer, not the schedule. `not_applicable` are metric
    patterns that init declared cannot be measured here (a workspace without a time column). `rules`
    say what a limit means.
    """

    name: str
    limits: tuple[Limit, ...]
    not_applicable: tuple[str, ...] = ()
    calibration: str | None = None
    rules: int = 1

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the canonical form; the order of limits does not matter."""
        # adding zero makes -0.0 and 0.0, which are one limit, one text
        limits = sorted(
            [x.metric, float(x.limit) + 0.0, x.outcome.value, *(["calibrating"] * x.calibrating)]
            for x in self.limits
        )
        return sha256_json(
            {
                "name": self.name,
                "limits": limits,
                "not_applicable": sorted(self.not_applicable),
                "calibration": self.calibration,
            }
            | ({} if self.rules == 1 else {"rules": self.rules})
        )

    def applies(self, limit: Limit) -> bool:
        """Tell whether `limit` must be met by a measurement.

        It is excused only when everything it could cover is declared not applicable, or retired.
        """
        declared = any(matches(pattern, limit.metric) for pattern in self.not_applicable)
        return not declared and not self.retires(limit.metric)

    def retires(self, metric: str) -> bool:
        """Tell whether these rules no longer know `metric`."""
        return any(matches(old, metric) and self.rules >= since for old, since in RETIRED.items())

    def covering(self, metric: str) -> tuple[Limit, ...]:
        """Return the limits that `metric` is held to; none of what these rules no longer know."""
        found = tuple(limit for limit in self.limits if limit.covers(metric))
        return () if self.retires(metric) else found

    def require_rules(self) -> None:
        """Raise CannotDecide where this version does not know what a limit means under these rules."""
        if self.rules not in RULES:
            known = ", ".join(map(str, RULES))
            raise CannotDecide(
                f"The policy {self.name} has rules {self.rules}, but this version of sluicegate knows "
                f"only {known}; install a newer one."
            )

    def waiving(self, metrics: Collection[str]) -> "Policy":
        """Return this policy without the limits that are written for exactly these `metrics`.

        `drift.*` waives the limits written under that very key, not others that it would match.
        Raises Misused for a key that no limit has: a misspelt waiver must not look like one.

        >>> policy = Policy("intake", (Limit("a.b", 1, Outcome.PAUSE), Limit("a.*", 1, Outcome.PAUSE)))
        >>> [limit.metric for limit in policy.waiving(["a.*"]).limits]
        ['a.b']
        """
        written = {limit.metric for limit in self.limits}
        unknown = sorted(set(metrics) - written)
        if unknown:
            raise Misused(
                f"gates.{self.name} has no limit {unknown[0]!r}; write its key as it stands there."
            )
        left = tuple(limit for limit in self.limits if limit.metric not in metrics)
        return replace(self, limits=left)


def parse_limits(section: dict[str, dict[str, float]], where: str) -> tuple[Limit, ...]:
    """Return the limits written as `metric: {outcome: limit}`.

    Raises Misused, naming the key under `where`, for an unknown outcome, a value that is no finite
    number, or a mapping that is none.

    >>> parse_limits({"drift.*": {"pause": 0.3}}, "gates.intake")[0].outcome
    <Outcome.PAUSE: 'pause'>
    """
    if not isinstance(section, dict):
        raise Misused(f"{where} must be a mapping of metrics like {{drift.*: {{pause: 0.3}}}}.")
    limits = []
    for metric, levels in section.items():
        if not isinstance(metric, str) or not metric:
            raise Misused(f"{where} names the metric {metric!r}; write it as text.")
        key = f"{where}.{metric}"
        if not isinstance(levels, dict) or not levels:
            raise Misused(f"{key} must be a mapping like {{pause: 0.3}}.")
        for name, value in levels.items():
            limits.append(Limit(metric, _number(value, f"{key}.{name}"), _outcome(name, key)))
    return tuple(limits)


def _outcome(name: Any, where: str) -> Outcome:
    for outcome in OUTCOMES_BEYOND:
        if outcome.value == name:
            return outcome
    allowed = ", ".join(outcome.value for outcome in OUTCOMES_BEYOND)
    raise Misused(f"{where} names the outcome {name!r}; use one of {allowed}.")


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Misused(f"{where} is {value!r}; write a number.")
    if not abs(value) <= sys.float_info.max:
        raise Misused(f"{where} is not finite; write a finite number.")
    return float(value)
