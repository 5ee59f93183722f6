"""Echo: labels that only repeat the champion's answers, a feedback loop in which it teaches itself.

A label copied from the champion agrees with it always, an honest one as often as the champion's
calibrated probability says: with a share e of copied labels, one that would agree with probability p
agrees with e + (1 - e) p. The values are log10 of an e-value of hostile shares against the best of
the tolerated ones (universal inference, Wasserman, Ramdas & Balakrishnan 2020).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logsumexp

from sluicegate.checks.sources import LIKELY
from sluicegate.checks.statistics.calibration import SMALLEST, Floats, Ints, recalibrate
from sluicegate.checks.statistics.disagreement import holm, together
from sluicegate.checks.statistics.panel import champion_opinion, judged_rows
from sluicegate.core import Feedback, Finding

# A window can be twice as easy as the golden set, which looks like half its labels copied. In one
# window a careful source errs less than the bulk, but the cases are as hard for it.
TOLERATED_BATCH = (0.0, 0.25, 0.5)
TOLERATED_SOURCE = (0.0, 0.25)
HOSTILE = (0.8, 0.9, 0.99)


@dataclass(frozen=True, eq=False)
class Agreement:
    """Per row its position, whether its label is the champion's answer, and the chance of that."""

    rows: Ints
    agrees: npt.NDArray[np.bool_]
    chance: Floats

    def told(self, who: str, part: npt.NDArray[np.bool_] | None = None) -> str:
        """Return one sentence on the rows of `who`."""
        agrees, chance = (x if part is None else x[part] for x in (self.agrees, self.chance))
        return (
            f"{who}: {int(agrees.sum())} of {len(agrees)} labels repeat the champion's answer "
            f"({chance.sum():.0f} expected)"
        )


