"""How far the challenger has moved from the previous and from the first champion."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LinearRegression

from sluicegate.checks.candidate import Candidate, Contender, Makeup
from sluicegate.checks.divergence import Divergence, importances, training_statistics
from sluicegate.checks.statistics.scoring import truth_of
from sluicegate.core import Column, Kind, Schema, Task

SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (
        Column("age", Kind.NUMERIC),
        Column("paid", Kind.BOOLEAN),
        Column("note", Kind.TEXT),
        Column("job", Kind.CATEGORICAL),
    ),
    classes=("no", "yes"),
)
FRAME = pd.DataFrame(
    {
        "age": [20.0, 30.0, 40.0, np.nan],
        "paid": [0.0, 1.0, 1.0, 1.0],
        "note": ["ab", None, "abcd", "abc"],
        "job": ["x", None, "y", "y"],
        "y": ["no", "yes", "yes", "yes"],
    }
)
PARAMETERS = {"C": 1.0, "depth": 3}
IMPORTANCES = {"age": 0.3, "paid": 0.1}
STATISTICS = {"rows": 100.0, "mean.age": 40.0, "std.age": 10.0, "missing.age": 0.0, "class.no": 0.5}
MAKEUP = Makeup(PARAMETERS, IMPORTANCES, STATISTICS)
SILENT = Contender(lambda frame: np.zeros(len(frame)), None)


def measured(before: Makeup, now: Makeup, first: Makeup | None = MAKEUP) -> dict[str, float | None]:
    champion, challenger = replace(SILENT, makeup=before), replace(SILENT, makeup=now)
    empty = FRAME.iloc[:0]
    found = Divergence()(Candidate(SCHEMA, empty, empty, challenger, champion, first))
    return {f.metric: f.value for f in found}


def test_nothing_is_measured_for_the_very_first_model() -> None:
    assert Divergence()(Candidate(SCHEMA, FRAME, FRAME, replace(SILENT, makeup=MAKEUP))) == ()


def test_an_equal_makeup_has_not_diverged() -> None:
    assert measured(MAKEUP, MAKEUP) == {
        f"divergence.{which}.{part}": 0.0
        for which in ("previous", "first")
        for part in ("parameters", "importances", "statistics")
    }


def test_many_small_steps_are_seen_from_the_first_champion() -> None:
    before = replace(MAKEUP, statistics=STATISTICS | {"mean.age": 60.0})
    now = replace(MAKEUP, statistics=STATISTICS | {"mean.age": 61.0})
    found = measured(before, now)
    assert found["divergence.previous.statistics"] == pytest.approx(0.1)
    assert found["divergence.first.statistics"] == pytest.approx(2.1)


@pytest.mark.parametrize(
    ("part", "now", "expected"),
    [
        pytest.param("parameters", {"C": 2.0, "depth": 3}, 0.5, id="one of two parameters changed"),
        pytest.param(
            "parameters", {"C": "1", "depth": "3"}, 0.0, id="parameters are compared by their text"
        ),
        pytest.param("parameters", {"depth": 3}, 0.5, id="a parameter that is gone has changed"),
        pytest.param("parameters", {}, 1.0, id="all parameters gone have changed"),
        pytest.param("parameters", None, None, id="parameters not recorded are not measured"),
        pytest.param(
            "importances", {"age": 6, "paid": 2}, 0.0, id="importances are compared by share"
        ),
        pytest.param(
            "importances", {"age": 0.1, "paid": 0.3}, 0.5, id="importances that changed places"
        ),
        pytest.param(
            "importances", {"zip": 1.0}, 1.0, id="another feature altogether is as far as can be"
        ),
        pytest.param(
            "importances", {"age": 0.0, "paid": -0.1}, 1.0, id="a model that uses nothing is far"
        ),
        pytest.param(
            "importances", {"age": math.nan, "paid": 1}, None, id="a NaN importance is not measured"
        ),
        pytest.param(
            "importances", {"age": None, "paid": 1}, None, id="a missing importance is not measured"
        ),
        pytest.param("importances", None, None, id="importances not recorded are not measured"),
        pytest.param(
            "statistics", STATISTICS | {"mean.age": 45}, 0.5, id="a mean moves in deviations"
        ),
        pytest.param("statistics", STATISTICS | {"rows": 9e9}, 0.0, id="more rows are no move"),
        pytest.param(
            "statistics", STATISTICS | {"class.no": 1.0}, math.pi / 2, id="a class that took over"
        ),
        pytest.param(
            "statistics", STATISTICS | {"class.new": 0.1}, 0.6435, id="a class that is new"
        ),
        pytest.param(
            "statistics",
            STATISTICS | {"missing.age": 1.0},
            math.pi,
            id="a column that went missing",
        ),
        pytest.param(
            "statistics", STATISTICS | {"mean.age": math.nan}, None, id="a NaN is not measured"
        ),
        pytest.param(
            "statistics",
            STATISTICS | {"mean.age": None},
            None,
            id="a mean that is gone is not measured",
        ),
        pytest.param(
            "statistics", STATISTICS | {"mean.zip": 1.0}, None, id="another column is not measured"
        ),
        pytest.param(
            "statistics", STATISTICS | {"class.no": 1.5}, None, id="a share above 1 is not measured"
        ),
        pytest.param("statistics", None, None, id="statistics not recorded are not measured"),
    ],
)
def test_the_distance_of_a_makeup(part: str, now: object, expected: float | None) -> None:
    found = measured(MAKEUP, replace(MAKEUP, **{part: now}))  # type: ignore[arg-type]
    assert found[f"divergence.previous.{part}"] == (
        expected if expected is None else pytest.approx(expected, abs=1e-4)
    )


def test_without_a_record_of_the_first_champion_the_distance_is_not_measured() -> None:
    found = measured(MAKEUP, MAKEUP, first=None)
    assert found["divergence.first.statistics"] is None
    assert found["divergence.previous.statistics"] == 0


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param((5.0, 0.0), (5.0, 0.0), 0.0, id="a constant that stays"),
        pytest.param((5.0, 0.0), (6.0, 0.0), math.inf, id="a constant that became another"),
        pytest.param(
            (5.0, 0.0), (5.0, 0.1), 0.0, id="a constant that began to vary around its mean"
        ),
        pytest.param((None, None), (None, None), 0.0, id="a column that never had a value"),
    ],
)
def test_constant_columns(
    before: tuple[float | None, float | None],
    now: tuple[float | None, float | None],
    expected: float,
) -> None:
    makeups = [Makeup({}, {}, {"mean.age": mean, "std.age": std}) for mean, std in (before, now)]
    assert measured(*makeups)["divergence.previous.statistics"] == pytest.approx(expected)


def test_training_statistics_are_flat_json() -> None:
    found = training_statistics(FRAME, SCHEMA)
    json.dumps(found, allow_nan=False)
    assert found["std.age"] == pytest.approx(math.sqrt(200 / 3))
    assert {k: v for k, v in found.items() if not k.startswith("std.")} == {
        "rows": 4,
        "mean.age": 30,
        "missing.age": 0.25,
        "missing.paid": 0.0,
        "share.paid": 0.75,
        "missing.note": 0.25,
        "mean.note": 3,
        "missing.job": 0.25,
        "class.no": 0.25,
        "class.yes": 0.75,
    }


def test_a_column_without_values_has_no_mean() -> None:
    found = training_statistics(FRAME.assign(age=np.nan), SCHEMA)
    assert found["mean.age"] is None
    assert found["missing.age"] == 1
    assert training_statistics(FRAME.iloc[:0], SCHEMA)["class.no"] is None


def test_importance_is_the_loss_of_shuffling_a_feature() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(400, 3)), columns=["a", "b", "c"])
    frame["y"] = 3 * frame["a"] + frame["b"]
    schema = Schema(Task.REGRESSION, "y", tuple(Column(n, Kind.NUMERIC) for n in "abc"))
    model = LinearRegression().fit(frame[["a", "b", "c"]], frame["y"])
    found = importances(model.predict, frame, schema, truth_of(schema, frame), seed=0)
    assert (found["a"] or 0) > 2 * (found["b"] or 0) > 0
    assert found["c"] == pytest.approx(0, abs=1e-9)
    assert found == importances(model.predict, frame, schema, truth_of(schema, frame), seed=0)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda frame: np.full(len(frame), np.nan), id="NaN"),
        pytest.param(lambda frame: np.zeros((len(frame), 2)), id="a wrong shape"),
    ],
)
def test_importances_of_unusable_answers_are_none(answer: object) -> None:
    schema = Schema(Task.REGRESSION, "age", (Column("paid", Kind.BOOLEAN),))
    truth = truth_of(schema, FRAME)
    assert importances(answer, FRAME, schema, truth, seed=0) == {"paid": None}  # type: ignore[arg-type]
    assert importances(lambda f: np.zeros(len(f)), FRAME, schema, truth * np.nan, seed=0) == {
        "paid": None
    }


def test_64_features_are_asked_in_a_few_calls() -> None:
    """A call has its own costs, so several features are shuffled for each."""
    features, truth = make_classification(800, 64, n_informative=10, n_classes=4, random_state=0)
    names = [f"f{i}" for i in range(64)]
    frame = pd.DataFrame(features, columns=names).assign(y=truth)
    schema = Schema(
        Task.CLASSIFICATION,
        "y",
        tuple(Column(n, Kind.NUMERIC) for n in names),
        classes=(0, 1, 2, 3),
    )
    model = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(frame[names], truth)
    asked: list[int] = []

    def answer(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
        asked.append(len(rows))
        return np.asarray(model.predict_proba(rows))

    found = importances(answer, frame, schema, truth, seed=0)
    assert len(found) == 64
    assert sum(asked) == 65 * 350
    assert len(asked) < 8
