"""The contract, judged by the real Great Expectations."""

import logging
import pickle

import numpy as np
import pandas as pd
import pytest

from sluicegate.checks.contract import Contract, contract_findings
from sluicegate.checks.statistics.profile import profile
from sluicegate.core import Column, Feedback, Kind, Outcome, Schema, Task
from sluicegate.gates import Limit, Policy, decide

SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (
        Column("age", Kind.NUMERIC),
        Column("member", Kind.BOOLEAN),
        Column("colour", Kind.CATEGORICAL),
        Column("shade", Kind.CATEGORICAL),
    ),
    classes=(0, 1),
    source="who",
    id="key",
    sensitive=("colour",),
)
POLICY = Policy(
    "intake",
    (
        Limit("contract.critical", 0, Outcome.REJECT),
        Limit("contract.warning", 0, Outcome.QUARANTINE),
    ),
)


def batch(rows: int = 20) -> pd.DataFrame:
    i = np.arange(rows)
    return pd.DataFrame(
        {
            "age": 20.0 + i % 41,
            "member": (i % 2).astype(float),
            "colour": np.array(["red", "green"], dtype=object)[i % 2],
            "shade": np.array(["dark", "light"], dtype=object)[i % 2],
            "y": i % 2,
            "who": np.array(["ann", "bob"], dtype=object)[i % 2],
            "key": i,
        }
    )


SUITE = profile(batch(4000), SCHEMA).to_dict()


def entry(name, severity="warning", **kwargs):
    return {"type": f"expect_{name}", "kwargs": kwargs, "severity": severity}


def suite_of(*entries):
    return {"name": "feedback", "expectations": list(entries)}


def with_cell(column, value, row=3, frame=None):
    frame = batch() if frame is None else frame
    if isinstance(value, str) or value is None:
        frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    return frame


def measure(frame, suite=SUITE, faults=None, schema=SCHEMA):
    return contract_findings(frame, schema, faults or {}, suite)


def grades(findings):
    return {
        finding.metric.removeprefix("contract."): (finding.value, finding.rows)
        for finding in findings
    }


def outcome(findings):
    return decide(POLICY, "batch", findings).outcome


def details(findings):
    return " ".join(finding.detail for finding in findings)


def test_clean_batch():
    """A batch that keeps the contract is measured, with zero broken."""
    findings = Contract(SUITE)(Feedback(SCHEMA, batch(), None, (), batch(), None, {}))
    assert grades(findings) == {"critical": (0, ()), "warning": (0, ()), "info": (0, ())}
    assert outcome(findings) is Outcome.PASS


@pytest.mark.parametrize(
    ("frame", "rows", "said"),
    [
        pytest.param(with_cell("age", 500.0), (3,), "outside its range", id="far outside"),
        pytest.param(with_cell("age", np.inf), (3,), "an infinite number", id="an infinity"),
        pytest.param(with_cell("member", -np.inf), (3,), "an infinite number", id="minus infinity"),
        pytest.param(with_cell("age", np.nan), (3,), "without a value", id="a NaN"),
        pytest.param(with_cell("colour", None), (3,), "without a value", id="a missing text"),
        pytest.param(with_cell("member", 0.5), (3,), "outside its set", id="half a yes"),
        pytest.param(with_cell("shade", "pink"), (3,), "outside its set", id="a new category"),
        pytest.param(with_cell("y", 7), (3,), "outside its set", id="a class nobody knows"),
        pytest.param(with_cell("y", None), (3,), "without a value", id="a missing label"),
        pytest.param(with_cell("who", None), (3,), "without a value", id="nobody stands for it"),
        pytest.param(with_cell("key", 5), (3, 5), "more than once", id="an id used twice"),
        pytest.param(batch().assign(age=np.nan), tuple(range(20)), "20 rows", id="all are gaps"),
        pytest.param(with_cell("age", 99.0, 0, batch(1)), (0,), "1 row ", id="the only row"),
        pytest.param(
            with_cell("age", -900.0, 7, with_cell("shade", "x", 2)),
            (2, 7),
            "`age` has 1 row outside",
            id="rows of several columns are joined",
        ),
    ],
)
def test_rows_that_break_a_warning(frame, rows, said):
    """Rows that break a warning are named, and quarantined by the default policy."""
    findings = measure(frame)
    assert grades(findings)["warning"] == (len(rows), rows)
    assert said in details(findings)
    assert outcome(findings) is Outcome.QUARANTINE


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(batch().assign(extra="anything"), id="extra columns are fine"),
        pytest.param(batch(1), id="one row is enough"),
        pytest.param(batch().assign(y=lambda f: f["y"].astype(str)), id="the class 1 read as '1'"),
        pytest.param(
            batch().assign(y=lambda f: f["y"].astype(float)), id="the class 1 read as 1.0"
        ),
        pytest.param(with_cell("age", 4.0), id="a little outside what was seen"),
    ],
)
def test_what_is_fine(frame):
    """What the contract does not forbid breaks nothing."""
    assert outcome(measure(frame)) is Outcome.PASS


