"""The suite that is read off base data: what it demands, and that Great Expectations takes it."""

import json
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.statistics.profile import LARGEST, profile, unseen_mass, widened_range
from sluicegate.core import Column, Feedback, Kind, Schema, Task

SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (
        Column("age", Kind.NUMERIC),
        Column("member", Kind.BOOLEAN),
        Column("seen", Kind.TIMESTAMP),
        Column("colour", Kind.CATEGORICAL),
        Column("note", Kind.TEXT),
    ),
    classes=("ham", "spam"),
    source="who",
    id="key",
)


def base(rows: int = 4000) -> pd.DataFrame:
    i = np.arange(rows)
    return pd.DataFrame(
        {
            "age": 20.0 + i % 41,
            "member": (i % 2).astype(float),
            "seen": 1.7e9 + i * 60.0,
            "colour": np.array(["red", "green"], dtype=object)[i % 2],
            "note": [f"text {n}" for n in i],
            "y": np.array(["ham", "spam"], dtype=object)[i % 2],
        }
    )


def found(suite, name, column):
    return [
        e
        for e in suite.expectations
        if e.type == f"expect_column_{name}" and e.kwargs.get("column") == column
    ]


@pytest.mark.parametrize(
    ("name", "column", "severity", "kwargs"),
    [
        pytest.param("to_exist", "note", "critical", {}, id="every feature exists"),
        pytest.param("to_exist", "y", "critical", {}, id="the label exists"),
        pytest.param(
            "values_to_be_of_type", "seen", "warning", {"type_": "float64"}, id="times are numbers"
        ),
        pytest.param(
            "values_to_be_between",
            "age",
            "warning",
            {"min_value": 0, "max_value": 80},
            id="a range is widened by half its width on each side and stays whole",
        ),
        pytest.param(
            "values_to_be_in_set", "member", "warning", {"value_set": [0, 1]}, id="yes or no"
        ),
        pytest.param(
            "values_to_be_in_set",
            "colour",
            "warning",
            {"value_set": ["green", "red"]},
            id="a closed set is a warning",
        ),
        pytest.param(
            "values_to_be_in_set",
            "y",
            "warning",
            {"value_set": ["ham", "spam"]},
            id="the label is one of the classes",
        ),
        pytest.param("values_to_not_be_null", "note", "warning", {}, id="no gaps stays no gaps"),
        pytest.param("values_to_not_be_null", "y", "warning", {}, id="the label is there"),
        pytest.param(
            "values_to_not_be_null",
            "who",
            "warning",
            {},
            id="the source is there, though the base has none",
        ),
        pytest.param(
            "values_to_be_unique",
            "key",
            "warning",
            {},
            id="the id is unique, though the base has none",
        ),
    ],
)
def test_demands(name, column, severity, kwargs):
    """The suite demands of each column what its kind and the base imply."""
    [expectation] = found(profile(base(), SCHEMA), name, column)
    assert expectation.severity == severity
    assert expectation.kwargs == {"column": column} | kwargs
    assert expectation.meta["why"].endswith(".")


def test_rows_are_demanded():
    """A table without rows breaks the suite."""
    first = profile(base(), SCHEMA).expectations[0]
    assert (first.type, first.severity) == (
        "expect_table_row_count_to_be_between",
        "critical",
    )


def categories(values, schema=SCHEMA):
    frame = base(len(values)).assign(colour=pd.Series(values, dtype=object))
    return found(profile(frame, schema), "values_to_be_in_set", "colour")


@pytest.mark.parametrize(
    ("values", "severities"),
    [
        pytest.param(["a", "b"] * 1000, ["warning"], id="nothing seen only once: closed"),
        pytest.param(["a", "b"] * 1000 + ["c"], ["info"], id="one of 2001 seen once: open"),
        pytest.param([f"u{i}" for i in range(300)], [], id="free identifiers get no set"),
        pytest.param([f"u{i % 1500}" for i in range(6000)], [], id="a long list gets no set"),
        pytest.param([None] * 10, [], id="no values, no set"),
    ],
)
def test_categories(values, severities):
    """A set is a warning where the base shows it as closed, a note where open, else not written."""
    assert [e.severity for e in categories(values)] == severities