@dataclass(frozen=True)
class Echo:
    """Labels that agree with the champion more often than its calibrated probabilities say.

    `echo.batch` looks at all labels, the champion calibrated on the golden set, which it has never
    learnt from. `echo.source` looks at each source, the champion calibrated on this window's bulk,
    so that a window that is easy for everybody accuses nobody, adjusted by Holm; `echo.sources` at
    all that do not stand out alone, together. Sculley et al. 2015, "Hidden technical debt in
    machine learning systems": direct feedback loops.

    >>> from sluicegate.core import Column, Kind, Schema, Task
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
    >>> rng = np.random.default_rng(0)
    >>> def made(rows):
    ...     p = rng.uniform(0.2, 0.8, rows)
    ...     who = [f"c{i % 20:02d}" for i in range(rows)]
    ...     return pd.DataFrame({"x": p, "y": (rng.random(rows) < p) * 1, "who": who})
    >>> golden, frame = made(500), made(500)
    >>> frame.loc[frame["who"].isin(["c00", "c10"]), "who"] = "bot"
    >>> frame.loc[frame["who"] == "bot", "y"] = (frame["x"] > 0.5) * 1
    >>> scores = [np.column_stack([1 - f["x"], f["x"]]) for f in (frame, golden)]
    >>> found = Echo()(Feedback(schema, frame, scores[0], (), golden, scores[1], {}))
    >>> [(f.metric, f.value > 2, f.sources) for f in found if f.sources]
    [('echo.source', True, ('bot',))]
    """

    name: str = "echo"
    min_rows: int = 30
    reported: float = 1.0

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure `echo.batch`, and where sources are declared the other two."""
        by_source = self._by_source(subject) if subject.schema.source is not None else ()
        return (self._batch(subject), *by_source)

    def _batch(self, subject: Feedback) -> Finding:
        seen = by_golden(subject, self.min_rows)
        if isinstance(seen, str):
            return Finding(self.name, "echo.batch", None, detail=seen)
        one_group = np.zeros(len(seen.rows), dtype=np.int64)
        value = float(evidence(seen, one_group, TOLERATED_BATCH)[0])
        if value <= self.reported:
            return Finding(self.name, "echo.batch", max(0.0, value))
        rows = tuple(seen.rows[seen.agrees].tolist())
        detail = seen.told("the whole batch")
        return Finding(self.name, "echo.batch", value, rows, detail=detail)

    def _by_source(self, subject: Feedback) -> tuple[Finding, ...]:
        rows, labels, refusal = judged_rows(subject, self.min_rows)
        if refusal or subject.scores is None:
            metrics = ("echo.source", "echo.sources")
            return tuple(Finding(self.name, metric, None, detail=refusal) for metric in metrics)
        codes = np.asarray(labels, dtype=np.int64)
        sources = subject.sources.iloc[rows].reset_index(drop=True)
        fitted = champion_opinion(subject, rows, labels).fitted
        seen = _agreement(rows, codes, subject.scores[rows], fitted)
        groups, names = pd.factorize(sources, sort=True)
        found = evidence(seen, np.asarray(groups, dtype=np.int64), TOLERATED_SOURCE)
        values = holm(found)
        alone = np.flatnonzero(values > self.reported)
        rest = np.flatnonzero(values <= self.reported)
        total, likely = together(found[rest])
        mine = rest[likely > LIKELY] if total > self.reported else rest[:0]
        return (
            *(self._named("source", float(values[i]), seen, groups, names, [i]) for i in alone),
            *(() if len(alone) else (Finding(self.name, "echo.source", values.max(initial=0.0)),)),
            self._named("sources", max(0.0, total), seen, groups, names, list(mine)),
        )

    def _named(
        self,
        metric: str,
        value: float,
        seen: Agreement,
        groups: Ints,
        names: "pd.Index[str]",
        which: list[int],
    ) -> Finding:
        where = np.isin(groups, which)
        entries = sorted(str(names[i]) for i in which if names[i])
        who = (
            (entries or ["rows without a source"])[0]
            if len(which) == 1
            else f"{len(which)} sources"
        )
        return Finding(
            self.name,
            f"echo.{metric}",
            value,
            rows=tuple(seen.rows[where].tolist()),
            sources=tuple(entries),
            detail=seen.told(who, where) if len(which) else "",
        )


def evidence(seen: Agreement, groups: Ints, tolerated: tuple[float, ...]) -> Floats:
    """Return log10 of each group's e-value that its labels were copied from the champion.

    >>> seen = Agreement(np.arange(60), np.arange(60) >= 0, np.full(60, 0.7))
    >>> evidence(seen, np.arange(60) // 30, TOLERATED_SOURCE).round(1)
    array([3., 3.])
    """
    p = np.clip(seen.chance, SMALLEST, 1 - SMALLEST)
    copied = np.array([*tolerated, *HOSTILE])[:, None]
    agree, differ = np.log(copied + (1 - copied) * p), np.log((1 - copied) * (1 - p))
    logs = np.where(seen.agrees, agree, differ)
    total = np.stack([np.bincount(groups, weights=row) for row in logs])
    best = total[: len(tolerated)].max(axis=0)
    hostile = logsumexp(total[len(tolerated) :], axis=0) - np.log(len(HOSTILE))
    return np.asarray((hostile - best) / np.log(10))


def by_golden(subject: Feedback, min_rows: int) -> Agreement | str:
    """Return each known label's agreement with the champion as the golden set calibrates it, or why not."""
    schema, scores, trusted = subject.schema, subject.scores, subject.golden_scores
    if scores is None or trusted is None or not len(trusted):
        return "There is no champion, or no golden set to calibrate it on; run init."
    codes = schema.label_codes(subject.frame[schema.label])
    golden = schema.label_codes(subject.golden[schema.label])
    rows = np.flatnonzero(codes >= 0)
    if len(rows) < min_rows:
        return f"Only {len(rows)} rows have a known label; collect {min_rows} or more in one batch."
    if not np.isfinite(scores[rows]).all() or not np.isfinite(trusted).all():
        return "The champion's scores are not all numbers; retrain it."
    # Rows of weight 0 are answered and not learnt from: only the golden set calibrates.
    weights = np.concatenate([(golden >= 0).astype(float), np.zeros(len(rows))])
    both = np.concatenate([trusted, scores[rows]])
    labels = np.concatenate([np.maximum(golden, 0), codes[rows]])
    fitted = recalibrate(both, labels, weights)[len(golden) :]
    return _agreement(rows, codes[rows], scores[rows], fitted)


def _agreement(rows: Ints, codes: Ints, scores: Floats, fitted: Floats) -> Agreement:
    answers = scores.argmax(axis=1)
    return Agreement(rows, codes == answers, fitted[np.arange(len(codes)), answers])
