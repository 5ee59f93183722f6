"""Drift: false alarms, real shifts, fail-closed cases, and alibi-detect against scipy."""

import math
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.drift import Drift, compare
from sluicegate.checks.statistics.summaries import (
    categories,
    champion_answers,
    merge,
    numbers,
    summarise,
)
from sluicegate.checks.statistics.two_sample import (
    Method,
    chi_square,
    kolmogorov_smirnov,
    numbers_at_least,
    share_moved_by,
)
from sluicegate.core import Column, Feedback, Kind, Reference, Schema, Task

with_alibi = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="alibi-detect needs numpy<2, which ends with Python 3.12"
)
LIMIT = 0.3
SCHEMA = Schema(
    task=Task.CLASSIFICATION,
    label="y",
    features=(
        Column("age", Kind.NUMERIC),
        Column("state", Kind.CATEGORICAL),
        Column("town", Kind.CATEGORICAL),
        Column("member", Kind.BOOLEAN),
        Column("seen", Kind.TIMESTAMP),
        Column("note", Kind.TEXT),
    ),
    classes=("ham", "spam"),
)
STATES = np.array(["NSW", "VIC", "QLD", "WA"], dtype=object)
WORDS = np.array(
    ["", "a word", "two words more", "a much longer remark than the rest"], dtype=object
)


