"""The child process that parses a delivered file: an order on stdin, an answer on stdout."""

import csv
import errno
import json
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from sluicegate.core import Column, Kind, Schema, Task
from sluicegate.core.normalise import normalise, pseudonymise
from sluicegate.core.schema import ROW, label_text

MEMORY_BYTES = 8 << 30
CPU_SECONDS = 600
MOST_DIGITS = 300  # longer numbers do not fit float64
MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


class Refused(Exception):
    """The file is not a table that may be read; the message is for the user."""


def main() -> None:
    """Carry out the order on stdin and answer on stdout."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    try:
        answer = carry_out(json.load(sys.stdin))
    except Refused as refused:
        answer = {"unreadable": str(refused)}
    except MemoryError:
        answer = {"unreadable": "The file needs more memory than reading allows; split it."}
    except OSError as error:  # a full disk says nothing about the file
        answer = {"failed": error.errno or errno.EIO, "said": error.strerror or str(error)}
    json.dump(answer, sys.stdout)


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """Read, normalise and write the table that `order` names; return its faults."""
    path, budget = Path(order["path"]), order["budget"]
    if path.stat().st_size > budget["max_bytes"]:
        raise Refused(
            f"The file is larger than reading.max_bytes ({budget['max_bytes']}); split it."
        )
    if path.stat().st_size == 0:
        raise Refused("The file is empty; send it again.")
    budget = budget | {"labels": _labels(order)}
    raw = READERS[order["form"]](path, budget)
    faults: dict[str, tuple[int, ...]] = {}
    if "schema" in order:
        schema = schema_from_dict(order["schema"])
        raw, faults = normalise(raw, schema)
        raw = pseudonymise(raw, schema.sensitive, bytes.fromhex(order["key"]))
        raw.insert(0, ROW, range(len(raw)))
    try:
        raw.to_parquet(order["out"], index=False)
    except (ValueError, TypeError, OverflowError) as error:
        raise Refused(f"The file has a column of mixed types: {_first_line(error)}") from error
    return {"faults": faults}


def schema_from_dict(data: dict[str, Any]) -> Schema:
    """Return the schema that the parent wrote as JSON types."""
    features = tuple(Column(name, Kind(kind)) for name, kind in data["features"])
    plural = {name: tuple(data[name]) for name in ("classes", "sensitive", "slices")}
    return Schema(**(data | plural | {"features": features, "task": Task(data["task"])}))


def read_parquet(path: Path, budget: dict[str, Any]) -> pd.DataFrame:
    """Read parquet, its size judged by the footer before any page is unfolded."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        _require_shape(file.metadata.num_rows, file.schema_arrow.names, budget)
        frame: pd.DataFrame = file.read().to_pandas()
        return frame
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise Refused(f"The file is not parquet that can be read: {_first_line(error)}") from error


def read_csv(path: Path, budget: dict[str, Any]) -> pd.DataFrame:
    """Read UTF-8 CSV as text; the schema says what is a number."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        _require_shape(0, header, budget)
        frame = pd.read_csv(
            path,
            dtype=str,
            encoding="utf-8-sig",
            keep_default_na=False,
            na_values={name: _missing(name, budget["labels"]) for name in header},
            nrows=budget["max_rows"] + 1,
        )
    except UnicodeDecodeError as error:
        raise Refused(f"The file is not UTF-8 at byte {error.start}; save it as UTF-8.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise Refused(f"The file is not CSV that can be read: {_first_line(error)}") from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise Refused("The file has rows with more values than its header has columns.")
    _require_shape(len(frame), list(frame.columns), budget)
    return frame


def read_jsonl(path: Path, budget: dict[str, Any]) -> pd.DataFrame:
    """Read one JSON object a line."""
    records = []
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    records.append(_object(line, number))
                _require_shape(len(records), [], budget)
    except UnicodeDecodeError as error:
        raise Refused(f"The file is not UTF-8 at byte {error.start}; save it as UTF-8.") from error
    frame = pd.DataFrame.from_records(records)
    _require_shape(len(frame), list(frame.columns), budget)
    return frame


def _labels(order: dict[str, Any]) -> dict[str, list[str]]:
    """Return the label column and its classes' texts: a class called null is not a gap."""
    if "schema" not in order:
        return {}
    schema = schema_from_dict(order["schema"])
    return {schema.label: [label_text(value) for value in schema.classes]}


def _missing(name: str, labels: dict[str, list[str]]) -> list[str]:
    return [text for text in MISSING if text not in labels.get(name, [])]


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line, object_pairs_hook=_without_duplicates, parse_int=_whole)
        json.dumps(record, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise Refused(f"Line {number} is not a JSON object: {_first_line(error)}") from error
    if not isinstance(record, dict):
        raise Refused(f"Line {number} is not a JSON object.")
    return record


def _whole(text: str) -> float:
    return int(text) if len(text) < MOST_DIGITS else float(text)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("it names a column twice")
    return dict(pairs)


def _require_shape(rows: int, names: list[str], budget: dict[str, Any]) -> None:
    if rows > budget["max_rows"]:
        raise Refused(f"The file has more rows than reading.max_rows ({budget['max_rows']}).")
    if len(names) > budget["max_columns"]:
        raise Refused(f"The file has more columns than reading.max_columns ({len(names)}).")
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise Refused(f"The file names the column {name!r} twice; rename one.")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".") + "."


READERS = {"parquet": read_parquet, "csv": read_csv, "jsonl": read_jsonl}

if __name__ == "__main__":
    main()
