"""Heterogeneity: whether who sent a row tells more of its label than chance allows.

Drift is shared by everybody, and so is an outdated champion. Insiders who each flip a few labels, all
over or in one slice, are seen by nobody's own rows, but their wrong labels keep company: two rows of
one source are wrong together more often than two rows of different sources.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.stats import pearson3, skew

from sluicegate.checks.statistics.calibration import Floats, Ints
from sluicegate.checks.statistics.disagreement import holm
from sluicegate.checks.statistics.panel import Panel, Rowwise, by_both, panel_of, said_once
from sluicegate.checks.statistics.spread import regions_of
from sluicegate.core import Feedback, Finding

# Moments, not ranks, of the permutations are used: a few hundred are enough for small p-values.
PERMUTATIONS, FEWEST_PERMUTATIONS = 200, 50
# Cells permuted at the most, so that wide and long batches end in seconds.
MOST_CELLS = 20_000_000
SAMPLED_ROWS = 5_000
# One label that nobody expects says no more than this: it may be a slip.
MOST_SURPRISE = 10.0
LEAST_SURPRISE = 1e-3
# Pairs grow with the square of a source's rows: the largest would speak for all.
DAMPING = 0.1
FIFTHS = 5
# With fewer a few pairs decide, and the moments of permutations say little of the tail.
PART_ROWS, PAIRED_SOURCES, SURPRISES = 40, 5, 10
PART_SHARE = 0.5
STANDS_OUT = 2.0
DIGITS = 9


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of the batch: what it is called, and its rows as positions in the panel."""

    name: str
    rows: Ints


