"""affected: the predictions of models that were taken back, where a service logs them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from sluicegate.record.affected_predictions import NOT_LOGGED, affected

LOG = pd.DataFrame(
    {
        "version": [2, 3, 3, 3, 4],
        "time": [f"2026-11-{day:02d}T10:00:00+01:00" for day in (1, 2, 5, 4, 6)],
        "answer": ["no"] * 5,
    }
)


def as_csv(root: Path) -> str:
    LOG.to_csv(root / "log.csv", index=False)
    return "log.csv"


def as_folder(root: Path) -> str:
    (root / "log" / "november").mkdir(parents=True)
    LOG[:2].to_parquet(root / "log" / "a.parquet")
    times = pd.to_datetime(LOG["time"][2:], utc=True)
    LOG[2:].assign(time=times).to_parquet(root / "log" / "november" / "b.parquet")
    return "log"


@pytest.mark.parametrize("at_once", [2, 100_000])
@pytest.mark.parametrize("write", [as_csv, as_folder])
def test_they_are_counted_by_version(
    tmp_path: Path, write: Callable[[Path], str], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first to the last in UTC, in whatever order they were logged, a part at a time."""
    monkeypatch.setattr("sluicegate.record.affected_predictions.AT_ONCE", at_once)
    assert affected(tmp_path, write(tmp_path), [3, 7]) == (
        "3 by version 3, from 2026-11-02T09:00:00+00:00 to 2026-11-05T09:00:00+00:00; "
        "none by version 7"
    )


def test_no_log_is_said(tmp_path: Path) -> None:
    assert affected(tmp_path, None, [3]) == NOT_LOGGED == "predictions not logged"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("log.csv", "when,what\n1,2\n", "log.csv could not be read: Usecols"),
        ("log.parquet", "no parquet", "log.parquet could not be read"),
        ("empty", None, "empty could not be read: it has no Parquet or CSV file with rows"),
        ("log.csv", "version,time\n3,\n,2026-11-02\nx,y\n", "3 rows of the log without"),
    ],
)
def test_a_log_that_is_odd_is_said(
    tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    """Nothing is taken for no prediction at all, and nothing is raised."""
    if content is not None:
        (tmp_path / name).write_text(content)
    assert said in affected(tmp_path, name, [5])
