"""Novelty: unseen categories and numbers beyond the observed range."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.novelty import Novelty, learn, merge, summarise
from sluicegate.core import Column, Feedback, Kind, Reference, Schema, Task

FEATURES = (
    Column("state", Kind.CATEGORICAL),
    Column("town", Kind.CATEGORICAL),
    Column("age", Kind.NUMERIC),
    Column("seen", Kind.TIMESTAMP),
    Column("note", Kind.TEXT),
    Column("member", Kind.BOOLEAN),
)
SCHEMA = Schema(Task.REGRESSION, "y", FEATURES)
STATES = np.array(["NSW", "VIC", "QLD", "WA"], dtype=object)


def draw(rows, seed=0):
    """Return rows of one world; a quarter of the towns have hardly been seen before."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "state": rng.choice(STATES, rows),
            "town": np.array([f"t{i}" for i in rng.zipf(1.5, rows)], dtype=object),
            "age": rng.normal(40, 10, rows),
            "seen": 1.7e9 + rng.uniform(0, 1e6, rows),
            "note": "words",
            "member": 1.0,
            "y": rng.normal(size=rows),
        }
    )


REFERENCE = draw(2000, seed=1)


def subject(frame, reference=REFERENCE, schema=SCHEMA, name="original"):
    """Return a batch against one reference."""
    return Feedback(
        schema, frame, None, (Reference(name, reference, reference["y"]),), frame, None, {}
    )


def found(frame, **more):
    """Return the findings by what follows `novelty.`."""
    return {f.metric.removeprefix("novelty."): f for f in Novelty()(subject(frame, **more))}


def test_the_watched_columns():
    """Categories, numbers, times, texts and a numeric label are watched; booleans are not."""
    assert list(found(draw(300))) == [
        "unseen.feature.state",
        "unseen.feature.town",
        "range.feature.age",
        "range.feature.seen",
        "unseen.feature.note",
        "range.label",
    ]


HALF = slice(0, 149)


@pytest.mark.parametrize(
    ("metric", "column", "value"),
    [
        pytest.param(
            "unseen.feature.state", "state", "TAS", id="half of the rows in an unseen category"
        ),
        pytest.param(
            "unseen.feature.town",
            "town",
            "nowhere",
            id="half in an unseen one where new ones are usual",
        ),
        pytest.param("range.feature.age", "age", 1e6, id="half far above the range"),
        pytest.param("range.feature.age", "age", -np.inf, id="minus infinity is below the range"),
        pytest.param("range.feature.seen", "seen", 0.0, id="times before the first known one"),
        pytest.param("range.label", "y", 1e6, id="labels beyond the range"),
    ],
)
def test_new_values_are_counted_and_their_rows_named(metric, column, value):
    """New values raise their metric by their share, and their rows are named."""
    batch = draw(300)
    batch.loc[HALF, column] = value
    findings = found(batch)
    assert 0.15 < findings[metric].value <= 0.5
    assert set(range(150)) <= set(findings[metric].rows)
    assert all(f.value < 0.05 for name, f in findings.items() if name != metric)


def test_times_after_the_last_known_one_are_not_new():
    """The calendar only moves forward, so later times are no novelty."""
    assert found(draw(300).assign(seen=2e9))["range.feature.seen"].value == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("rows", [30, 300])
def test_no_false_alarm_on_the_same_world(rows):
    """Of 200 batches of the same world none shows more than a twentieth of new values."""
    worst = max(f.value for seed in range(2, 202) for f in found(draw(rows, seed)).values())
    assert worst <= 0.05


@pytest.mark.parametrize(
    ("frame", "more", "sentence"),
    [
        pytest.param(
            draw(300).drop(columns="state"), {}, "lacks the column", id="absent from the batch"
        ),
        pytest.param(
            draw(300),
            {"reference": REFERENCE.drop(columns="state")},
            "lacks the column",
            id="absent from the reference",
        ),
        pytest.param(
            draw(300),
            {"reference": REFERENCE.assign(state=None)},
            "lacks the column",
            id="empty in the reference",
        ),
        pytest.param(
            draw(300), {"name": "previous"}, "lacks the column", id="no original reference"
        ),
        pytest.param(draw(12), {}, "only 12 rows; at least 30", id="a small batch"),
        pytest.param(draw(0), {}, "only 0 rows", id="an empty batch"),
    ],
)
def test_what_cannot_be_compared_is_not_measured(frame, more, sentence):
    """What is absent or too small has no value and a sentence that says why."""
    finding = found(frame, **more)["unseen.feature.state"]
    assert not finding.measured
    assert sentence in finding.detail


def test_missing_values_are_not_new_and_hide_nothing():
    """A missing value is no new one, and does not hide the new ones beside it."""
    batch = draw(300)
    batch.loc[HALF, "state"] = "TAS"
    batch.loc[299, "state"] = None
    batch["age"] = np.nan
    findings = found(batch)
    assert findings["unseen.feature.state"].value > 0.3
    assert findings["range.feature.age"].value == 0.0


def test_row_order_changes_nothing_but_the_rows():
    """The same rows in another order give the same values and as many rows."""
    batch = draw(300).assign(state=["TAS", "NSW"] * 150)
    turned = batch.iloc[::-1].reset_index(drop=True)
    for one, two in zip(found(batch).values(), found(turned).values(), strict=True):
        assert (one.metric, one.value, len(one.rows)) == (two.metric, two.value, len(two.rows))


def test_a_reviewer_reads_the_new_categories_but_no_sensitive_one():
    """The detail names a few new categories, cut short, unless the column is sensitive."""
    batch = draw(300)
    batch["state"] = [f"{i:03}" + "x" * 99 for i in range(300)]
    said = found(batch)["unseen.feature.state"].detail
    unsaid = found(batch, schema=replace(SCHEMA, sensitive=("state",)))[
        "unseen.feature.state"
    ].detail
    assert said.startswith(
        "300 of 300 values of `state` are new to the original reference: '000xxx"
    )
    assert said.endswith(", ....")
    assert len(said) < 250
    assert unsaid == "300 of 300 values of `state` are new to the original reference."


def test_partitions_merge_to_the_whole():
    """Summaries of two partitions, merged, are the summary of the whole batch."""
    batch = draw(301)
    known = learn(SCHEMA, REFERENCE)
    parts = (summarise(SCHEMA, part, known) for part in (batch.head(100), batch.tail(201)))
    assert merge(*parts) == summarise(SCHEMA, batch, known)
