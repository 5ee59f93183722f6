"""changes: what flips, in whose slice, and which rows hurt most."""

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.candidate import Candidate, Contender
from sluicegate.checks.statistics.changes import MOST_ROWS, changes
from sluicegate.core import Column, Kind, Schema, Task
from sluicegate.core.compared import Answered, Changes

SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (Column("x", Kind.NUMERIC), Column("who", Kind.CATEGORICAL)),
    classes=("no", "yes"),
    slices=("who",),
)


def golden(rows: int = 40) -> pd.DataFrame:
    frame = pd.DataFrame({"x": np.arange(float(rows)), "who": ["a", "b"] * (rows // 2)})
    return frame.assign(y=["no"] * (rows // 2) + ["yes"] * (rows // 2))


def model(yes: np.ndarray) -> Contender:
    return Contender(lambda frame: np.zeros(0), np.column_stack([1 - yes, yes]))


def test_slices_flips_and_rows_add_up() -> None:
    """Every lost row is in one class and one value of each slice column."""
    frame = golden()
    rng = np.random.default_rng(0)
    told = changes(
        Candidate(SCHEMA, frame, frame[:0], model(rng.random(40)), model(rng.random(40)))
    )
    (answers,) = told.answers
    assert answers.changed == sum(flip.rows for flip in told.flips)
    assert answers.changed == answers.lost + answers.gained  # two classes
    for column in ("class=", "who="):
        slices = [row for row in told.slices if row.slice.startswith(column)]
        assert sum(row.lost for row in slices) == answers.lost
        assert sum(row.gained for row in slices) == answers.gained
        assert sum(row.rows for row in slices) == answers.rows == 40
    assert len(told.rows) == min(answers.lost, MOST_ROWS)


def test_the_most_certain_error_comes_first_by_its_position() -> None:
    """Positions count all golden rows, the unlabelled ones too."""
    frame = golden().assign(y=lambda f: f["y"].where(f.index != 0))
    right = np.array([0.1] * 20 + [0.9] * 20)
    now = right.copy()
    now[[3, 30]] = 0.7, 0.05
    told = changes(Candidate(SCHEMA, frame, frame[:0], model(now), model(right)))
    assert [(row.row, row.before, row.now) for row in told.rows] == [
        (30, "yes", "no"),
        (3, "no", "yes"),
    ]
    assert told.rows[0].confidence_now == pytest.approx(0.95)
    assert told.answers[0].rows == 39


def test_regression_tells_rows_whose_error_grew() -> None:
    """There are no flips, and the row that moved farthest from the truth comes first."""
    schema = Schema(Task.REGRESSION, "y", (Column("x", Kind.NUMERIC),))
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 2.0]})
    old = Contender(lambda f: np.zeros(0), np.array([0.0, 1.0, 5.0]))
    new = Contender(lambda f: np.zeros(0), np.array([1.0, 4.0, 2.0]))
    told = changes(Candidate(schema, frame, frame[:0], new, old))
    assert told.flips == ()
    assert [row.row for row in told.rows] == [1, 0]
    assert told.answers[0] == Answered("golden", rows=3, changed=3, lost=2, gained=1)


@pytest.mark.parametrize("scores", [None, np.full((40, 2), np.nan), np.ones((3, 2))])
def test_a_model_without_usable_scores_changes_nothing_that_is_known(scores: object) -> None:
    """It is told by the findings; here it leaves no figures that look measured."""
    frame = golden()
    broken = Contender(lambda f: np.zeros(0), scores)  # type: ignore[arg-type]
    told = changes(Candidate(SCHEMA, frame, frame[:0], broken, model(np.full(40, 0.3))))
    assert told == Changes()
    alone = changes(Candidate(SCHEMA, frame, frame[:0], model(np.full(40, 0.3))))
    assert alone == told
