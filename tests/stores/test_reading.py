"""Reading: three forms of the same table, a budget, and faults instead of silent guesses."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sluicegate.core import Column, Kind, Misused, Schema, Task
from sluicegate.stores.reading import Unreadable, read_table, require_file
from sluicegate.stores.reading_child import Order, carry_out
from sluicegate.stores.reading_forms import Refused
from sluicegate.stores.settings import Reading

SCHEMA = Schema(
    task=Task.CLASSIFICATION,
    label="y",
    features=(
        Column("n", Kind.NUMERIC),
        Column("c", Kind.CATEGORICAL),
        Column("b", Kind.BOOLEAN),
        Column("t", Kind.TIMESTAMP),
    ),
    classes=(0, 1),
    source="who",
    sensitive=("who",),
)
FRAME = pd.DataFrame(
    {
        "n": [1.5, None, 3.0],
        "c": ["a", "naïve", None],
        "b": [True, False, True],
        "t": pd.to_datetime(["2026-01-01T00:00:00", "2026-01-02T03:04:05", None]),
        "y": [0, 1, 1],
        "who": ["ann", "bob", "ann"],
        "more": [1, 2, 3],
    }
)


def written(frame: pd.DataFrame, path: Path) -> Path:
    """Write `frame` in the form that the name of `path` asks for."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    else:
        frame.to_parquet(path, index=False)
    return path


def read(path: Path, **budget: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read `path` as the child does."""
    out = path.with_name("out.parquet")
    form = {".csv": "csv", ".jsonl": "jsonl"}.get(path.suffix, "parquet")
    order = Order(form, str(path), str(out), Reading(**budget), SCHEMA, "00" * 32)
    faults = carry_out(order)
    return pd.read_parquet(out), faults


def test_an_order_survives_json() -> None:
    """read(to_dict(x)) == x: the child reads by the parent's schema and budget."""
    order = Order("csv", "in", "out", Reading(max_rows=3), SCHEMA, "00")
    assert Order.read(json.loads(json.dumps(order.to_dict())), "the order") == order


def test_every_form_gives_the_same_table(tmp_path: Path) -> None:
    """Parquet, CSV and JSONL of the same rows are one normal form, sources already pseudonyms."""
    tables = [
        read(written(FRAME, tmp_path / f"f.{form}"))[0] for form in ("parquet", "csv", "jsonl")
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    pd.testing.assert_frame_equal(tables[0], tables[2])
    assert list(tables[0]) == ["_row", "n", "c", "b", "t", "y", "who"]
    assert not set(tables[0]["who"]) & {"ann", "bob"}
    assert tables[0]["who"].nunique() == 2


BUDGETS = [
    pytest.param({"max_bytes": 10}, "reading.max_bytes", id="bytes"),
    pytest.param({"max_rows": 2}, "reading.max_rows", id="rows"),
    pytest.param({"max_columns": 3}, "reading.max_columns", id="columns"),
]


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize(("budget", "said"), BUDGETS)
def test_a_file_beyond_its_budget_is_refused_by_name(
    tmp_path: Path, form: str, budget: dict[str, int], said: str
) -> None:
    """The sentence names the key that says how much may be read."""
    path = written(FRAME, tmp_path / f"f.{form}")
    with pytest.raises(Refused, match=said):
        read(path, **budget)


CELLS = [
    pytest.param("n", "twelve", id="words for a number"),
    pytest.param("b", "perhaps", id="words for a yes or no"),
    pytest.param("t", "yesterday", id="words for a time"),
    pytest.param("t", "2026-02-30", id="a day that is none"),
    pytest.param("y", "2", id="a class that is none"),
    pytest.param("y", "1.5", id="half a class"),
]


@pytest.mark.parametrize(("column", "value"), CELLS)
def test_a_cell_that_is_not_of_its_kind_is_a_fault_of_its_row(
    tmp_path: Path, column: str, value: str
) -> None:
    """It reads as missing and is reported, never guessed."""
    cells = FRAME[column].astype(object)
    cells.iloc[1] = value
    frame = FRAME.assign(**{column: cells})
    table, faults = read(written(frame, tmp_path / "f.csv"))
    assert faults == {column: (1,)}
    assert table[column].isna().tolist()[1]


def test_durations_and_periods_are_no_times(tmp_path: Path) -> None:
    """A column of a foreign type is a fault in every row, not a crash."""
    frame = FRAME.assign(t=pd.to_timedelta([1, 2, 3], unit="s"))
    assert read(written(frame, tmp_path / "f.parquet"))[1] == {"t": (0, 1, 2)}


def test_the_child_answers_for_the_parent(tmp_path: Path) -> None:
    """The same through the real child process, and its refusal as Unreadable."""
    path, out = written(FRAME, tmp_path / "f.csv"), tmp_path / "out.parquet"
    assert len(read_table(path, "csv", SCHEMA, b"k" * 32, Reading(), out).frame) == 3
    with pytest.raises(Unreadable, match="max_rows"):
        read_table(path, "csv", SCHEMA, b"k" * 32, Reading(max_rows=1), out)


def test_a_disk_that_fills_while_reading_is_not_the_files_fault(tmp_path: Path) -> None:
    """What the operating system refuses is an OSError in the parent, not a verdict on the file."""
    path = written(FRAME, tmp_path / "f.csv")
    with pytest.raises(OSError, match="absent"):
        read_table(path, "csv", SCHEMA, b"k" * 32, Reading(), tmp_path / "absent" / "out.parquet")


@pytest.mark.parametrize("text", ["http://x/b.csv", "gs://b/b.csv", "HTTPS:/x/b.csv", "a/../b.csv"])
def test_what_is_no_plain_path_is_misuse(text: str) -> None:
    """Also what pathlib has already collapsed."""
    with pytest.raises(Misused):
        require_file(text)
    with pytest.raises(Misused):
        require_file(Path(text))
