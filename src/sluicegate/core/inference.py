"""Guess the schema of base data; the user corrects it in params.yaml."""

from typing import Any

import pandas as pd

from .errors import Misused
from .normalise import booleans, numbers, times
from .schema import RESERVED, Column, Kind, Schema, Task

MOST_CLASSES = 50


def infer_schema(
    raw: pd.DataFrame,
    label: str,
    source: str | None = None,
    time: str | None = None,
    id_column: str | None = None,
    label_origin: str | None = None,
    sensitive: tuple[str, ...] = (),
    slices: tuple[str, ...] = (),
    task: Task | None = None,
) -> Schema:
    """Return the schema that `raw` suggests.

    Raises Misused when the label is absent, has missing values only or a single class.
    """
    if label not in raw:
        raise Misused(f"The base data has no column {label!r}; name the label with --label.")
    roles = {label, source, time, id_column, label_origin}
    taken = sorted(RESERVED & {*raw.columns, *roles})
    if taken:
        raise Misused(f"The base data has a column {taken[0]!r}, a reserved name; rename it.")
    given = [name for name in (label, source, time, id_column, label_origin) if name]
    if len(set(given)) < len(given):
        raise Misused("Label, source, time, id and label origin must be different columns.")
    features = tuple(
        Column(str(name), Kind.CATEGORICAL if name in sensitive else kind_of(raw[name]))
        for name in raw.columns
        if name not in roles
    )
    if not features:
        raise Misused("The base data has no feature columns besides the label.")
    task = task or task_of(raw[label])
    classes = _classes_of(raw[label]) if task is Task.CLASSIFICATION else ()
    return Schema(
        task=task,
        label=label,
        features=features,
        classes=classes,
        source=source,
        time=time,
        id=id_column,
        label_origin=label_origin,
        sensitive=sensitive,
        slices=slices,
    )


def kind_of(raw: "pd.Series[Any]") -> Kind:
    """Return the kind whose reading leaves no fault, the narrowest first.

    >>> kind_of(pd.Series(["1.5", "2"])), kind_of(pd.Series(["yes", "no"]))
    (<Kind.NUMERIC: 'numeric'>, <Kind.BOOLEAN: 'boolean'>)
    """
    known = raw.dropna()
    if known.empty:
        return Kind.NUMERIC
    text = known.astype(str)
    if pd.api.types.is_datetime64_any_dtype(known):
        return Kind.TIMESTAMP
    if not pd.api.types.is_bool_dtype(known) and not numbers(known)[1].any():
        return Kind.NUMERIC
    if not booleans(known)[1].any():
        return Kind.BOOLEAN
    if not times(text)[1].any():
        return Kind.TIMESTAMP
    return _words(text)


def task_of(label: "pd.Series[Any]") -> Task:
    """Return regression for a number with many values, else classification."""
    values, bad = numbers(label.dropna())
    if bad.any() or pd.api.types.is_bool_dtype(label):
        return Task.CLASSIFICATION
    whole = (values % 1 == 0).all()
    return Task.CLASSIFICATION if whole and values.nunique() <= MOST_CLASSES else Task.REGRESSION


def _words(known: "pd.Series[Any]") -> Kind:
    words = known.map(lambda text: len(text.split())).median()
    return Kind.TEXT if words >= 4 and known.nunique() > len(known) / 2 else Kind.CATEGORICAL


def _classes_of(label: "pd.Series[Any]") -> tuple[Any, ...]:
    known = label.dropna()
    values, bad = numbers(known)
    if not bad.any() and not pd.api.types.is_bool_dtype(known):
        known = values.astype("int64") if (values % 1 == 0).all() else values
    classes = tuple(sorted(known.unique().tolist()))
    if len(classes) < 2:
        raise Misused(f"The label has {len(classes)} class; training needs at least two.")
    return classes
