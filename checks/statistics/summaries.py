"""Summaries of a frame's columns, small enough to keep and mergeable across partitions.

A check that compares distributions needs of a partition only this: the sorted numbers of a numeric
column, the counts of a categorical one, the number of texts that hold each word. `merge` of two
partitions' summaries is the summary of both together, so a batch may be streamed or read on several
machines. Counts are compact; numbers are kept exactly (8 bytes a value), for an exact
Kolmogorov-Smirnov distance needs all of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.checks.statistics.words import words_of
from sluicegate.core import Column, Feedback, Kind, Schema, Task
from sluicegate.core.schema import PREDICTED, label_text

SECONDS_A_DAY = 86_400


@dataclass(frozen=True, eq=False)
class Numbers:
    """The present values of a numeric column, sorted, and the number of its rows."""

    values: npt.NDArray[np.float64]
    rows: int

    @property
    def size(self) -> int:
        """Return the number of present values."""
        return len(self.values)

    def merge(self, other: "Numbers") -> "Numbers":
        """Return the summary of both partitions together."""
        both = np.concatenate([self.values, other.values])
        return Numbers(np.sort(both, kind="stable"), self.rows + other.rows)


@dataclass(frozen=True, eq=False)
class Categories:
    """How often each category occurs, by its text, and the number of rows."""

    counts: Counter[str]
    rows: int

    @property
    def size(self) -> int:
        """Return the number of present values."""
        return self.counts.total()

    def merge(self, other: "Categories") -> "Categories":
        """Return the summary of both partitions together."""
        return Categories(self.counts + other.counts, self.rows + other.rows)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """How many texts hold each word, the number of texts, and the number of rows."""

    counts: Counter[str]
    size: int
    rows: int

    def merge(self, other: "Vocabulary") -> "Vocabulary":
        """Return the summary of both partitions together."""
        counts = self.counts + other.counts
        return Vocabulary(counts, self.size + other.size, self.rows + other.rows)


Summary = Numbers | Categories | Vocabulary


@dataclass(frozen=True)
class View:
    """One thing to compare: its name in metrics and in sentences, its column, and how it is read.

    `secret` says that its values must not be named.
    """

    name: str
    title: str
    column: str
    read: Callable[["pd.Series[Any]"], Summary]
    secret: bool


def numbers(values: "pd.Series[Any]") -> Numbers:
    """Summarise numbers; infinities are values, NaN and what is no number are missing.

    >>> numbers(pd.Series([3.0, None, 1.0])).values
    array([1., 3.])
    """
    found = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    return Numbers(np.sort(found[~np.isnan(found)]), len(values))


def categories(values: "pd.Series[Any]") -> Categories:
    """Count categories by their text, so that 3, 3.0 and "3" are one.

    >>> categories(pd.Series(["b", None, "a", "b"])).counts["b"]
    2
    """
    counts: Counter[str] = Counter()
    for value, count in values.value_counts(sort=False).items():
        counts[label_text(value)] += int(count)
    return Categories(+counts, len(values))


def views(schema: Schema) -> tuple[View, ...]:
    """Return everything that is compared: the features, the label, the champion's predictions.

    A text is compared by its length in characters and in words, and by the words it holds. A time is
    compared by its time of day (UTC): the calendar only moves forward, and every batch would differ
    from its reference.
    """
    secret = schema.label in schema.sensitive
    read = categories if schema.task is Task.CLASSIFICATION else numbers
    return (
        *(view for column in schema.features for view in _feature_views(schema, column)),
        View("label", f"the label `{schema.label}`", schema.label, read, secret),
        View("prediction", "the champion's prediction", PREDICTED, read, secret),
    )


def champion_answers(feedback: Feedback) -> "pd.Series[Any] | None":
    """Return the champion's answers, missing where a score is NaN; None without scores."""
    scores, schema = feedback.scores, feedback.schema
    if scores is None or schema.task is Task.REGRESSION:
        return None if scores is None else pd.Series(scores)
    classes = np.array([*map(label_text, schema.classes), None], dtype=object)
    unscored = np.isnan(scores).any(axis=1)
    return pd.Series(classes[np.where(unscored, len(schema.classes), scores.argmax(axis=1))])


def summarise(
    schema: Schema, frame: pd.DataFrame, predicted: "pd.Series[Any] | None"
) -> dict[str, Summary | None]:
    """Summarise a partition by view name; None where its column is absent."""
    columns = {PREDICTED: predicted}
    return {
        view.name: None if values is None else view.read(values)
        for view in views(schema)
        for values in [columns.get(view.column, frame.get(view.column))]
    }


def too_few_rows(rows: int, min_rows: int) -> str:
    """Return why so few rows are not measured, and the fix."""
    return (
        f"only {rows} rows; at least {min_rows} are needed: "
        "send larger batches or lower checks.min_rows."
    )


def merge(
    first: Mapping[str, Summary | None], second: Mapping[str, Summary | None]
) -> dict[str, Summary | None]:
    """Return the summaries of two partitions together; what one of them lacks is absent."""
    return {name: _merge(summary, second.get(name)) for name, summary in first.items()}


def _merge(first: Summary | None, second: Summary | None) -> Summary | None:
    if isinstance(first, Numbers) and isinstance(second, Numbers):
        return first.merge(second)
    if isinstance(first, Categories) and isinstance(second, Categories):
        return first.merge(second)
    if isinstance(first, Vocabulary) and isinstance(second, Vocabulary):
        return first.merge(second)
    return None


def _feature_views(schema: Schema, column: Column) -> Iterator[View]:
    name, secret = column.name, column.name in schema.sensitive
    metric, title = f"feature.{name}", f"`{name}`"
    match column.kind:
        case Kind.TEXT:
            length = f"the length of {title} in"
            yield View(f"{metric}.characters", f"{length} characters", name, _characters, secret)
            yield View(f"{metric}.words", f"{length} words", name, _words, secret)
            yield View(f"{metric}.vocabulary", f"the words of {title}", name, vocabulary, secret)
        case Kind.TIMESTAMP:
            yield View(metric, f"the time of day of {title}", name, _time_of_day, secret)
        case Kind.NUMERIC:
            yield View(metric, title, name, numbers, secret)
        case Kind.CATEGORICAL | Kind.BOOLEAN:
            yield View(metric, title, name, categories, secret)


def _characters(values: "pd.Series[Any]") -> Numbers:
    return numbers(values.map(lambda text: len(str(text)), na_action="ignore"))


def _words(values: "pd.Series[Any]") -> Numbers:
    return numbers(values.map(lambda text: len(str(text).split()), na_action="ignore"))


def vocabulary(values: "pd.Series[Any]") -> Vocabulary:
    """Count the texts that hold each word.

    >>> vocabulary(pd.Series(["call me, call", None, "Call!"])).counts["call"]
    2
    """
    texts = values.dropna()
    counts = Counter(word for text in texts for word in set(words_of(text)))
    return Vocabulary(counts, len(texts), len(values))


def _time_of_day(values: "pd.Series[Any]") -> Numbers:
    return numbers(pd.to_numeric(values, errors="coerce") % SECONDS_A_DAY)