def test_missing_column_rejects():
    """A renamed column is a broken critical expectation that says which column is missing."""
    findings = measure(batch().rename(columns={"age": "Age"}))
    assert grades(findings)["critical"] == (1, ())
    assert findings[0].detail == "Column `age` is missing; add it to the file."
    assert outcome(findings) is Outcome.REJECT


@pytest.mark.parametrize("column", ["who", "key"])
def test_missing_column_of_a_warning_pauses(column):
    """A warning about a column that is not there names no rows and is not passed over."""
    findings = measure(batch().drop(columns=column))
    assert f"`{column}` is missing" in details(findings)
    assert outcome(findings) is Outcome.PAUSE


def test_missing_column_leaves_the_rest_measured():
    """Rows that break another warning are still named when a column is missing."""
    findings = measure(with_cell("age", 500.0).drop(columns="key"))
    assert [(f.value, f.rows) for f in findings if f.metric == "contract.warning"] == [
        (1, (3,)),
        (1, ()),
    ]


def test_no_rows_rejects():
    """A batch without rows is broken, and nothing else of it is measured."""
    findings = measure(batch(0))
    assert grades(findings) == {"critical": (1, ()), "warning": (None, ()), "info": (None, ())}
    assert outcome(findings) is Outcome.REJECT


def test_faults_are_warnings():
    """Cells that could not be read as their kind are rows that break a warning."""
    findings = measure(with_cell("age", np.nan), faults={"age": (3, np.int64(9)), "member": ()})
    assert grades(findings)["warning"] == (2, (3, 9))
    assert "`age` has 2 rows that cannot be read as numeric" in details(findings)


BETWEEN = entry("column_values_to_be_between", column="age", min_value=0, max_value=100)


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        pytest.param({}, "holds no expectations", id="no suite"),
        pytest.param(suite_of(), "holds no expectations", id="an empty suite"),
        pytest.param({"expectation": [BETWEEN]}, "holds no expectations", id="a misspelt key"),
        pytest.param([BETWEEN], "holds no expectations", id="a list for a suite"),
        pytest.param(
            suite_of(BETWEEN, entry("colum_to_exist", column="age")),
            "expectation 2: there is no expectation `expect_colum_to_exist`",
            id="a misspelt expectation",
        ),
        pytest.param(
            suite_of(BETWEEN | {"severity": "wrning"}),
            "severity other than",
            id="a misspelt severity",
        ),
        pytest.param(suite_of(BETWEEN | {"severity": None}), "severity", id="a severity of null"),
        pytest.param(suite_of(BETWEEN | {"severty": "info"}), "keys", id="an unknown key"),
        pytest.param(
            suite_of(entry("column_values_to_be_between", column="age", max_valeu=3)),
            "keys or values",
            id="a misspelt argument",
        ),
        pytest.param(
            suite_of(entry("column_values_to_be_between", column="age")),
            "keys or values",
            id="a range without ends",
        ),
        pytest.param(suite_of("expect_column_to_exist"), "must have the form", id="a bare name"),
        pytest.param(suite_of({"type": "expect_column_to_exist"}), "form", id="no arguments"),
        pytest.param(
            suite_of(entry("column_mean_to_be_between", column="shade", min_value=0)),
            "could not be evaluated on `shade`",
            id="the mean of text raises",
        ),
        pytest.param(
            suite_of(entry("column_values_to_be_between", column="age", min_value=9, max_value=1)),
            "could not be evaluated on `age`",
            id="a range upside down raises",
        ),
        pytest.param(
            suite_of(
                BETWEEN,
                entry("column_values_to_be_between", column="age", min_value={"$PARAMETER": "a"}),
            ),
            "expectation 2: `expect_column_values_to_be_between` could not",
            id="a parameter without a value stops only its own expectation",
        ),
        pytest.param(
            suite_of(
                {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "x"}}
            ),
            "could not be evaluated on the table",
            id="SQL, which a data frame does not speak",
        ),
    ],
)
def test_not_measured(suite, said):
    """A suite that cannot be judged is not measured, says where, and pauses."""
    findings = measure(batch(), suite)
    assert grades(findings)["critical"] == grades(findings)["warning"] == (None, ())
    assert not any(finding.value == 0 for finding in findings)
    assert said in details(findings)
    assert "expectations/feedback.json" in details(findings)
    assert outcome(findings) is Outcome.PAUSE


