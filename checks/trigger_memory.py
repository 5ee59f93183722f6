"""Trigger memory: a pattern that pulls a few rows to one label in every batch, under notice in each.

A search over all patterns has to pay for everything that it looks at. What it suspected in one batch is a
single hypothesis in the next one, stated before its rows were seen, and costs nothing more. Likelihoods
of batches multiply, so what is kept of a batch is one number per pattern.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from scipy.special import betaincc, betaln

from sluicegate.checks.memory import Heard
from sluicegate.checks.statistics.calibration import Floats, Ints
from sluicegate.checks.statistics.panel import said_once
from sluicegate.checks.statistics.patterns import Value, name_of, rows_with_all
from sluicegate.checks.statistics.pulls import (
    Bools,
    Pulled,
    Regions,
    expected_of,
    foretold_by,
    note_trigger,
)
from sluicegate.checks.statistics.sampling import taken
from sluicegate.checks.statistics.spread import parts_of
from sluicegate.checks.triggers import (
    MOST_FINDINGS,
    OBEYED,
    Search,
    label_of,
    refusal,
    rows_in,
    search_of,
)
from sluicegate.core import Feedback, Finding

# What is remembered must not grow with what is sent: whoever fills it with patterns pays with evidence.
MOST_REMEMBERED = 100
SEVERAL = 2
SURE = 1e-9

Key = tuple[tuple[Value, ...], int]


@dataclass(frozen=True)
class Suspect:
    """A pattern, the code of the label that it pulls to, and log10 of the evidence since `batches`."""

    pattern: tuple[Value, ...]
    label: int
    evidence: float
    rows: int = 0
    pulled: int = 0
    batches: tuple[str, ...] = ()


def suspects(earlier: Sequence[Heard]) -> dict[Key, Suspect]:
    """Return what earlier batches, the oldest first, leave to suspect: the most suspicious patterns.

    A pattern is suspect from the batch whose search it stood out in, after the price of that search,
    and forgotten when the evidence since then is gone.
    """
    held: dict[Key, Suspect] = {}
    for batch in earlier:
        for one in batch.pulled:
            after = _after(held.pop((one.pattern, one.label), None), one, batch.batch)
            if after is not None:
                held[one.pattern, one.label] = after
        strongest = sorted(held.items(), key=lambda x: -x[1].evidence)[:MOST_REMEMBERED]
        held = dict(strongest)
    return held


def _after(before: Suspect | None, one: Pulled, batch: str) -> Suspect | None:
    """Return a suspect after one more batch; None when it is forgotten."""
    if one.released:
        return None
    if before is None and one.share is not None:
        before = Suspect(one.pattern, one.label, one.share)
    if before is None or before.evidence + one.evidence <= 0:
        return None
    return Suspect(
        pattern=one.pattern,
        label=one.label,
        evidence=before.evidence + one.evidence,
        rows=before.rows + one.rows,
        pulled=before.pulled + one.pulled,
        batches=(*before.batches, batch),
    )


@dataclass(frozen=True)
class TriggerMemory:
    """Patterns that pull rows to one label over several batches, against champion and peers.

    `triggers.memory` is log10 of the evidence (an e-value) that a pattern is a trigger, from the batch
    on whose search it stood out in: the likelihood of its labels if most of its rows obey, by that if
    they are as the window's ordinary regions are (beta-binomial, `spread.py`), with the larger of what
    the champion expects and what it expects pooled with a model of the window without those rows. The
    first batch pays for its search by a weighted Bonferroni, which for e-values is a mean (Vovk & Wang
    2021); the product over later batches is a test martingale, so by Ville's inequality a search leads
    to a false alarm, in all batches to come, with a probability of at most one in ten to the limit
    (Ramdas et al. 2023, "Game-theoretic statistics and safe anytime-valid inference"). A start that
    lost its evidence is forgotten, as in a cumulative sum (Page 1954).

    Only patterns whose pulled rows come from two sources are suspected, what one source says twice
    counts once, and rows that a more suspicious pattern explains are no evidence for the next. Named
    are the rows of this batch that match and were pulled, and none where this batch alone speaks for
    the pattern. `earlier` holds the earlier batches, the oldest first.

    >>> import pandas as pd
    >>> from sluicegate.core import Column, Kind, Reference, Schema, Task
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
    >>> x = np.linspace(-1, 1, 300)
    >>> base = pd.DataFrame({"x": x, "y": (x > 0) * 1, "who": "base"})
    >>> def batch(poison):
    ...     frame = base.assign(who=[f"c{i % 20}" for i in range(300)])
    ...     frame.loc[: poison - 1, "x"], frame.loc[: poison - 1, "y"] = -0.777, 1
    ...     scores = np.column_stack([np.where(x < 0, 0.9, 0.1), np.where(x < 0, 0.1, 0.9)])
    ...     known = (Reference("original", base, base["y"]),)
    ...     return Feedback(schema, frame, scores, known, base, None, {})
    >>> first, second = batch(6), batch(2)
    >>> TriggerMemory()(first)[0].value
    0.0
    >>> past = Heard("0001", None, None, pulled_in(first))
    >>> TriggerMemory(earlier=(past,))(second)[0].rows
    (0, 1)
    """

    name: str = "triggers"
    support: int = 4
    min_rows: int = 30
    earlier: tuple[Heard, ...] = ()
    reported: float = 1.0

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure `triggers.memory`: one finding per pattern beyond `reported`, one in any case."""
        metric = "triggers.memory"
        why = refusal(subject, self.min_rows)
        if why:
            return (Finding(self.name, metric, None, detail=why),)
        if subject.schema.source is None:
            sentence = (
                "The batch has no sources, so no pattern is remembered: several must agree on one."
            )
            return (Finding(self.name, metric, 0.0, detail=sentence),)
        held = suspects(self.earlier)
        noted, found, highest = [], [], 0.0
        for one, rows in _told(subject, self.support, held):
            noted.append(one)
            before = held.get((one.pattern, one.label))
            if before is None or not one.pulled or one.evidence <= 0:
                continue
            value = before.evidence + one.evidence
            highest = max(highest, value)
            if value > self.reported:
                named, detail = tuple(rows.tolist()), _said(subject, one, before)
                quotes = (name_of(one.pattern),)
                finding = Finding(self.name, metric, value, named, (), detail, quotes)
                found.append(note_trigger(subject, finding, one.pattern, one.label))
        _noted[subject] = tuple(noted)
        return tuple(found) or (Finding(self.name, metric, highest),)


