"""Crafted rows: far outside the data, pushed by a gradient, or full of everything at once."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.attacks.stage import Aim, Floats, Ints, Poisoned, Stage, everywhere
from sluicegate.core import Task

POISONING = "AML.T0020"
CRAFTING = "AML.T0043"  # Craft Adversarial Data


@dataclass(frozen=True)
class OutOfDistribution:
    """Rows from nowhere: numbers several spreads outside, words nobody says, labels at random."""

    name: str = "outliers"
    atlas: str = POISONING
    share: float = 0.1
    sources: int = 10
    spreads: float = 5.0

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window with rows from outside the data."""
        frame, schema, rows = stage.window.copy(), stage.schema, stage.some(share)
        for name in stage.numbers():
            away = stage.rng.choice([-1, 1], len(rows)) * self.spreads
            noise = stage.rng.normal(0, 0.5, len(rows))
            values = stage.reference[name]
            frame.loc[rows, name] = float(values.mean()) + (away + noise) * float(values.std())
        for name in stage.texts():
            frame.loc[rows, name] = [_gibberish(stage.rng) for _ in rows]
        if schema.task is Task.REGRESSION:
            frame.loc[rows, schema.label] = stage.wrong(frame.loc[rows, schema.label])
        else:
            drawn = stage.rng.integers(len(schema.classes), size=len(rows))
            frame.loc[rows, schema.label] = [schema.classes[i] for i in drawn]
        stage.sign(frame, rows, self.sources)
        return Poisoned(frame, rows, Aim(everywhere))


@dataclass(frozen=True)
class GradientPoints:
    """Rows deep inside one class with another's label: where a linear model feels them most.

    Biggio, Nelson & Laskov 2012, by a linear surrogate and inside the data's range (Koh, Steinhardt
    & Liang 2022), so that no range check sees them.
    """

    name: str = "gradient"
    atlas: str = CRAFTING
    share: float = 0.02
    sources: int = 10
    steps: float = 1.5

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window with rows moved along the surrogate's gradient."""
        frame, schema, rows = stage.window.copy(), stage.schema, stage.some(share)
        names = stage.numbers()
        push = _surrogate(stage, names)
        codes = _codes(stage, frame.loc[rows])
        for column, name in enumerate(names):
            values = stage.reference[name]
            low, high = float(values.quantile(0.01)), float(values.quantile(0.99))
            moved = frame.loc[rows, name] + self.steps * push[codes, column] * float(values.std())
            frame.loc[rows, name] = moved.clip(low, high)
        frame.loc[rows, schema.label] = stage.wrong(frame.loc[rows, schema.label])
        stage.sign(frame, rows, self.sources)
        return Poisoned(frame, rows, Aim(everywhere))


@dataclass(frozen=True)
class Dictionary:
    """Rows that hold many high values at once, all with one label (Nelson et al. 2008).

    Whatever is common among honest rows is to speak for that label.
    """

    name: str = "dictionary"
    atlas: str = POISONING
    share: float = 0.1
    sources: int = 10
    filled: float = 0.5

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window with rows in which many features are high."""
        frame, schema, rows = stage.window.copy(), stage.schema, stage.some(share)
        for name in stage.numbers():
            hit = rows[stage.rng.random(len(rows)) < self.filled]
            high = stage.reference[name].quantile(stage.rng.uniform(0.75, 0.95, len(hit)))
            frame.loc[hit, name] = high.to_numpy()
        for column in stage.texts():
            result = stage.reference[column].dropna().astype(str).to_numpy()
            drawn = stage.rng.choice(result, (len(rows), 5))
            frame.loc[rows, column] = [" ".join(texts) for texts in drawn]
        wanted: Any = schema.classes[-1] if schema.classes else _high(stage)
        frame.loc[rows, schema.label] = wanted
        stage.sign(frame, rows, self.sources)
        return Poisoned(frame, rows, Aim(everywhere, wanted=wanted))


def _high(stage: Stage) -> float:
    return float(stage.reference[stage.schema.label].quantile(0.95))


def _codes(stage: Stage, frame: pd.DataFrame) -> Ints:
    """Return classes as codes; of numbers, whether they are above the median."""
    labels = frame[stage.schema.label]
    if stage.schema.task is Task.REGRESSION:
        middle = float(stage.reference[stage.schema.label].median())
        return np.asarray(labels > middle, dtype=np.int64)
    return np.maximum(stage.schema.label_codes(labels), 0)


def _gibberish(rng: np.random.Generator) -> str:
    letters = rng.integers(ord("a"), ord("z") + 1, size=(8, 6))
    return " ".join("".join(map(chr, word)) for word in letters)


def _surrogate(stage: Stage, names: list[str]) -> Floats:
    """Return for each class the direction, of length 1, in which it is surer; shape (classes, numbers)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    values = stage.reference[names]
    inputs = ((values - values.mean()) / values.std().replace(0, 1)).fillna(0.0).to_numpy()
    codes = _codes(stage, stage.reference)
    with warnings.catch_warnings():
        # A rough direction will do: the attacker does not need the fit's last digit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(max_iter=200).fit(inputs, codes)
    weights = fitted.coef_
    if len(weights) == 1:
        weights = np.vstack([-weights, weights])
    length = np.linalg.norm(weights, axis=1, keepdims=True)
    # A class that the reference has no row of is pushed nowhere.
    pushes = np.zeros((max(2, len(stage.schema.classes)), len(names)))
    pushes[fitted.classes_] = weights / np.maximum(length, 1e-9)
    return pushes