@dataclass(frozen=True)
class Heterogeneity:
    """Sources that are wrong together: in the whole batch, or in one part of the data.

    Of each row: by how much its label, given what champion and peers expect, speaks for a flip (the
    score of Dawid & Skene 1979 at no flips), less the mean of its part and predicted class, so that
    drift in a region is nobody's. The statistic adds the products of all pairs of rows of the same
    source, the score test for a random effect of the source (Lin 1997), without the source that
    adds most: one sloppy labeller is not many. `sources.heterogeneity` is -log10 of the smallest
    p-value, from the moments of permutations within predicted classes (Winkler et al. 2016), half
    of the error budget for the whole and half for the parts (fifths of numbers, values of others).
    It pauses and names rows that stand out, for which of them are hostile is a human's to say.
    Sources that champion and peers accuse beyond `accused` are dealt with and left out.

    >>> from sluicegate.core import Column, Kind, Schema, Task
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
    >>> x = np.tile([0.0, 1.0], 300)
    >>> who = np.arange(600) // 2 % 60
    >>> wrong = (who < 20) & (np.arange(600) % 4 < 1)
    >>> frame = pd.DataFrame({"x": x, "y": np.where(wrong, 1 - x, x), "who": [f"c{w}" for w in who]})
    >>> frame["x"] += np.arange(600) / 6000
    >>> scores = np.column_stack([0.95 - 0.9 * (x > 0.5), 0.05 + 0.9 * (x > 0.5)])
    >>> found, = Heterogeneity()(Feedback(schema, frame, scores, (), frame, None, {}))
    >>> found.value > 3
    True
    """

    name: str = "sources"
    min_rows: int = 30
    reported: float = 1.0
    accused: float = inf

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure `sources.heterogeneity`; None where nobody can be asked."""
        panel, refusal = panel_of(subject, self.min_rows)
        if panel is None:
            return (Finding(self.name, "sources.heterogeneity", None, detail=refusal),)
        return (self._finding(subject, panel),)

    def _finding(self, subject: Feedback, panel: Panel) -> Finding:
        evidence = holm(by_both(panel.champion.evidence, panel.pooled.evidence))
        guilty = {
            name
            for name, value in zip(panel.champion.sources, evidence, strict=True)
            if value > self.accused
        }
        metric, result = "sources.heterogeneity", _sampled(subject, panel.by_row, guilty)
        everything, *parts = _parts(subject, result)
        rng = np.random.default_rng(0)
        cells = len(result.rows) * max(1, len(subject.schema.features))
        count = int(np.clip(MOST_CELLS // cells, FEWEST_PERMUTATIONS, PERMUTATIONS))
        whole = _evidence(result, everything.rows, count, rng) - np.log10(2)
        budget = np.log10(2 * max(1, len(parts)))
        listed = [_evidence(result, part.rows, count, rng) - budget for part in parts]
        value, part = max(
            [(whole, everything), *zip(listed, parts, strict=True)], key=lambda x: x[0]
        )
        if value <= self.reported:
            return Finding(self.name, metric, max(0.0, value))
        rows, names = _standing_out(result, part.rows)
        detail = (
            f"Labels in {part.name} are wrong by source, not at random: {len(rows)} unlikely labels "
            f"come from {len(names)} of {result.sources.iloc[part.rows].nunique()} sources."
        )
        return Finding(self.name, metric, value, tuple(sorted(rows)), (), detail, (part.name,))


def _sampled(subject: Feedback, said: Rowwise, guilty: Collection[str]) -> Rowwise:
    """Return what was said of each row once, in an order of its own, of a bounded number of rows.

    Sources are taken whole, for only rows of the same source make a pair. Rows without a source are
    nobody's pairs.
    """
    use = said_once(subject)[said.rows] & ~said.sources.isin(["", *guilty]).to_numpy()
    names, given = said.sources.to_numpy(dtype=object), said.given.round(DIGITS)
    if use.sum() > SAMPLED_ROWS:
        # Salted with the batch itself, which none of its sources knows in advance.
        salt = str(float(np.sort(given[use]).sum()))
        drawn = pd.util.hash_array(names + salt)
        use &= drawn <= np.partition(drawn[use], SAMPLED_ROWS)[SAMPLED_ROWS]
    kept = np.flatnonzero(use)
    who = np.asarray(pd.factorize(names[kept], sort=True)[0])
    order = np.lexsort((who, given[kept], said.predicted[kept]))
    return said.take(kept[order])


def _parts(subject: Feedback, said: Rowwise) -> Iterator[_Part]:
    """Yield the whole batch, then its parts that some rows are in."""
    yield _Part("the batch", np.arange(len(said.rows)))
    regions = regions_of(subject, FIFTHS, said.rows)
    classes = [np.flatnonzero(said.predicted == code) for code in range(said.classes)]
    named = [f"rows predicted {label}" for label in subject.schema.classes]
    for name, mine in [*zip(named, classes, strict=False), *regions]:
        if PART_ROWS <= len(mine) <= PART_SHARE * len(said.rows):
            yield _Part(name, np.sort(mine))


def _evidence(said: Rowwise, rows: Ints, count: int, rng: np.random.Generator) -> float:
    """Return -log10 of the chance that wrong labels keep company with their sources as they do."""
    groups = np.asarray(pd.factorize(said.sources.iloc[rows])[0])
    sizes = np.bincount(groups) if len(groups) else np.empty(0, dtype=np.int64)
    if np.count_nonzero(sizes > 1) < PAIRED_SOURCES:
        return 0.0
    surprise = _surprise(said, rows)
    if np.count_nonzero(surprise > 0) < SURPRISES:
        return 0.0
    strata = [np.flatnonzero(said.predicted[rows] == c) for c in np.unique(said.predicted[rows])]
    drawn = np.repeat(surprise[:, None], count + 1, axis=1)
    for stratum in strata:
        drawn[stratum, 1:] = rng.permuted(drawn[stratum, 1:], axis=0)
    by_source = csr_array(
        (np.ones(len(rows)), (groups, np.arange(len(rows)))), shape=(len(sizes), len(rows))
    )
    pairs = (by_source @ drawn) ** 2 - by_source @ drawn**2
    pairs /= (1 + DAMPING * sizes)[:, None]
    found, *chance = pairs.sum(axis=0) - pairs.max(axis=0)
    return _log_tail(float(found), np.array(chance))


def _surprise(said: Rowwise, rows: Ints) -> Floats:
    """Return how much each label speaks for a flip, less the mean of its predicted class here."""
    given = np.clip(said.given[rows], LEAST_SURPRISE, 1.0)
    score = np.minimum(((1 - given) / (said.classes - 1) - given) / given, MOST_SURPRISE)
    for predicted in np.unique(said.predicted[rows]):
        mine = said.predicted[rows] == predicted
        score[mine] -= score[mine].mean()
    return np.asarray(score)


def _log_tail(found: float, chance: Floats) -> float:
    spread = float(chance.std())
    if spread <= 1e-9:
        return 0.0
    bend = max(float(skew(chance)), 0.05)
    tail = pearson3.logsf((found - float(chance.mean())) / spread, bend)
    return float(max(0.0, -tail / np.log(10)))


def _standing_out(said: Rowwise, rows: Ints) -> tuple[list[int], list[str]]:
    """Return the surprising rows of the sources that are worse than chance, and their names."""
    surprise = _surprise(said, rows)
    sources = said.sources.iloc[rows].reset_index(drop=True)
    total = pd.Series(surprise).groupby(sources).agg(["sum", "size"])
    worse = total["sum"] > STANDS_OUT * surprise.std() * np.sqrt(total["size"])
    names = sorted(total.index[worse])
    mine = sources.isin(names).to_numpy() & (surprise > 0)
    return said.rows[rows][mine].tolist(), names
