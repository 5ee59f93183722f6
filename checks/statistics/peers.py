"""The peers' opinion: a model of everybody else's labels in the same window.

Where the champion is out of date the peers are not; where the window is small the champion knows
more. Cross-fitted by source, so that no source can vouch for itself.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from sluicegate.checks.statistics.calibration import Floats, Ints, capped_weights
from sluicegate.checks.statistics.sampling import drawn
from sluicegate.checks.statistics.words import dense
from sluicegate.core import Feedback, Kind, Task

FOLDS = 4
# Only the fit is on a sample: every row is still judged.
FITTED_ROWS = 5_000
TREES = 80
# Small trees need few thresholds, and few values in the tails cannot be told apart one by one.
BINS = 32
# A thirty-second of these is enough to place a threshold.
BINNED_ROWS = 20_000

Heard = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.float32]


def peer_scores(
    subject: Feedback, rows: Ints, labels: Floats | Ints, heard: Heard | None = None
) -> Floats:
    """Return the peers' answer for each of `rows`, in the form of the champion's scores.

    `labels` are the rows' class codes or numbers. The peers see the features and the champion's
    scores, so they start from what it knows and learn where it no longer holds. Rows that are not
    `heard` are answered but not learnt from, so that colluders cannot vouch for each other. Needs
    two sources or more.
    """
    if subject.scores is None:
        raise ValueError("The peers start from the champion's scores; there are none.")
    scores = subject.scores[rows].reshape(len(rows), -1)
    sources = subject.sources.iloc[rows].reset_index(drop=True)
    inputs = _inputs(subject, rows, _logs(scores, subject.schema.task))
    groups = np.asarray(pd.factorize(sources, sort=True)[0])
    folds = _folds(groups, subject.key)
    order = _canonical_order(inputs, labels, groups)
    if heard is not None:
        order = order[heard[order]]
    answers = np.array(scores, dtype=float)
    for fold in range(FOLDS):
        others = order[folds[order] != fold][:FITTED_ROWS]
        mine = np.flatnonzero(folds == fold)
        if mine.size and others.size:
            weights = capped_weights(groups[others])
            answers[mine] = _answers(
                subject.schema.task, inputs[others], labels[others], weights, inputs[mine], answers
            )
    return answers.reshape(subject.scores[rows].shape)


def _folds(groups: Ints, key: bytes) -> Ints:
    """Return each row's fold: sources are dealt out by size, so folds are of like weight.

    Of each hand of like size the key decides who is dealt which fold: colluders would otherwise
    choose sizes by which they sit in different folds and vouch for each other.
    """
    counts = np.bincount(groups)
    rng = np.random.default_rng([*key])
    hands = -(-len(counts) // FOLDS)
    dealt = np.empty(len(counts), dtype=np.int64)
    drawn = np.concatenate([rng.permutation(FOLDS) for _ in range(hands)])
    dealt[np.argsort(-counts, kind="stable")] = drawn[: len(counts)]
    return dealt[groups]


def _inputs(subject: Feedback, rows: Ints, said: Floats) -> Floats:
    """Return the features and what the champion said as the learner sees them; shape (rows, inputs)."""
    part = np.searchsorted(rows, drawn(subject, rows, BINNED_ROWS))
    columns = list(_columns(subject, rows, part)) + [_binned(one, part) for one in said.T]
    return np.array(columns, dtype=float).T


def _columns(subject: Feedback, rows: Ints, part: Ints) -> Iterator[Floats | Codes]:
    for column in sorted(subject.schema.features, key=lambda c: c.name):
        values = subject.frame[column.name].iloc[rows]
        if column.kind.is_number:
            yield _binned(np.asarray(values, dtype=float), part)
        elif column.kind is Kind.CATEGORICAL:
            codes = pd.factorize(values, sort=True)[0].astype(np.float32)
            yield np.where(codes < 0, np.float32(np.nan), codes)
        else:
            yield from (_binned(one, part) for one in dense(values).T)


def _binned(values: Floats, part: Ints) -> Floats | Codes:
    """Return each number's quantile bin, so that the learner need not weigh every threshold.

    The quantiles are those of `part` of the values.
    """
    known = values[part][np.isfinite(values[part])]
    if not known.size:
        return values
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
    codes = np.searchsorted(edges, values, side="right").astype(np.float32)
    codes[np.isnan(values)] = np.nan
    return codes


def _logs(scores: Floats, task: Task) -> Floats:
    if task is Task.REGRESSION:
        return scores
    return np.asarray(
        np.log(np.clip(scores[:, 1:], 1e-6, 1)) - np.log(np.clip(scores[:, :1], 1e-6, 1))
    )


def _canonical_order(inputs: Floats, labels: Floats | Ints, groups: Ints) -> Ints:
    """Return an order of the rows that depends on what they hold, not on where they stood."""
    columns = [*inputs.T, np.asarray(labels, dtype=float), groups.astype(float)]
    frame = pd.DataFrame(dict(enumerate(columns)), copy=False)
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return np.argsort(hashes, kind="stable")


def _answers(
    task: Task, inputs: Floats, labels: Any, weights: Floats, asked: Floats, like: Floats
) -> Floats:
    """Return the answers of a model fitted to the labels, on one thread.

    On some hundred rows a second thread gains nothing, and where the cores are shared OpenMP's threads
    wait for each other: 14 s were measured instead of 0.6.
    """
    with threadpool_limits(1, user_api="openmp"):
        return _fitted_answers(task, inputs, labels, weights, asked, like)


def _fitted_answers(
    task: Task, inputs: Floats, labels: Any, weights: Floats, asked: Floats, like: Floats
) -> Floats:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    # Small trees, a window has some hundred rows; their number bounded, each class grows its own.
    settings: dict[str, Any] = {
        "max_iter": max(10, TREES // like.shape[1]),
        "max_leaf_nodes": 8,
        "min_samples_leaf": 10,
        "early_stopping": False,
        "random_state": 0,
    }
    if task is Task.REGRESSION:
        model = HistGradientBoostingRegressor(**settings).fit(inputs, labels, weights)
        return np.asarray(model.predict(asked))[:, None]
    answers = np.zeros((len(asked), like.shape[1]))
    classes = np.unique(labels)
    if len(classes) == 1:
        answers[:, classes[0]] = 1.0
        return answers
    model = HistGradientBoostingClassifier(**settings).fit(inputs, labels, weights)
    answers[:, model.classes_] = model.predict_proba(asked)
    return answers
