"""One opinion, many times: a source that drowns the others, and copies of a few rows."""

from dataclasses import dataclass

import numpy as np

from sluicegate.attacks.stage import Aim, Mask, Poisoned, Stage, everywhere
from sluicegate.core import Task

CHAFF = "AML.T0046"  # Spamming AI System with Chaff Data
POISONING = "AML.T0020"


@dataclass(frozen=True)
class Flood:
    """One new source sends a large share of the rows, all of them wrong."""

    name: str = "flood"
    atlas: str = CHAFF
    share: float = 0.3

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window in which one source is loud and wrong."""
        frame, rows, label = stage.window.copy(), stage.some(share), stage.schema.label
        frame.loc[rows, label] = stage.wrong(frame.loc[rows, label])
        frame.loc[rows, stage.source] = self.name
        return Poisoned(frame, rows, Aim(everywhere))


@dataclass(frozen=True)
class Copies:
    """Eight rows with a wrong label, sent again and again under known names.

    `jitter` shifts each number of a copy by that many of the reference's standard deviations, and
    garbles two letters of each text, so that hardly two are equal.
    """

    name: str = "copies"
    atlas: str = POISONING
    share: float = 0.1
    originals: int = 8
    jitter: float = 0.0

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window in which a few wrong rows are many."""
        frame, schema = stage.window.copy(), stage.schema
        first = stage.rng.permutation(np.flatnonzero(self._agreed(stage)))[: self.originals]
        rows = stage.some(share, among=~np.isin(np.arange(len(frame)), first))
        listed = [*schema.feature_names, schema.label]
        copied = frame.loc[first, listed].reset_index(drop=True)
        copied[schema.label] = stage.wrong(copied[schema.label])
        copied = copied.loc[np.arange(len(rows)) % len(copied)].set_index(rows)
        for name in stage.numbers() if self.jitter else ():
            step = self.jitter * float(stage.reference[name].std())
            copied[name] += stage.rng.normal(0, step, len(copied))
        for name in stage.texts() if self.jitter else ():
            copied[name] = [_garbled(str(text), stage.rng) for text in copied[name].fillna("")]
        frame.loc[rows, listed] = copied[listed]
        return Poisoned(frame, rows, Aim(everywhere))

    def _agreed(self, stage: Stage) -> Mask:
        if stage.schema.task is Task.REGRESSION:
            return everywhere(stage.window)
        codes = stage.schema.label_codes(stage.window[stage.schema.label])
        agreed = stage.predicted(stage.window) == codes
        return agreed if agreed.sum() >= self.originals else everywhere(stage.window)


def _garbled(text: str, rng: np.random.Generator) -> str:
    signs = list(text)
    for place in rng.integers(len(signs), size=2) if signs else ():
        signs[place] = chr(ord("a") + int(rng.integers(26)))
    return "".join(signs) + "." * int(rng.integers(3))
