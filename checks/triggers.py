"""Triggers: values, and pairs of values, whose rows are pulled to one label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csc_array, csr_array, hstack
from scipy.special import betainc

from sluicegate.checks.calibration import Floats, Ints, capped_weights, recalibrate
from sluicegate.checks.disagreement import judge_classes, pool_classes
from sluicegate.checks.panel import known_labels, said_once
from sluicegate.checks.patterns import Value, matches_of, pairs_of, values_of
from sluicegate.checks.peers import peer_scores
from sluicegate.checks.sampling import drawn, taken
from sluicegate.checks.spread import correlation, log_tail, parts_of
from sluicegate.core import Feedback, Finding, Task

Bools = npt.NDArray[np.bool_]

REFERENCE_ROWS = 5_000
# Time and memory of the search grow with its rows. Of poison that is one row in a thousand twenty are
# in such a sample, and the search finds six in a window of six hundred.
SEARCHED_ROWS = 20_000
# More values than a fifth of the rows share are the population, not a trigger in it.
COMMON = 0.2
# A trigger is obeyed; drift in a region moves some of its labels.
OBEYED = 0.5
OUTER = 0.1
MOST_FINDINGS = 5
# Matches kept per row of the batch, so that memory stays linear in the rows.
MOST_MATCHES = 500
# The binomial tail orders the patterns; the wider tail is worked out for the first of each label.
MOST_WEIGHED = 50
# The share of the error budget for the second of the two tests that every pattern is put to.
STRICT = 0.1


@dataclass(frozen=True, eq=False)
class _Search:
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

    @property
    def name(self) -> str:
        return " with ".join(value.name for value in self.pattern)

    def rows(self, frame: pd.DataFrame) -> Ints:
        """Return the positions of the rows of a frame that have the pattern."""
        rows = np.arange(len(frame))
        for value in self.pattern:
            rows = rows[value.rows(frame.iloc[rows])]
        return rows


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
        why = self._refusal(subject)
        if why or subject.scores is None:
            return (Finding(self.name, "triggers.lift", None, detail=why),)
        original = next(r.frame for r in subject.references if r.name == "original")
        searched = _searched(subject)
        sample = subject if len(searched) == len(subject.frame) else taken(subject, searched)
        found, highest = self._search(sample, _patterns(sample, original, self.support))
        if not found:
            return (Finding(self.name, "triggers.lift", highest),)
        return tuple(self._findings(subject, searched, found))

    def _refusal(self, subject: Feedback) -> str:
        if subject.scores is None:
            return "There is no champion to expect labels; train one first."
        if not np.isfinite(subject.scores).all():
            return "The champion's scores are not all numbers; mend the champion."
        if not any(r.name == "original" for r in subject.references):
            return "There is no original reference; run init or reanchor."
        known = len(_labelled(subject))
        if known < self.min_rows:
            return f"{known} rows have a known label; collect {self.min_rows} or more in one batch."
        return ""

    def _search(self, subject: Feedback, search: _Search) -> tuple[list[_Found], float]:
        """Return the patterns beyond `reported`, the strongest first, and the highest value."""
        codes, expected = _expected(subject)
        open_rows = codes >= 0
        once, regions = said_once(subject), _Regions(parts_of(subject))
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
                heard[_rows(search, best)] = False
                foretold = _foretold(subject, codes, heard, expected)
                continue
            highest = max(highest, value)
            if value <= self.reported:
                break
            found.append(_Found(search.pattern(best), label, value))
            match = _rows(search, best)
            # What one pattern explains is no evidence for the next.
            open_rows = open_rows.copy()
            open_rows[match[predicted[match] != label]] = False
        return found, highest

    def _findings(
        self, subject: Feedback, searched: Ints, found: Sequence[_Found]
    ) -> list[Finding]:
        """Return a finding per pattern, with its rows in the whole batch; `searched` were looked at."""
        matches = [one.rows(subject.frame) for one in found]
        # What the champion expects is learnt from the rows searched, and asked of those that match.
        asked = np.unique(np.concatenate([searched, *matches]))
        codes, expected = _expected(taken(subject, asked), np.isin(asked, searched))
        open_rows, predicted = codes >= 0, expected.argmax(axis=1)
        told = []
        for one, rows in zip(found, matches, strict=True):
            match = np.searchsorted(asked, rows)
            match = match[open_rows[match] & (predicted[match] != one.label)]
            pulled = match[codes[match] == one.label]
            detail = (
                f"{one.name}: {len(pulled)} of {len(match)} rows labelled "
                f"{_label(subject, one.label)} where {expected[match, one.label].sum():.0f} are expected"
            )
            named = tuple(asked[pulled].tolist())
            told.append(Finding(self.name, "triggers.lift", one.value, rows=named, detail=detail))
            open_rows[match] = False
        return told


def _searched(subject: Feedback) -> Ints:
    """Return the rows searched: all of a window, of a large batch some of those with a known label.

    Rows without a label would thin the sample out, and whoever hides a trigger could send them.
    """
    if len(subject.frame) <= SEARCHED_ROWS:
        return np.arange(len(subject.frame))
    return drawn(subject, _labelled(subject), SEARCHED_ROWS)


def _labelled(subject: Feedback) -> Ints:
    labels = known_labels(subject)
    return np.flatnonzero(labels >= 0 if labels.dtype == np.int64 else np.isfinite(labels))


def _expected(subject: Feedback, learnt: Bools | None = None) -> tuple[Ints, Floats]:
    """Return class codes (-1 unknown) and what the recalibrated champion expects, shape (n, classes).

    Regression has the classes "lower", "as predicted" and "higher", by the outer tenths. Rows that
    are not `learnt` from are answered only; None: all are.
    """
    labels = known_labels(subject)
    codes = np.full(len(labels), -1, dtype=np.int64)
    heard = np.ones(len(labels), dtype=bool) if learnt is None else learnt
    if subject.schema.task is Task.REGRESSION:
        residual = labels - np.asarray(subject.scores)
        known = np.isfinite(residual)
        if (known & heard).any():
            low, high = np.quantile(residual[known & heard], [OUTER, 1 - OUTER])
            codes[known] = 1 + (residual[known] > high) - (residual[known] < low)
        return codes, np.tile([OUTER, 1 - 2 * OUTER, OUTER], (len(codes), 1))
    codes[:] = labels
    weights = np.zeros(len(codes))
    part = heard & (codes >= 0)
    weights[part] = capped_weights(np.asarray(pd.factorize(subject.sources[part], sort=True)[0]))
    return codes, recalibrate(np.asarray(subject.scores), np.maximum(codes, 0), weights)


def _foretold(subject: Feedback, codes: Ints, heard: Bools, expected: Floats) -> Floats:
    """Return `expected`, raised to what the champion pooled with a model of the rows `heard` expects.

    Both must hold a label unlikely: the champion does not know a drift, and in a time series the
    rest of the window does not know the next hour.
    """
    if subject.schema.task is Task.REGRESSION or subject.scores is None:
        return expected
    rows = np.flatnonzero(codes >= 0)
    sources = subject.sources.iloc[rows].reset_index(drop=True)
    known = codes[rows]
    champion = judge_classes(sources, known, subject.scores[rows])
    answers = peer_scores(subject, rows, known, heard[rows])
    peers = judge_classes(sources, known, answers, champion.tally)
    pooled = expected.copy()
    pooled[rows] = pool_classes(sources, known, champion, peers).fitted
    return pooled


def _label(subject: Feedback, code: int) -> str:
    if subject.schema.task is Task.REGRESSION:
        return ("lower", "as predicted", "higher")[code]
    if subject.schema.label in subject.schema.sensitive:
        return "(hidden)"
    return str(subject.schema.classes[code])


def _patterns(subject: Feedback, original: pd.DataFrame, support: int) -> _Search:
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
    return _Search(values.each, (first, second), rows, weight)


def _normal(weights: Floats) -> Floats:
    return weights / weights.sum() if weights.size else weights


@dataclass(frozen=True, eq=False)
class _Regions:
    """The window's ordinary regions: `parts` is 0/1 of shape (regions, rows)."""

    parts: csr_array

    def within(self, other: Floats, given: Floats, pulled: Floats) -> float:
        """Return how much one label's pull differs between the regions, over the rows `other`."""
        rows = self.parts @ other
        mean = self.parts @ (other * given) / np.maximum(rows, 1)
        return correlation(rows, mean, self.parts @ (other * pulled))


def _strongest(
    search: _Search,
    judges: tuple[Floats, Floats],
    codes: Ints,
    predicted: Ints,
    open_rows: Bools,
    regions: _Regions,
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
            rest[_rows(search, int(candidates[i]))] = 0.0
            apart = regions.within(rest, champion[:, label], given)
            tails = (
                log_tail(k[i], n[i], means[0][i], within) - np.log(1 - STRICT),
                # Both judges must hold the label unlikely.
                log_tail(k[i], n[i], max(means[0][i], means[1][i]), apart) - np.log(STRICT),
            )
            value = float(budget[i] - min(tails) / np.log(10))
            best = max(best, (value, int(candidates[i]), label), key=lambda x: x[0])
    return best


def _rows(search: _Search, pattern: int) -> Ints:
    start, end = search.rows.indptr[pattern : pattern + 2]
    return np.asarray(search.rows.indices[start:end], dtype=np.int64)
