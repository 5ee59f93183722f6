"""What a comparison of two models comes to: the figures of both, what changed, what they are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from .document import Document, Plain


@dataclass(frozen=True, eq=False)
class Makeup(Plain):
    """What a model was made of: trainer parameters, importances and statistics of its training set.

    See `checks/divergence.py`. None means not recorded.
    """

    parameters: Mapping[str, Any] | None = None
    importances: Mapping[str, float | None] | None = None
    statistics: Mapping[str, float | None] | None = None


@dataclass(frozen=True)
class Bin(Plain):
    """One point of the reliability diagram."""

    confidence: float
    accuracy: float
    rows: float


Measures = dict[str, float | dict[str, float | None] | None]
"""A model's measures, and under "recall" that of each class."""


class SliceFigure(Document):
    """How good a model is on one slice, by the one measure of its task."""

    where: str
    model: str
    slice: str
    rows: int
    accuracy: float | None = None
    mae: float | None = None

    @property
    def value(self) -> tuple[str, float]:
        """Return the measure and its value."""
        return ("mae", self.mae) if self.mae is not None else ("accuracy", self.accuracy or 0.0)


class Point(Document):
    """One point of a model's reliability diagram."""

    where: str
    model: str
    confidence: float
    accuracy: float
    rows: float


@dataclass(frozen=True)
class Report(Plain):
    """All figures of both models, the measures by where they were measured and by model."""

    metrics: dict[str, dict[str, Measures]]
    slices: tuple[SliceFigure, ...]
    reliability: tuple[Point, ...]

    def of(self, where: str, model: str) -> Measures:
        """Return the measures of a model, none where it gave no usable answers."""
        return self.metrics.get(where, {}).get(model, {})

    def measure(self, where: str, model: str, name: str) -> float | None:
        """Return one measure of a model, None where there is none."""
        found = self.of(where, model).get(name)
        return None if isinstance(found, dict) else found


@dataclass(frozen=True)
class Answered(Plain):
    """How many rows of a set were compared, how many answers changed, became wrong, became right."""

    where: str
    rows: int
    changed: int
    lost: int
    gained: int


@dataclass(frozen=True)
class Flip(Plain):
    """How often one class became another."""

    where: str
    old: Annotated[str, Field(alias="from")]
    new: Annotated[str, Field(alias="to")]
    rows: int


@dataclass(frozen=True)
class Moved(Plain):
    """The rows of a slice that were lost and gained."""

    where: str
    slice: str
    rows: int
    lost: int
    gained: int


class Worse(Document):
    """A position in the golden set where the challenger got worse; for classes, how sure each model was.

    The label there is not kept: a record in git holds no cell of a row.
    """

    row: int
    before: str | float
    now: str | float
    confidence_before: float | None = None
    confidence_now: float | None = None


@dataclass(frozen=True)
class Changes(Plain):
    """How the challenger's answers differ from the champion's; the most certain errors come first."""

    answers: tuple[Answered, ...] = ()
    flips: tuple[Flip, ...] = ()
    slices: tuple[Moved, ...] = ()
    rows: tuple[Worse, ...] = ()