def test_not_measured_keeps_what_was_found():
    """An expectation that cannot be judged does not hide the rows that break another."""
    suite = suite_of(BETWEEN, entry("colum_to_exist", column="age"))
    verdict = decide(POLICY, "batch", measure(with_cell("age", 500.0), suite))
    assert verdict.outcome is Outcome.PAUSE
    assert verdict.quarantined.rows == (3,)


def test_column_named_twice():
    """A table in which a name means two columns is not measured."""
    frame = pd.concat([batch(), batch()[["age"]]], axis=1)
    assert outcome(measure(frame)) is Outcome.PAUSE


@pytest.mark.parametrize(
    ("expectation", "grade", "value", "rows"),
    [
        pytest.param(
            entry("column_mean_to_be_between", column="age", max_value=0),
            "warning",
            1,
            (),
            id="an aggregate that fails names no rows",
        ),
        pytest.param(
            entry("column_values_to_be_of_type", column="y", type_="float64"),
            "warning",
            1,
            (),
            id="a type that fails for the whole column names no rows",
        ),
        pytest.param(
            entry("column_values_to_be_between", "info", column="age", max_value=20),
            "info",
            19,
            tuple(range(1, 20)),
            id="rows that break an info",
        ),
        pytest.param(
            entry("column_values_to_be_between", "critical", column="age", min_value=21),
            "critical",
            1,
            (0,),
            id="a broken critical names its rows too",
        ),
        pytest.param(
            {"type": BETWEEN["type"], "kwargs": {"column": "age", "min_value": 21}},
            "critical",
            1,
            (0,),
            id="without a severity it is critical, as Great Expectations has it",
        ),
        pytest.param(
            entry("column_values_to_be_between", column="age", min_value=21, mostly=0.9),
            "warning",
            0,
            (),
            id="mostly kept names no rows",
        ),
        pytest.param(
            entry("column_values_to_be_between", column="age", min_value=21, mostly=0.99),
            "warning",
            1,
            (0,),
            id="mostly broken names its rows",
        ),
        pytest.param(
            entry("column_values_to_be_between", column="age", min_value=20, strict_min=True),
            "warning",
            1,
            (0,),
            id="a strict end is kept by the aggregate",
        ),
        pytest.param(
            entry("column_values_to_be_between", column="age", max_value=39, strict_max=True),
            "warning",
            1,
            (19,),
            id="and so is the other",
        ),
        pytest.param(
            entry(
                "column_values_to_be_between",
                column="age",
                max_value=20,
                row_condition='col("key") > 17',
                condition_parser="great_expectations",
            ),
            "warning",
            2,
            (18, 19),
            id="a condition on rows keeps their positions",
        ),
        pytest.param(
            entry("column_values_to_be_between", column="age", max_value=38, result_format="BASIC"),
            "warning",
            1,
            (19,),
            id="a result format in the file does not hide rows",
        ),
        pytest.param(
            entry("column_values_to_be_in_set", column="shade", value_set=[]),
            "warning",
            20,
            tuple(range(20)),
            id="nothing is in an empty set",
        ),
        pytest.param(
            entry("column_pair_values_to_be_equal", column_A="y", column_B="member"),
            "warning",
            0,
            (),
            id="pairs of columns are judged",
        ),
        pytest.param(
            entry("column_pair_values_to_be_equal", column_A="y", column_B="zz"),
            "warning",
            1,
            (),
            id="a pair with a missing column names no rows",
        ),
        pytest.param(
            entry("compound_columns_to_be_unique", column_list=["colour", "y"]),
            "warning",
            20,
            tuple(range(20)),
            id="compound keys are judged",
        ),
        pytest.param(
            entry("column_values_to_match_regex", column="shade", regex="^d"),
            "warning",
            10,
            tuple(range(1, 20, 2)),
            id="patterns are judged",
        ),
        pytest.param(
            entry("table_columns_to_match_set", column_set=["age"]),
            "warning",
            1,
            (),
            id="the table as a whole is judged",
        ),
    ],
)
def test_hand_edited(expectation, grade, value, rows):
    """Any expectation a person writes is judged, with the severity they gave it."""
    findings = measure(batch(), suite_of(entry("column_to_exist", column="age"), expectation))
    got = [(f.value, f.rows) for f in findings if f.metric == f"contract.{grade}"]
    assert (value, rows) in got
    assert sum(finding.value for finding in findings) == value


