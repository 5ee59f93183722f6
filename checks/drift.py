"""Drift: how far a batch's features, label and predictions moved from what was accepted before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import nsmallest
from types import MappingProxyType

import numpy as np

from sluicegate.checks.statistics.stretches import wander
from sluicegate.checks.statistics.summaries import (
    Categories,
    Numbers,
    Summary,
    View,
    Vocabulary,
    champion_answers,
    summarise,
    too_few_rows,
    views,
)
from sluicegate.checks.statistics.two_sample import (
    NOTHING_TO_COMPARE,
    Comparison,
    Method,
    Table,
    categories_at_least,
    chi_square,
    kolmogorov_smirnov,
    numbers_at_least,
    share_moved_by,
    total_variation,
)
from sluicegate.core import Feedback, Finding, Reference, Schema

Summaries = Mapping[str, Summary | None]

NOTHING: Mapping[str, float] = MappingProxyType({})
MOST_CELLS = 100
FEWEST_IN_CELL = 5


@dataclass(frozen=True)
class Drift:
    """Covariate, label and prediction drift against each reference.

    `drift.effect.<reference>.<column>` is what the distance of the two distributions is at least,
    0 to 1: Kolmogorov-Smirnov for numbers, total variation for categories. Its confidence is
    1 - alpha over all columns and references together (Bonferroni), and it is less by no less than
    what stretches of the original reference, as long as the batch, are from the rest of it
    (`stretches.py`): rows that follow each other are alike. `drift.p.<reference>.<column>`
    is -log10 of the raw p-value, at most 45. Columns are `feature.<name>` (of a text
    `feature.<name>.characters`, `.words` and `.vocabulary`), `label` and
    `prediction`. The distance of two vocabularies is the largest change of the share of texts that
    hold a word.

    Missing values are left out here and measured by Missingness. A column with fewer than
    `min_rows` values is not measured, unless it is about as sparse on the other side; one without
    any value passes only where the other side has next to none either.

    >>> import pandas as pd
    >>> from sluicegate.core import Column, Kind, Reference, Task
    >>> schema = Schema(Task.REGRESSION, "y", (Column("age", Kind.NUMERIC),))
    >>> old = pd.DataFrame({"age": range(1000), "y": 0.0})
    >>> new = pd.DataFrame({"age": range(500, 1500), "y": 0.0})
    >>> reference = Reference("original", old, old["y"])
    >>> batch = Feedback(schema, new, None, (reference,), old, None, {})
    >>> for finding in Drift(method=Method.SCIPY)(batch)[:2]:
    ...     print(finding.metric, round(finding.value, 2))
    drift.effect.original.feature.age 0.36
    drift.p.original.feature.age 45.0
    """

    name: str = "drift"
    min_rows: int = 30
    method: Method = Method.AUTO
    alpha: float = 0.001

    def __call__(self, subject: Feedback) -> tuple[Finding, ...]:
        """Compare the batch with each of its references."""
        schema = subject.schema
        batch = summarise(schema, subject.frame, champion_answers(subject))
        # Before anything is admitted both references are the same rows.
        entries = {_rows_of(r): summarise(schema, r.frame, r.predicted) for r in _distinct(subject)}
        references = {r.name: entries[_rows_of(r)] for r in subject.references}
        original = [each for each in subject.references if each.name == "original"]
        wanders = wander(schema, original[0], len(subject.frame)) if original else {}
        return self.findings(schema, batch, references, wanders)

    def findings(
        self,
        schema: Schema,
        batch: Summaries,
        references: Mapping[str, Summaries],
        wanders: Mapping[str, float] = NOTHING,
    ) -> tuple[Finding, ...]:
        """Compare summaries, of a whole batch or of its merged partitions.

        `wanders` is how far stretches of the original reference are from the rest, by view.
        """
        alpha = self.alpha / max(1, len(views(schema)) * len(references))
        compared: dict[tuple[str, int], Moved] = {}
        return tuple(
            finding
            for name, reference in references.items()
            for view in views(schema)
            for finding in self._compare(
                view,
                batch.get(view.name),
                reference.get(view.name),
                name,
                alpha,
                wanders.get(view.name, 0.0),
                compared,
            )
        )

    def _compare(
        self,
        view: View,
        new: Summary | None,
        old: Summary | None,
        reference: str,
        alpha: float,
        wanders: float,
        compared: dict[tuple[str, int], "Moved"],
    ) -> Iterator[Finding]:
        effect, p = (f"drift.{kind}.{reference}.{view.name}" for kind in ("effect", "p"))
        why_not = _why_not(new, old, reference, self.min_rows, alpha)
        if why_not or new is None or old is None:
            detail = f"Drift of {view.title} was not measured: {why_not}"
            yield Finding(self.name, effect, None, detail=detail)
            yield Finding(self.name, p, None, detail=detail)
            return
        which = (view.name, id(old))
        if which not in compared:
            compared[which] = compare(old, new, self.method, alpha)
        moved = compared[which].beyond(wanders)
        most = "" if view.secret else moved.most
        detail = (
            f"Compared with the {reference} reference, {view.title} moved: {moved.words}{most}."
        )
        shown = detail if moved.at_least > 0 else ""
        quotes = (most,) if most else ()
        yield Finding(self.name, effect, moved.at_least, detail=shown, quotes=quotes)
        yield Finding(self.name, p, moved.test.log_p, detail=shown, quotes=quotes)


def _distinct(subject: Feedback) -> list[Reference]:
    return list({_rows_of(reference): reference for reference in subject.references}.values())


def _rows_of(reference: Reference) -> tuple[int, int]:
    return id(reference.frame), id(reference.predicted)


@dataclass(frozen=True)
class Moved:
    """How far one column moved; `most` names the category that moved most."""

    measure: str
    distance: float
    at_least: float
    test: Comparison
    most: str = ""
    wanders: float = 0.0

    @property
    def words(self) -> str:
        """Return the numbers as a reviewer reads them."""
        p = f"p {self.test.p:.0e}" if self.test.p > 0 else "p below 1e-45"
        own = f"; parts of the original differ by {self.wanders:.2f}" if self.wanders >= 0.1 else ""
        least = f"at least {self.at_least:.2f}{own}"
        return f"{self.measure} distance {self.distance:.2f} ({least}), {p}"

    def beyond(self, wanders: float) -> "Moved":
        """Return the same where stretches of the original wander so far without anything wrong."""
        least = max(0.0, min(self.at_least, self.distance - wanders))
        return replace(self, at_least=least, wanders=wanders)


def compare(old: Summary, new: Summary, method: Method, alpha: float) -> Moved:
    """Compare two summaries of the same column.

    Raises TypeError when they are of different kinds.
    """
    sizes = (old.size, new.size)
    if isinstance(old, Numbers) and isinstance(new, Numbers):
        test = kolmogorov_smirnov(old.values, new.values, method)
        at_least = numbers_at_least(test.statistic, sizes, alpha)
        return Moved("Kolmogorov-Smirnov", test.statistic, at_least, test)
    if isinstance(old, Categories) and isinstance(new, Categories):
        names, table = cells(old, new)
        distance = total_variation(table)
        at_least = categories_at_least(distance, len(names), sizes, alpha)
        test = chi_square(table, method)
        return Moved("total variation", distance, at_least, test, _moved_most(names, table))
    if isinstance(old, Vocabulary) and isinstance(new, Vocabulary):
        return _words_moved(old, new, method, alpha)
    raise TypeError("Summaries of different kinds cannot be compared.")


def _words_moved(old: Vocabulary, new: Vocabulary, method: Method, alpha: float) -> Moved:
    """Compare the share of texts that hold a word, over all words that are common on a side."""
    words = _common(old, new)
    if not words:
        return Moved("share of texts", 0.0, 0.0, NOTHING_TO_COMPARE)
    sides = [(side.counts, max(1, side.size)) for side in (old, new)]
    shares = {word: [counts[word] / size for counts, size in sides] for word in words}
    most = max(words, key=lambda word: abs(shares[word][1] - shares[word][0]))
    held = [(counts[most], size) for counts, size in sides]
    # Corrected for the words it was chosen among (Bonferroni).
    at_least = share_moved_by(*held[1], *held[0], alpha / len(words))
    test = chi_square(np.array([[part, whole - part] for part, whole in held]), method)
    corrected = Comparison(test.statistic, min(1.0, test.p * len(words)))
    before, now = shares[most]
    sentence = f"; most of all {most[:40]!r}, from {before:.1%} to {now:.1%} of the texts"
    return Moved("share of texts", abs(now - before), at_least, corrected, sentence)


def _common(old: Categories | Vocabulary, new: Categories | Vocabulary) -> list[str]:
    """Return the at most MOST_CELLS commonest names that are not rare on both sides."""
    sides = [(side.counts, max(1, side.size)) for side in (old, new)]
    common = {
        name: max(counts[name] / size for counts, size in sides)
        for name in old.counts | new.counts
        if max(old.counts[name], new.counts[name]) >= FEWEST_IN_CELL
    }
    return sorted(nsmallest(MOST_CELLS, common, key=lambda name: (-common[name], name)))


def cells(old: Categories, new: Categories) -> tuple[list[str | None], Table]:
    """Return the categories to compare, None for all others, and their counts, shape (2, cells).

    The others are those with fewer than five rows on both sides, where the chi-square
    approximation fails (Cochran 1954), and all beyond the hundred with the largest share of a
    side. Pooling can only hide drift, never make it: total variation falls when cells are joined.

    >>> from collections import Counter
    >>> one, two = Counter(a=60, b=39, x=1), Counter(a=20, b=77, y=3)
    >>> cells(Categories(one, 100), Categories(two, 100))
    (['a', 'b', None], array([[60, 39,  1], [20, 77,  3]]))
    """
    kept = _common(old, new)
    names: list[str | None] = [*kept]
    table = [[side.counts[name] for name in kept] for side in (old, new)]
    others = [side.size - sum(row) for side, row in zip((old, new), table, strict=True)]
    if any(others) or not kept:
        names.append(None)
        table = [[*row, other] for row, other in zip(table, others, strict=True)]
    return names, np.array(table, dtype=np.int64)


def _moved_most(names: list[str | None], table: Table) -> str:
    shares = table / np.maximum(1, table.sum(axis=1, keepdims=True))
    most = int(np.abs(shares[1] - shares[0]).argmax())
    name = names[most]
    which = "the rare categories together" if name is None else repr(name[:40])
    return f"; most of all {which}, from {shares[0, most]:.1%} to {shares[1, most]:.1%}"


def _why_not(
    new: Summary | None, old: Summary | None, reference: str, min_rows: int, alpha: float
) -> str:
    if new is None or old is None:
        return f"it is absent from the {'batch' if new is None else f'{reference} reference'}."
    for side, where in ((new, "the batch"), (old, f"the {reference} reference")):
        if side.rows < min_rows:
            return f"{where} has {too_few_rows(side.rows, min_rows)}"
    fewer, more = sorted((new.size, old.size))
    missing = (new.rows - new.size, new.rows, old.rows - old.size, old.rows)
    vanished = fewer == 0 and more >= min_rows
    if vanished or (fewer < min_rows and share_moved_by(*missing, alpha) > 0):
        return (
            f"the batch has {new.size} values in {new.rows} rows, the {reference} reference "
            f"{old.size} in {old.rows}; each side needs at least {min_rows}."
        )
    return ""
