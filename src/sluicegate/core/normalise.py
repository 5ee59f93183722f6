"""One form per kind of column, whatever file format a batch came in.

A cell that cannot be read as its kind becomes missing and is reported as a fault, so that the row is
set aside and never silently imputed.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from .schema import Kind, Schema, Task, label_text

Faults = dict[str, tuple[int, ...]]
Cells = tuple["pd.Series[Any]", "pd.Series[bool]"]
Reader = Callable[["pd.Series[Any]"], Cells]

FARTHEST_SECONDS = 2.0**36  # some two thousand years from the epoch: pandas overflows farther out

_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def normalise(raw: pd.DataFrame, schema: Schema) -> tuple[pd.DataFrame, Faults]:
    """Return `raw` with a RangeIndex and the schema's columns in normal form, and its faults.

    Columns that the schema does not name are dropped; those it names and `raw` lacks stay absent, for
    the contract to report. Timestamps become float64 seconds since the epoch in UTC as features, and
    datetime64[us, UTC] in the schema's `time` column.
    """
    raw = raw.reset_index(drop=True)
    columns: dict[str, pd.Series[Any]] = {}
    faults: Faults = {}
    for name, read in _readers(schema).items():
        if name in raw:
            values, bad = read(raw[name])
            columns[name] = values
            if bad.any():
                faults[name] = tuple(np.flatnonzero(bad.to_numpy()).tolist())
    return pd.DataFrame(columns, index=raw.index), faults


def pseudonymise(frame: pd.DataFrame, columns: tuple[str, ...], key: bytes) -> pd.DataFrame:
    """Return `frame` with each value of `columns` replaced by a keyed hash (NCSC principle 4.2).

    HMAC-SHA256 of the value's text, the first 64 bits in hexadecimal: the same value under the same
    key is the same pseudonym in every batch; missing stays missing.
    """
    replaced = {
        name: frame[name].map(lambda value: pseudonym(value, key), na_action="ignore")
        for name in columns
        if name in frame
    }
    return frame.assign(**replaced)


def named_columns(schema: Schema) -> tuple[str, ...]:
    """Return the columns of a delivery that are kept."""
    return tuple(_readers(schema))


def pseudonym(value: Any, key: bytes) -> str:
    """Return the keyed hash that stands for `value` in every batch."""
    return hmac.new(key, label_text(value).encode(), hashlib.sha256).hexdigest()[:16]


def _readers(schema: Schema) -> dict[str, Reader]:
    readers: dict[str, Reader] = {column.name: _BY_KIND[column.kind] for column in schema.features}
    readers[schema.label] = (
        numbers if schema.task is Task.REGRESSION else lambda raw: _classes(raw, schema)
    )
    for name in (schema.source, schema.id, schema.label_origin):
        if name:
            readers[name] = texts
    if schema.time:
        readers[schema.time] = times
    return readers


def numbers(raw: "pd.Series[Any]") -> Cells:
    """Read numbers as float64; a value that is none is a fault."""
    if pd.api.types.is_datetime64_any_dtype(raw):
        return pd.Series(np.nan, index=raw.index), raw.notna()
    try:
        values = pd.to_numeric(raw, errors="coerce").astype("float64")
    except OverflowError:  # a whole number that float64 cannot hold reads as infinite
        text = raw.map(str, na_action="ignore")
        values = pd.to_numeric(text, errors="coerce").astype("float64")
    return values, raw.notna() & values.isna()


def booleans(raw: "pd.Series[Any]") -> Cells:
    """Read true and false, in the usual spellings, as 1.0 and 0.0."""
    text = raw.map(lambda value: str(value).strip().lower(), na_action="ignore")
    values = pd.Series(np.nan, index=raw.index)
    values[text.isin(_TRUE)] = 1.0
    values[text.isin(_FALSE)] = 0.0
    return values, raw.notna() & values.isna()


def times(raw: "pd.Series[Any]") -> Cells:
    """Read ISO 8601 text, datetimes, or numbers of seconds since the epoch, as UTC."""
    if pd.api.types.is_datetime64_any_dtype(raw):
        values = pd.to_datetime(raw, utc=True)
    elif pd.api.types.is_numeric_dtype(raw):
        values = _since_epoch(raw)
    else:
        text = raw if raw.dtype == object else raw.map(str, na_action="ignore").astype(object)
        counted = text.map(lambda value: isinstance(value, int | float) and value is not True)
        result = pd.to_datetime(text.mask(counted), utc=True, errors="coerce", format="ISO8601")
        values = result.astype("datetime64[us, UTC]")
        if counted.any():
            values = values.where(~counted, _since_epoch(text.where(counted)))
    values = values.astype("datetime64[us, UTC]")
    return values, raw.notna() & values.isna()


def _since_epoch(raw: "pd.Series[Any]") -> "pd.Series[Any]":
    known = pd.to_numeric(raw, errors="coerce").astype("float64")
    known = known.where(known.abs() < FARTHEST_SECONDS)
    # Where a value is missing pandas 2.3 rounds whatever its memory holds, and overflows by chance.
    values = pd.to_datetime(known.fillna(0.0), unit="s", utc=True)
    return values.where(known.notna()).astype("datetime64[us, UTC]")


def seconds(raw: "pd.Series[Any]") -> Cells:
    """Read times as float64 seconds since the epoch, which a model can take."""
    values, bad = times(raw)
    epoch = pd.Timestamp("1970-01-01", tz="UTC")
    return (values - epoch).dt.total_seconds().astype("float64"), bad


def texts(raw: "pd.Series[Any]") -> Cells:
    """Read values as text without surrounding spaces; 3.0 and 3 are the same category.

    Blank text is missing, as it is in a CSV file: a source of spaces is nobody's name. A text with a
    NUL is a fault: it looks like another one.
    """
    if pd.api.types.infer_dtype(raw, skipna=True) == "string" and "\0" not in "".join(raw.dropna()):
        codes, words = pd.factorize(raw)  # takes "c17" and "c17\0" for one
        text = np.array([*(word.strip() for word in words), None], dtype=object)
        values, bad = pd.Series(text[codes], raw.index), pd.Series(False, raw.index)
    else:
        values = raw.map(lambda value: label_text(value).strip(), na_action="ignore").astype(object)
        bad = raw.map(_is_no_text, na_action="ignore") == True  # noqa: E712 - a gap is no fault
    return values.where(values.notna() & ~bad & (values != ""), None), bad.astype(bool)


def _is_no_text(value: Any) -> bool:
    return isinstance(value, bytes | list | dict | np.ndarray) or "\0" in str(value)


def _classes(raw: "pd.Series[Any]", schema: Schema) -> Cells:
    codes = pd.Series(schema.label_codes(raw), index=raw.index)
    if (codes >= 0).all() and len(codes):
        return pd.Series(np.array(schema.classes)[codes], index=raw.index), codes < 0
    values = pd.Series([schema.classes[c] if c >= 0 else None for c in codes], index=raw.index)
    return values.astype(object), raw.notna() & (codes < 0)


_BY_KIND = {
    Kind.NUMERIC: numbers,
    Kind.BOOLEAN: booleans,
    Kind.TIMESTAMP: seconds,
    Kind.CATEGORICAL: texts,
    Kind.TEXT: texts,
}