def test_parameters_of_the_suite():
    """A suite's own parameters are put in."""
    low = entry("column_values_to_be_between", column="age", min_value={"$PARAMETER": "low"})
    findings = measure(batch(), suite_of(low) | {"suite_parameters": {"low": 21}})
    assert grades(findings)["warning"] == (1, (0,))


def test_regression_labels():
    """A label that is no number, infinite, far outside or missing breaks the contract."""
    schema = Schema(Task.REGRESSION, "y", ())
    suite = profile(pd.DataFrame({"y": np.linspace(0.0, 10.0, 500)}), schema).to_dict()
    frame = pd.DataFrame({"y": ["3.5", "many", "inf", 999, None, 4]})
    findings = measure(frame, suite, schema=schema)
    assert grades(findings)["warning"] == (4, (1, 2, 3, 4))


def test_rows_are_positions():
    """Rows are positions in the frame, whatever its index."""
    frame = with_cell("age", 500.0).set_index(pd.Index(["same"] * 20))
    assert grades(measure(frame))["warning"] == (1, (3,))


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(with_cell("colour", "MARKER"), id="in a column of its own kind"),
        pytest.param(with_cell("age", "MARKER"), id="text among numbers, which raises"),
        pytest.param(with_cell("y", "MARKER"), id="in the label"),
        pytest.param(with_cell("key", "MARKER", [3, 4]), id="twice, as an id"),
        pytest.param(with_cell("shade", "MARKER"), id="outside a set"),
    ],
)
def test_no_raw_values(frame, caplog, capfd):
    """No value of the data gets into a finding, a log or the terminal."""
    aggregates = (
        entry("column_values_to_be_in_set", column="colour", value_set=["red", "green"]),
        entry("column_max_to_be_between", column="age", max_value=1),
        entry("column_most_common_value_to_be_in_set", column="colour", value_set=["red"]),
    )
    with caplog.at_level(logging.DEBUG):
        findings = measure(frame, {"expectations": [*SUITE["expectations"], *aggregates]})
    assert outcome(findings) is not Outcome.PASS
    assert "MARKER" not in repr(findings)
    out, err = capfd.readouterr()
    assert (caplog.text, out, err) == ("", "", "")


def test_frame_is_left_alone():
    """The check changes nothing in the frame it is shown."""
    frame = batch().assign(y=lambda f: f["y"].astype(str))
    before = frame.copy(deep=True)
    measure(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_many_problems_stay_readable():
    """A detail names the first dozen problems and counts the rest."""
    frame = pd.DataFrame({f"c{i}": [1.0] for i in range(15)} | {"y": [0]})
    entries = [entry("column_values_to_be_null", column=f"c{i}") for i in range(15)]
    schema = Schema(Task.CLASSIFICATION, "y", (), classes=(0, 1))
    told = details(measure(frame, suite_of(*entries), schema=schema)).strip()
    assert told.endswith("; and 3 more.")


def test_check_travels():
    """The check is pickled to a child process and back unchanged."""
    assert pickle.loads(pickle.dumps(Contract(SUITE))) == Contract(SUITE)
