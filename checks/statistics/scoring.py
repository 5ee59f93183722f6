"""scoring: what a model's answers are worth, row by row and in all.

Inside, everything is an error (larger = worse), weighted by how often each row is counted; so the
same lines give the plain figure (every row once) and each resample of a bootstrap.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.core import Schema, Task
from sluicegate.core.compared import Bin
from sluicegate.core.schema import label_text

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CALIBRATION: dict[Task, str] = {Task.CLASSIFICATION: "ece", Task.REGRESSION: "bias"}
HIGHER_IS_BETTER = frozenset({"accuracy", "balanced_accuracy", "r2"})
BINS = 10

# One answer that is certain and wrong must not outweigh a whole golden set of 300.
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's answers on rows whose truth is known.

    For classification `scores` are probabilities, shape (n, k), and `truth` the codes of the true
    classes, shape (n,); for regression both are numbers, shape (n,).
    """

    scores: Floats
    truth: npt.NDArray[np.int64] | Floats

    @property
    def classifies(self) -> bool:
        """Tell whether these are answers of a classifier."""
        return self.scores.ndim == 2

    @cached_property
    def codes(self) -> npt.NDArray[np.int64]:
        """Return the true classes as positions, shape (n,)."""
        return self.truth.astype(np.int64)

    @cached_property
    def right(self) -> Mask:
        """Tell for each row whether the likeliest class is the true one."""
        return np.asarray(self.scores.argmax(axis=1) == self.codes)

    @cached_property
    def missed_by(self) -> Floats:
        """Return each row's absolute error (regression)."""
        return np.asarray(np.abs(self.scores - self.truth))


def truth_of(schema: Schema, frame: pd.DataFrame) -> npt.NDArray[np.int64] | Floats:
    """Return the labels of `frame` as class codes (-1 = unknown) or numbers (NaN = unknown)."""
    if schema.task is Task.CLASSIFICATION:
        return schema.label_codes(frame[schema.label])
    return np.asarray(frame[schema.label], dtype=np.float64)


def known(truth: npt.NDArray[np.int64] | Floats) -> Mask:
    """Tell for each row whether its truth is known."""
    return np.isfinite(truth) if truth.dtype.kind == "f" else truth >= 0


def fault_in(scores: object, schema: Schema, rows: int) -> str:
    """Return what makes `scores` unusable for `rows` rows, or the empty string."""
    classifies = schema.task is Task.CLASSIFICATION
    shape = (rows, len(schema.classes)) if classifies else (rows,)
    if not isinstance(scores, np.ndarray) or scores.dtype.kind not in "fiu":
        return "are missing or not numbers"
    if scores.shape != shape:
        return f"have shape {scores.shape} instead of {shape}"
    unusable = ~np.isfinite(scores)
    if bad := int((unusable.any(axis=1) if classifies else unusable).sum()):
        return f"hold NaN or infinity in {bad} of {rows} rows"
    if classifies and ((scores < 0).any() or (np.abs(scores.sum(axis=1) - 1) > 1e-3).any()):
        return "are not probabilities: below 0, or not summing to 1"
    return ""


def row_losses(answers: Answers) -> dict[str, Floats]:
    """Return the loss of each row by measure; each array has shape (n,).

    The Brier score is Brier's own (1950), summed over the classes: 0 to 2.
    """
    if not answers.classifies:
        return {"mae": answers.missed_by, "rmse": answers.missed_by**2}
    rows = np.arange(len(answers.codes))
    likelihood = np.maximum(answers.scores[rows, answers.codes], LEAST_PROBABILITY)
    return {
        "accuracy": (~answers.right).astype(np.float64),
        "log_loss": -np.log(likelihood),
        "brier": ((answers.scores - _one_hot(answers)) ** 2).sum(axis=1),
    }


def errors(answers: Answers, weights: Floats | None = None) -> dict[str, Floats]:
    """Return every measure as an error (1 - the measure where higher is better), one per weighting.

    `weights` has shape (b, n) and says how often each row counts; None counts each once. The arrays
    have shape (b,). A class that no weighted row belongs to is left out of the balanced accuracy;
    without any spread in the truth, r2 is NaN.

    >>> a = Answers(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
    >>> errors(a)["accuracy"], errors(a, np.array([[2.0, 0.0]]))["accuracy"]
    (array([0.5]), array([0.]))
    """
    counts = np.ones((1, len(answers.truth))) if weights is None else weights
    total = counts.sum(axis=1)
    found = {name: counts @ loss / total for name, loss in row_losses(answers).items()}
    if answers.classifies:
        return found | {"balanced_accuracy": _balanced(answers, counts)}
    centred = answers.truth - answers.truth.mean()
    spread = counts @ centred**2 / total - (counts @ centred / total) ** 2
    unexplained = np.full_like(total, np.nan)
    np.divide(found["rmse"], spread, out=unexplained, where=spread > 0)
    return {"mae": found["mae"], "rmse": np.sqrt(found["rmse"]), "r2": unexplained}


def metrics(answers: Answers) -> dict[str, float]:
    """Return the task's measures as people know them, and the calibration: "ece" or "bias".

    The bias of a regression is its mean error, signed: above 0 it predicts too much.
    """
    found = {name: float(error[0]) for name, error in errors(answers).items()}
    shown = {name: 1 - e if name in HIGHER_IS_BETTER else e for name, e in found.items()}
    if answers.classifies:
        return shown | {"ece": miscalibration(answers)}
    return shown | {"bias": float((answers.scores - answers.truth).mean())}


def recalls(answers: Answers, schema: Schema) -> dict[str, float | None]:
    """Return the share of each class's rows that were answered right; None for an absent class."""
    found: dict[str, float | None] = {}
    for code, value in enumerate(schema.classes):
        of_class = answers.right[answers.codes == code]
        found[label_text(value)] = float(of_class.mean()) if len(of_class) else None
    return found


def reliability(answers: Answers) -> list[Bin]:
    """Return the points of the reliability diagram: confidence, accuracy and rows of each bin.

    Ten bins of equal width over the probability of the likeliest class; empty bins are left out
    (Guo et al., "On calibration of modern neural networks", ICML 2017).
    """
    confidence = answers.scores.max(axis=1)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        Bin(
            confidence=float(confidence[bins == b].mean()),
            accuracy=float(answers.right[bins == b].mean()),
            rows=float((bins == b).sum()),
        )
        for b in np.unique(bins)
    ]


def miscalibration(answers: Answers) -> float:
    """Return how far confidence and truth are apart, 0 is best.

    Classification: the expected calibration error (Naeini et al., AAAI 2015) of `reliability`;
    regression: the absolute mean error.
    """
    if not answers.classifies:
        return float(abs((answers.scores - answers.truth).mean()))
    points = reliability(answers)
    gaps = [point.rows * abs(point.confidence - point.accuracy) for point in points]
    return sum(gaps) / len(answers.truth)


def _one_hot(answers: Answers) -> Floats:
    return np.eye(answers.scores.shape[1])[answers.codes]


def _balanced(answers: Answers, counts: Floats) -> Floats:
    of_class = _one_hot(answers)
    rows = counts @ of_class
    missed = counts @ (of_class * ~answers.right[:, None])
    shares = np.divide(missed, rows, out=np.zeros_like(rows), where=rows > 0)
    return np.asarray(shares.sum(axis=1) / (rows > 0).sum(axis=1))