def draw(rows, seed):
    """Return `rows` rows of one and the same world."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, rows),
            "state": rng.choice(STATES, rows, p=[0.5, 0.3, 0.15, 0.05]),
            "town": np.array([f"t{i}" for i in rng.zipf(1.3, rows) % 3000], dtype=object),
            "member": rng.integers(0, 2, rows).astype(float),
            "seen": 1.7e9 + seed * 1e6 + rng.uniform(0, 864_000, rows),
            "note": rng.choice(WORDS, rows),
            "y": rng.choice(np.array(["ham", "spam"], dtype=object), rows),
        }
    )


def answers(rows, seed, spam=0.5):
    """Return scores of a champion that answers spam with this probability."""
    says = np.random.default_rng(seed + 10_000).random(rows) < spam
    return np.column_stack([~says, says]).astype(float)


def subject(frame, reference=None, scores=None, schema=SCHEMA):
    """Return a batch against one original reference of the same world."""
    reference = draw(2000, 1) if reference is None else reference
    scores = answers(len(frame), 5) if scores is None else scores
    says = answers(len(reference), 6)[:, 1] > 0
    predicted = pd.Series(np.where(says, "spam", "ham"))
    original = Reference("original", reference, predicted)
    return Feedback(schema, frame, scores, (original,), reference, None, {})


def effects(batch, **settings):
    """Return the effects by column."""
    found = Drift(method=Method.SCIPY, **settings)(batch)
    start = "drift.effect.original."
    return {f.metric.removeprefix(start): f.value for f in found if f.metric.startswith(start)}


COLUMNS = [
    "feature.age",
    "feature.state",
    "feature.town",
    "feature.member",
    "feature.seen",
    "feature.note.characters",
    "feature.note.words",
    "feature.note.vocabulary",
    "label",
    "prediction",
]


def test_every_column_has_an_effect_and_a_p_value():
    """Each feature, the label and the prediction yield an effect and a p-value beside it."""
    found = Drift(method=Method.SCIPY)(subject(draw(300, 2)))
    expected = {f"drift.{kind}.original.{c}" for kind in ("effect", "p") for c in COLUMNS}
    assert {f.metric for f in found} == expected
    assert all(f.value is not None and f.value >= 0 for f in found)


def shifted(**columns):
    return draw(600, 2).assign(**columns)


@pytest.mark.parametrize(
    ("frame", "column"),
    [
        pytest.param(
            shifted(age=draw(600, 2)["age"] + 20),
            "feature.age",
            id="a mean moves by two deviations",
        ),
        pytest.param(shifted(age=7.0), "feature.age", id="a column becomes constant"),
        pytest.param(shifted(age=np.inf), "feature.age", id="infinities are values"),
        pytest.param(
            shifted(age=[np.inf, -np.inf] * 300),
            "feature.age",
            id="infinities of both signs give no NaN",
        ),
        pytest.param(shifted(state="TAS"), "feature.state", id="one unseen category takes over"),
        pytest.param(shifted(state="WA"), "feature.state", id="a rare category takes over"),
        pytest.param(
            shifted(town="t2999"), "feature.town", id="one of many rare categories takes over"
        ),
        pytest.param(
            shifted(town=[f"x{i}" for i in range(600)]),
            "feature.town",
            id="many unseen categories take over",
        ),
        pytest.param(shifted(member=1.0), "feature.member", id="a boolean becomes always true"),
        pytest.param(
            shifted(seen=1.7e9), "feature.seen", id="everything happens at one time of day"
        ),
        pytest.param(shifted(note="x" * 500), "feature.note.characters", id="texts grow longer"),
        pytest.param(
            shifted(note="ten short words in each of the notes from now"),
            "feature.note.words",
            id="texts gain words",
        ),
        pytest.param(shifted(y="spam"), "label", id="one label takes over"),
    ],
)
def test_a_real_shift_is_beyond_the_limit_in_its_column_only(frame, column):
    """A real shift of one column raises that column's effect beyond the limit, and no other's."""
    found = effects(subject(frame))
    assert found[column] > LIMIT
    related = {c for c in found if c.split(".")[:2] == column.split(".")[:2]}
    assert all(value <= LIMIT for c, value in found.items() if c not in related)


def test_the_champion_answering_differently_is_prediction_drift():
    """A champion that answers spam to everything has drifted in its predictions alone."""
    found = effects(subject(draw(600, 2), scores=answers(600, 5, spam=1.0)))
    assert found["prediction"] > LIMIT
    assert all(value <= LIMIT for column, value in found.items() if column != "prediction")


def test_regression_compares_numbers():
    """For regression the label and the predictions are compared as numbers."""
    schema = Schema(Task.REGRESSION, "age", (Column("member", Kind.BOOLEAN),))
    reference, batch = draw(2000, 1), draw(600, 2)
    original = Reference("original", reference, reference["age"])
    scores = batch["age"].to_numpy() + 30
    found = effects(Feedback(schema, batch, scores, (original,), reference, None, {}))
    assert found["label"] <= LIMIT < found["prediction"]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [30, 60, 300])
def test_no_false_alarm_on_the_same_world(rows):
    """Of 200 batches of the same world, none moves any column beyond a tenth of the limit."""
    reference = draw(2000, 1)
    worst = max(
        max(effects(subject(draw(rows, seed), reference)).values()) for seed in range(10, 210)
    )
    assert worst <= LIMIT / 10


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [20, 125, 1000, 20_000])
def test_many_categories_are_no_false_alarm(kinds):
    """Pooling rare categories makes no drift of its own, however many there are."""
    schema = Schema(Task.CLASSIFICATION, "y", (Column("town", Kind.CATEGORICAL),), ("ham", "spam"))
    worst = 0.0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        reference, batch = (
            draw(rows, seed).assign(town=rng.integers(0, kinds, rows).astype(str))
            for rows in (2000, 400)
        )
        worst = max(worst, effects(subject(batch, reference, schema=schema))["feature.town"])
    assert worst <= LIMIT / 10


def test_large_batches_make_trivial_shifts_significant_but_not_large():
    """A shift of a twentieth of a deviation in a large batch has a tiny p and a tiny effect."""
    moved = draw(50_000, 2)
    moved["age"] += 1.0
    found = Drift(method=Method.SCIPY)(subject(moved, draw(50_000, 1)))
    values = {f.metric: f.value for f in found}
    assert values["drift.p.original.feature.age"] > 10
    assert values["drift.effect.original.feature.age"] < LIMIT / 5


WIDE = draw(300, 2)


@pytest.mark.parametrize(
    ("batch", "column", "sentence"),
    [
        pytest.param(
            subject(WIDE.drop(columns="age")),
            "feature.age",
            "absent from the batch",
            id="a column absent from the batch",
        ),
        pytest.param(
            subject(WIDE, draw(2000, 1).drop(columns="age")),
            "feature.age",
            "absent from the original reference",
            id="a column absent from the reference",
        ),
        pytest.param(
            subject(WIDE.assign(age=np.nan)),
            "feature.age",
            "0 values in 300 rows",
            id="a column empty in the batch",
        ),
        pytest.param(
            subject(
                draw(30, 2).assign(age=np.nan),
                draw(2000, 1).assign(age=lambda f: f["age"].where(f.index % 5 == 0)),
            ),
            "feature.age",
            "0 values in 30 rows",
            id="a sparse column empty in a small batch",
        ),
        pytest.param(
            subject(WIDE.assign(state=None)),
            "feature.state",
            "0 values in 300 rows",
            id="a category empty in the batch",
        ),
        pytest.param(
            subject(WIDE, draw(2000, 1).assign(age=np.nan)),
            "feature.age",
            "0 in 2000",
            id="a column empty in the reference",
        ),
        pytest.param(
            replace(subject(WIDE), scores=None), "prediction", "absent", id="no champion to ask"
        ),
        pytest.param(
            subject(WIDE, scores=np.full((300, 2), np.nan)),
            "prediction",
            "0 values",
            id="a champion that answers NaN",
        ),
        pytest.param(
            subject(WIDE.head(12)),
            "label",
            "only 12 rows; at least 30",
            id="a batch of twelve rows",
        ),
        pytest.param(subject(WIDE.head(1)), "feature.age", "only 1 rows", id="a batch of one row"),
        pytest.param(subject(WIDE.head(0)), "feature.age", "only 0 rows", id="an empty batch"),
        pytest.param(
            subject(WIDE, draw(12, 1)),
            "feature.age",
            "only 12 rows",
            id="a reference of twelve rows",
        ),
    ],
)
def test_what_cannot_be_compared_is_not_measured(batch, column, sentence):
    """What is absent, empty or too small has no value and a sentence that says why."""
    found = {f.metric: f for f in Drift(method=Method.SCIPY)(batch)}
    for kind in ("effect", "p"):
        finding = found[f"drift.{kind}.original.{column}"]
        assert not finding.measured
        assert sentence in finding.detail


def test_a_column_empty_on_both_sides_has_not_moved():
    """Where the reference is empty too there is nothing to compare, and nothing moved."""
    reference = draw(2000, 1).assign(age=np.nan, state=None)
    found = effects(subject(WIDE.assign(age=np.nan, state=None), reference))
    assert found["feature.age"] == found["feature.state"] == 0.0


def test_a_sparse_column_is_compared_with_the_few_values_it_has():
    """A column that is 95 % empty on both sides is measured, and a full shift of it is caught."""
    reference, batch = draw(2000, 1), draw(500, 2)
    for frame in (reference, batch):
        frame.loc[frame.index % 20 != 0, "age"] = np.nan
    assert effects(subject(batch, reference))["feature.age"] == 0.0
    assert effects(subject(batch.assign(age=batch["age"] + 1000), reference))["feature.age"] > LIMIT


def test_without_references_nothing_is_measured():
    """Without a reference there are no findings, and a limit without a finding pauses."""
    assert Drift()(replace(subject(WIDE), references=())) == ()


def test_row_order_and_repetition_change_nothing():
    """The same rows in any order give the same findings, every time."""
    batch = draw(300, 2).assign(age=lambda frame: frame["age"] + 20)
    order = np.random.default_rng(0).permutation(300)
    turned = batch.iloc[order].reset_index(drop=True)
    check, scores = Drift(method=Method.SCIPY), answers(300, 5)
    assert (
        check(subject(batch))
        == check(subject(batch))
        == check(subject(turned, scores=scores[order]))
    )


def test_column_order_changes_nothing():
    """Columns and features in another order give the same findings."""
    batch = draw(300, 2).assign(age=lambda frame: frame["age"] + 20)
    reordered = replace(SCHEMA, features=SCHEMA.features[::-1])
    check = Drift(method=Method.SCIPY)
    straight = check(subject(batch))
    turned = check(subject(batch[batch.columns[::-1]], schema=reordered))
    assert {f.metric: f for f in straight} == {f.metric: f for f in turned}


@pytest.mark.parametrize("column", ["age", "state", "member", "seen", "note", "y"])
@pytest.mark.parametrize("method", [Method.SCIPY, pytest.param(Method.ALIBI, marks=with_alibi)])
def test_one_nan_never_lowers_an_alarm(column, method):
    """A shifted column stays beyond the limit when one value, or a fifth of them, is missing."""
    moved = shifted(age=900.0, state="WA", member=1.0, seen=1.7e9, note="x " * 99, y="spam")
    for gap in (600, 5):
        holed = moved.copy()
        holed.loc[holed.index % gap == 0, column] = None
        found = Drift(method=method)(subject(holed))
        alarms = {
            f.metric for f in found if f.metric.startswith("drift.effect") and f.value > LIMIT
        }
        assert len(alarms) == len(COLUMNS) - 2, "all but town and prediction"


def test_a_reviewer_reads_what_moved_but_no_sensitive_value():
    """The detail names the category that moved most, unless its column is sensitive."""
    batch = shifted(state="WA", y="spam")
    private = replace(SCHEMA, sensitive=("state", "y"))
    said, unsaid = (
        " ".join(f.detail for f in Drift(method=Method.SCIPY)(subject(batch, schema=schema)))
        for schema in (SCHEMA, private)
    )
    assert (
        "Compared with the original reference, `state` moved: total variation distance 0.9" in said
    )
    assert "'WA', from " in said
    assert "WA" not in unsaid
    assert "spam" not in unsaid


def test_partitions_merge_to_the_whole():
    """Summaries of two partitions, merged, give the findings of the whole batch."""
    batch = subject(draw(301, 2))
    whole = summarise(SCHEMA, batch.frame, champion_answers(batch))
    parts = [
        summarise(SCHEMA, batch.frame.iloc[half], champion_answers(batch).iloc[half])
        for half in (slice(0, 100), slice(100, None))
    ]
    old = {"original": summarise(SCHEMA, draw(2000, 1), batch.references[0].predicted)}
    check = Drift(method=Method.SCIPY)
    assert check.findings(SCHEMA, merge(*parts), old) == check.findings(SCHEMA, whole, old)
    assert merge(parts[0], parts[1] | {"label": None})["label"] is None


def number_pair(rng):
    sizes = rng.integers(1, 400, 2)
    kind = rng.integers(5)
    if kind == 0:
        pair = [rng.normal(rng.normal(), 1, size) for size in sizes]
    elif kind == 1:
        pair = [rng.integers(0, 4, size).astype(float) for size in sizes]
    elif kind == 2:
        pair = [np.full(size, float(rng.integers(2))) for size in sizes]
    elif kind == 3:
        pair = [rng.choice([-np.inf, 0.0, 1.0, np.inf], size) for size in sizes]
    else:
        pair = [rng.normal(index * 20, 1, size * 9) for index, size in enumerate(sizes)]
    return [np.sort(values) for values in pair]


def same(one, two):
    return all(
        math.isclose(a, b, rel_tol=0, abs_tol=1e-9)
        for a, b in [(one.p, two.p), (one.statistic, two.statistic), (one.log_p, two.log_p)]
    )


@with_alibi
def test_alibi_and_scipy_agree_on_numbers():
    """On 300 random pairs (ties, constants, infinities, tiny samples) both libraries agree to 1e-9."""
    for seed in range(300):
        pair = number_pair(np.random.default_rng(seed))
        assert same(
            kolmogorov_smirnov(*pair, Method.ALIBI), kolmogorov_smirnov(*pair, Method.SCIPY)
        ), seed


@with_alibi
def test_alibi_and_scipy_agree_on_categories():
    """On 300 random tables (one cell, empty cells, far shifts) both libraries agree to 1e-9."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        table = rng.integers(0, rng.choice([2, 10, 5000]), (2, rng.integers(1, 101)))
        table = table[:, table.sum(axis=0) > 0]
        if table.size:
            assert same(chi_square(table, Method.ALIBI), chi_square(table, Method.SCIPY)), seed


