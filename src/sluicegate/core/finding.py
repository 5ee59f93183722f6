"""Finding: one number, and the rows and sources it speaks of. Check: what yields them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Annotated, Protocol, TypeVar

from pydantic import Field, PlainSerializer

from .document import Plain

_QUOTED = re.compile(r"['\"].*['\"]", re.DOTALL)


def _number(value: float | None) -> float | None:
    """Return a value as JSON has it: an infinite one as 1e308, one that could not be measured as null."""
    measured = value is not None and value > -math.inf
    return min(1e308, max(-1e308, float(value or 0))) if measured else None


def _positions(rows: Sequence[int]) -> list[int]:
    return [int(row) for row in rows]


@dataclass(frozen=True)
class Finding(Plain):
    """One measurement. Larger is always worse; None or NaN means it could not be measured.

    `rows` are zero-based positions in the received file. `detail` is one sentence for a reviewer
    and carries no raw value of a sensitive column. `quotes` are the parts of it that show cells of rows;
    they are not written.

    >>> f = Finding("drift", "drift.effect.age", 0.2, rows=(1, 2))
    >>> Finding.read(f.to_dict(), "findings.json") == f
    True
    """

    check: str
    metric: str
    value: Annotated[float | None, PlainSerializer(_number)]
    rows: Annotated[tuple[int, ...], PlainSerializer(_positions)] = ()
    sources: tuple[str, ...] = ()
    detail: str = ""
    quotes: Annotated[tuple[str, ...], Field(exclude=True)] = ()

    @property
    def measured(self) -> bool:
        """Tell whether there is a number at all: plus infinity is one, NaN is none.

        Nor is minus infinity: better than any value is a broken logarithm, not a measurement.
        """
        return self.value is not None and self.value > -math.inf

    @property
    def bare(self) -> "Finding":
        """Return it as git may keep it for ever: without what it quotes.

        >>> Finding("novelty", "novelty.job", 0.1, detail="New: 'spy'.", quotes=("'spy'",)).bare.detail
        'New: ….'
        """
        detail = reduce(lambda text, quote: text.replace(quote, "…"), self.quotes, self.detail)
        return replace(self, detail=detail, quotes=())


def quoted_in(message: str) -> tuple[str, ...]:
    """Return what a library's own `message` quotes, which may be a cell."""
    return tuple(_QUOTED.findall(message))


Subject = TypeVar("Subject", contravariant=True)


class Check(Protocol[Subject]):
    """Measures a subject and never decides. A check is a frozen dataclass in a tuple."""

    @property
    def name(self) -> str:
        """Return the name that its findings carry."""

    def __call__(self, subject: Subject, /) -> Sequence[Finding]:
        """Return what was measured of `subject`."""
