"""The three forms of a delivered file, each read a part at a time and stopped at its budget.

What a file says of its own size is a claim: rows are counted and memory is metered as they come.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sluicegate.stores.settings import Reading

CELLS_AT_ONCE = 1_000_000
ROWS_AT_ONCE = 50_000
LONGEST_LINE = 16 << 20  # of a JSON object, or of a CSV header
MOST_DIGITS = 300  # longer numbers do not fit float64
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")


class Refused(Exception):
    """The file is not a table that may be read; the message is for the user."""


@dataclass(frozen=True)
class Asked:
    """What is wanted of a file: its budget, the columns (None for all), and words that are no gaps.

    `kept` names the texts of a column that are values though they look like gaps: a class may be
    called null.
    """

    budget: Reading
    columns: tuple[str, ...] | None
    kept: Mapping[str, Sequence[str]]

    def of(self, names: Sequence[str]) -> list[str]:
        """Return those of the file's columns that are wanted, in the file's order."""
        return [name for name in names if self.columns is None or name in self.columns]

    def require_rows(self, rows: int) -> None:
        """Raise Refused when there are more rows than the budget allows."""
        most = self.budget.max_rows
        if rows > most:
            raise Refused(f"The file has more rows than reading.max_rows ({most}).")

    def require_memory(self, held: int) -> None:
        """Raise Refused when a table takes more bytes than the budget allows."""
        if held > self.budget.max_memory:
            raise Refused(too_large(self.budget))

    def require_names(self, names: Sequence[str]) -> None:
        """Raise Refused when there are too many columns, or two of one name."""
        if len(names) > self.budget.max_columns:
            raise Refused(f"The file has more columns than reading.max_columns ({len(names)}).")
        name, count = Counter(names).most_common(1)[0] if names else ("", 0)
        if count > 1:
            raise Refused(f"The file has the column {name[:80]!r} twice; rename one.")


Cells = dict[str, object]
"""One object of JSONL: whatever its writer put into each column."""
Parts = Generator[pd.DataFrame, None, None]


def too_large(budget: Reading) -> str:
    """Return the sentence about a file that unfolds to more than may be held."""
    most = budget.max_memory
    return f"The file expands to more than reading.max_memory ({most} bytes); split it."


def read_parquet(path: Path, asked: Asked) -> Parts:
    """Read parquet by row groups; the footer's number of rows has to be the true one."""
    with _as_refusals("parquet"):
        file = pq.ParquetFile(path, pre_buffer=False)
        claimed, schema = file.metadata.num_rows, file.schema_arrow
    asked.require_rows(claimed)
    asked.require_names(schema.names)
    wanted = asked.of(schema.names)
    for name in wanted:
        if pa.types.is_nested(schema.field(name).type):
            raise Refused(f"The column {name[:80]!r} has nested values; send one value per cell.")
    rows = 0
    with _as_refusals("parquet"):
        size = _rows_at_once(wanted)
        for batch in file.iter_batches(size, columns=wanted, use_threads=False):
            asked.require_memory(batch.nbytes)
            rows += batch.num_rows
            # The file's own notes for pandas could make a column an index and hide it.
            yield batch.to_pandas(integer_object_nulls=True, ignore_metadata=True)
    if rows != claimed:
        raise Refused(f"The file claims {claimed} rows but has {rows}; write it again.")
    if not rows:
        yield schema.empty_table().select(wanted).to_pandas(ignore_metadata=True)


def read_csv(path: Path, asked: Asked) -> Parts:
    """Read UTF-8 CSV as text; the schema says what is a number."""
    _require_text(path)
    with _as_refusals("CSV"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(_lines(file)), [])
        asked.require_names(header)
        with pd.read_csv(
            path,
            dtype=str,
            encoding="utf-8-sig",
            keep_default_na=False,
            na_values={name: _gaps(name, asked.kept) for name in header},
            chunksize=_rows_at_once(header),
        ) as parts:
            for part in parts:
                if not isinstance(part.index, pd.RangeIndex):
                    raise Refused("The file has rows with more values than its header has columns.")
                yield part[asked.of(list(part.columns))]


