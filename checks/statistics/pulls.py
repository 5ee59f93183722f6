"""Pulls: which label rows are expected to have, by the champion and by the rest of their window.

What the searches for patterns that pull labels have in common.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array

from sluicegate.checks.statistics.calibration import Floats, Ints, capped_weights, recalibrate
from sluicegate.checks.statistics.disagreement import judge_classes, pool_classes
from sluicegate.checks.statistics.panel import known_labels
from sluicegate.checks.statistics.patterns import Value
from sluicegate.checks.statistics.peers import peer_scores
from sluicegate.checks.statistics.sampling import drawn
from sluicegate.checks.statistics.spread import correlation
from sluicegate.core import Feedback, Finding, Task

Bools = npt.NDArray[np.bool_]

# Time and memory of the search grow with its rows. Of poison that is one row in a thousand twenty are
# in such a sample, and the search finds six in a window of six hundred.
SEARCHED_ROWS = 20_000
OUTER = 0.1


@dataclass(frozen=True)
class Pulled:
    """What one batch says of a pattern: of `rows` rows that the champion predicts otherwise, `pulled`
    have the label of that code, where `expected` are.

    `evidence` is log10 of an e-value. `share` is log10 of the share of the error budget that the
    pattern had in the batch's own search, None where it was suspected before. Where reviewers let
    its rows through although they are suspected, it is `released`.
    """

    pattern: tuple[Value, ...]
    label: int
    share: float | None
    rows: int
    pulled: int
    expected: float
    evidence: float
    released: bool = False


@dataclass(frozen=True)
class Trigger:
    """A pattern, and the code of the label that its rows are pulled to.

    Of a regression, `edge` is the residual from which on (or, of lower labels, down to which) a label
    was pulled.
    """

    pattern: tuple[Value, ...]
    label: int
    edge: float | None = None


_behind: "WeakKeyDictionary[Feedback, dict[Finding, Trigger]]" = WeakKeyDictionary()


def note_trigger(
    subject: Feedback, finding: Finding, pattern: tuple[Value, ...], label: int
) -> Finding:
    """Return the finding; which trigger it speaks of can be asked by `trigger_behind`."""
    edge = None
    if subject.schema.task is Task.REGRESSION and finding.rows:
        residual = (known_labels(subject) - np.asarray(subject.scores))[list(finding.rows)]
        edge = float(residual.min() if label else residual.max())
    _behind.setdefault(subject, {})[finding] = Trigger(pattern, label, edge)
    return finding


def trigger_behind(subject: Feedback, finding: Finding) -> Trigger | None:
    """Return the trigger that a finding about a batch speaks of, None for any other finding."""
    return _behind.get(subject, {}).get(finding)


@dataclass(frozen=True, eq=False)
class Regions:
    """The window's ordinary regions: `parts` is 0/1 of shape (regions, rows)."""

    parts: csr_array

    def within(self, other: Floats, given: Floats, pulled: Floats) -> float:
        """Return how much one label's pull differs between the regions, over the rows `other`."""
        rows = self.parts @ other
        mean = self.parts @ (other * given) / np.maximum(rows, 1)
        return correlation(rows, mean, self.parts @ (other * pulled))


def searched_rows(subject: Feedback) -> Ints:
    """Return the rows searched: all of a window, of a large batch some of those with a known label.

    Rows without a label would thin the sample out, and whoever hides a trigger could send them.
    """
    if len(subject.frame) <= SEARCHED_ROWS:
        return np.arange(len(subject.frame))
    return drawn(subject, labelled_rows(subject), SEARCHED_ROWS)


def labelled_rows(subject: Feedback) -> Ints:
    """Return the rows with a known label."""
    labels = known_labels(subject)
    return np.flatnonzero(labels >= 0 if labels.dtype == np.int64 else np.isfinite(labels))


def expected_of(subject: Feedback, learnt: Bools | None = None) -> tuple[Ints, Floats]:
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


def foretold_by(subject: Feedback, codes: Ints, heard: Bools, expected: Floats) -> Floats:
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
