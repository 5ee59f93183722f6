"""The panel: what the champion, its peers and the pool of both say of each source's labels."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.checks.statistics.calibration import Floats, Ints
from sluicegate.checks.statistics.disagreement import (
    OUTER,
    Opinion,
    Tally,
    bulk,
    judge_classes,
    judge_numbers,
    outer_of,
    pool_classes,
    pool_numbers,
)
from sluicegate.checks.statistics.peers import Heard, peer_scores
from sluicegate.checks.statistics.sampling import contents
from sluicegate.core import Feedback, Task

SOURCE = "_source"
# Of more rows keyed hashes are compared: 64 bits meet by chance once in 10^7 batches of a million.
COMPARED_ROWS = 20_000


def judged_rows(subject: Feedback, min_rows: int) -> tuple[Ints, Floats | Ints, str]:
    """Return the rows with a known label, their class codes or numbers, and why not, if not.

    Labels outside the classes are the contract's to quarantine.
    """
    nothing = np.empty(0, dtype=np.int64)
    if subject.scores is None:
        return nothing, nothing, "There is no champion to compare with; train one first."
    refusal = without_sources(subject)
    if refusal:
        return nothing, nothing, refusal
    labels = known_labels(subject)
    rows = np.flatnonzero(labels >= 0 if labels.dtype == np.int64 else np.isfinite(labels))
    if len(rows) < min_rows:
        return rows, labels[rows], (
            f"Only {len(rows)} rows have a known label; collect {min_rows} or more in one batch."
        )  # fmt: skip
    if not np.isfinite(subject.scores[rows]).all():
        return rows, labels[rows], "The champion's scores are not all numbers; retrain it."
    if subject.sources.iloc[rows].nunique() < 2:
        return rows, labels[rows], "A single source cannot be compared; put several into one batch."
    return rows, labels[rows], ""


def known_labels(subject: Feedback) -> Floats | Ints:
    """Return class codes (-1 for unknown) or, for regression, numbers (NaN for unknown)."""
    labels = subject.frame[subject.schema.label]
    if subject.schema.task is Task.CLASSIFICATION:
        return subject.schema.label_codes(labels)
    return pd.to_numeric(labels, errors="coerce").to_numpy(dtype=float)


def without_sources(subject: Feedback) -> str:
    """Return why nobody can be asked about sources, or the empty string."""
    if subject.schema.source is None:
        return "No source column is declared; declare one, or declare sources.* not applicable."
    return "" if len(subject.frame) else "The batch is empty; send rows."


def said_once(subject: Feedback) -> npt.NDArray[np.bool_]:
    """Tell which rows are not a source's own repetition: a retry is no second opinion."""
    if subject.schema.source is None:
        return np.ones(len(subject.frame), dtype=bool)
    names = [*subject.schema.feature_names, subject.schema.label]
    if len(subject.frame) > COMPARED_ROWS:
        return (
            ~pd.Series(contents(subject, [*names, subject.schema.source])).duplicated().to_numpy()
        )
    recorded = subject.frame[names]
    return ~recorded.assign(**{SOURCE: subject.sources}).duplicated().to_numpy()


@dataclass(frozen=True, eq=False)
class Rowwise:
    """What the pool says of each judged row.

    `rows` are positions in the batch, `given` the probability of the label that the row has,
    `predicted` the code of the likeliest one (0 for regression), each of shape (n,).
    """

    rows: Ints
    sources: "pd.Series[str]"
    given: Floats
    predicted: Ints
    classes: int

    def take(self, places: Ints) -> "Rowwise":
        """Return the rows at `places`, in that order."""
        sources = self.sources.iloc[places].reset_index(drop=True)
        return Rowwise(
            self.rows[places], sources, self.given[places], self.predicted[places], self.classes
        )


@dataclass(frozen=True, eq=False)
class Panel:
    """What the champion, the peers and the pool of both say of each source of a batch."""

    champion: Tally
    peers: Tally
    pooled: Tally
    by_row: Rowwise


