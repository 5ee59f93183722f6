"""Files that are larger, odder or deeper than they look: one sentence each, within a small budget."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sluicegate.core import Column, Kind, Schema, Task
from sluicegate.stores import reading_forms
from sluicegate.stores.reading import SUFFIXES, Table, Unreadable, read_table
from sluicegate.stores.reading_child import Order, carry_out
from sluicegate.stores.reading_forms import Refused
from sluicegate.stores.settings import Reading

SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (Column("n", Kind.NUMERIC), Column("c", Kind.CATEGORICAL)),
    (0, 1),
    source="who",
    time="at",
)
SMALL = Reading(max_bytes=50_000_000, max_rows=2_000_000, max_memory=200_000_000, max_seconds=20)
ROW = {"n": 1.5, "c": "a", "y": 1, "who": "ann", "at": "2026-01-01"}
MEGABYTE = 1_000_000


def read(path: Path, budget: Reading = SMALL) -> Table:
    """Read as intake does, in the child process."""
    out = path.with_name("out.parquet")
    return read_table(path, SUFFIXES[path.suffix], SCHEMA, b"k" * 32, budget, out)


def read_here(path: Path) -> tuple[pd.DataFrame, dict[str, tuple[int, ...]]]:
    """Read in this process, which costs no imports: for files that need no net under them."""
    out = str(path.with_name("out.parquet"))
    order = Order(SUFFIXES[path.suffix], str(path), out, SMALL, SCHEMA, "00" * 32)
    faults = carry_out(order)
    return pd.read_parquet(out), faults


def table(rows: int, **columns: object) -> pa.Table:
    whole = {name: pa.array([value] * rows) for name, value in ROW.items()}
    return pa.table(whole | {name: pa.array(value) for name, value in columns.items()})


def repeated_text(path: Path) -> None:
    """A dictionary page with one text of 2 MB, and a million references to it."""
    pointers = pa.array(np.zeros(MEGABYTE, dtype=np.int32))
    text = pa.DictionaryArray.from_arrays(pointers, pa.array(["x" * 2 * MEGABYTE]))
    frame = table(MEGABYTE).drop_columns("c").append_column("c", text)
    pq.write_table(frame, path, compression="zstd", dictionary_pagesize_limit=1 << 24)


def one_large_page(path: Path) -> None:
    """A single text of 250 MB, folded by zstd."""
    text = pa.array(["x" * 250 * MEGABYTE], pa.large_string())
    frame = table(1).drop_columns("c").append_column("c", text)
    pq.write_table(frame, path, compression="zstd", use_dictionary=False)


def many_rows(path: Path) -> None:
    """A million rows of short texts, each another."""
    frame = table(MEGABYTE).drop_columns("c").append_column("c", pa.array(np.arange(MEGABYTE)))
    pq.write_table(frame, path, compression="zstd")


def one_large_field(path: Path) -> None:
    with path.open("w") as file:
        file.write(",".join(ROW) + "\n1,")
        for _ in range(45):
            file.write("x" * MEGABYTE)
        file.write(",1,ann,2026-01-01\n")


def one_large_header(path: Path) -> None:
    path.write_text("n" * 20 * MEGABYTE + ",y\n1,1\n")


def an_open_quote(path: Path) -> None:
    path.write_text(",".join(ROW) + '\n1,"' + "a,1,ann,2026-01-01\n" * 100_000)


def short_rows(path: Path) -> None:
    """Rows of one value under a header of five thousand columns: 300,000 rows in 0.6 MB."""
    names = [f"x{i}" for i in range(4_900)]
    path.write_text(",".join([*ROW, *names]) + "\n" + "1\n" * 300_000)


def many_columns_csv(path: Path) -> None:
    path.write_text(
        ",".join(f"x{i}" for i in range(MEGABYTE)) + "\n" + "1," * (MEGABYTE - 1) + "1\n"
    )


def many_columns_parquet(path: Path) -> None:
    names = [f"x{i}" for i in range(20_000)]
    pq.write_table(pa.table({name: pa.array([1]) for name in names}), path)


def many_columns_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps({f"x{i}": 1}) + "\n" for i in range(20_000)))


def deep_json(path: Path) -> None:
    path.write_text('{"n": ' + "[" * 400_000 + "]" * 400_000 + "}\n")


def wide_json(path: Path) -> None:
    path.write_text(json.dumps(ROW | {"n": "9" * 17 * MEGABYTE}) + "\n")


def nested_parquet(path: Path) -> None:
    pq.write_table(table(2, n=[{"a": {"b": [1]}}, {"a": {"b": []}}]), path)


def deep_parquet(path: Path) -> None:
    kind: pa.DataType = pa.int8()
    for _ in range(60):
        kind = pa.struct([("a", kind)])
    pq.write_table(table(1).append_column("n2", pa.nulls(1, kind)).drop_columns("n").rename_columns(
        ["c", "y", "who", "at", "n"]), path)  # fmt: skip


def patched(path: Path, claimed: int) -> None:
    """Write 70,001 rows and have the footer's first count of rows say `claimed`."""
    pq.write_table(table(70_001), path)
    raw = path.read_bytes()
    start = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    footer = raw[start:].replace(_varint(70_001), _varint(claimed), 1)
    assert len(footer) == len(raw) - start
    path.write_bytes(raw[:start] + footer)


