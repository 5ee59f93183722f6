"""Wrong labels on honest rows: by a few, by many names, by insiders, in one class or one slice."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.attacks.stage import Aim, Ints, Mask, Poisoned, Stage, everywhere
from sluicegate.core import Task

POISONING = "AML.T0020"  # Poison Training Data
ERODING = "AML.T0031"  # Erode AI Model Integrity
SMALL_SLICE, LARGE_SLICE = 0.05, 0.35


@dataclass(frozen=True)
class Flips:
    """A few sources send rows with wrong labels (Biggio, Nelson & Laskov 2011)."""

    name: str = "flips"
    atlas: str = POISONING
    share: float = 0.1
    sources: int = 3

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window in which new sources own the flipped rows."""
        rows = stage.some(share)
        return _flipped(stage, rows, [f"{self.name}-{i % self.sources}" for i in range(len(rows))])


@dataclass(frozen=True)
class Sybils:
    """Many new names with a few rows each (Douceur 2002, "The Sybil attack")."""

    name: str = "sybils"
    atlas: str = POISONING
    share: float = 0.1
    rows_each: int = 5

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window in which every few flipped rows have a name of their own."""
        rows = stage.some(share)
        names = [f"{self.name}-{i // self.rows_each:03d}" for i in range(len(rows))]
        return _flipped(stage, rows, names)


@dataclass(frozen=True)
class SpreadFlips:
    """Insiders with honest rows of their own flip some of their labels, each below notice."""

    name: str = "spread"
    atlas: str = POISONING
    share: float = 0.1
    insiders: int = 60

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window in which known sources flip a part of their rows."""
        inside = _of(stage, self.insiders)
        return _flipped(stage, stage.some(share, among=inside), None)


@dataclass(frozen=True)
class TargetedClass:
    """Insiders label rows of one class as another one, and leave the rest right."""

    name: str = "targeted"
    atlas: str = POISONING
    share: float = 0.03
    insiders: int = 10

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window in which one class is hidden in another."""
        schema, frame = stage.schema, stage.window.copy()
        labels = frame[schema.label]
        if schema.task is Task.REGRESSION:
            # The upper fifth is reported as the median.
            hidden: Any = float(stage.reference[schema.label].median())
            high = float(stage.reference[schema.label].quantile(0.8))

            def is_victim(rows: pd.DataFrame) -> Mask:
                return np.asarray(rows[schema.label] > high)
        else:
            codes = schema.label_codes(labels)
            sent, counts = np.unique(codes[codes >= 0], return_counts=True)
            victim = int(sent[counts.argmin()]) if len(sent) else 0
            hidden = schema.classes[(victim + 1) % len(schema.classes)]

            def is_victim(rows: pd.DataFrame) -> Mask:
                return np.asarray(schema.label_codes(rows[schema.label]) == victim)

        rows = stage.some(share, among=is_victim(frame))
        frame.loc[rows, schema.label] = hidden
        stage.sign(frame, rows, self.insiders)
        return Poisoned(frame, rows, Aim(is_victim, wanted=hidden))


@dataclass(frozen=True)
class SliceFlips:
    """Insiders flip labels in one slice only (Jagielski et al. 2021, "Subpopulation attacks")."""

    name: str = "slice"
    atlas: str = POISONING
    share: float = 0.03
    insiders: int = 10

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window in which a slice of the data is mislabelled."""
        where = some_slice(stage)
        rows = stage.some(share, among=where(stage.window))
        made = _flipped(stage, rows, None)
        stage.sign(made.frame, rows, self.insiders)
        return Poisoned(made.frame, rows, Aim(where))


@dataclass(frozen=True)
class SlowFlips:
    """The same few insiders in every batch, a part of their labels wrong ("boiling frog").

    Rubinstein et al. 2009, "ANTIDOTE". The names are the same in every window, so a campaign of
    windows is one attack.
    """

    name: str = "slow"
    atlas: str = ERODING
    share: float = 0.015
    sources: int = 3
    wrong: float = 1 / 3

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window in which the insiders send three rows for each poisoned one."""
        mine = stage.some(share / self.wrong, least=self.sources)
        names = [f"{self.name}-{i % self.sources}" for i in range(len(mine))]
        rows = mine[: max(1, round(len(mine) * self.wrong))]
        made = _flipped(stage, rows, None)
        made.frame.loc[mine, stage.source] = names
        return made


@dataclass(frozen=True)
class Slice:
    """The rows whose `column` has the value `value`, or is as large."""

    column: str
    value: Any
    or_larger: bool

    def __call__(self, frame: pd.DataFrame) -> Mask:
        """Return a mask of the slice's rows."""
        values = frame[self.column]
        return np.asarray(values >= self.value if self.or_larger else values == self.value)


def some_slice(stage: Stage) -> Callable[[pd.DataFrame], Mask]:
    """Return what tells a slice of up to a third of the rows: a category, or an upper range."""
    for column in stage.settled.permutation([c.name for c in stage.schema.features]):
        values = stage.reference[column]
        if column in stage.numbers():
            low = float(values.quantile(0.85))
            if _fits(float((values >= low).mean())):
                return Slice(column, low, or_larger=True)
            continue
        shares = values.value_counts(normalize=True)
        fitting = shares[(shares >= SMALL_SLICE) & (shares <= LARGE_SLICE)]
        if len(fitting):
            return Slice(column, fitting.index[0], or_larger=False)
    return everywhere


def _fits(share: float) -> bool:
    return SMALL_SLICE <= share <= LARGE_SLICE


def _of(stage: Stage, count: int) -> Mask:
    return np.asarray(stage.window[stage.source].astype(str).isin(stage.honest_names()[:count]))


def _flipped(stage: Stage, rows: Ints, names: list[str] | None) -> Poisoned:
    frame, label = stage.window.copy(), stage.schema.label
    frame.loc[rows, label] = stage.wrong(frame.loc[rows, label])
    if names is not None:
        frame.loc[rows, stage.source] = names
    return Poisoned(frame, rows, Aim(everywhere))
