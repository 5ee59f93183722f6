"""Finding: one number, and the rows and sources it speaks of. Check: what yields them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar


@dataclass(frozen=True)
class Finding:
    """One measurement. Larger is always worse; None or NaN means it could not be measured.

    `rows` are zero-based positions in the received file. `detail` is one sentence for a reviewer
    and carries no raw value of a sensitive column.
    """

    check: str
    metric: str
    value: float | None
    rows: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    detail: str = ""

    @property
    def measured(self) -> bool:
        """Tell whether there is a number at all: plus infinity is one, NaN is none.

        Nor is minus infinity: better than any value is a broken logarithm, not a measurement.
        """
        return self.value is not None and self.value > -math.inf

    def to_dict(self) -> dict[str, Any]:
        """Return the full finding as JSON types; an infinite value is written as 1e308."""
        value = None
        if self.value is not None and self.measured:
            value = max(-1e308, min(1e308, float(self.value)))
        return {
            "check": self.check,
            "metric": self.metric,
            "value": value,
            "rows": [int(row) for row in self.rows],
            "sources": list(self.sources),
            "detail": self.detail,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Finding":
        """Return the finding that `to_dict` wrote.

        >>> f = Finding("drift", "drift.effect.age", 0.2, rows=(1, 2))
        >>> Finding.from_dict(f.to_dict()) == f
        True
        """
        return cls(
            check=data["check"],
            metric=data["metric"],
            value=data["value"],
            rows=tuple(data["rows"]),
            sources=tuple(data["sources"]),
            detail=data["detail"],
        )


Subject = TypeVar("Subject", contravariant=True)


class Check(Protocol[Subject]):
    """Measures a subject and never decides. A check is a frozen dataclass in a tuple."""

    @property
    def name(self) -> str:
        """Return the name that its findings carry."""

    def __call__(self, subject: Subject, /) -> Sequence[Finding]:
        """Return what was measured of `subject`."""
