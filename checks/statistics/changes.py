"""changes: what users would notice, row by row: answers that flip, what was lost and what was gained."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sluicegate.checks.candidate import Candidate, slices_of
from sluicegate.checks.statistics.scoring import Answers, Mask
from sluicegate.core import CannotDecide
from sluicegate.core.compared import Answered, Changes, Flip, Moved, Worse
from sluicegate.core.schema import label_text

MOST_ROWS = 12


def changes(candidate: Candidate) -> Changes:
    """Return how the challenger's answers differ from the champion's on labelled rows.

    Where a model did not answer, or there is no champion, nothing is told of that set.

    For regression a lost row is one whose absolute error grew, and there are no flips.

    >>> import pandas as pd
    >>> from sluicegate.checks.candidate import Contender
    >>> from sluicegate.core import Column, Kind, Schema, Task
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), classes=("no", "yes"))
    >>> golden = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": ["no", "yes", "yes"]})
    >>> def model(yes):
    ...     return Contender(lambda frame: frame, np.column_stack([1 - np.array(yes), yes]))
    >>> old, new = model([0.1, 0.8, 0.4]), model([0.2, 0.1, 0.7])
    >>> told = changes(Candidate(schema, golden, golden[:0], new, old))
    >>> [(flip.old, flip.new, flip.rows) for flip in told.flips]
    [('no', 'yes', 1), ('yes', 'no', 1)]
    >>> [(row.row, row.now) for row in told.rows]
    [(1, 'no')]
    """
    answers, flips, slices = list[Answered](), list[Flip](), list[Moved]()
    worse: tuple[Worse, ...] = ()
    for where in ("golden", "recent"):
        both = _both(candidate, where)
        if both is None:
            continue
        before, now = both
        classes = [label_text(value) for value in candidate.schema.classes]
        moved, lost, gained = _moved(before, now), *_turned(before, now)
        sums = (int(each.sum()) for each in (moved, lost, gained))
        answers.append(Answered(where, len(moved), *sums))
        flips += _flips(where, before, now, classes)
        for name, mask in slices_of(candidate, where).items():
            rows = (int(each.sum()) for each in (mask, lost[mask], gained[mask]))
            slices.append(Moved(where, name, *rows))
        if where == "golden":
            positions = np.flatnonzero(candidate.labelled(where))
            worse = tuple(_worst(before, now, positions, classes))
    return Changes(tuple(answers), tuple(flips), tuple(slices), worse)


def _both(candidate: Candidate, where: str) -> tuple[Answers, Answers] | None:
    champion = candidate.champion
    if champion is None or not candidate.labelled(where).any():
        return None
    try:
        return (
            candidate.answers(where, champion),
            candidate.answers(where, candidate.challenger),
        )
    except CannotDecide:  # told as a finding that was not measured
        return None


def _moved(before: Answers, now: Answers) -> Mask:
    if now.classifies:
        return np.asarray(before.scores.argmax(axis=1) != now.scores.argmax(axis=1))
    return np.asarray(before.scores != now.scores)


def _turned(before: Answers, now: Answers) -> tuple[Mask, Mask]:
    if now.classifies:
        return before.right & ~now.right, ~before.right & now.right
    return now.missed_by > before.missed_by, now.missed_by < before.missed_by


def _flips(where: str, before: Answers, now: Answers, classes: list[str]) -> Iterator[Flip]:
    if not now.classifies:
        return
    pairs = np.column_stack([before.scores.argmax(axis=1), now.scores.argmax(axis=1)])
    flipped, counts = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0, return_counts=True)
    for at in np.argsort(-counts, kind="stable"):
        old, new = flipped[at]
        yield Flip(where, classes[old], classes[new], int(counts[at]))


def _worst(
    before: Answers, now: Answers, positions: npt.NDArray[np.int64], classes: list[str]
) -> Iterator[Worse]:
    lost, _ = _turned(before, now)
    cost = now.scores.max(axis=1) if now.classifies else now.missed_by - before.missed_by
    rows = np.flatnonzero(lost)
    for at in rows[np.argsort(-cost[rows], kind="stable")][:MOST_ROWS]:
        details: dict[str, Any] = {}
        for name, answers in (("before", before), ("now", now)):
            if not answers.classifies:
                details[name] = float(answers.scores[at])
                continue
            likeliest = int(answers.scores[at].argmax())
            details[name] = classes[likeliest]
            details[f"confidence_{name}"] = float(answers.scores[at, likeliest])
        yield Worse(row=int(positions[at]), **details)
