"""Labels are compared by their text, whatever type a file gave them."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.core import Column, Feedback, Kind, Schema, Task

DIGITS = (0, 1, 2)
WORDS = ("ham", "spam")
NO, YES = False, True


def codes(classes: tuple[Any, ...], labels: Any) -> list[int]:
    schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), classes)
    found = schema.label_codes(labels if isinstance(labels, pd.Series) else pd.Series(labels))
    assert found.dtype == np.int64
    return found.tolist()


@pytest.mark.parametrize(
    ("classes", "labels", "expected"),
    [
        pytest.param(DIGITS, [2, 0, 1], [2, 0, 1], id="integers"),
        pytest.param(DIGITS, [2.0, 0.0, None], [2, 0, -1], id="floats, because one is missing"),
        pytest.param(DIGITS, ["2", "0", None], ["2", "0", None], id="strings"),
        pytest.param(DIGITS, [-0.0], [0], id="minus zero is zero"),
        pytest.param(DIGITS, [0.5, 3.0], [-1, -1], id="unknown numbers"),
        pytest.param(DIGITS, [np.inf, -np.inf], [-1, -1], id="infinities are unknown"),
        pytest.param(DIGITS, pd.Series([2, None], dtype="Int64"), [2, -1], id="nullable integers"),
        pytest.param(
            DIGITS, pd.Series([2, 1], dtype="category"), [2, 1], id="categories of integers"
        ),
        pytest.param(DIGITS, pd.Series([2], dtype="int8"), [2], id="small integers"),
        pytest.param(DIGITS, pd.Series([2], dtype="float32"), [2], id="small floats"),
        pytest.param(DIGITS, [Decimal(2)], [2], id="decimals"),
        pytest.param(("0", "1"), [1, 0], [1, 0], id="classes written as text"),
        pytest.param((0.0, 1.0), ["1", 0], [1, 0], id="classes written as floats"),
        pytest.param(WORDS, ["spam", "ham", "Spam", ""], [1, 0, -1, -1], id="words, as written"),
        pytest.param(WORDS, [None, np.nan, pd.NA], [-1, -1, -1], id="every kind of missing"),
        pytest.param(
            WORDS, pd.Series(["spam", None], dtype="string"), [1, -1], id="nullable strings"
        ),
        pytest.param(WORDS, pd.Series(["spam", None], dtype="category"), [1, -1], id="categories"),
        pytest.param((NO, YES), [True, False], [1, 0], id="booleans"),
        pytest.param((NO, YES), [True, None], [1, -1], id="booleans, one missing"),
        pytest.param(
            (NO, YES), pd.Series([True, None], dtype="boolean"), [1, -1], id="nullable booleans"
        ),
        pytest.param((NO, YES), ["True", "False"], [1, 0], id="booleans as a CSV writes them"),
        pytest.param((0, 1), [True, 1], [-1, 1], id="True is not the class 1"),
        pytest.param((0, 1), [1, True], [1, -1], id="nor after a 1"),
        pytest.param(("a", "b"), [], [], id="no labels"),
        pytest.param((), [1, "a"], [-1, -1], id="no classes"),
        pytest.param(("b", "a"), ["a", "b"], [1, 0], id="the model's own order"),
    ],
)
def test_label_codes(classes: tuple[Any, ...], labels: Any, expected: list[Any]) -> None:
    """A label's code is its class's position; missing and unknown ones are -1."""
    wanted = [-1 if code is None else int(code) for code in expected]
    assert codes(classes, labels) == wanted


LABELS = st.none() | st.booleans() | st.integers(-2, 5) | st.floats() | st.text("ab01.", max_size=3)


@given(st.lists(LABELS, max_size=8))
def test_a_label_is_read_alike_in_any_company(labels: list[Any]) -> None:
    """The code of a label does not depend on the other rows of the batch."""
    classes = (0, 1, "a", True)
    together = codes(classes, pd.Series(labels, dtype=object))
    assert together == [codes(classes, pd.Series([x], dtype=object))[0] for x in labels]


def test_sources_are_text() -> None:
    """A missing source is the empty string, and an undeclared one too."""
    frame = pd.DataFrame({"x": [1.0, 2.0], "who": ["c17", None]})
    for source, expected in (("who", ["c17", ""]), (None, ["", ""]), ("gone", ["", ""])):
        schema = Schema(Task.REGRESSION, "y", (Column("x", Kind.NUMERIC),), source=source)
        batch = Feedback(schema, frame, None, (), frame, None, {})
        assert batch.sources.tolist() == expected
        assert schema.feature_names == ["x"]


@pytest.mark.parametrize(
    ("kind", "is_number"),
    [
        (Kind.NUMERIC, True),
        (Kind.BOOLEAN, True),
        (Kind.TIMESTAMP, True),
        (Kind.CATEGORICAL, False),
        (Kind.TEXT, False),
    ],
)
def test_kinds(kind: Kind, is_number: bool) -> None:
    """Numbers, booleans and times are float64 in a normalised frame."""
    assert kind.is_number is is_number
