"""What a model's answers are worth."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB

from sluicegate.checks.statistics.scoring import (
    Answers,
    errors,
    fault_in,
    known,
    metrics,
    miscalibration,
    recalls,
    reliability,
    row_losses,
    truth_of,
)
from sluicegate.core import Column, Kind, Schema, Task

X = (Column("x", Kind.NUMERIC), Column("z", Kind.NUMERIC))
BINARY = Schema(Task.CLASSIFICATION, "y", X, classes=("no", "yes"))
THREE = Schema(Task.CLASSIFICATION, "y", X, classes=(0, 1, 2))
NUMBER = Schema(Task.REGRESSION, "y", X)


def drawn(classes: int, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    truth = rng.integers(0, classes, rows)
    return rng.normal(size=(rows, 2)) + truth[:, None], truth


@pytest.fixture(params=[2, 3, 10], ids=["two classes", "three classes", "ten classes"])
def classified(request: pytest.FixtureRequest) -> Answers:
    features, truth = drawn(request.param)
    model = GaussianNB().fit(features, truth)
    return Answers(model.predict_proba(features), truth)


@pytest.fixture
def regressed() -> Answers:
    features, truth = drawn(10)
    values = truth + 1e6
    return Answers(Ridge().fit(features, values).predict(features), values)


def test_classification_measures_are_those_of_scikit_learn(classified: Answers) -> None:
    found, answers = metrics(classified), classified.scores.argmax(axis=1)
    one_hot = np.eye(classified.scores.shape[1])[classified.truth]
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(classified.truth, answers))
    assert found["balanced_accuracy"] == pytest.approx(
        sk.balanced_accuracy_score(classified.truth, answers)
    )
    assert found["log_loss"] == pytest.approx(sk.log_loss(classified.truth, classified.scores))
    assert found["brier"] == pytest.approx(((classified.scores - one_hot) ** 2).sum(axis=1).mean())


def test_regression_measures_are_those_of_scikit_learn(regressed: Answers) -> None:
    found = metrics(regressed)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(regressed.truth, regressed.scores))
    assert found["rmse"] == pytest.approx(
        sk.root_mean_squared_error(regressed.truth, regressed.scores)
    )
    assert found["r2"] == pytest.approx(sk.r2_score(regressed.truth, regressed.scores))
    assert found["bias"] == pytest.approx(0, abs=1e-6)


def test_a_row_counted_twice_weighs_as_much_as_the_row_written_twice(
    classified: Answers, regressed: Answers
) -> None:
    for answers in (classified, regressed):
        weights = np.random.default_rng(0).integers(0, 3, (5, len(answers.truth)))
        weighted = errors(answers, weights.astype(float))
        for b, row in enumerate(weights):
            at = np.repeat(np.arange(len(row)), row)
            written = errors(Answers(answers.scores[at], answers.truth[at]))
            assert {k: v[b] for k, v in weighted.items()} == pytest.approx(
                {k: v[0] for k, v in written.items()}
            )


def test_a_class_that_is_absent_is_left_out_of_the_balanced_accuracy() -> None:
    answers = Answers(np.eye(3)[[0, 0, 1, 0]], np.array([0, 0, 1, 1]))
    assert metrics(answers)["balanced_accuracy"] == pytest.approx(0.75)
    assert recalls(answers, THREE) == {"0": 1.0, "1": 0.5, "2": None}


def test_r2_without_any_spread_in_the_truth_is_not_a_number() -> None:
    assert np.isnan(metrics(Answers(np.array([1.0, 2.0]), np.array([3.0, 3.0])))["r2"])


def test_one_certain_and_wrong_answer_has_a_bounded_loss() -> None:
    assert row_losses(Answers(np.array([[1.0, 0.0]]), np.array([1])))["log_loss"][0] < 14


@pytest.mark.parametrize(
    ("confidence", "right", "expected"),
    [
        pytest.param(0.8, 8, 0.0, id="eight of ten right at 0.8 is calibrated"),
        pytest.param(0.8, 5, 0.3, id="five of ten right at 0.8 is 0.3 off"),
        pytest.param(1.0, 10, 0.0, id="certain and right is calibrated"),
        pytest.param(1.0, 0, 1.0, id="certain and wrong is as far off as can be"),
    ],
)
def test_calibration_is_the_distance_of_confidence_and_truth(
    confidence: float, right: int, expected: float
) -> None:
    answers = Answers(
        np.tile([confidence, 1 - confidence], (10, 1)), (np.arange(10) >= right).astype(int)
    )
    assert miscalibration(answers) == pytest.approx(expected)
    assert sum(point.rows for point in reliability(answers)) == 10


def test_the_calibration_of_a_regression_is_its_absolute_bias() -> None:
    assert miscalibration(Answers(np.array([1.0, 2.0]), np.array([2.0, 4.0]))) == 1.5


NAN = np.array([[0.5, 0.5], [np.nan, 0.5]])


@pytest.mark.parametrize(
    ("scores", "schema", "said"),
    [
        pytest.param(np.full((2, 2), 0.5), BINARY, "", id="probabilities are fine"),
        pytest.param(np.array([[1, 0], [0, 1]]), BINARY, "", id="certain probabilities are fine"),
        pytest.param(np.zeros(2), NUMBER, "", id="numbers are fine for a regression"),
        pytest.param(None, BINARY, "missing", id="no scores are a fault"),
        pytest.param(NAN, BINARY, "NaN or infinity in 1 of 2", id="NaN is a fault"),
        pytest.param(np.array([0.0, np.inf]), NUMBER, "infinity in 1", id="infinity is a fault"),
        pytest.param(
            np.zeros(2), BINARY, "shape (2,)", id="one number per row is no classification"
        ),
        pytest.param(np.zeros((2, 1)), NUMBER, "shape (2, 1)", id="a column is no regression"),
        pytest.param(np.full((3, 2), 0.5), BINARY, "shape (3, 2)", id="a row too many is a fault"),
        pytest.param(np.array(["a", "b"]), NUMBER, "not numbers", id="text is a fault"),
        pytest.param(np.ones((2, 2)), BINARY, "not probabilities", id="rows must sum to 1"),
        pytest.param(
            np.array([[2.0, -1.0]] * 2), BINARY, "not probabilities", id="below 0 is a fault"
        ),
    ],
)
def test_a_fault_in_scores_is_named(scores: object, schema: Schema, said: str) -> None:
    fault = fault_in(scores, schema, 2)
    assert said in fault
    assert bool(fault) == bool(said)


@pytest.mark.parametrize(
    ("labels", "schema", "expected"),
    [
        pytest.param(
            ["yes", "no", "maybe", None], BINARY, [1, 1, 0, 0], id="unknown classes are unknown"
        ),
        pytest.param(
            [0, 2, 7, np.nan], THREE, [1, 1, 0, 0], id="classes are compared by their text"
        ),
        pytest.param([0.5, -1, np.inf, np.nan], NUMBER, [1, 1, 0, 0], id="a number must be finite"),
    ],
)
def test_only_rows_whose_truth_is_known_are_scored(
    labels: list[object], schema: Schema, expected: list[int]
) -> None:
    assert known(truth_of(schema, pd.DataFrame({"y": labels}))).tolist() == [
        bool(x) for x in expected
    ]
