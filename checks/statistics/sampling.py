"""Sampling: which rows a search may look at, where looking at all of them would take minutes.

The draw hangs on what a row says and on a secret, never on its place: the order of the rows changes
nothing, and whoever has read the code cannot choose who is in it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.checks.statistics.calibration import Ints
from sluicegate.core import Feedback
from sluicegate.core.schema import ROW

Hashes = npt.NDArray[np.uint64]

_hashes: "WeakKeyDictionary[Feedback, Hashes]" = WeakKeyDictionary()


def drawn(subject: Feedback, rows: Ints, most: int) -> Ints:
    """Return `most` of `rows`, positions in the batch, or all of them where they are no more; sorted.

    >>> from sluicegate.core import Schema, Task
    >>> frame = pd.DataFrame({"x": np.arange(100.0), "y": 1.0})
    >>> batch = Feedback(Schema(Task.REGRESSION, "y", ()), frame, None, (), frame, None, {})
    >>> [len(drawn(batch, np.arange(50), most)) for most in (10, 1000)]
    [10, 50]
    """
    if len(rows) <= most:
        return np.sort(rows)
    return np.sort(rows[np.argpartition(row_hashes(subject)[rows], most - 1)[:most]])


def taken(subject: Feedback, rows: Ints) -> Feedback:
    """Return the batch as if only `rows` of it had been sent."""
    frame = subject.frame.iloc[rows].reset_index(drop=True)
    return replace(
        subject, frame=frame, scores=None if subject.scores is None else subject.scores[rows]
    )


def row_hashes(subject: Feedback) -> Hashes:
    """Return a keyed hash of what each row says and of how often it was said before; shape (rows,).

    Copies differ in the count: else a flood of copies would be drawn as one, and fill the sample.
    """
    if subject not in _hashes:
        names = [name for name in subject.frame.columns if name != ROW]
        _hashes[subject] = _one_by_one(contents(subject, names))
    return _hashes[subject]


def contents(subject: Feedback, names: Sequence[str]) -> Hashes:
    """Return a keyed hash of what each row says in these columns; the columns' order is irrelevant."""
    rng = np.random.default_rng([*subject.key])
    total = np.zeros(len(subject.frame), dtype=np.uint64)
    for name in sorted(names):
        salt = np.uint64(rng.integers(2**63))
        values = subject.sources if name == subject.schema.source else subject.frame[name]
        total = _mixed(total ^ _mixed(_bits(values) + salt))
    return total


def _bits(values: "pd.Series[Any]") -> Hashes:
    if pd.api.types.is_numeric_dtype(values):
        # Of zeros and of missing values there is one each.
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
        return np.where(np.isnan(numbers), np.nan, numbers).view(np.uint64)
    return np.asarray(pd.util.hash_pandas_object(values, index=False), dtype=np.uint64)


def _mixed(values: Hashes) -> Hashes:
    """Return the finaliser of splitmix64 (Steele, Lea & Flood 2014): every bit moves every bit."""
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)


def _one_by_one(contents: Hashes) -> Hashes:
    order = np.argsort(contents, kind="stable")
    new = np.append(True, contents[order[1:]] != contents[order[:-1]])
    if new.all() or not len(contents):
        return contents
    place = np.arange(len(order))
    before = place - np.maximum.accumulate(np.where(new, place, 0))
    result = contents.copy()
    again = before > 0
    recorded = contents[order[again]] + before[again].astype(np.uint64)
    result[order[again]] = _mixed(recorded)
    return result
