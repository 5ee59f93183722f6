"""Novelty: values that the original reference has never shown."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.checks.statistics.summaries import categories, too_few_rows
from sluicegate.checks.statistics.two_sample import share_exceeds_by
from sluicegate.checks.statistics.words import words_of
from sluicegate.core import Feedback, Finding, Kind, Schema, Task
from sluicegate.core.schema import label_text

MOST_NAMED = 3


@dataclass(frozen=True)
class Watched:
    """A column whose new values count: unseen categories, or numbers beyond the range."""

    metric: str
    column: str
    kind: Kind
    secret: bool


@dataclass(frozen=True)
class Known:
    """What the reference lets expect of a column: `expected` of its `size` values would be new.

    Of categories, as many as it holds once: the Good-Turing estimate (Good 1953). Of texts, as many
    as are mostly of words that no other text holds. Of numbers, its extremes: a fresh value of the
    same distribution is beyond one with a chance of at most 1/(size + 1) (Wilks 1941).
    """

    rows: int
    size: int
    expected: int
    names: frozenset[str] = frozenset()
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class Seen:
    """Of a partition's present values: the rows that hold a new one, and the new categories."""

    rows: int
    size: int
    new: tuple[int, ...]
    names: frozenset[str] = frozenset()

    def merge(self, other: "Seen") -> "Seen":
        """Return the summary of both partitions together."""
        new = tuple(sorted(self.new + other.new))
        return Seen(self.rows + other.rows, self.size + other.size, new, self.names | other.names)


@dataclass(frozen=True)
class Novelty:
    """The share of unseen categories and of numbers beyond the observed range.

    `novelty.unseen.<column>` and `novelty.range.<column>` are by how much that share exceeds what
    the original reference lets expect (see Known), at least, 0 to 1, at a confidence of 1 - alpha
    over all columns (Newcombe 1998). The rows are those with a new value. A time is new only before
    the first known one, a text if half of its words are or more; booleans and a label of classes are
    left to other checks.

    >>> from sluicegate.core import Column, Reference
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("state", Kind.CATEGORICAL),), ("a", "b"))
    >>> old = pd.DataFrame({"state": ["NSW", "VIC"] * 500, "y": "a"})
    >>> new = pd.DataFrame({"state": ["NSW"] * 60 + ["XXX"] * 40, "y": "a"})
    >>> reference = Reference("original", old, old["y"])
    >>> (found,) = Novelty()(Feedback(schema, new, None, (reference,), old, None, {}))
    >>> print(found.metric, round(found.value, 2), found.rows[:2], found.detail)
    novelty.unseen.feature.state 0.26 (60, 61) 40 of 100 values of `state` are new to the original
    reference: 'XXX'.
    """

    name: str = "novelty"
    min_rows: int = 30
    alpha: float = 0.001

    def __call__(self, subject: Feedback) -> tuple[Finding, ...]:
        """Compare the batch with the original reference."""
        original = next((r.frame for r in subject.references if r.name == "original"), None)
        known = learn(subject.schema, pd.DataFrame() if original is None else original)
        return self.findings(subject.schema, summarise(subject.schema, subject.frame, known), known)

    def findings(
        self, schema: Schema, seen: Mapping[str, Seen], known: Mapping[str, Known]
    ) -> tuple[Finding, ...]:
        """Compare summaries, of a whole batch or of its merged partitions."""
        columns = list(watched(schema))
        alpha = self.alpha / max(1, len(columns))
        return tuple(
            self._compare(column, seen.get(column.metric), known.get(column.metric), alpha)
            for column in columns
        )

    def _compare(
        self, column: Watched, seen: Seen | None, known: Known | None, alpha: float
    ) -> Finding:
        metric = f"novelty.{column.metric}"
        if seen is None or known is None or (seen.size and not known.size):
            detail = (
                f"New values of `{column.column}` could not be counted: the batch or the original "
            )
            return Finding(self.name, metric, None, detail=f"{detail}reference lacks the column.")
        rows = min(seen.rows, known.rows)
        if rows < self.min_rows:
            detail = f"New values of `{column.column}`: {too_few_rows(rows, self.min_rows)}"
            return Finding(self.name, metric, None, detail=detail)
        value = share_exceeds_by(len(seen.new), seen.size, known.expected, known.size, alpha)
        quote = "" if column.secret else _named(seen.names)
        detail = (
            f"{len(seen.new)} of {seen.size} values of `{column.column}` {_how(column)} to the "
            f"original reference{quote}."
        )
        shown = detail if value > 0 else ""
        return Finding(self.name, metric, value, seen.new, (), shown, (quote,) if quote else ())


