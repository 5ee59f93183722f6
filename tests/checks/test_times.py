"""Times that cannot be true."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from sluicegate.checks.times import Times
from sluicegate.core import Feedback, Finding, Reference, Schema, Task

SCHEMA = Schema(Task.REGRESSION, "y", (), time="at")
CHECK = Times(datetime(2026, 6, 1, tzinfo=UTC), timedelta(hours=24), timedelta(days=3650))


def found(times: list[str | None], known: list[str] | None = None) -> tuple[Finding, ...]:
    frame = pd.DataFrame({"at": pd.to_datetime(times, utc=True, format="ISO8601"), "y": 0.0})
    old = pd.DataFrame({"at": pd.to_datetime(known or [], utc=True)})
    reference = Reference("original", old, pd.Series(dtype=float))
    return CHECK(Feedback(SCHEMA, frame, None, (reference,), frame, None, {}))


@pytest.mark.parametrize(
    ("time", "known", "rows"),
    [
        pytest.param("2026-05-31T23:59:59", None, ((), ()), id="just now"),
        pytest.param("2026-06-02T00:00:00", None, ((), ()), id="a clock that is a day ahead"),
        pytest.param("2026-06-02T00:00:01", None, ((0,), ()), id="later"),
        pytest.param("2262-01-01", None, ((0,), ()), id="in centuries"),
        pytest.param("2016-06-04", None, ((), ()), id="ten years ago"),
        pytest.param("2016-06-02", None, ((), (0,)), id="more than ten years ago"),
        pytest.param("1996-05-07", ["1996-05-07"], ((), ()), id="old, as the base data is"),
        pytest.param("1970-01-01", ["1996-05-07"], ((), (0,)), id="older than that by far"),
        pytest.param(None, None, ((), ()), id="no time"),
    ],
)
def test_rows(time: str | None, known: list[str] | None, rows: object) -> None:
    """Counted are the times beyond the tolerance, either way, and their rows are named."""
    future, old = found([time, "2026-05-01"], known)
    assert (future.rows, old.rows) == rows
    assert (future.value, old.value) == (len(future.rows), len(old.rows))


def test_without_the_column_nothing_is_measured() -> None:
    """What is declared and does not come is no pass."""
    frame = pd.DataFrame({"y": [0.0]})
    answers = CHECK(Feedback(SCHEMA, frame, None, (), frame, None, {}))
    assert [answer.value for answer in answers] == [None, None]
