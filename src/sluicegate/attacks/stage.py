"""Stage: what an attacker has in hand, and what an attack leaves behind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.core import Kind, Schema, Task

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Stage:
    """An honest window, and what an attacker knows: the data, the champion's answers, and chance.

    `window` is normalised, has a RangeIndex and the schema's source column. `answers` gives the
    champion's class probabilities, shape (rows, classes), or predictions, shape (rows,), for a frame
    of features: the attacker is assumed to know as much (Kerckhoffs). `plan` is the chance by which
    a campaign of windows settles its names, its trigger and its slice: started anew for each window,
    so that they stay the same.
    """

    schema: Schema
    window: pd.DataFrame
    reference: pd.DataFrame
    answers: Callable[[pd.DataFrame], Floats]
    rng: np.random.Generator
    plan: np.random.Generator | None = None

    @property
    def settled(self) -> np.random.Generator:
        """Return the chance that settles what a campaign keeps."""
        return self.rng if self.plan is None else self.plan

    @property
    def source(self) -> str:
        """Return the name of the source column."""
        if self.schema.source is None:
            raise ValueError("An attack needs a source column to write its names into.")
        return self.schema.source

    def some(self, share: float, least: int = 1, among: Mask | None = None) -> Ints:
        """Return the positions of a random `share` of the window's rows, `least` or more."""
        places = np.arange(len(self.window)) if among is None else np.flatnonzero(among)
        size = min(len(places), max(least, int(share * len(self.window))))
        return self.rng.permutation(places)[:size]

    def wrong(self, labels: "pd.Series[Any]") -> list[Any]:
        """Return another class for each label, or the number mirrored at the reference's median."""
        if self.schema.task is Task.REGRESSION:
            middle = float(self.reference[self.schema.label].median())
            spread = float(self.reference[self.schema.label].std())
            away = np.where(labels.to_numpy(float) < middle, 1.0, -1.0) * 2 * spread
            return list(labels.to_numpy(float) + away)
        count = len(self.schema.classes)
        steps = 1 + self.rng.integers(count - 1, size=len(labels))
        codes = (np.maximum(self.schema.label_codes(labels), 0) + steps) % count
        return [self.schema.classes[code] for code in codes]

    def numbers(self) -> list[str]:
        """Return the features that hold numbers of more than two values."""
        names = [c.name for c in self.schema.features if c.kind.is_number]
        return [name for name in names if self.reference[name].nunique() > 2]

    def texts(self) -> list[str]:
        """Return the features that hold texts."""
        return [c.name for c in self.schema.features if c.kind is Kind.TEXT]

    def predicted(self, frame: pd.DataFrame) -> Ints:
        """Return the champion's class codes."""
        return np.asarray(self.answers(frame).argmax(axis=1), dtype=np.int64)

    def honest_names(self) -> npt.NDArray[Any]:
        """Return the window's sources, in a random order that a campaign keeps."""
        names = np.unique(self.window[self.source].dropna().astype(str)).astype(object)
        salt = str(int(self.settled.integers(2**62)))
        return names[np.argsort(pd.util.hash_array(names + salt), kind="stable")]

    def sign(self, frame: pd.DataFrame, rows: Ints, most: int) -> None:
        """Write the names of at most `most` known sources to these rows of `frame`."""
        names = self.honest_names()[:most]
        frame.loc[rows, self.source] = [names[i % len(names)] for i in range(len(rows))]


@dataclass(frozen=True, eq=False)
class Aim:
    """What the attacker wants of the retrained model: honest rows `where`, stamped, answered `wanted`.

    Success is the share of such rows, of another label, that the model answers with `wanted`, or
    wrongly where `wanted` is None. `stamp` is for `DataFrame.assign`: values, or what makes them.
    """

    where: Callable[[pd.DataFrame], Mask]
    stamp: Mapping[str, Any] = field(default_factory=dict)
    wanted: Any = None


@dataclass(frozen=True, eq=False)
class Poisoned:
    """A window after an attack, the positions of the poison, and what it is for."""

    frame: pd.DataFrame
    rows: Ints
    aim: Aim


class Attack(Protocol):
    """Poisons a share of a window: a frozen dataclass in a tuple."""

    @property
    def name(self) -> str:
        """Return the name by which the attack is reported."""

    @property
    def atlas(self) -> str:
        """Return the technique's id in MITRE ATLAS."""

    @property
    def share(self) -> float:
        """Return the usual share of the rows that is poison."""

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window with `share` of its rows poisoned."""


def everywhere(frame: pd.DataFrame) -> Mask:
    """Return a mask of all rows."""
    return np.ones(len(frame), dtype=bool)
