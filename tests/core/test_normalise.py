"""Normal form: one meaning per cell, whatever the file said."""

import numpy as np
import pandas as pd
import pytest

from sluicegate.core.normalise import seconds, texts


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


def test_a_missing_number_of_seconds_is_missing_whatever_memory_holds() -> None:
    """pandas 2.3 rounds uninitialised memory where seconds are missing, and at times overflows."""
    raw = pd.Series([np.nan] * 299 + [1e300])
    for _ in range(50):
        junk = np.full(300, 1e300)
        del junk
        values, bad = seconds(raw)
        assert values.isna().all()
        assert bad.tolist() == [False] * 299 + [True]
