"""promise: evidence that a champion misses more than it promised, however often it is looked at."""

import numpy as np
import pytest

from sluicegate.checks.promise import Promise, Served, evidence


def value(missed: np.ndarray, promised: np.ndarray) -> float | None:
    return Promise()(Served(missed, promised))[0].value


def golden(errors: int, rows: int) -> np.ndarray:
    return np.arange(rows) < errors


@pytest.mark.parametrize(
    ("missed", "promised", "broken"),
    [
        pytest.param(np.zeros(0, bool), golden(50, 500), False, id="nothing arrived yet"),
        pytest.param(np.arange(1000) % 10 == 0, golden(50, 500), False, id="as promised"),
        pytest.param(np.zeros(1000, bool), golden(50, 500), False, id="better than promised"),
        pytest.param(np.ones(5, bool), golden(50, 500), True, id="five misses of five"),
        pytest.param(np.ones(1, bool), golden(50, 500), False, id="one miss proves nothing"),
        pytest.param(np.arange(600) % 4 == 0, golden(50, 500), True, id="twice and a half as many"),
        pytest.param(
            np.ones(900, bool), golden(5, 5), False, id="who promises nothing breaks nothing"
        ),
        pytest.param(np.ones(20, bool), golden(0, 300), True, id="a flawless golden set"),
    ],
)
def test_promise(missed: np.ndarray, promised: np.ndarray, broken: bool) -> None:
    found = value(missed, promised)
    assert found is not None
    assert (found > 2) == broken


def test_without_a_golden_set_nothing_is_measured() -> None:
    assert value(np.ones(50, bool), np.zeros(0, bool)) is None


def test_what_was_seen_once_is_not_unseen() -> None:
    """A breach stays one when better days follow: the largest evidence counts."""
    bad = np.ones(30, bool)
    assert value(np.concatenate([bad, np.zeros(5000, bool)]), golden(50, 500)) == value(
        bad, golden(50, 500)
    )


def test_looking_often_is_no_cheating() -> None:
    """Of 400 honest champions no more than one in a hundred is ever accused, at any of 2,000 looks."""
    rng = np.random.default_rng(3)
    accused = [(evidence(rng.random(2000) < 0.1, 0.1) > 2).any() for _ in range(400)]
    assert np.mean(accused) <= 0.02
