"""What is set aside must not fall on one slice of the data."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.fairness import Fairness
from sluicegate.core import Column, Feedback, Finding, Kind, Reference, Schema, Task
from sluicegate.flows.feedback.measure import fairness
from sluicegate.gates import Policy
from sluicegate.gates.policy import parse_limits

SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (Column("state", Kind.CATEGORICAL), Column("age", Kind.NUMERIC), Column("rank", Kind.NUMERIC)),
    ("a", "b"),
    source="who",
)
LIMIT = 3


def batch(small, rows, schema=SCHEMA):
    """Return a batch of which the first `small` rows are one slice of `state`."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "state": np.where(np.arange(rows) < small, "ACT", "NSW").astype(object),
            "age": rng.normal(size=rows),
            "rank": rng.integers(0, 3, rows).astype(float),
            "y": "a",
            "who": [f"c{i % 50}" for i in range(rows)],
        }
    )
    scores = np.tile([0.6, 0.4], (rows, 1))
    return Feedback(schema, frame, scores, (), frame, None, {})


def multiple(subject, aside):
    (found,) = Fairness(tuple(map(int, aside)))(subject)
    return found.value


@pytest.mark.parametrize(
    ("small", "rows", "aside", "pauses"),
    [
        pytest.param(40, 1000, range(20), True, id="half of forty rows, two in a hundred of all"),
        pytest.param(10_000, 20_000, range(10), False, id="ten of ten thousand rows"),
        pytest.param(3, 1000, range(3), False, id="three rows are no slice"),
        pytest.param(300, 1000, range(20), False, id="twenty of three hundred, by chance"),
        pytest.param(40, 1000, (), False, id="nothing set aside"),
        pytest.param(40, 1000, range(1000), False, id="everything set aside is nobody's more"),
        pytest.param(0, 0, (), False, id="an empty batch"),
        pytest.param(1, 1, (0,), False, id="one row"),
    ],
)
def test_a_slice_that_loses_more_than_chance_allows_pauses(small, rows, aside, pauses):
    """Three times the mean, at least."""
    assert (multiple(batch(small, rows), aside) > LIMIT) is pauses


def test_rows_set_aside_at_random_are_fair():
    """One batch in a thousand may say otherwise, of all its slices."""
    for seed in range(20):
        subject = batch(60, 1000)
        aside = np.random.default_rng(seed).choice(1000, 60, replace=False)
        assert multiple(subject, aside) < LIMIT


@pytest.mark.parametrize("column", ["rank", "prediction"])
def test_numbers_of_few_values_and_predictions_are_slices_too(column):
    """A slice need not be a category."""
    subject = batch(0, 1000)
    frame, scores = subject.frame.copy(), subject.scores.copy()
    if column == "rank":
        frame.loc[:39, "rank"] = 7.0
    else:
        scores[:40] = scores[:40, ::-1]
    assert multiple(replace(subject, frame=frame, scores=scores), range(20)) > LIMIT


def test_a_value_that_the_reference_has_not_is_no_slice():
    """The contract sets it aside, all of it, and nobody loses a part of the world."""
    subject = batch(40, 1000)
    old = subject.frame.tail(900)
    known = replace(subject, references=(Reference("original", old, old["y"]),))
    assert multiple(known, range(20)) < 1


def test_the_value_of_a_sensitive_column_is_not_named():
    """Only that it is one of its values."""
    (found,) = Fairness(tuple(range(20)))(batch(40, 1000, replace(SCHEMA, sensitive=("state",))))
    assert "ACT" not in found.detail
    assert "`state` is one of its values" in found.detail
    assert found.rows == tuple(range(20))


def test_missing_values_and_scores_change_little():
    """A gap in a row of the slice leaves the alarm as it was."""
    subject = batch(40, 1000)
    frame, scores = subject.frame.copy(), subject.scores.copy()
    frame.loc[0, "state"], scores[1] = None, np.nan
    assert multiple(replace(subject, frame=frame, scores=scores), range(20)) > LIMIT
    assert multiple(replace(subject, scores=None), range(20)) > LIMIT


def test_what_the_gate_would_set_aside_is_what_is_counted():
    """Sources count by all their rows, and what only pauses is not set aside."""
    subject = batch(40, 1000)
    subject = replace(subject, frame=subject.frame.assign(who=["bad"] * 20 + ["good"] * 980))
    limits = {"x": {"quarantine": 1}, "y": {"pause": 1}, "fairness.quarantine": {"pause": LIMIT}}
    policy = Policy("intake", parse_limits(limits, ""))

    def told(metric):
        finding, crashed = fairness(
            policy, [Finding("x", metric, 2.0, sources=("bad",))], subject, 30
        )
        assert crashed.value == 0.0
        return finding.value

    assert told("x") > LIMIT
    assert told("y") == 0.0


def test_a_check_that_dies_is_not_measured():
    """Rows that the batch does not have."""
    limits = {"x": {"quarantine": 1}, "fairness.quarantine": {"pause": LIMIT}}
    policy = Policy("intake", parse_limits(limits, ""))
    finding = Finding("x", "x", 2.0, rows=(5000,))
    (crashed,) = fairness(policy, [finding], batch(40, 1000), 30)
    assert crashed.value is None
