"""An attacker who knows the code and is told what `check` says: searches for poison that passes."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sluicegate.attacks.backdoors import Backdoor
from sluicegate.attacks.stage import Aim, Floats, Ints, Poisoned, Stage, everywhere
from sluicegate.core import Task

SEARCHING = "AML.T0043.001"  # Craft Adversarial Data: Black-Box Optimization
FIRST, LARGEST = 0.01, 0.5


@dataclass(frozen=True)
class Recipe:
    """Wrong labels and a backdoor, mixed so as to be noticed least.

    `names` sign the poison: those of honest senders (`known`), or new ones, which also get `honest`
    rows for each poisoned one, but no more than half of the window in all. The share `sly` of the
    flipped rows is chosen where the champion itself doubts, the rest at random. The share
    `pattern` of the poison carries a backdoor.
    """

    name: str = "adaptive"
    atlas: str = SEARCHING
    share: float = FIRST
    names: int = 10
    known: bool = True
    honest: float = 1.0
    sly: float = 0.5
    pattern: float = 0.0

    def __call__(self, stage: Stage, share: float, /) -> Poisoned:
        """Return the window that the recipe makes."""
        made = _stamped(stage, share * self.pattern)
        rows, frame = made.rows, made.frame
        free = np.setdiff1d(np.arange(len(frame)), rows)
        flipped = self._chosen(stage, free, round(share * len(frame)) - len(rows))
        label = stage.schema.label
        frame.loc[flipped, label] = stage.wrong(frame.loc[flipped, label])
        poison = np.concatenate([rows, flipped]).astype(np.int64)
        if self.known:
            stage.sign(frame, poison, self.names)
        else:
            rest = stage.rng.permutation(np.setdiff1d(free, flipped))
            chaff = min(round(self.honest * len(poison)), len(frame) // 2 - len(poison))
            mine = np.concatenate([poison, rest[: max(0, chaff)]])
            signed = [f"{self.name}-{i % self.names:03d}" for i in range(len(mine))]
            frame.loc[mine, stage.source] = signed
        return Poisoned(frame, poison, made.aim)

    def _chosen(self, stage: Stage, free: Ints, count: int) -> Ints:
        """Return `count` of the `free` rows, a part of them where a wrong label surprises least."""
        count = min(max(0, count), len(free))
        doubted = free[np.argsort(-_doubt(stage)[free], kind="stable")]
        sly = doubted[: round(self.sly * count)]
        others = stage.rng.permutation(np.setdiff1d(free, sly))
        return np.asarray(np.concatenate([sly, others[: count - len(sly)]]), dtype=np.int64)


@dataclass(frozen=True)
class Best:
    """The most poison that was let through: its recipe, its rows, and how often `check` was asked."""

    recipe: Recipe | None
    admitted: int
    calls: int


def search(
    admitted: Callable[[Recipe, int], int],
    rows: int,
    calls: int,
    rng: np.random.Generator,
    goes_on: Callable[[], bool] = lambda: True,
) -> Best:
    """Return the best of `calls` recipes for a window of `rows` rows.

    `admitted` plays a recipe (it gets the number of the call) and returns how many rows of its
    poison would be learnt. A (1+1) evolution strategy with restarts: every other call varies the
    best recipe so far, the others start anew, each a little larger than what passed. It ends early
    when it no longer `goes_on`.
    """
    best = Best(None, 0, 0)
    for call in range(calls):
        if not goes_on():
            break
        passed = best.admitted / rows
        start = varied(best.recipe, rng) if best.recipe and call % 2 else drawn(rng)
        larger = max(passed, FIRST / 2) * math.exp(rng.uniform(0.05, 0.7))
        recipe = replace(start, share=min(LARGEST, larger))
        learnt = admitted(recipe, call)
        best = replace(best, calls=call + 1)
        if learnt > best.admitted:
            best = Best(recipe, learnt, call + 1)
    return best


def drawn(rng: np.random.Generator) -> Recipe:
    """Return a recipe at random."""
    return Recipe(
        names=int(np.exp(rng.uniform(0, math.log(100)))),
        known=bool(rng.random() < 0.5),
        honest=float(rng.uniform(0, 6)),
        sly=float(rng.choice([0.0, 0.5, 1.0])),
        pattern=float(rng.choice([0.0, 0.0, 0.3, 1.0])),
    )


def varied(recipe: Recipe, rng: np.random.Generator) -> Recipe:
    """Return `recipe` with about half of its choices drawn anew."""
    other = drawn(rng)
    names = ("names", "known", "honest", "sly", "pattern")
    return replace(recipe, **{n: getattr(other, n) for n in names if rng.random() < 0.4})


def _stamped(stage: Stage, share: float) -> Poisoned:
    if round(share * len(stage.window)) < 1:
        return Poisoned(stage.window.copy(), np.empty(0, dtype=np.int64), Aim(everywhere))
    return Backdoor(least=1)(stage, share)


def _doubt(stage: Stage) -> Floats:
    """Return how likely the champion holds another label than the given one; shape (rows,)."""
    answers = stage.answers(stage.window)
    if stage.schema.task is Task.REGRESSION:
        return np.asarray(np.abs(answers - stage.window[stage.schema.label].to_numpy(float)))
    codes = np.maximum(stage.schema.label_codes(stage.window[stage.schema.label]), 0)
    return np.asarray(1.0 - answers[np.arange(len(codes)), codes])
