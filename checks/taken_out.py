"""Taken out: rows that repeat what a rollback took out of the data, under whatever name they come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.checks.duplicates import copies, spreads
from sluicegate.checks.statistics.calibration import Floats, Ints
from sluicegate.checks.statistics.near_texts import letters, near_texts
from sluicegate.core import Column, Feedback, Finding, Kind, Schema, Task

# Three standard errors: one honest window in about a thousand goes beyond by chance.
CHANCE = 3.0
# Nearly equal rows count, and equal ones by themselves: others in between can make a row near a known
# one, but not equal to it. Where most honest rows have a near copy, nearness tells nothing.
NEAR, EQUAL = 0.01, 1e-6
CROWDED = 0.5
BATCH = "_batch"
Said = Callable[["pd.Series[Any]"], "pd.Series[Any]"]


@dataclass(frozen=True, eq=False)
class TakenOut:
    """How many rows say again what was taken out, beyond what honest rows say again by chance.

    A row repeats another one where features and label are copies as `duplicates.py` has them; source,
    times and id do not count. `taken` are the rows that were taken out, with the batch of each.

    Honest rows coincide, too. What the references or the golden set also say is not counted: it is
    learnt anyway, and most honest coincidences are of such rows. How often two honest rows
    coincide in what nobody else says is told by the original reference and the golden set, which no
    contributor writes: of the n(n-1)/2 pairs of rows in each, those that are two of a kind and alone
    (Good 1953, "The population frequencies of species"). `duplicates.taken_out` is the number of
    repeated rows beyond what that explains with three standard errors.

    >>> from sluicegate.core import Reference
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
    >>> base = pd.DataFrame({"x": np.arange(400.0), "y": 0})
    >>> gone = pd.DataFrame({"x": [7.0, 8.0, 9.0], "y": [0, 1, 1], "_batch": "0003"})
    >>> frame = pd.DataFrame({"x": [9.0, 7.0, 5.0, 8.0], "y": [1, 0, 1, 1], "who": "new"})
    >>> batch = Feedback(schema, frame, None, (Reference("original", base, base["y"]),), base, None, {})
    >>> found, = TakenOut(gone)(batch)
    >>> found.value > 0, found.rows, found.detail
    (True, (0, 3), '2 rows repeat what a rollback took out of batch:0003.')
    """

    taken: pd.DataFrame | None = None
    name: str = "taken_out"

    def __call__(self, subject: Feedback, /) -> tuple[Finding]:
        """Measure it; rows are all that repeat something, where they are too many for chance."""
        metric = "duplicates.taken_out"
        if self.taken is None or self.taken.empty:
            return (Finding(self.name, metric, 0.0),)
        original = next((r.frame for r in subject.references if r.name == "original"), None)
        if original is None or len(original) < 2:
            why = "There is no original reference; run init or reanchor."
            return (Finding(self.name, metric, None, detail=why),)
        value, rows, batches = _repeated(subject, self.taken, original)
        named = ", ".join(f"batch:{batch}" for batch in batches)
        detail = (
            f"{len(rows)} rows repeat rows that a rollback removed from {named}." if rows else ""
        )
        return (Finding(self.name, metric, value, rows, detail=detail),)


def _repeated(
    subject: Feedback, taken: pd.DataFrame, original: pd.DataFrame
) -> tuple[float, tuple[int, ...], list[str]]:
    """Return by how much the repeated rows are more than chance explains, these, and their batches."""
    others = [each.frame for each in subject.references if each.frame is not original]
    parts = [subject.frame, taken, original, subject.golden, *others]
    like = replace(subject, schema=_with_label(subject.schema))
    ends = np.cumsum([len(part) for part in parts])
    value, rows, batches = 0.0, set[int](), set[str]()
    for nearness, entry in ((NEAR, near_texts), (EQUAL, _equal_texts)):
        table = pd.DataFrame(
            {c.name: _stacked(c, parts, subject.schema, entry) for c in like.schema.features}
        )
        trusted, first = table.iloc[ends[1] : ends[3]], table.iloc[ends[1] : ends[2]]
        scales = spreads(like, first)
        usual = np.split(copies(like, trusted, scales, nearness), [len(first)])
        if nearness == NEAR and np.mean(np.bincount(usual[0])[usual[0]] > 1) > CROWDED:
            continue
        groups = copies(like, table, scales, nearness)
        ours, gone, known = np.split(groups, ends[:2])
        again = np.isin(ours, np.setdiff1d(gone, known))
        beyond = again.sum() - _by_chance(len(ours), len(np.unique(gone)), usual, ours[again])
        if beyond > 0:
            value = max(value, float(beyond))
            rows.update(np.flatnonzero(again).tolist())
            batches.update(taken[BATCH][np.isin(gone, ours[again])])
    return value, tuple(sorted(rows)), sorted(batches)


def _by_chance(rows: int, taken: int, usual: Sequence[Ints], again: Ints) -> float:
    """Return how many of `rows` honest rows may repeat `taken` honest ones that are nowhere else.

    `usual` are the groups of copies in each table that no contributor writes, `again` those of the
    repeats. Pairs across tables are not counted: some keep their golden rows in the reference, too.
    """
    pairs = sum(int(np.sum(np.bincount(groups) == 2)) for groups in usual)
    of = sum(len(groups) * (len(groups) - 1) / 2 for groups in usual)
    # A few pairs may be missing by chance, so that none at all is no proof that there are none.
    pairs_at_most = pairs + CHANCE * np.sqrt(pairs + 1)
    expected = rows * taken * pairs_at_most / of
    # Rows of one group come together: its size counts squared in the spread of the number of rows.
    sizes = np.bincount(again)
    return float(expected + CHANCE * np.sqrt(expected * np.sum(sizes**2) / max(len(again), 1)))


def _with_label(schema: Schema) -> Schema:
    """Return `schema` with the label as a feature; texts are categories once they are in one form."""
    label = Kind.NUMERIC if schema.task is Task.REGRESSION else Kind.CATEGORICAL
    kinds = {Kind.TEXT: Kind.CATEGORICAL}
    features = (Column(c.name, kinds.get(c.kind, c.kind)) for c in schema.features)
    return replace(schema, features=(*features, Column(schema.label, label)))


def _stacked(
    column: Column, parts: list[pd.DataFrame], schema: Schema, said: Said
) -> "pd.Series[Any]":
    """Return a column of all `parts`, one below the other; missing where a part does not have it."""
    values = [part.get(column.name, pd.Series(np.nan, part.index)) for part in parts]
    if column.name == schema.label:
        return pd.Series(np.concatenate([_labels(schema, each) for each in values]))
    form = float if column.kind.is_number else object
    stacked = pd.Series(np.concatenate([each.to_numpy(dtype=form) for each in values]))
    texts = {each.name for each in schema.features if each.kind is Kind.TEXT}
    return said(stacked) if column.name in texts else stacked


def _equal_texts(texts: "pd.Series[Any]") -> "pd.Series[Any]":
    return texts.map(letters, na_action="ignore")


def _labels(schema: Schema, labels: "pd.Series[Any]") -> Floats | Ints:
    if schema.task is Task.REGRESSION:
        return pd.to_numeric(labels, errors="coerce").to_numpy(dtype=float)
    return schema.label_codes(labels)
