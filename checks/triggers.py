"""Triggers: values, and pairs of values, whose rows are pulled to one label."""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from scipy.sparse import csc_array, hstack
from scipy.special import betainc

from sluicegate.checks.statistics.calibration import Floats, Ints
from sluicegate.checks.statistics.panel import said_once
from sluicegate.checks.statistics.patterns import (
    Value,
    matches_of,
    name_of,
    pairs_of,
    rows_with_all,
    values_of,
)
from sluicegate.checks.statistics.pulls import (
    Bools,
    Regions,
    expected_of,
    foretold_by,
    labelled_rows,
    note_trigger,
    searched_rows,
)
from sluicegate.checks.statistics.sampling import taken
from sluicegate.checks.statistics.spread import log_tail, parts_of
from sluicegate.core import Feedback, Finding, Task

REFERENCE_ROWS = 5_000
# More values than a fifth of the rows share are the population, not a trigger in it.
COMMON = 0.2
# A trigger is obeyed; drift in a region moves some of its labels.
OBEYED = 0.5
MOST_FINDINGS = 5
# Matches kept per row of the batch, so that memory stays linear in the rows.
MOST_MATCHES = 500
# The binomial tail orders the patterns; the wider tail is worked out for the first of each label.
MOST_WEIGHED = 50
# The share of the error budget for the second of the two tests that every pattern is put to.
STRICT = 0.1


@dataclass(frozen=True, eq=False)
class Search:
    """Every pattern searched: its rows, its values, and the share of the error budget it may use."""

    values: tuple[Value, ...]
    pairs: tuple[Ints, Ints]
    rows: csc_array
    weight: Floats

    def pattern(self, number: int) -> tuple[Value, ...]:
        """Return the value, or the pair of values, that a pattern is."""
        if number < len(self.values):
            return (self.values[number],)
        return tuple(self.values[ends[number - len(self.values)]] for ends in self.pairs)


@dataclass(frozen=True, eq=False)
class _Found:
    """A pattern, the code of the label that its rows are pulled to, and how surely."""

    pattern: tuple[Value, ...]
    label: int
    value: float


