"""Findings: what counts as measured, and how they are written down."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.core import Finding

FINITE = st.floats(-1e308, 1e308)


@pytest.mark.parametrize(
    ("value", "measured"),
    [
        pytest.param(0.0, True, id="zero is a measurement"),
        pytest.param(-0.0, True, id="minus zero is a measurement"),
        pytest.param(-3, True, id="a negative number is a measurement"),
        pytest.param(True, True, id="True is the number one"),
        pytest.param(math.inf, True, id="plus infinity is a measurement, the worst"),
        pytest.param(-math.inf, False, id="minus infinity is not, for nothing is that good"),
        pytest.param(math.nan, False, id="NaN is no measurement"),
        pytest.param(np.float32("nan"), False, id="nor is numpy's"),
        pytest.param(None, False, id="None is no measurement"),
    ],
)
def test_measured(value: Any, measured: bool) -> None:
    """Tell numbers from what could not be measured."""
    assert bool(Finding("c", "m", value).measured) is measured


@pytest.mark.parametrize("value", ["0.1", "nan", [0.1]])
def test_what_is_no_number_cannot_be_judged(value: Any) -> None:
    """A value of another type is an error, never a pass."""
    with pytest.raises(TypeError):
        _ = Finding("c", "m", value).measured


@given(
    st.builds(
        Finding,
        check=st.text(),
        metric=st.text(),
        value=st.none() | FINITE,
        rows=st.lists(st.integers(0)).map(tuple),
        sources=st.lists(st.text()).map(tuple),
        detail=st.text(),
    )
)
def test_round_trip(finding: Finding) -> None:
    """read(to_dict(f)) == f, through JSON."""
    assert Finding.read(json.loads(json.dumps(finding.to_dict())), "f") == finding


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param(math.nan, None, id="NaN is written as not measured"),
        pytest.param(-math.inf, None, id="minus infinity is written as not measured"),
        pytest.param(math.inf, 1e308, id="an infinite value stays beyond any sane limit"),
        pytest.param(np.float32(0.5), 0.5, id="numpy numbers become plain ones"),
        pytest.param(np.int64(3), 3.0, id="numpy integers too"),
    ],
)
def test_written_values(value: Any, written: float | None) -> None:
    """Every finding can be written as strict JSON, and read as measured or not."""
    finding = Finding("c", "m", value)
    text = json.dumps(finding.to_dict(), allow_nan=False)
    again = Finding.read(json.loads(text), "f")
    assert again.value == written
    assert again.measured == finding.measured


def test_rows_from_numpy_are_written() -> None:
    """Positions that numpy counted are plain integers in JSON."""
    rows: Any = tuple(np.flatnonzero([False, True]))
    assert json.dumps(Finding("c", "m", 1.0, rows=rows).to_dict()["rows"]) == "[1]"
