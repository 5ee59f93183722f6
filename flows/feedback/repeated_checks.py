"""repeated_checks: does somebody check nearly the same rows again and again?

Anyone who may call `check` can change a few rows until nothing is found (a decision-based attack;
Brendel, Rauber & Bethge 2018). That looks like honest work on one file, so it is counted and shown,
and by default nobody is stopped for it.
"""

import getpass
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.core import Finding, Outcome, Schema
from sluicegate.record.context import Context
from sluicegate.stores import checked, git, keys
from sluicegate.stores.checked import Checked

SIZE = 64
MOST_COLUMNS = 8
DIGITS = 3
NEAR = 0.5
MOST_NAMED = 5


def repeats(context: Context, frame: pd.DataFrame, sha256: str) -> Finding:
    """Return how many other files with nearly the rows of `frame` were checked before.

    The same bytes checked again reveal nothing new and do not count.
    """
    sketch = sketch_of(frame, context.schema, _key(context))
    calls = [c for c in checked.newest(context.layout) if c.sha256 != sha256]
    near = [call for call in calls if overlap(call.sketch, sketch) >= NEAR]
    if not near:
        return Finding("oracle", "oracle.repeats", 0.0)
    versions = len({call.sha256 for call in near})
    people = sorted({call.who for call in near})
    detail = (
        f"{versions} other files with nearly the same rows were checked before, by "
        f"{', '.join(people[:MOST_NAMED])}, most recently at {near[-1].time}: "
        "somebody may be probing what passes."
    )
    return Finding("oracle", "oracle.repeats", float(versions), detail=detail)


def remember(
    context: Context,
    frame: pd.DataFrame | None,
    sha256: str,
    outcome: Outcome,
    findings: Sequence[Finding],
) -> None:
    """Record a call of `check`; a file that was no table has no rows to sketch."""
    count = sum(f.value or 0 for f in findings if f.metric == "oracle.repeats")
    empty = pd.DataFrame() if frame is None else frame
    call = Checked(
        time=context.now(),
        who=f"{git.identity(context.layout.root)} ({getpass.getuser()})",
        sha256=sha256,
        rows=len(empty),
        sketch=sketch_of(empty, context.schema, _key(context)),
        outcome=outcome.value,
        repeats=int(count),
    )
    checked.remember(context.layout, call)


def sketch_of(frame: pd.DataFrame, schema: Schema, key: bytes) -> tuple[int, ...]:
    """Return the smallest hashes of the rows of `frame`, a sample of its set of rows.

    The bottom-k sketch (Broder 1997, "On the resemblance and containment of documents") of some
    features that the key chooses, numbers to three digits. Labels and sources do not count: those
    are what an attacker varies. Nobody without the key can aim at a sketch or learn rows from it.

    >>> from sluicegate.core import Column, Kind, Task
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1))
    >>> frame = pd.DataFrame({"x": np.arange(400.0), "y": 0})
    >>> one, two = (sketch_of(f, schema, b"key") for f in (frame, frame.iloc[80:].assign(y=1)))
    >>> 0.7 < overlap(one, two) < 0.9
    True
    """
    columns = sorted((c for c in schema.features if c.name in frame), key=lambda c: c.name)
    if not columns or frame.empty:
        return ()
    chosen = np.random.default_rng([*key]).permutation(len(columns))[:MOST_COLUMNS]
    table = pd.concat(
        [_coarse(frame[columns[i].name], columns[i].kind.is_number) for i in chosen], axis=1
    )
    hashes = pd.util.hash_pandas_object(table, index=False, hash_key=key.hex()[:16].ljust(16, "0"))
    # 53 bits are exact in every JSON reader.
    return tuple(int(h) for h in np.unique(hashes.to_numpy() >> np.uint64(11))[:SIZE])


def overlap(one: Sequence[int], two: Sequence[int]) -> float:
    """Return the estimated share of rows that two tables have in common, of all rows of both.

    >>> overlap((1, 2, 3), (1, 2, 3)), overlap((1, 2), (3, 4)), overlap((), ())
    (1.0, 0.0, 0.0)
    """
    smallest = sorted({*one, *two})[:SIZE]
    return len({*smallest} & {*one} & {*two}) / len(smallest) if smallest else 0.0


def _coarse(values: "pd.Series[Any]", number: bool) -> "pd.Series[Any]":
    if not number:
        return values.fillna("").astype(str)
    known = values.to_numpy(dtype=float)
    size = np.where(np.isfinite(known) & (known != 0), np.abs(known), 1.0)
    step = 10.0 ** (np.floor(np.log10(size)) - DIGITS + 1)
    return pd.Series(np.round(known / step) * step, index=values.index, name=values.name)


def _key(context: Context) -> bytes:
    return keys.derived_key(context.layout, "sketches of checks")
