"""Corrections: a later label of an id is no contradiction, and nobody overwrites somebody else's."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from worlds import CLASSES, feedback, honest

from sluicegate.checks.corrections import Corrections, corrected_by_own, superseded
from sluicegate.checks.duplicates import Duplicates
from sluicegate.core import Column, Feedback, Kind, Schema, Task
from sluicegate.core.standing import Standing

SCHEMA = Schema(
    Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who", time="t", id="id"
)
DAY = {f"d{n}": pd.Timestamp(f"2026-01-0{n}", tz="UTC") for n in range(1, 10)}


def table(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """Return rows of (id, day or None, source, label), with the feature x of 1 or the fifth value."""
    return pd.DataFrame(
        {
            "x": [float(row[4]) if len(row) > 4 else 1.0 for row in rows],
            "y": [row[3] for row in rows],
            "who": pd.Series([row[2] for row in rows], dtype=object),
            "t": pd.Series([DAY.get(row[1]) for row in rows], dtype="datetime64[us, UTC]"),
            "id": pd.Series([row[0] for row in rows], dtype=object),
        }
    )


def found(frame: pd.DataFrame, earlier: pd.DataFrame | None = None) -> dict[str, tuple[int, ...]]:
    """Return the rows of each metric."""
    standing = Standing(trusted=frozenset({"lab"}))
    subject = Feedback(SCHEMA, frame, None, (), frame, None, {}, standing, earlier)
    return {f.metric.split(".")[1]: f.rows for f in Corrections()(subject)}


ANN = table(("a", "d2", "ann", 0))


@pytest.mark.parametrize(
    ("rows", "changed", "foreign", "late"),
    [
        pytest.param([("b", "d3", "eve", 1)], (), (), (), id="another id"),
        pytest.param([("a", "d3", "ann", 1)], (0,), (), (), id="its own source corrects"),
        pytest.param([("a", "d3", "ann", 0)], (), (), (), id="its own source repeats"),
        pytest.param([("a", "d3", "eve", 1)], (0,), (0,), (), id="somebody else overwrites"),
        pytest.param([("a", "d3", "eve", 0)], (), (), (), id="somebody else repeats"),
        pytest.param([("a", "d3", "eve", 0, 7)], (), (0,), (), id="the label stays, the row does not"),
        pytest.param([("a", "d3", "lab", 1)], (0,), (), (), id="a trusted source may"),
        pytest.param([("a", "d3", None, 1)], (0,), (0,), (), id="nobody overwrites"),
        pytest.param([("a", "d3", "?ann", 1)], (0,), (0,), (), id="who only claims to be ann"),
        pytest.param([("a", "d1", "eve", 1)], (), (), (0,), id="an older label changes nothing"),
        pytest.param([("a", None, "eve", 1)], (), (), (0,), id="a label without a time is oldest"),
        pytest.param([(None, "d3", "eve", 1)], (), (), (), id="a row without an id is no correction"),
        pytest.param(
            [("a", "d3", "eve", 1), ("a", "d4", "ann", 0)], (0, 1), (0,), (), id="and ann mends it"
        ),
        pytest.param(
            [("b", "d3", "?bob", 1), ("b", "d4", "?bob", 0)], (1,), (), (),
            id="a claimed name within one delivery",
        ),
    ],
)  # fmt: skip
def test_who_corrects_what(
    rows: list[Any], changed: tuple[int, ...], foreign: tuple[int, ...], late: tuple[int, ...]
) -> None:
    """Beside one admitted row: id a, labelled 0 by ann on the second day."""
    assert found(table(*rows), ANN) == {"share": changed, "foreign": foreign, "late": late}


def test_the_finding_says_who_overwrites_whom() -> None:
    """A reviewer reads names and numbers, and nobody is accused by name alone."""
    frame = table(("a", "d3", "eve", 1))
    subject = Feedback(SCHEMA, frame, None, (), frame, None, {}, earlier=ANN)
    foreign = Corrections()(subject)[1]
    assert "eve overwrites 1 of ann" in foreign.detail
    assert foreign.sources == ()


@pytest.mark.parametrize("lacks", ["id", "time"])
def test_without_id_or_time_nothing_is_measured(lacks: str) -> None:
    """A schema or a file without them leaves the limits unanswered."""
    schema = replace(SCHEMA, **{lacks: None})
    subject = Feedback(schema, ANN, None, (), ANN, None, {})
    assert {f.value for f in Corrections()(subject)} == {None}
    subject = Feedback(SCHEMA, ANN.drop(columns="t"), None, (), ANN, None, {})
    assert {f.value for f in Corrections()(subject)} == {None}


def test_the_latest_row_of_an_id_stands() -> None:
    """Of equal times the one that came later; rows without an id all stand."""
    rows = [("a", "d2", "x", 0), ("a", "d2", "x", 1), ("a", "d1", "x", 0), (None, "d1", "x", 0)]
    assert superseded(table(*rows), SCHEMA).tolist() == [True, False, True, False]


def test_corrected_rows_are_no_contradicting_copies() -> None:
    """Sixty rows labelled wrong and then right by their own sources; without ids they are copies."""
    frame = honest(CLASSES)
    wrong = frame.head(60).assign(y=frame["y"].head(60).map({"yes": "no", "no": "yes"}))
    frame = pd.concat([wrong, frame], ignore_index=True)
    frame["sent"] = frame["sent"].iloc[60] + pd.to_timedelta(range(len(frame)), "s")
    subject = feedback(CLASSES, frame)
    assert corrected_by_own(subject).sum() == 60
    assert [f.rows for f in Duplicates()(subject)] == [(), ()]
    copied = Duplicates()(feedback(replace(CLASSES, id=None), frame))
    assert all(f.value and f.value > 0.01 for f in copied)


def test_who_copies_under_anothers_id_is_still_seen() -> None:
    """Only the own source's earlier row stops being a copy."""
    rows = table(("a", "d1", "ann", 0), ("a", "d2", "eve", 1))
    assert not corrected_by_own(Feedback(SCHEMA, rows, None, (), rows, None, {})).any()