@with_alibi
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(draw(300, 2), id="the same world"),
        pytest.param(shifted(age=7.0, state="TAS", member=1.0, y="spam"), id="a shifted world"),
        pytest.param(
            draw(40, 2).assign(age=np.nan, town="x"), id="a small batch with an empty column"
        ),
        pytest.param(draw(30, 2).assign(age=[np.nan, 3.0] * 15), id="a half-empty column"),
    ],
)
def test_alibi_and_scipy_give_the_same_findings(frame):
    """The whole check gives the same findings with and without alibi-detect."""
    batch = subject(frame)
    by_alibi, by_scipy = Drift(method=Method.ALIBI)(batch), Drift(method=Method.SCIPY)(batch)
    assert by_alibi == Drift()(batch), "AUTO takes alibi-detect where it is installed"
    for one, two in zip(by_alibi, by_scipy, strict=True):
        assert replace(one, value=None) == replace(two, value=None)
        assert one.value == (
            None if two.value is None else pytest.approx(two.value, abs=1e-9, rel=0)
        )


def test_without_alibi_detect_scipy_does_the_work(monkeypatch):
    """Where alibi-detect is not installed, AUTO gives scipy's findings."""
    monkeypatch.setitem(sys.modules, "alibi_detect", None)
    batch = subject(draw(300, 2))
    assert not Method.AUTO.is_alibi
    assert Drift()(batch) == Drift(method=Method.SCIPY)(batch)


def test_numbers_and_categories_do_not_compare():
    """A column that is numbers on one side and categories on the other is a mistake of ours."""
    one, other = numbers(pd.Series([1.0])), categories(pd.Series(["a"]))
    with pytest.raises(TypeError, match="cannot be compared"):
        compare(one, other, Method.SCIPY, 0.001)


def test_the_bound_grows_with_the_sample_and_never_passes_the_distance():
    """More rows prove more of the same distance; no sample proves more than it."""
    bounds = [numbers_at_least(0.5, (n, n), 0.001) for n in (0, 1, 30, 300, 3000, 3_000_000)]
    assert bounds == sorted(bounds)
    assert bounds[0] == 0.0
    assert 0.49 < bounds[-1] < 0.5


def test_a_share_moves_both_ways_alike():
    """A rise and the same fall are the same move; an empty side has not moved."""
    assert share_moved_by(90, 300, 10, 300, 0.001) == share_moved_by(10, 300, 90, 300, 0.001) > 0.1
    assert share_moved_by(0, 0, 10, 300, 0.001) == 0.0