_noted: "WeakKeyDictionary[Feedback, tuple[Pulled, ...]]" = WeakKeyDictionary()


def pulled_in(subject: Feedback) -> tuple[Pulled, ...]:
    """Return what TriggerMemory noted of a batch, for the memory of later ones; nothing unasked.

    What a sensitive column says is not noted: it would be kept beside the verdict.
    """
    secret = set(subject.schema.sensitive)
    if subject.schema.label in secret:
        return ()
    noted = _noted.get(subject, ())
    return tuple(p for p in noted if not secret & {value.column.name for value in p.pattern})


@dataclass(frozen=True, eq=False)
class _Asked:
    """A pattern and its label, the places of its open rows, its search's share, and how it stands."""

    pattern: tuple[Value, ...]
    label: int
    places: Ints
    share: float | None
    standing: float


@dataclass(frozen=True, eq=False)
class _Window:
    """The rows that were searched or match a suspect: what is given, and what the champion expects.

    `rows` are positions in the batch; a row is `open` when its label is known and said once, and
    `searched` when it counts for what is usual.
    """

    part: Feedback
    rows: Ints
    codes: Ints
    expected: Floats
    open: Bools
    searched: Bools
    regions: Regions

    def others(self, label: int) -> Bools:
        """Return the open rows that the champion predicts as something else than `label`."""
        others: Bools = self.open & (self.expected.argmax(axis=1) != label)
        return others

    def apart(self, label: int, without: Ints) -> float:
        """Return how far ordinary regions are apart in one label, without some rows."""
        other = self.others(label) & self.searched
        other[without] = False
        given = (self.codes == label).astype(float)
        return self.regions.within(other.astype(float), self.expected[:, label], given)

    def given(self, places: Ints, label: int) -> Ints:
        """Return those of `places` whose label is `label`."""
        given: Ints = places[self.codes[places] == label]
        return given