def watched(schema: Schema) -> Iterator[Watched]:
    """Yield the columns whose new values are counted."""
    for feature in schema.features:
        name, secret = feature.name, feature.name in schema.sensitive
        if feature.kind in (Kind.CATEGORICAL, Kind.TEXT):
            yield Watched(f"unseen.feature.{name}", name, feature.kind, secret)
        elif feature.kind in (Kind.NUMERIC, Kind.TIMESTAMP):
            yield Watched(f"range.feature.{name}", name, feature.kind, secret)
    if schema.task is Task.REGRESSION:
        yield Watched("range.label", schema.label, Kind.NUMERIC, schema.label in schema.sensitive)


def learn(schema: Schema, reference: pd.DataFrame) -> dict[str, Known]:
    """Summarise the reference by metric; a column it lacks is left out."""
    return {
        column.metric: _known(reference[column.column], column.kind)
        for column in watched(schema)
        if column.column in reference
    }


def summarise(schema: Schema, frame: pd.DataFrame, known: Mapping[str, Known]) -> dict[str, Seen]:
    """Summarise a partition by metric; its index holds the row positions."""
    return {
        column.metric: _seen(frame[column.column], column.kind, known[column.metric])
        for column in watched(schema)
        if column.column in frame and column.metric in known
    }


def merge(first: Mapping[str, Seen], second: Mapping[str, Seen]) -> dict[str, Seen]:
    """Return the summaries of two partitions together; what one of them lacks is left out."""
    return {metric: first[metric].merge(second[metric]) for metric in first if metric in second}


def _known(values: "pd.Series[Any]", kind: Kind) -> Known:
    if kind is Kind.CATEGORICAL:
        counts = categories(values).counts
        once = sum(count == 1 for count in counts.values())
        return Known(len(values), counts.total(), once, frozenset(counts))
    if kind is Kind.TEXT:
        return _known_texts(values)
    found = pd.to_numeric(values, errors="coerce").dropna()
    if found.empty:
        return Known(len(values), 0, 0)
    if kind is Kind.TIMESTAMP:
        return Known(len(values), len(found), 1, low=found.min())
    return Known(len(values), len(found), 2, low=found.min(), high=found.max())


def _seen(values: "pd.Series[Any]", kind: Kind, known: Known) -> Seen:
    if kind is Kind.CATEGORICAL:
        return _seen_categories(values, known)
    if kind is Kind.TEXT:
        return _seen_texts(values, known)
    found = pd.to_numeric(values, errors="coerce").dropna()
    beyond = found[(found < known.low) | (found > known.high)]
    return Seen(len(values), len(found), tuple(map(int, beyond.index)))


def _seen_categories(values: "pd.Series[Any]", known: Known) -> Seen:
    found = values.dropna()
    new = {value: label_text(value) for value in found.unique()}
    new = {value: text for value, text in new.items() if text not in known.names}
    rows = tuple(map(int, found.index[found.isin(list(new))]))
    return Seen(len(values), len(found), rows, frozenset(new.values()))


def _known_texts(values: "pd.Series[Any]") -> Known:
    texts = [set(words_of(text)) for text in values.dropna()]
    held = Counter(word for words in texts for word in words)
    once = sum(_mostly(words, lambda word: held[word] == 1) for words in texts)
    return Known(len(values), len(texts), once, frozenset(held))


def _seen_texts(values: "pd.Series[Any]", known: Known) -> Seen:
    found = values.dropna()
    new = [_mostly(set(words_of(text)), lambda word: word not in known.names) for text in found]
    return Seen(len(values), len(found), tuple(map(int, found.index[new])))


def _mostly(words: set[str], new: Callable[[str], bool]) -> bool:
    return 2 * sum(map(new, words)) >= max(1, len(words))


def _how(column: Watched) -> str:
    return "consist mostly of words new" if column.kind is Kind.TEXT else "are new"


def _named(names: frozenset[str]) -> str:
    """Name a few new categories, cut short: they are the contributors' words."""
    if not names:
        return ""
    more = ", ..." if len(names) > MOST_NAMED else ""
    return ": " + ", ".join(repr(name[:40]) for name in sorted(names)[:MOST_NAMED]) + more
