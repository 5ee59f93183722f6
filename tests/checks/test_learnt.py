"""Learnt triggers: who carried one before it was stopped, and who obeyed it."""

import numpy as np
import pandas as pd
import pytest
from worlds import NUMBERS, feedback, window

from sluicegate.checks.learnt import LearntTriggers, carriers
from sluicegate.checks.statistics.patterns import Value
from sluicegate.checks.statistics.pulls import Trigger, note_trigger, trigger_behind
from sluicegate.core import Column, Feedback, Finding, Kind, Schema, Task
from sluicegate.core.schema import PREDICTED

X = Column("x", Kind.NUMERIC)
YES_NO = Schema(Task.CLASSIFICATION, "y", (X,), ("no", "yes"), source="who")
SEVEN = (Value(X, "x = 7", equal=7.0),)


def table(labels: list[object], predicted: list[object], x: float = 7.0) -> pd.DataFrame:
    """Return admitted rows with one value of x."""
    return pd.DataFrame({"x": x, "y": labels, PREDICTED: predicted})


@pytest.mark.parametrize(
    ("labels", "predicted", "carried", "obeyed"),
    [
        pytest.param(["yes", "yes"], ["no", "no"], 2, 2, id="all obeyed"),
        pytest.param(["yes", "no"], ["no", "no"], 2, 1, id="one did not"),
        pytest.param(["yes", "yes"], ["yes", "yes"], 0, 0, id="as predicted: no evidence"),
        pytest.param(["yes", "no"], [None, None], 2, 1, id="nobody was asked"),
        pytest.param([None, "maybe"], ["no", "no"], 2, 0, id="labels nobody knows"),
        pytest.param([], [], 0, 0, id="no rows"),
    ],
)
def test_who_obeyed(
    labels: list[object], predicted: list[object], carried: int, obeyed: int
) -> None:
    rows, pulled = carriers(Trigger(SEVEN, 1), table(labels, predicted), YES_NO)
    assert (len(rows), len(pulled)) == (carried, obeyed)
    assert len(carriers(Trigger(SEVEN, 1), table(labels, predicted, 8.0), YES_NO)[0]) == 0
    renamed = table(labels, predicted).rename(columns={"x": "z"})
    assert len(carriers(Trigger(SEVEN, 1), renamed, YES_NO)[0]) == 0


def test_rows_that_err_as_others_do_are_not_counted() -> None:
    """Of four that carry it two have the label: half is no pull."""
    frame = pd.DataFrame({"x": [1.0], "y": ["no"]})
    subject = Feedback(YES_NO, frame, None, (), frame, None, {})
    half = table(["yes", "yes", "no", "no"], ["no"] * 4)
    most = table(["yes", "yes", "yes", "no"], ["no"] * 4)
    for held, expected in ((half, 0.0), (most, 3.0)):
        check = LearntTriggers((Trigger(SEVEN, 1),), lambda held=held: [("0001", held)])
        (found,) = check(subject)
        assert found.value == expected, found


def test_of_a_regression_the_distance_decides() -> None:
    """A row obeyed when its label is as far off as those that were stopped, on the same side."""
    subject = feedback(NUMBERS, window(NUMBERS, 60, 2))
    assert subject.scores is not None
    label = subject.frame[NUMBERS.label].to_numpy(dtype=float)
    residual = label - np.asarray(subject.scores)
    highest = tuple(int(row) for row in np.argsort(residual)[-3:])
    column = NUMBERS.features[0]
    pattern = (Value(column, "any", low=np.inf),)
    finding = note_trigger(subject, Finding("triggers", "m", 3.0, rows=highest), pattern, 2)
    trigger = trigger_behind(subject, finding)
    assert trigger is not None
    assert trigger.edge == pytest.approx(np.sort(residual)[-3])
    admitted = subject.frame.assign(**{PREDICTED: subject.scores})
    rows, pulled = carriers(trigger, admitted, NUMBERS)
    assert len(rows) == admitted[column.name].notna().sum()
    assert set(pulled) == {row for row in highest if row in set(rows)}