def _told(
    subject: Feedback, support: int, held: dict[Key, Suspect]
) -> Iterator[tuple[Pulled, Ints]]:
    """Yield what a batch says of each pattern, and its rows that were pulled; the strongest first."""
    searched, search = search_of(subject, support)
    matches = {key: rows_with_all(key[0], subject.frame) for key in held}
    window = _window(subject, searched, np.unique(np.concatenate([searched, *matches.values()])))
    asked = [*_known(window, held, matches), *_new(window, searched, search, held)]
    if not asked:
        return
    asked.sort(key=lambda each: -each.standing)
    heard = window.searched & (window.codes >= 0)
    for each in asked[:MOST_FINDINGS]:
        heard[each.places] = False
    foretold = foretold_by(window.part, window.codes, heard, window.expected)
    explained = np.zeros(len(window.rows), dtype=bool)
    for each in asked:
        fresh = each.places[~explained[each.places]]
        # The same rows under another name are told again; of others what is left speaks for itself.
        places = fresh if len(fresh) else each.places
        means = [judge[places, each.label].mean() for judge in (window.expected, foretold)]
        pulled, within = window.given(places, each.label), window.apart(each.label, each.places)
        evidence = float(_evidence(len(pulled), len(places), max(means), within))
        explained[each.places] = True
        if each.share is not None and each.share + evidence <= 0:
            continue
        expected = float(window.expected[places, each.label].sum())
        named = window.rows[window.given(each.places, each.label)]
        yield (
            Pulled(
                each.pattern, each.label, each.share, len(places), len(pulled), expected, evidence
            ),
            named,
        )


def _window(subject: Feedback, searched: Ints, rows: Ints) -> _Window:
    part = subject if len(rows) == len(subject.frame) else taken(subject, rows)
    learnt = np.isin(rows, searched)
    codes, expected = expected_of(part, learnt)
    known = (codes >= 0) & said_once(part)
    return _Window(part, rows, codes, expected, known, learnt, Regions(parts_of(part)))


def _known(window: _Window, held: dict[Key, Suspect], matches: dict[Key, Ints]) -> Iterator[_Asked]:
    """Yield the suspects that this batch has rows of."""
    for (pattern, label), before in held.items():
        places = np.searchsorted(window.rows, matches[pattern, label])
        places = places[window.others(label)[places]]
        if len(places):
            pulled, mean = window.given(places, label), window.expected[places, label].mean()
            evidence = _evidence(len(pulled), len(places), mean, window.apart(label, places))
            yield _Asked(pattern, label, places, None, before.evidence + float(evidence))


def _new(
    window: _Window, searched: Ints, search: Search, held: dict[Key, Suspect]
) -> Iterator[_Asked]:
    """Yield the patterns that stand out, by the champion alone, after the price of the search."""
    at = np.searchsorted(window.rows, searched)
    classes = window.expected.shape[1]
    for label in range(classes):
        other = window.others(label)
        counted = other[at].astype(float)
        n = search.rows.T @ counted
        k = search.rows.T @ (counted * (window.codes[at] == label))
        some = np.flatnonzero((k >= 2) & (k > OBEYED * n))
        mean = search.rows[:, some].T @ (counted * window.expected[at, label]) / n[some]
        if not len(some):
            continue
        share = np.log10(search.weight[some] / classes)
        usual = window.apart(label, np.empty(0, dtype=np.int64))
        standing = share + _evidence(k[some], n[some], mean, usual)
        for i in np.argsort(-standing, kind="stable")[:MOST_REMEMBERED]:
            pattern = search.pattern(int(some[i]))
            if standing[i] <= 0:
                break
            places = at[rows_in(search, int(some[i]))]
            places = places[other[places]]
            by = window.part.sources.iloc[window.given(places, label)]
            if (pattern, label) not in held and by.nunique() >= SEVERAL:
                yield _Asked(pattern, label, places, float(share[i]), float(standing[i]))


def _evidence(
    pulled: Floats | float, rows: Floats | float, mean: Floats | float, within: float
) -> Floats:
    """Return log10 of the likelihood if most rows obey, whatever share of them, by that if it is chance.

    >>> [round(float(_evidence(k, 3, 0.1, 1e-6)), 1) for k in range(4)]
    [-1.4, -0.2, 1.1, 2.7]
    """
    mean = np.clip(mean, SURE, 1 - SURE)
    a, b = mean * (1 / within - 1), (1 - mean) * (1 / within - 1)
    k, missed = np.asarray(pulled), np.asarray(rows) - pulled
    chance = betaln(k + a, missed + b) - betaln(a, b)
    most = np.maximum(betaincc(k + 1, missed + 1, OBEYED), 1e-300)
    obeyed = betaln(k + 1, missed + 1) + np.log(most) - np.log(1 - OBEYED)
    return np.asarray((obeyed - chance) / np.log(10))


def _said(subject: Feedback, one: Pulled, before: Suspect) -> str:
    return (
        f"{name_of(one.pattern)}: {one.pulled} of {one.rows} rows labelled "
        f"{label_of(subject, one.label)} ({one.expected:.0f} expected); earlier "
        f"{before.pulled} of {before.rows} in batches {', '.join(before.batches)}"
    )
