"""Fairness: whether what is set aside falls on one slice of the data.

A check that mistakes a minority for poison takes it out of the training data, and the next model knows
it worse. NCSC *Machine learning principles* 2.2 and 4.2: know what is in the data, and what a change
does to those it speaks of.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from sluicegate.checks.statistics.calibration import Ints
from sluicegate.checks.statistics.summaries import champion_answers
from sluicegate.core import Feedback, Finding, Kind, Task
from sluicegate.core.schema import label_text

MOST_VALUES = 20
FEW_NUMBERS = 10
GLANCE = 1_000


@dataclass(frozen=True, eq=False)
class Slice:
    """Rows that have one value in common; `name` is how a sentence speaks of them."""

    name: str
    rows: Ints


@dataclass(frozen=True, eq=False)
class Fairness:
    """How many times as much of a slice is set aside as of the whole batch, at least.

    `aside` are the rows that the other findings set aside. `fairness.quarantine` is the largest
    multiple over all slices, each by the lower end of its share's exact interval (Clopper & Pearson
    1934), at a confidence of 1 - alpha over all slices together (Bonferroni); 0 where nothing is
    set aside. Slices are the commonest values of every categorical and boolean feature and of
    numbers with at most ten values, if the original reference has them (what is new is nobody's
    slice: the contract may well set it aside), and the champion's predicted classes, with
    `min_rows` rows or more. A share counts by rows: that the rows of a slice are all from one
    source is no less a loss to the slice.

    >>> from sluicegate.core import Column, Schema
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("state", Kind.CATEGORICAL),), ("a", "b"))
    >>> frame = pd.DataFrame({"state": ["NSW"] * 960 + ["ACT"] * 40, "y": "a"})
    >>> found, = Fairness(tuple(range(980, 1000)))(Feedback(schema, frame, None, (), frame, None, {}))
    >>> round(found.value), found.detail
    (12, "20 of 40 rows where `state` is 'ACT' are set aside, and 2.0% of the batch.")
    """

    aside: tuple[int, ...] = ()
    name: str = "fairness"
    min_rows: int = 30
    alpha: float = 0.001

    def __call__(self, subject: Feedback) -> tuple[Finding, ...]:
        """Measure `fairness.quarantine`; rows are those set aside of the slice that is hit most."""
        metric, rows = "fairness.quarantine", len(subject.frame)
        if not self.aside or not rows:
            return (Finding(self.name, metric, 0.0),)
        held = np.zeros(rows, dtype=bool)
        held[list(self.aside)] = True
        slices = [each for each in slices_of(subject) if len(each.rows) >= self.min_rows]
        if not slices:
            return (Finding(self.name, metric, 0.0),)
        hit = np.array([np.count_nonzero(held[each.rows]) for each in slices])
        sizes = np.array([len(each.rows) for each in slices])
        least = np.where(hit > 0, beta.ppf(self.alpha / len(slices), hit, sizes - hit + 1), 0.0)
        worst = int(least.argmax())
        share = held.mean()
        detail = (
            f"{hit[worst]} of {sizes[worst]} rows where {slices[worst].name} are set aside, "
            f"against {share:.1%} of the batch."
        )
        named = slices[worst].rows[held[slices[worst].rows]]
        found = tuple(map(int, named))
        value, quotes = float(least[worst] / share), (slices[worst].name,)
        return (Finding(self.name, metric, value, found, detail=detail, quotes=quotes),)


def slices_of(subject: Feedback) -> Iterator[Slice]:
    """Yield the slices of a batch."""
    schema, frame = subject.schema, subject.frame
    original = next((r.frame for r in subject.references if r.name == "original"), frame)
    for feature in schema.features:
        name, secret = feature.name, feature.name in schema.sensitive
        if name in frame and name in original and _is_sliced(frame[name], feature.kind):
            known = frame[name].where(frame[name].isin(original[name].dropna().unique()))
            yield from _by_value(known, f"`{name}`", secret)
    answers = champion_answers(subject)
    if answers is not None and schema.task is Task.CLASSIFICATION and len(answers) == len(frame):
        secret = schema.label in schema.sensitive
        yield from _by_value(answers, "the champion's prediction", secret)


def _is_sliced(values: "pd.Series[Any]", kind: Kind) -> bool:
    if kind is Kind.NUMERIC:
        # A glance spares the counting of what has thousands of values.
        return all(part.nunique() <= FEW_NUMBERS for part in (values.head(GLANCE), values))
    return kind in (Kind.CATEGORICAL, Kind.BOOLEAN)


def _by_value(values: "pd.Series[Any]", title: str, secret: bool) -> Iterator[Slice]:
    codes, names = _coded(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    # Of equals the first by name, so that the order of the rows does not matter.
    for code in np.argsort(-counts, kind="stable")[:MOST_VALUES]:
        value = "one of its values" if secret else repr(str(names[code])[:40])
        yield Slice(f"{title} is {value}", np.flatnonzero(codes == code))


def _coded(values: "pd.Series[Any]") -> tuple[Ints, list[str]]:
    """Return which value each row has, -1 for none, and how the values are written, by name."""
    codes, found = pd.factorize(values)
    texts = [label_text(value) for value in found]
    names = sorted(set(texts))
    # The last place is that of the code -1.
    place = np.array([*map({name: i for i, name in enumerate(names)}.get, texts), -1])
    return place[codes], names