def read_jsonl(path: Path, asked: Asked) -> Parts:
    """Read one JSON object a line; a column is in the file when one of them has it."""
    _require_text(path)
    with _as_refusals("JSONL"):
        names = _keys(path, asked)
        wanted = asked.of(list(names))
        held: list[Cells] = []
        size = _rows_at_once(wanted)
        for record in _objects(path, asked):
            held.append(record)
            if len(held) == size:
                yield _columns(held, wanted)
                held = []
        yield _columns(held, wanted)


FORMS: dict[str, Callable[[Path, Asked], Parts]] = {
    "parquet": read_parquet,
    "csv": read_csv,
    "jsonl": read_jsonl,
}


def _rows_at_once(names: Sequence[str]) -> int:
    return max(1, min(ROWS_AT_ONCE, CELLS_AT_ONCE // max(1, len(names))))


@contextmanager
def _as_refusals(form: str) -> Iterator[None]:
    """Turn what a parser raises about a file into one sentence."""
    try:
        yield
    except MemoryError:
        raise
    except UnicodeDecodeError as error:
        raise Refused(f"The file is not UTF-8 at byte {error.start}; save it as UTF-8.") from error
    except OSError as error:
        if error.errno:  # the disk's fault, not the file's
            raise
        raise Refused(f"The file is not {form} that can be read: {first_line(error)}") from error
    except (
        pa.ArrowException,
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        csv.Error,
        ValueError,
        TypeError,
        KeyError,
        OverflowError,
    ) as error:
        if "out of memory" in str(error):
            raise MemoryError from error
        raise Refused(f"The file is not {form} that can be read: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Return the first line of what `error` says, as a sentence's end."""
    recorded = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return recorded[:200].rstrip(".") + "."


def _require_text(path: Path) -> None:
    """Raise Refused where the file holds a NUL, which parsers drop: c17 and c1\\07 would be one."""
    place = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            at = block.find(0)
            if at >= 0:
                raise Refused(f"The file has a NUL at byte {place + at}; save it as UTF-8 text.")
            place += len(block)


def _lines(file: IO[str]) -> Iterator[str]:
    """Yield lines, none of them longer than may be held."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise Refused(f"Line {number} is longer than {LONGEST_LINE} characters; split it.")
        yield line


def _gaps(name: str, kept: Mapping[str, Sequence[str]]) -> list[str]:
    return [text for text in MISSING if text not in kept.get(name, ())]


def _objects(path: Path, asked: Asked) -> Iterator[Cells]:
    rows = 0
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(_lines(file), 1):
            if line.strip():
                rows += 1
                asked.require_rows(rows)
                yield _object(line, number)


def _keys(path: Path, asked: Asked) -> dict[str, None]:
    """Return the columns: of the first line, or of all where it lacks one that is wanted."""
    names: dict[str, None] = {}
    for record in _objects(path, asked):
        names |= dict.fromkeys(record)
        asked.require_names(list(names))
        if asked.columns is not None and set(asked.columns) <= names.keys():
            break
    return names


def _columns(records: list[Cells], names: Sequence[str]) -> pd.DataFrame:
    """Return the records as cells of whatever type each one is."""
    return pd.DataFrame(
        {n: pd.Series([r.get(n) for r in records], dtype=object) for n in names},
        index=pd.RangeIndex(len(records)),
    )


def _object(line: str, number: int) -> Cells:
    try:
        record = json.loads(line, object_pairs_hook=_without_duplicates, parse_int=_whole)
        if "\\ud" in line or "\\uD" in line:  # half a surrogate pair is no text
            json.dumps(record, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refused(f"Line {number} is not a JSON object: {first_line(error)}") from error
    if not isinstance(record, dict):
        raise Refused(f"Line {number} is not a JSON object.")
    return record


def _whole(text: str) -> float:
    return int(text) if len(text) < MOST_DIGITS else float(text)


def _without_duplicates(pairs: list[tuple[str, object]]) -> Cells:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("it names a column twice")
    return record