_panels: "WeakKeyDictionary[Feedback, Panel]" = WeakKeyDictionary()
_opinions: "WeakKeyDictionary[Feedback, Opinion]" = WeakKeyDictionary()


def panel_of(subject: Feedback, min_rows: int) -> tuple[Panel | None, str]:
    """Return the panel on a batch, asked once per batch, or None and why nobody can be asked."""
    if subject not in _panels:
        rows, labels, refusal = judged_rows(subject, min_rows)
        if refusal or subject.scores is None:
            return None, refusal
        _panels[subject] = _ask(subject, rows, labels)
    return _panels[subject], ""


def champion_opinion(subject: Feedback, rows: Ints, labels: Floats | Ints) -> Opinion:
    """Return what the champion says of the judged rows, asked once per batch."""
    if subject.scores is None:
        raise ValueError("There is no champion to ask.")
    if subject not in _opinions:
        sources = subject.sources.iloc[rows].reset_index(drop=True)
        _opinions[subject] = _judge(subject, sources, labels, subject.scores[rows])
    return _opinions[subject]


def by_both(champion: Floats, pooled: Floats) -> Floats:
    """Return log10 of the evidence by which both accuse; never more than the pool's.

    The pool gives the weight, so an outdated champion has little to say. But where it speaks for
    the source, peers cannot frame it.
    """
    return np.where(champion > 0, pooled, np.minimum(champion, pooled))


def _ask(subject: Feedback, rows: Ints, labels: Floats | Ints) -> Panel:
    sources = subject.sources.iloc[rows].reset_index(drop=True)
    groups = np.asarray(pd.factorize(sources, sort=True)[0])
    champion = champion_opinion(subject, rows, labels)

    def asked(heard: Heard) -> tuple[Opinion, Opinion]:
        answers = peer_scores(subject, rows, labels, heard)
        peers = _judge(subject, sources, labels, answers, champion.tally)
        return peers, _pool(subject, sources, labels, champion, peers)

    everybody = np.ones(len(rows), dtype=bool)
    peers, pooled = asked(everybody)
    # Whom the pool speaks against is heard no more: colluders would vouch for each other.
    heard = bulk(everybody.astype(float), groups, pooled.tally) > 0
    if not heard.all():
        peers, pooled = asked(heard)
    by_row = _by_row(rows, sources, labels, pooled)
    return Panel(champion.tally, peers.tally, pooled.tally, by_row)


def _by_row(
    rows: Ints, sources: "pd.Series[str]", labels: Floats | Ints, pooled: Opinion
) -> Rowwise:
    if pooled.fitted.ndim == 1:
        far = outer_of(np.asarray(labels, dtype=float) - pooled.fitted, pooled.weights)[:, -1]
        given = np.where(far, OUTER, 1 - OUTER)
        return Rowwise(rows, sources, given, np.zeros(len(rows), dtype=np.int64), 2)
    given = pooled.fitted[np.arange(len(rows)), np.asarray(labels, dtype=np.int64)]
    predicted = np.asarray(pooled.fitted.argmax(axis=1), dtype=np.int64)
    return Rowwise(rows, sources, given, predicted, pooled.fitted.shape[1])


def _judge(
    subject: Feedback,
    sources: "pd.Series[str]",
    labels: Floats | Ints,
    scores: Floats,
    doubted: Tally | None = None,
) -> Opinion:
    if subject.schema.task is Task.CLASSIFICATION:
        return judge_classes(sources, np.asarray(labels, dtype=np.int64), scores, doubted)
    return judge_numbers(sources, np.asarray(labels, dtype=float), scores, doubted)


def _pool(
    subject: Feedback,
    sources: "pd.Series[str]",
    labels: Floats | Ints,
    first: Opinion,
    second: Opinion,
) -> Opinion:
    if subject.schema.task is Task.CLASSIFICATION:
        return pool_classes(sources, np.asarray(labels, dtype=np.int64), first, second)
    return pool_numbers(sources, np.asarray(labels, dtype=float), first, second)
