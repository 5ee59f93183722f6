"""Memory: a source that stays below notice in every batch, but not in all of them together.

Slow poison ("boiling frog", Rubinstein et al. 2009, "ANTIDOTE") is spread over batches so that none
of them shows it. Likelihoods of batches multiply, so what is kept of a batch is one small tally per
source.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from sluicegate.checks.statistics.calibration import Floats
from sluicegate.checks.statistics.disagreement import Tally, evidence_of
from sluicegate.checks.statistics.panel import by_both, panel_of
from sluicegate.checks.statistics.pulls import Pulled
from sluicegate.core import Feedback, Finding


@dataclass(frozen=True, eq=False)
class Heard:
    """What is kept of an earlier batch: its number, the tallies of champion and pool, and patterns."""

    batch: str
    champion: Tally
    pooled: Tally
    pulled: tuple[Pulled, ...] = ()


@dataclass(frozen=True)
class SourceMemory:
    """The sources whose labels over several batches contradict the champion and the peers.

    `sources.memory` is -log10 of a source's p-value, adjusted for all sources by a Bonferroni that
    gives each the share of the error budget that it has of the rows. The evidence is the mean of
    its evidence since each of the batches that it sent rows in, this one included. Since each mean
    of e-values is one, the limit means the same in every batch, however many there were; and since
    it asks "since when?", a source that was honest for long has no credit to spend (the e-detector
    of Shin, Ramdas & Rinaldo 2022, averaged). `earlier` holds the earlier batches, the oldest
    first. One finding per source beyond `reported`, and one in any case; rows are all its rows in
    this batch.

    >>> import pandas as pd
    >>> from sluicegate.core import Column, Kind, Schema, Task
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
    >>> x = np.tile([0.0, 1.0], 100)
    >>> who = np.where(np.arange(200) < 6, "dan", [f"c{i % 40}" for i in range(200)])
    >>> frame = pd.DataFrame({"x": x, "y": np.where(np.arange(200) < 3, 1 - x, x), "who": who})
    >>> scores = np.column_stack([0.9 - 0.8 * x, 0.1 + 0.8 * x])
    >>> batch = Feedback(schema, frame, scores, (), frame, None, {})
    >>> panel, _ = panel_of(batch, 30)
    >>> before = Heard("0001", panel.champion, panel.pooled)
    >>> [SourceMemory(earlier=(before,) * n)(batch)[0].value > 2 for n in (0, 4)]
    [False, True]
    """

    name: str = "sources"
    min_rows: int = 30
    earlier: tuple[Heard, ...] = ()
    reported: float = 1.0

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure `sources.memory`; None where this batch has no panel."""
        metric = "sources.memory"
        panel, refusal = panel_of(subject, self.min_rows)
        if panel is None:
            return (Finding(self.name, metric, None, detail=refusal),)
        now = Heard("this", panel.champion, panel.pooled)
        names = panel.champion.sources
        since = [_since(name, (*self.earlier, now)) for name in names]
        rows = np.array(
            [sum(h.champion.rows[i] for h, i in mine) for mine, _ in since], dtype=float
        )
        values = np.array([_mean(evidence) for _, evidence in since]) + np.log10(rows / rows.sum())
        # Rows without a source have no name to remember, and one batch alone is no memory.
        asked = [i for i, name in enumerate(names) if name and len(since[i][0]) > 1]
        where = {str(s): r for s, r in subject.sources.groupby(subject.sources).indices.items()}
        found = [
            Finding(
                self.name,
                metric,
                float(values[i]),
                rows=tuple(map(int, where[names[i]])),
                sources=(names[i],),
                detail=_told(names[i], *since[i]),
            )
            for i in sorted(asked, key=lambda i: -values[i])
            if values[i] > self.reported
        ]
        highest = max(0.0, *values[asked]) if asked else 0.0
        return tuple(found) or (Finding(self.name, metric, float(highest)),)


def _since(name: str, heard: Sequence[Heard]) -> tuple[list[tuple[Heard, int]], Floats]:
    """Return the batches with rows of `name`, and the evidence of each of them up to the last."""
    place = [(h, int(np.searchsorted(h.champion.sources, name))) for h in heard]
    mine = [(h, i) for h, i in place if h.champion.sources[i : i + 1] == (name,)]
    champion, pooled = (
        evidence_of(np.cumsum([getattr(h, by).likelihood[i] for h, i in mine[::-1]], axis=0))
        for by in ("champion", "pooled")
    )
    return mine, by_both(champion, pooled)[::-1]


def _mean(evidence: Floats) -> float:
    return float((logsumexp(evidence * np.log(10)) - np.log(len(evidence))) / np.log(10))


def _told(name: str, mine: list[tuple[Heard, int]], evidence: Floats) -> str:
    """Return the sentence about the stretch of batches that says most."""
    stretch = mine[int(evidence.argmax()) :]
    against, rows, expected = (
        sum(getattr(h.champion, what)[i] for h, i in stretch)
        for what in ("against", "rows", "expected")
    )
    others = ", ".join(h.batch for h, _ in stretch[:-1])
    return (
        f"{name}: {against} of {rows} labels contradict the champion ({expected:.0f} expected), "
        + (f"together with batches {others}" if others else "in this batch")
    )
