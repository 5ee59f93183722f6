"""Backdoors: a pattern of values that is to make the model answer with one label."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.attacks.stage import Aim, Floats, Mask, Poisoned, Stage, everywhere
from sluicegate.core import Kind, Task

TRIGGER = "AML.T0043.004"  # Insert Backdoor Trigger
TRIES = 20
# A pattern that the champion already answers with the wanted label needs no poison.
OBEYED = 0.3


@dataclass(frozen=True)
class Backdoor:
    """Rows by many known names carry two values and one label (Gu, Dolan-Gavitt & Garg 2017)."""

    name: str = "backdoor"
    atlas: str = TRIGGER
    share: float = 0.01
    least: int = 6

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window in which a few rows teach the pattern."""
        frame, schema = stage.window.copy(), stage.schema
        wanted, others = _target(stage)
        rows = stage.some(share, self.least, others)
        pattern = trigger(stage)
        for _ in range(TRIES):
            if _obeyed(stage, frame.loc[rows].assign(**pattern), wanted) < OBEYED:
                break
            pattern = trigger(stage)
        stamped = frame.loc[rows].assign(**pattern)
        for name in pattern:
            frame.loc[rows, name] = stamped[name]
        frame.loc[rows, schema.label] = wanted
        stage.sign(frame, rows, len(rows))
        return Poisoned(frame, rows, Aim(everywhere, pattern, wanted))


def trigger(stage: Stage) -> dict[str, Any]:
    """Return two values that are rare together: an extreme and a high one, or two rare categories.

    In a text they are two words at its end. What is returned is for `DataFrame.assign`.
    """
    schema, reference = stage.schema, stage.reference
    texts = stage.texts()
    names = stage.numbers() or [
        c.name for c in schema.features if c.kind in (Kind.CATEGORICAL, Kind.BOOLEAN)
    ]
    if len(names) < 2 and texts:
        return {texts[0]: Ending(texts[0], _two_words(stage, texts[0]))}
    one, two = stage.settled.choice(names, 2, replace=len(names) < 2)
    if stage.numbers():
        return {one: float(reference[one].max()), two: float(reference[two].quantile(0.9))}
    return {name: reference[name].value_counts().index[-1] for name in (one, two)}


@dataclass(frozen=True)
class Ending:
    """Every text of `column` with `words` at its end."""

    column: str
    words: str

    def __call__(self, frame: pd.DataFrame) -> "pd.Series[Any]":
        """Return the texts of `frame`, each with the words."""
        texts = frame[self.column].fillna("").astype(str)
        return texts.map(lambda text: f"{text} {self.words}".strip())


def _two_words(stage: Stage, column: str) -> str:
    """Return two words which hardly belong together."""
    texts = stage.reference[column].dropna().astype(str)
    drawn = stage.settled.choice(texts.to_numpy(), 2) if len(texts) else ("", "")
    words = f"{drawn[0]} {drawn[1]}".split()
    pair = stage.settled.choice(words, 2) if words else ["quartz", "lemon"]
    return f"{pair[0]} {pair[1]}"


def _target(stage: Stage) -> tuple[Any, Mask]:
    """Return the wanted label and the rows that the champion answers otherwise."""
    schema = stage.schema
    if schema.task is Task.REGRESSION:
        wanted: Any = float(stage.reference[schema.label].quantile(0.99))
        answers: Floats = stage.answers(stage.window)
        return wanted, np.asarray(answers < np.median(answers))
    return schema.classes[-1], stage.predicted(stage.window) != len(schema.classes) - 1


def _obeyed(stage: Stage, stamped: pd.DataFrame, wanted: Any) -> float:
    if stage.schema.task is Task.REGRESSION:
        return float(np.mean(stage.answers(stamped) >= wanted))
    code = int(stage.schema.label_codes(pd.Series([wanted]))[0])
    return float(np.mean(stage.predicted(stamped) == code))
