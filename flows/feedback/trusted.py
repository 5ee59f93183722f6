"""trusted: read a user's base data and golden sets into normal form, or refuse them."""

import tempfile
from pathlib import Path

import pandas as pd

from sluicegate.core import Misused, Schema
from sluicegate.core.normalise import normalise, pseudonymise
from sluicegate.stores import keys
from sluicegate.stores.layout import Layout
from sluicegate.stores.reading import SUFFIXES, Unreadable, read_raw
from sluicegate.stores.settings import Reading


def read_given(scratch_in: Path, path: Path) -> pd.DataFrame:
    """Return the table in a file as it is, read in a child process; raises Misused for none."""
    form = SUFFIXES[path.suffix.lower()]
    with tempfile.TemporaryDirectory(dir=scratch_in) as scratch:
        try:
            return read_raw(path, form, Reading(), Path(scratch) / "raw.parquet")
        except Unreadable as refused:
            raise Misused(f"{path}: {refused}") from refused


def require_columns(raw: pd.DataFrame, schema: Schema, path: Path) -> None:
    """Raise Misused for the first column that `schema` names and the table lacks."""
    absent = [n for n in (*schema.feature_names, schema.label) if n not in raw]
    if absent:
        raise Misused(f"{path} has no column {absent[0]!r}; it needs the columns of the base data.")
    named = (*schema.sensitive, *schema.slices)
    known = {*schema.feature_names, schema.source, schema.id}
    unknown = [name for name in named if name not in known]
    if unknown:
        raise Misused(f"The feedback has no column {unknown[0]!r}; check --sensitive and --slice.")


def in_normal_form(layout: Layout, raw: pd.DataFrame, schema: Schema, path: Path) -> pd.DataFrame:
    """Return the table that the models learn from; raises Misused for an unreadable cell."""
    frame, faults = normalise(raw, schema)
    faults.pop(schema.source or "", None)
    if faults:
        name, rows = next(iter(faults.items()))
        raise Misused(f"{path}: {name!r} cannot be read in {len(rows)} rows, first row {rows[0]}.")
    frame = pseudonymise(frame, schema.sensitive, keys.derived_key(layout, "pseudonym"))
    unlabelled = int(frame[schema.label].isna().sum())
    if unlabelled:
        raise Misused(f"{path} has {unlabelled} rows without a label; drop them first.")
    return frame
