"""Missingness: how far the share of missing values moved."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.missingness import Missing, Missingness, merge, summarise
from sluicegate.core import Column, Feedback, Kind, Reference, Schema, Task

FEATURES = (Column("age", Kind.NUMERIC), Column("state", Kind.CATEGORICAL))
SCHEMA = Schema(Task.CLASSIFICATION, "y", FEATURES, ("ham", "spam"))


def draw(rows, missing=0.0, seed=0):
    """Return rows whose every cell is missing with this probability."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": rng.normal(size=rows), "state": "NSW", "y": "ham"}).astype(object)
    return frame.mask(rng.random(frame.shape) < missing, None).astype({"age": float})


def subject(frame, reference):
    """Return a batch against an original and a previous reference, which are the same."""
    references = tuple(
        Reference(name, reference, reference["y"]) for name in ("original", "previous")
    )
    return Feedback(SCHEMA, frame, None, references, reference, None, {})


def values(frame, reference):
    """Return the values by metric."""
    return {f.metric: f.value for f in Missingness()(subject(frame, reference))}


def test_every_feature_and_the_label_is_compared_with_each_reference():
    """There is one metric for each column and reference."""
    assert list(values(draw(300), draw(2000, seed=1))) == [
        f"missingness.{reference}.{column}"
        for reference in ("original", "previous")
        for column in ("feature.age", "feature.state", "label")
    ]


@pytest.mark.parametrize(
    ("batch", "reference", "low", "high"),
    [
        pytest.param(0.5, 0.0, 0.35, 0.5, id="a column half of which goes missing"),
        pytest.param(0.0, 0.5, 0.35, 0.5, id="a column that is suddenly filled in"),
        pytest.param(1.0, 0.0, 0.9, 1.0, id="a column that goes missing whole"),
        pytest.param(0.2, 0.2, 0.0, 0.0, id="a column as sparse as before"),
        pytest.param(1.0, 1.0, 0.0, 0.0, id="a column empty on both sides"),
    ],
)
def test_the_move_is_at_least(batch, reference, low, high):
    """The value is the proven part of the move of the missing share, in either direction."""
    found = values(draw(300, batch), draw(2000, reference, seed=1))
    assert all(low <= value <= high for value in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("rows", [30, 300])
def test_no_false_alarm_on_the_same_world(share, rows):
    """Of 200 batches of the same world none moves by more than a hundredth."""
    reference = draw(2000, share, seed=1)
    assert (
        max(max(values(draw(rows, share, seed), reference).values()) for seed in range(2, 202))
        <= 0.01
    )


@pytest.mark.parametrize(
    ("frame", "reference", "sentence"),
    [
        pytest.param(
            draw(300).drop(columns="age"),
            draw(2000),
            "absent from the batch",
            id="absent from the batch",
        ),
        pytest.param(
            draw(300),
            draw(2000).drop(columns="age"),
            "absent from the original",
            id="absent from the reference",
        ),
        pytest.param(draw(12), draw(2000), "only 12 rows; at least 30", id="a small batch"),
        pytest.param(draw(1), draw(2000), "only 1 rows", id="a batch of one row"),
        pytest.param(draw(0), draw(2000), "only 0 rows", id="an empty batch"),
        pytest.param(draw(300), draw(12), "only 12 rows", id="a small reference"),
    ],
)
def test_what_cannot_be_compared_is_not_measured(frame, reference, sentence):
    """What is absent or too small has no value and a sentence that says why."""
    finding = Missingness()(subject(frame, reference))[0]
    assert not finding.measured
    assert sentence in finding.detail


def test_one_more_missing_value_never_lowers_a_risen_share():
    """Each further missing value raises the value, or leaves it."""
    reference, batch = draw(2000, seed=1), draw(300)
    found = []
    for count in range(0, 301, 10):
        batch.loc[: count - 1, "age"] = np.nan
        found.append(values(batch, reference)["missingness.original.feature.age"])
    assert found == sorted(found)


def test_row_and_column_order_change_nothing():
    """The same rows and columns in any order give the same findings."""
    batch, reference = draw(300, 0.4), draw(2000, seed=1)
    turned = batch.sample(frac=1, random_state=0).reset_index(drop=True)[["y", "state", "age"]]
    assert Missingness()(subject(batch, reference)) == Missingness()(subject(turned, reference))


def test_without_references_nothing_is_measured():
    """Without a reference there are no findings, and a limit without a finding pauses."""
    assert Missingness()(replace(subject(draw(300), draw(2000)), references=())) == ()


def test_partitions_merge_to_the_whole():
    """Summaries of two partitions, merged, are the summary of the whole batch."""
    batch = draw(301, 0.3)
    first, second = summarise(SCHEMA, batch.head(100)), summarise(SCHEMA, batch.tail(201))
    assert merge(first, second) == summarise(SCHEMA, batch)
    assert merge(first, second | {"label": None})["label"] is None
    assert Missing(1, 2).merge(Missing(3, 4)) == Missing(4, 6)
