"""Worlds: a champion on real data, and honest windows of feedback from two hundred sources."""

import functools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from sluicegate.attacks import Stage
from sluicegate.core import Column, Feedback, Kind, Reference, Schema, Task

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

LABELS = {"adult": "income", "elec2": "class", "spambase": "is_spam", "digits": "y"}
SOURCES, NOISE = 200, 0.02


@dataclass(frozen=True)
class Setting:
    """A data set with the rows of base, golden set and window."""

    data: str
    base: int
    golden: int
    window: int

    @property
    def name(self) -> str:
        return f"{self.data}-{self.window}"


SETTINGS = (
    Setting("adult", 5000, 1500, 600),
    Setting("elec2", 5000, 1500, 600),
    Setting("spambase", 1500, 500, 600),
    Setting("digits", 800, 250, 600),
    Setting("adult", 1000, 300, 300),
    Setting("elec2", 1000, 300, 300),
    Setting("spambase", 600, 300, 300),
    Setting("digits", 600, 250, 300),
)


@functools.cache
def load(folder: Path, data: str) -> pd.DataFrame:
    """Return a data set, numbers as floats."""
    if data == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits(as_frame=True)
        frame = digits.data.assign(y=digits.target)
    else:
        frame = pd.read_parquet(folder / f"{data}.parquet")
    numbers = [c for c in frame if c != LABELS[data] and pd.api.types.is_numeric_dtype(frame[c])]
    typed: pd.DataFrame = frame.astype(dict.fromkeys(numbers, float))
    return typed