def test_sensitive_values_stay_out():
    """The suite lies in git, so it lists no value of a sensitive column."""
    secret = replace(SCHEMA, sensitive=("colour", "age"))
    frame = base().assign(colour=["MARKER", "other"] * 2000, age=[1234567.0, 7654321.0] * 2000)
    text = json.dumps(profile(frame, secret).to_dict())
    assert all(value not in text for value in ("MARKER", "1234567", "7654321"))


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        pytest.param([0.0, 10.0], -5, 15, id="whole numbers keep whole edges"),
        pytest.param([0.1, 0.2], 0.05, 0.25, id="edges read as a person writes them"),
        pytest.param([5.0], 2, 8, id="a constant gets room for its own size"),
        pytest.param([0.0, 0.0], -1, 1, id="a constant zero gets room for one"),
        pytest.param([-8.0], -12, -4, id="a negative constant gets room too"),
        pytest.param([1.0, np.inf, np.nan, 3.0], 0, 4, id="infinities and gaps are not seen"),
        pytest.param([np.nan], -LARGEST, LARGEST, id="no value: only infinities are outside"),
        pytest.param([-1.7e308, 1.7e308], -LARGEST, LARGEST, id="no edge is infinite"),
    ],
)
def test_range(values, low, high):
    """A range holds every value seen, with room on both sides."""
    assert widened_range(pd.Series(values)) == (low, high)


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-9, 1.0, 1e12, 1e300])
@pytest.mark.parametrize("shift", [0.0, 1.0, -1e6])
def test_range_holds_what_was_seen(scale, shift):
    """Rounding never cuts into the values seen, at any size."""
    values = pd.Series([shift - scale, shift, shift + 3 * scale])
    low, high = widened_range(values)
    assert np.isfinite([low, high]).all()
    assert low <= values.min()
    assert values.max() <= high


@pytest.mark.parametrize(
    ("values", "mass"),
    [
        pytest.param([], 1.0, id="nothing seen: all is unseen"),
        pytest.param(["a"], 1.0, id="one value seen once"),
        pytest.param(["a", "a", None], 0.0, id="gaps do not count"),
        pytest.param(["a", "a", "b", "c"], 0.5, id="two of four seen once"),
    ],
)
def test_unseen_mass(values, mass):
    """Good-Turing: the unseen mass is the share of values seen once."""
    assert unseen_mass(pd.Series(values, dtype=object)) == mass


def test_gaps_in_the_base_are_allowed():
    """A column with gaps in the base has no demand per row; drift measures their share."""
    frame = base().assign(age=[np.nan, 1.0] * 2000)
    assert not found(profile(frame, SCHEMA), "values_to_not_be_null", "age")


def test_regression_label_has_a_range():
    """The label of a regression is in the base's widened range."""
    schema = Schema(Task.REGRESSION, "y", ())
    [expectation] = found(
        profile(pd.DataFrame({"y": [0, 10]}), schema), "values_to_be_between", "y"
    )
    assert expectation.kwargs == {"column": "y", "min_value": -5, "max_value": 15}


def test_suite_is_json_and_survives_great_expectations():
    """What is written is the suite that Great Expectations loads, entry by entry."""
    suite = profile(base(), SCHEMA).to_dict()
    assert json.loads(json.dumps(suite, allow_nan=False)) == suite
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from great_expectations import ExpectationSuite

        loaded = ExpectationSuite(**json.loads(json.dumps(suite))).to_json_dict()
    assert loaded["name"] == "feedback"
    assert loaded["expectations"] == suite["expectations"]


def test_base_keeps_its_own_contract():
    """The base passes the suite that was read off it."""
    from sluicegate.checks.contract import Contract

    frame = base().assign(who="someone", key=range(4000))
    feedback = Feedback(SCHEMA, frame, None, (), frame, None, {})
    findings = Contract(profile(base(), SCHEMA).to_dict())(feedback)
    assert [finding.value for finding in findings] == [0.0, 0.0, 0.0]


def test_profile_is_quick():
    """Neither module imports Great Expectations before it is asked something."""
    code = "import sluicegate.checks.statistics.profile, sluicegate.checks.contract, sys;"
    code += "sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        pytest.param(np.linspace(0, 1, 500), "warning", id="a range with edges is held to"),
        pytest.param(np.full(500, 3.0), "info", id="a constant shows no edges"),
        pytest.param(np.r_[np.zeros(495), 1:6], "info", id="a count nearly always 0 shows none"),
        pytest.param(1 / np.linspace(0.002, 1, 500), "info", id="a long tail shows none"),
    ],
)
def test_a_range_is_held_to_only_where_the_base_shows_its_edges(values, severity):
    """Where honest rows would leave the range again and again, leaving it is a note."""
    frame = base(500).assign(age=np.asarray(values, dtype=float))
    (between,) = found(profile(frame, SCHEMA), "values_to_be_between", "age")
    assert between.severity == severity