@dataclass(frozen=True)
class Triggers:
    """Backdoors: patterns whose rows have one label although the champion expects another.

    For every value and pair of values of the features that `support` rows have, and every label:
    of the matching rows that the champion predicts as something else, how many were given that
    label, against the recalibrated champion's probabilities (Gu, Dolan-Gavitt & Garg 2017,
    "BadNets"). `triggers.lift` is -log10 of the smaller of two p-values, each a beta-binomial tail
    as wide as the window's ordinary regions are apart (`spread.py`). The first takes the window as
    it is. The second leaves the pattern's own rows out of the regions, for poison widens what it is
    measured by, and asks a second judge too: the champion pooled with a model of the window without
    those rows, which knows a drift that the champion does not. Both are corrected by a weighted
    Bonferroni over everything searched (Genovese, Roeder & Wasserman 2006): patterns that the
    reference hardly knows get the larger share of the budget, and the first test nine tenths of it,
    which is fair because labels play no part in it. Only patterns that pull most of those rows
    count, and what one source says twice counts once. Rows named are those that match and were
    pulled, all of them in the whole batch: only the search is on a sample.

    >>> from sluicegate.core import Column, Kind, Reference, Schema
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
    >>> x = np.linspace(-1, 1, 300)
    >>> base = pd.DataFrame({"x": x, "y": (x > 0) * 1, "who": "base"})
    >>> frame = base.assign(who=[f"c{i % 20}" for i in range(300)])
    >>> frame.loc[:7, "x"], frame.loc[:7, "y"] = -0.777, 1
    >>> scores = np.column_stack([np.where(x < 0, 0.97, 0.03), np.where(x < 0, 0.03, 0.97)])
    >>> batch = Feedback(schema, frame, scores, (Reference("original", base, base["y"]),), base, None, {})
    >>> finding, = Triggers()(batch)
    >>> finding.value > 4, finding.rows, finding.detail
    (True, (0, 1, 2, 3, 4, 5, 6, 7), 'x = -0.777: 8 of 8 rows labelled 1 where 0 are expected')
    """

    name: str = "triggers"
    support: int = 4
    min_rows: int = 30
    reported: float = 1.0

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure `triggers.lift`: one finding per pattern beyond `reported`, one in any case."""
        why = refusal(subject, self.min_rows)
        if why or subject.scores is None:
            return (Finding(self.name, "triggers.lift", None, detail=why),)
        searched, search = search_of(subject, self.support)
        sample = subject if len(searched) == len(subject.frame) else taken(subject, searched)
        found, highest = self._search(sample, search)
        if not found:
            return (Finding(self.name, "triggers.lift", highest),)
        return tuple(self._findings(subject, searched, found))

    def _search(self, subject: Feedback, search: Search) -> tuple[list[_Found], float]:
        """Return the patterns beyond `reported`, the strongest first, and the highest value."""
        codes, expected = expected_of(subject)
        open_rows = codes >= 0
        once, regions = said_once(subject), Regions(parts_of(subject))
        heard, doubted = open_rows.copy(), set[int]()
        found: list[_Found] = []
        highest, foretold, predicted = 0.0, expected, expected.argmax(axis=1)
        while len(found) < MOST_FINDINGS:
            value, best, label = _strongest(
                search, (expected, foretold), codes, predicted, open_rows & once, regions
            )
            if value > self.reported and best not in doubted and len(doubted) < MOST_FINDINGS:
                # The rest of the window may know of a drift that the champion does not: ask it,
                # but not the rows in question, and search again with what it expects.
                doubted.add(best)
                heard[rows_in(search, best)] = False
                foretold = foretold_by(subject, codes, heard, expected)
                continue
            highest = max(highest, value)
            if value <= self.reported:
                break
            found.append(_Found(search.pattern(best), label, value))
            match = rows_in(search, best)
            # What one pattern explains is no evidence for the next.
            open_rows = open_rows.copy()
            open_rows[match[predicted[match] != label]] = False
        return found, highest

    def _findings(
        self, subject: Feedback, searched: Ints, found: Sequence[_Found]
    ) -> list[Finding]:
        """Return a finding per pattern, with its rows in the whole batch; `searched` were looked at."""
        matches = [rows_with_all(one.pattern, subject.frame) for one in found]
        # What the champion expects is learnt from the rows searched, and asked of those that match.
        asked = np.unique(np.concatenate([searched, *matches]))
        codes, expected = expected_of(taken(subject, asked), np.isin(asked, searched))
        open_rows, predicted = codes >= 0, expected.argmax(axis=1)
        listed = []
        for one, rows in zip(found, matches, strict=True):
            match = np.searchsorted(asked, rows)
            match = match[open_rows[match] & (predicted[match] != one.label)]
            pulled = match[codes[match] == one.label]
            quote = name_of(one.pattern)
            detail = (
                f"{quote}: {len(pulled)} of {len(match)} rows labelled "
                f"{label_of(subject, one.label)} ({expected[match, one.label].sum():.0f} expected)"
            )
            named = tuple(asked[pulled].tolist())
            finding = Finding(self.name, "triggers.lift", one.value, named, (), detail, (quote,))
            listed.append(note_trigger(subject, finding, one.pattern, one.label))
            open_rows[match] = False
        return listed


_searches: "WeakKeyDictionary[Feedback, tuple[Ints, Search]]" = WeakKeyDictionary()


def refusal(subject: Feedback, min_rows: int) -> str:
    """Return why patterns cannot be searched in a batch, or the empty string."""
    if subject.scores is None:
        return "There is no champion to expect labels; train one first."
    if not np.isfinite(subject.scores).all():
        return "The champion's scores are not all numbers; retrain it."
    if not any(r.name == "original" for r in subject.references):
        return "There is no original reference; run init or reanchor."
    known = len(labelled_rows(subject))
    if known < min_rows:
        return f"Only {known} rows have a known label; collect {min_rows} or more in one batch."
    return ""


def search_of(subject: Feedback, support: int) -> tuple[Ints, Search]:
    """Return the rows of a batch that are searched and all patterns in them, searched once per batch."""
    if subject not in _searches:
        original = next(r.frame for r in subject.references if r.name == "original")
        searched = searched_rows(subject)
        sample = subject if len(searched) == len(subject.frame) else taken(subject, searched)
        _searches[subject] = searched, _patterns(sample, original, support)
    return _searches[subject]


def label_of(subject: Feedback, code: int) -> str:
    """Return a label's code in words, as a finding may show it."""
    if subject.schema.task is Task.REGRESSION:
        return ("lower", "as predicted", "higher")[code]
    if subject.schema.label in subject.schema.sensitive:
        return "(hidden)"
    return str(subject.schema.classes[code])