class World:
    """A champion trained on base data, and windows of feedback from two hundred sources."""

    def __init__(self, folder: Path, setting: Setting, seed: int) -> None:
        self.setting, self.label, self.seed = setting, LABELS[setting.data], seed
        self.who: Ints | None = None  # which source has which share; None: others in every window
        self.rng = np.random.default_rng([seed, setting.window, len(setting.data)])
        frame = self._cut(load(folder, setting.data))
        features = [str(c) for c in frame if c != self.label]
        numeric = pd.api.types.is_numeric_dtype
        columns = tuple(
            Column(c, Kind.NUMERIC if numeric(frame[c]) else Kind.CATEGORICAL) for c in features
        )
        self.numbers = [c.name for c in columns if c.kind is Kind.NUMERIC]
        self.codes = {
            c.name: {v: i for i, v in enumerate(sorted(frame[c.name].dropna().unique()))}
            for c in columns
            if c.kind is Kind.CATEGORICAL
        }
        self.classes = tuple(sorted(frame[self.label].unique().tolist()))
        self.schema = Schema(
            Task.CLASSIFICATION, self.label, columns, self.classes, source="source"
        )
        first, second = setting.base, setting.base + setting.golden
        self.base = self.noisy(frame.iloc[:first].reset_index(drop=True), NOISE)
        self.golden = frame.iloc[first:second].reset_index(drop=True)
        self.pool = frame.iloc[second:].reset_index(drop=True)
        self.model = HistGradientBoostingClassifier(random_state=0, early_stopping=False)
        self.model.fit(self.encoded(self.base), self.base[self.label])

    def _cut(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Shuffle the rows; elec2 keeps the order of time, and with it its drift."""
        if self.setting.data != "elec2":
            return frame.sample(
                frac=1, random_state=int(self.rng.integers(2**31)), ignore_index=True
            )
        size = self.setting.base + self.setting.golden + 6 * self.setting.window
        start = int(self.rng.integers(0, len(frame) - size))
        return frame.iloc[start : start + size].reset_index(drop=True)

    def encoded(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        inputs = frame[self.schema.feature_names].copy()
        for name, codes in self.codes.items():
            inputs[name] = inputs[name].map(codes).astype(float)
        return inputs.to_numpy(float)

    def wrong(self, labels: Iterable[Any]) -> list[Any]:
        """Return another class for each label."""
        place, count = {c: i for i, c in enumerate(self.classes)}, len(self.classes)
        return [
            self.classes[(place[v] + 1 + int(self.rng.integers(count - 1))) % count] for v in labels
        ]

    def flip(self, frame: pd.DataFrame, rows: Ints | Mask) -> None:
        labels = frame.loc[rows, self.label]
        if len(labels):
            frame.loc[rows, self.label] = self.wrong(labels)

    def noisy(self, frame: pd.DataFrame, rate: float, where: Mask | None = None) -> pd.DataFrame:
        hit = self.rng.random(len(frame)) < rate
        self.flip(frame, hit if where is None else hit & where)
        return frame

    def senders(self, rows: int) -> npt.NDArray[Any]:
        """Return sources with Zipf shares."""
        share = 1 / np.arange(1, SOURCES + 1)
        drawn = self.rng.choice(SOURCES, rows, p=share / share.sum())
        who = self.rng.permutation(SOURCES) if self.who is None else self.who
        return np.array([f"c{i:03d}" for i in who[drawn]], dtype=object)

    def clean(self, rows: int | None = None, noise: float = NOISE) -> pd.DataFrame:
        """Return an honest window."""
        size = min(rows or self.setting.window, len(self.pool))
        start = int(self.rng.integers(0, len(self.pool) - size + 1))
        frame = self.pool.iloc[start : start + size].reset_index(drop=True)
        return self.noisy(frame.assign(source=self.senders(size)), noise)

    def region(self, frame: pd.DataFrame, share: float) -> Mask:
        """Return the rows with the largest values of some number."""
        fixed = {"spambase": "capital_run_length_total", "digits": "pixel_4_3"}
        name = fixed.get(self.setting.data) or str(self.rng.choice(self.numbers))
        values = frame[name] + 1e-9 * self.rng.random(len(frame))
        return np.asarray(values >= values.quantile(1 - share))

    def some(self, frame: pd.DataFrame, share: float) -> Ints:
        return self.rng.choice(len(frame), int(share * len(frame)), replace=False)

    def stage(self, window: pd.DataFrame, plan: int | None = None) -> Stage:
        """Return what an attacker on `window` knows: all of it. A `plan` is kept in a campaign."""

        def answers(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
            told: npt.NDArray[np.float64] = self.model.predict_proba(self.encoded(frame))
            return told

        settled = None if plan is None else np.random.default_rng(plan)
        return Stage(self.schema, window, self.base, answers, self.rng, settled)

    def feedback(self, frame: pd.DataFrame) -> Feedback:
        frame = frame.astype(dict.fromkeys(self.numbers, float))
        answers = pd.Series(self.model.predict(self.encoded(self.golden)))
        anchor = Reference("original", self.base, answers)
        return Feedback(
            self.schema,
            frame,
            self.model.predict_proba(self.encoded(frame)),
            (anchor, replace(anchor, name="previous")),
            self.golden,
            self.model.predict_proba(self.encoded(self.golden)),
            {},
        )


Window = tuple[pd.DataFrame, Ints]
NOBODY: Ints = np.empty(0, dtype=np.int64)


def plain(world: World) -> Window:
    """Nothing but two per cent of label noise."""
    return world.clean(), NOBODY


def covariate(world: World) -> Window:
    """Three quarters of the rows outside a region are missing."""
    large = world.clean(5 * world.setting.window)
    kept = world.region(large, 0.3) | (world.rng.random(len(large)) < 0.25)
    frame = large[kept].head(world.setting.window).reset_index(drop=True)
    return frame.assign(source=world.senders(len(frame))), NOBODY


def label_drift(world: World) -> Window:
    """The last class is three times as frequent."""
    large = world.clean(4 * world.setting.window)
    kept = (large[world.label] == world.classes[-1]) | (world.rng.random(len(large)) < 1 / 3)
    frame = large[kept].head(world.setting.window).reset_index(drop=True)
    return frame.assign(source=world.senders(len(frame))), NOBODY


def concept(world: World) -> Window:
    """A third of the labels in a region change, whoever sends them."""
    frame = world.clean()
    return world.noisy(frame, 0.35, world.region(frame, 0.3)), NOBODY


def noise5(world: World) -> Window:
    """Five per cent of label noise."""
    return world.clean(noise=0.05), NOBODY


def sloppy(world: World) -> Window:
    """A tenth of the rows is from one source with a tenth of its labels wrong."""
    frame = world.clean()
    rows = world.some(frame, 0.1)
    frame.loc[rows, "source"] = "sloppy"
    return world.noisy(frame, 0.1, np.isin(np.arange(len(frame)), rows)), NOBODY


def burst(world: World) -> Window:
    """Three tenths of the rows are from one honest source."""
    frame = world.clean()
    frame.loc[world.some(frame, 0.3), "source"] = "burst"
    return frame, NOBODY


def specialist(world: World) -> Window:
    """One honest source sends nearly all of a region."""
    frame = world.clean()
    mine = world.region(frame, 0.15) & (world.rng.random(len(frame)) < 0.9)
    frame.loc[mine, "source"] = "special"
    return frame, NOBODY


def specialist_drift(world: World) -> Window:
    """One honest source sends two fifths of a region in which a third of the labels changes."""
    frame = world.clean()
    where = world.region(frame, 0.3)
    frame = world.noisy(frame, 0.35, where)
    frame.loc[where & (world.rng.random(len(frame)) < 0.4), "source"] = "special"
    return frame, NOBODY


def retries(world: World) -> Window:
    """A tenth of the rows is sent twice by its source."""
    frame = world.clean()
    rows = world.some(frame, 0.1)
    others = world.rng.permutation(np.setdiff1d(np.arange(len(frame)), rows))[: len(rows)]
    place = np.arange(len(frame))
    place[rows] = others
    return frame.iloc[place].reset_index(drop=True), NOBODY


HONEST: tuple[Callable[[World], Window], ...] = (
    plain, covariate, label_drift, concept, noise5, sloppy, burst, specialist, specialist_drift,
    retries,
)  # fmt: skip
