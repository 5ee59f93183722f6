"""Normal form: one meaning per cell, whatever the file said."""

import pandas as pd
import pytest

from sluicegate.core.normalise import texts


@pytest.mark.parametrize(
    ("value", "read"),
    [
        pytest.param(" ann ", "ann", id="spaces around a name are not part of it"),
        pytest.param("   ", None, id="a name of spaces is missing"),
        pytest.param("", None, id="an empty name is missing"),
        pytest.param(3.0, "3", id="a whole number is its text"),
        pytest.param(None, None, id="a missing name stays missing"),
    ],
)
def test_texts(value: object, read: str | None) -> None:
    """A contributor cannot be nobody by calling themselves nothing."""
    values, bad = texts(pd.Series([value, "x"], dtype=object))
    assert values.tolist()[0] == read
    assert not bad.any()