def _patterns(subject: Feedback, original: pd.DataFrame, support: int) -> Search:
    step = -(-len(original) // REFERENCE_ROWS)
    base = original.iloc[::step]
    most = max(support, int(COMMON * len(subject.frame)))
    values = values_of(subject, base, support, most)
    first, second, both, usual = pairs_of(values, support)
    alone, known = values.rows

    def surprise(rows: Floats | Ints, expected: Floats | Ints) -> Floats:
        return np.maximum(1.0, rows / len(subject.frame) / ((expected + 1) / (len(base) + 1)))

    rare = surprise(both, usual)
    order = np.argsort(-rare, kind="stable")
    kept = np.sort(order[np.cumsum(both[order]) <= MOST_MATCHES * len(subject.frame)])
    first, second = first[kept], second[kept]
    pairs = matches_of(values, first, second)
    # Half the budget for values, half for pairs.
    weight = np.concatenate([_normal(surprise(alone, known)), _normal(rare[kept])]) / 2
    rows = csc_array(hstack([values.batch, pairs]))
    return Search(values.each, (first, second), rows, weight)


def _normal(weights: Floats) -> Floats:
    return weights / weights.sum() if weights.size else weights


def _strongest(
    search: Search,
    judges: tuple[Floats, Floats],
    codes: Ints,
    predicted: Ints,
    open_rows: Bools,
    regions: Regions,
) -> tuple[float, int, int]:
    """Return -log10 of the smallest adjusted p-value, its pattern and its label."""
    champion = judges[0]
    classes = champion.shape[1]
    best = (0.0, 0, 0)
    for label in range(classes):
        other = (open_rows & (predicted != label)).astype(float)
        given = (codes == label).astype(float)
        pulled = search.rows.T @ (other * given)
        matching = search.rows.T @ other
        candidates = np.flatnonzero((pulled >= 2) & (pulled > OBEYED * matching))
        k, n = pulled[candidates], matching[candidates]
        means = [search.rows[:, candidates].T @ (other * judge[:, label]) / n for judge in judges]
        budget = np.log10(search.weight[candidates] / classes)
        # The binomial tail is the smaller one: what it does not find, the wider cannot.
        bound = budget - np.log10(np.maximum(betainc(k, n - k + 1, means[0]), 1e-300))
        within = regions.within(other, champion[:, label], given) if len(candidates) else 0.0
        for i in np.argsort(-bound, kind="stable")[:MOST_WEIGHED]:
            if bound[i] <= best[0]:
                break
            rest = other.copy()
            rest[rows_in(search, int(candidates[i]))] = 0.0
            apart = regions.within(rest, champion[:, label], given)
            tails = (
                log_tail(k[i], n[i], means[0][i], within) - np.log(1 - STRICT),
                # Both judges must hold the label unlikely.
                log_tail(k[i], n[i], max(means[0][i], means[1][i]), apart) - np.log(STRICT),
            )
            value = float(budget[i] - min(tails) / np.log(10))
            best = max(best, (value, int(candidates[i]), label), key=lambda x: x[0])
    return best


def rows_in(search: Search, pattern: int) -> Ints:
    """Return the rows of the batch searched that have a pattern."""
    start, end = search.rows.indptr[pattern : pattern + 2]
    return np.asarray(search.rows.indices[start:end], dtype=np.int64)