def _varint(number: int) -> bytes:
    """Return a number as thrift's compact protocol writes it: zigzag, seven bits a byte."""
    rest, out = number << 1, bytearray()
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*out, rest])


def fewer_rows_claimed(path: Path) -> None:
    patched(path, 10_000)


def more_rows_claimed(path: Path) -> None:
    patched(path, 90_000)


def cut_off(path: Path) -> None:
    pq.write_table(table(1000), path)
    path.write_bytes(path.read_bytes()[:-200] + b"PAR1")


def nul_in_csv(path: Path) -> None:
    path.write_bytes((",".join(ROW) + "\n1,a,1,ann\0,2026-01-01\n").encode())


def utf_16(path: Path) -> None:
    path.write_bytes((",".join(ROW) + "\n1,a,1,ann,2026-01-01\n").encode("utf-16"))


def latin_1(path: Path) -> None:
    path.write_bytes((",".join(ROW) + "\n1,naïve,1,ann,2026-01-01\n").encode("latin-1"))


def a_name_twice(path: Path) -> None:
    path.write_text("n,n,c,y,who\n1,2,a,1,ann\n")


def a_bool(path: Path) -> None:
    path.write_text("true\n" * 3)


BOMBS = [
    pytest.param(repeated_text, "f.parquet", "max_memory", id="one text a million times"),
    pytest.param(one_large_page, "f.parquet", "max_memory", id="a page of 250 MB"),
    pytest.param(many_rows, "f.parquet", "max_memory", id="a million texts"),
    pytest.param(one_large_field, "f.csv", "max_memory", id="a field of 45 MB"),
    pytest.param(short_rows, "f.csv", "max_seconds", id="rows filled up with gaps"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("make", "name", "said"), BOMBS)
def test_a_bomb_is_stopped(
    tmp_path: Path, make: Callable[[Path], None], name: str, said: str
) -> None:
    """The child process stops at its budget, whatever the file says of its size."""
    path = tmp_path / name
    make(path)
    budget = SMALL.model_copy(update={"max_seconds": 3}) if said == "max_seconds" else SMALL
    with pytest.raises(Unreadable, match=said):
        read(path, budget)


REFUSED = [
    pytest.param(one_large_header, "f.csv", "longer than", id="a header of 20 MB"),
    pytest.param(an_open_quote, "f.csv", "not CSV", id="a quote never closed"),
    pytest.param(many_columns_csv, "f.csv", "max_columns", id="a million columns"),
    pytest.param(many_columns_parquet, "f.parquet", "max_columns", id="20,000 parquet columns"),
    pytest.param(many_columns_jsonl, "f.jsonl", "max_columns", id="another column in every line"),
    pytest.param(deep_json, "f.jsonl", "Line 1", id="deeply nested JSON"),
    pytest.param(wide_json, "f.jsonl", "longer than", id="a line of 17 MB"),
    pytest.param(a_bool, "f.jsonl", "Line 1", id="lines that are no objects"),
    pytest.param(nested_parquet, "f.parquet", "nested", id="nested parquet"),
    pytest.param(deep_parquet, "f.parquet", "nested", id="deeply nested parquet"),
    pytest.param(fewer_rows_claimed, "f.parquet", "has 70001", id="a footer of too few rows"),
    pytest.param(more_rows_claimed, "f.parquet", "has 70001", id="a footer of too many rows"),
    pytest.param(cut_off, "f.parquet", "not parquet", id="a parquet file cut off"),
    pytest.param(nul_in_csv, "f.csv", "NUL", id="a NUL in CSV"),
    pytest.param(utf_16, "f.csv", "UTF-8|NUL", id="UTF-16"),
    pytest.param(latin_1, "f.csv", "UTF-8", id="Latin-1"),
    pytest.param(a_name_twice, "f.csv", "twice", id="a column named twice"),
]


@pytest.mark.parametrize(("make", "name", "said"), REFUSED)
def test_what_is_no_table_is_refused_in_one_sentence(
    tmp_path: Path, make: Callable[[Path], None], name: str, said: str
) -> None:
    """The sentence says what is wrong, and does not quote the file at length."""
    path = tmp_path / name
    make(path)
    with pytest.raises(Refused, match=said) as refused:
        read_here(path)
    sentence = str(refused.value)
    assert len(sentence) < 300
    assert "\n" not in sentence


SPELLINGS = {
    "1_000": None, "1,5": None, "٣": None, "\uff11\uff12": None, "0x10": None, "--1": None, "1 000": None,
    "½": None, "1f": None, "$1": None, "(1)": None, "True": None, "1e": None, "1e999": None,
    "1\u200b": None, " 1 ": 1.0, "+1": 1.0, "1.": 1.0, "1E5": 1e5, "007": 7.0, "-Infinity": -np.inf,
}  # fmt: skip


@pytest.mark.parametrize("name", ["f.csv", "f.jsonl", "f.parquet"])
def test_odd_spellings_of_numbers(tmp_path: Path, name: str) -> None:
    """A cell is the number that every reader takes it for, or a fault; never a guess."""
    rows = pd.DataFrame([ROW | {"n": text} for text in SPELLINGS])
    path = tmp_path / name
    if name == "f.csv":
        rows.to_csv(path, index=False)
    elif name == "f.jsonl":
        rows.to_json(path, orient="records", lines=True)
    else:
        rows.to_parquet(path)
    frame, faults = read_here(path)
    assert faults == {"n": tuple(i for i, read in enumerate(SPELLINGS.values()) if read is None)}
    assert [None if np.isnan(n) else n for n in frame["n"]] == list(SPELLINGS.values())


def test_a_column_of_mixed_types_is_read_cell_by_cell(tmp_path: Path) -> None:
    """What is no number, text, class or time is a fault of its row alone, in one part or in many."""
    cells = [1, "2", True, None, {"a": 1}, [1], 1e400, 10**400]
    times = ["2026-01-01", 1.7e9, 1_700_000_000, None, {}, True, "soon", 1e99]
    rows = [ROW | {"n": n, "c": n, "at": at} for n, at in zip(cells, times, strict=True)]
    path = tmp_path / "f.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    frame, faults = read_here(path)
    assert faults == {"n": (4, 5), "c": (4, 5), "at": (4, 5, 6, 7)}
    assert frame["at"].notna().tolist() == [True] * 3 + [False] * 5


def test_a_text_with_a_nul_is_a_fault(tmp_path: Path) -> None:
    """A source that only a NUL tells from another is neither of them."""
    path = tmp_path / "f.jsonl"
    path.write_text("".join(json.dumps(ROW | {"who": w}) + "\n" for w in ("ann", "ann\0", " ann ")))
    frame, faults = read_here(path)
    assert faults == {"who": (1,)}
    assert frame["who"].tolist() == ["ann", None, "ann"]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    """As spreadsheets write it."""
    path = tmp_path / "f.csv"
    path.write_text(",".join(ROW) + "\n1,a,1,ann,2026-01-01\n", encoding="utf-8-sig")
    assert list(read_here(path)[0])[1:] == ["n", "c", "y", "who", "at"]


def test_columns_that_nobody_named_are_not_unfolded(tmp_path: Path) -> None:
    """A bomb in a column that would be dropped costs nothing."""
    text = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(MEGABYTE, dtype=np.int32)), pa.array(["x" * MEGABYTE])
    )
    path = tmp_path / "f.parquet"
    pq.write_table(table(MEGABYTE).append_column("more", text).slice(0, 1000), path)
    assert len(read_here(path)[0]) == 1000


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    """In each form that can say so."""
    csv, parquet = tmp_path / "f.csv", tmp_path / "f.parquet"
    csv.write_text(",".join(ROW) + "\n")
    pq.write_table(table(1).slice(0, 0), parquet)
    for path in (csv, parquet):
        assert read_here(path)[0].shape == (0, 6)


def test_parts_are_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read two rows at a time, every form gives what it gives read at once."""
    frame = pd.DataFrame([ROW | {"n": i, "y": i % 2} for i in range(5)] + [ROW | {"y": 7}])
    for name, write in (
        ("f.csv", lambda path: frame.to_csv(path, index=False)),
        ("f.jsonl", lambda path: frame.to_json(path, orient="records", lines=True)),
        ("f.parquet", lambda path: frame.to_parquet(path)),
    ):
        write(tmp_path / name)
        whole = read_here(tmp_path / name)
        with monkeypatch.context() as patch:
            patch.setattr(reading_forms, "ROWS_AT_ONCE", 2)
            parts = read_here(tmp_path / name)
        pd.testing.assert_frame_equal(parts[0], whole[0])
        assert parts[1] == whole[1] == {"y": (5,)}
