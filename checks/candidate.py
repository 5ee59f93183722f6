"""candidate: challenger and champion as the checks see them, and how differently they behave.

`Behaviour` measures what a score does not show: calibration, churn, robustness, latency and size.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.checks.statistics.scoring import (
    Answers,
    Floats,
    Mask,
    fault_in,
    known,
    miscalibration,
    truth_of,
)
from sluicegate.core import CannotDecide, Finding, Kind, Schema
from sluicegate.core.compared import Makeup
from sluicegate.core.schema import label_text

Predict = Callable[[pd.DataFrame], Floats]


@dataclass(frozen=True, eq=False)
class Contender:
    """One model of the comparison: how to ask it, what it answered, its bytes and its makeup.

    `golden` and `recent` are its scores on the candidate's frames of these names.
    """

    predict: Predict
    golden: Floats | None
    recent: Floats | None = None
    size: int | None = None
    makeup: Makeup = Makeup()


@dataclass(frozen=True, eq=False)
class Candidate:
    """A challenger against the champion (None for the very first model).

    `golden` is the golden set and `recent` the held-out share of accepted batches, both normalised
    and with the label; `recent` may have no rows. `first` is the makeup of the first champion.
    """

    schema: Schema
    golden: pd.DataFrame
    recent: pd.DataFrame
    challenger: Contender
    champion: Contender | None = None
    first: Makeup | None = None

    def frame(self, where: str) -> pd.DataFrame:
        """Return the rows compared on: "golden" or "recent"."""
        return {"golden": self.golden, "recent": self.recent}[where]

    def labelled(self, where: str) -> Mask:
        """Tell for each row of `where` whether its truth is known."""
        frame = self.frame(where)
        return known(truth_of(self.schema, frame)) if len(frame) else np.zeros(0, dtype=bool)

    def answers(self, where: str, contender: Contender) -> Answers:
        """Return `contender`'s answers on the labelled rows of `where`.

        Raises CannotDecide, with the reason for a reviewer, when its scores are unusable.
        """
        frame = self.frame(where)
        scores = {"golden": contender.golden, "recent": contender.recent}[where]
        if fault := fault_in(scores, self.schema, len(frame)):
            raise CannotDecide(f"The {self.role(contender)}'s scores on {where} {fault}.")
        assert scores is not None  # noqa: S101  (fault_in has said so; this is for mypy)
        rows = self.labelled(where)
        return Answers(scores[rows], truth_of(self.schema, frame)[rows])

    def role(self, contender: Contender) -> str:
        """Return "challenger" or "champion"."""
        return "challenger" if contender is self.challenger else "champion"


def slices_of(candidate: Candidate, where: str) -> dict[str, Mask]:
    """Return the labelled rows of every class and of every value of the schema's slice columns.

    Columns of numbers are cut at the golden set's quartiles, "q1" the lowest; without bounds in the
    name, since a sensitive column's values must not reach a report.
    """
    schema, labelled = candidate.schema, candidate.labelled(where)
    frame = candidate.frame(where).loc[labelled]
    codes = truth_of(schema, frame)
    slices = {f"class={label_text(v)}": codes == code for code, v in enumerate(schema.classes)}
    for column in schema.features:
        if column.name in schema.slices:
            bands = _bands(frame[column.name], candidate.golden[column.name], column.kind)
            slices |= {f"{column.name}={band}": bands == band for band in sorted(set(bands))}
    return slices


def _bands(values: "pd.Series[Any]", golden: "pd.Series[Any]", kind: Kind) -> Any:
    missing = values.isna().to_numpy()
    if kind in (Kind.NUMERIC, Kind.TIMESTAMP):
        edges = np.unique(golden.dropna().quantile([0.25, 0.5, 0.75]).dropna())
        band = np.searchsorted(edges, values.to_numpy(dtype=np.float64), side="left")
        named = [f"q{b + 1}" for b in band]
    else:
        named = [label_text(value) for value in values]
    return np.where(missing, "missing", np.array(named, dtype=object))


@dataclass(frozen=True)
class Behaviour:
    """How the challenger behaves beyond its score, measured on the golden set.

    `calibration.loss` is the rise of the expected calibration error (regression: of the absolute
    bias); `churn` the share of answers that change (Milani Fard et al., "Launch and iterate",
    NeurIPS 2016; regression: the mean change in standard deviations of the label);
    `robustness.loss` how many more answers a slight disturbance of the input changes than with the
    champion; `latency.ratio` the ratio of the p95 times for one row; `size.ratio` of the bytes.
    Without a champion there is nothing to measure, without numeric and text features no robustness.

    `noise` is in standard deviations of each column; latency takes up to `inputs` rows, and about
    `patience` seconds.

    >>> from sluicegate.core import Column, Schema, Task
    >>> schema = Schema(Task.REGRESSION, "y", (Column("x", Kind.NUMERIC),))
    >>> golden = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 2.0]})
    >>> def model(slope, size):
    ...     return Contender(lambda f: f["x"].to_numpy() * slope, golden["x"].to_numpy() * slope,
    ...                      size=size)
    >>> found = Behaviour()(Candidate(schema, golden, golden[:0], model(1.0, 20), model(2.0, 10)))
    >>> [(f.metric, f.value) for f in found if f.metric in ("churn", "size.ratio")]
    [('churn', 0.5), ('size.ratio', 2.0)]
    """

    name: str = "behaviour"
    noise: float = 0.05
    draws: int = 2
    inputs: int = 50
    patience: float = 1.0
    seed: int = 0
    clock: Callable[[], float] = time.perf_counter

    def __call__(self, candidate: Candidate) -> tuple[Finding, ...]:
        """Return one finding per metric, None where a model did not answer as it must."""
        champion = candidate.champion
        if champion is None:
            return ()
        steps: dict[str, Callable[[Candidate, Contender], tuple[float, str]]] = {
            "calibration.loss": self._calibration,
            "churn": self._churn,
            "robustness.loss": self._robustness,
            "latency.ratio": self._latency,
            "size.ratio": self._size,
        }
        if not {Kind.NUMERIC, Kind.TEXT} & {c.kind for c in candidate.schema.features}:
            del steps["robustness.loss"]
        return tuple(
            self._finding(metric, step, candidate, champion) for metric, step in steps.items()
        )

    def _finding(
        self,
        metric: str,
        step: Callable[[Candidate, Contender], tuple[float, str]],
        candidate: Candidate,
        champion: Contender,
    ) -> Finding:
        try:
            if not len(candidate.golden):
                raise CannotDecide("The golden set has no rows.")
            value, detail = step(candidate, champion)
        except CannotDecide as error:
            return Finding(self.name, metric, None, detail=str(error))
        return Finding(self.name, metric, None if np.isnan(value) else value, detail=detail)

    def _calibration(self, candidate: Candidate, champion: Contender) -> tuple[float, str]:
        if not candidate.labelled("golden").any():
            raise CannotDecide("No golden row has a known label.")
        before = miscalibration(candidate.answers("golden", champion))
        now = miscalibration(candidate.answers("golden", candidate.challenger))
        return now - before, f"Calibration error went from {before:.3f} to {now:.3f}."

    def _churn(self, candidate: Candidate, champion: Contender) -> tuple[float, str]:
        rows, challenger = len(candidate.golden), candidate.challenger
        before = _usable(candidate, champion, champion.golden, rows)
        now = _usable(candidate, challenger, challenger.golden, rows)
        value = _moved(candidate, before, now)
        changes = f"{value:.1%} of the answers change"
        moves = f"Answers move by {value:.3f} standard deviations of the label"
        return value, f"{changes if before.ndim == 2 else moves} on {len(before)} golden rows."

    def _robustness(self, candidate: Candidate, champion: Contender) -> tuple[float, str]:
        before, now = (self._unrest(candidate, c) for c in (champion, candidate.challenger))
        return (
            now - before,
            f"Slight noise moves the champion's answers by {before:.4f}, the challenger's by {now:.4f}.",
        )

    def _unrest(self, candidate: Candidate, contender: Contender) -> float:
        rng = np.random.default_rng(self.seed)
        calm = _usable(candidate, contender, contender.golden, len(candidate.golden))
        disturbed = (disturb(candidate, self.noise, rng) for _ in range(self.draws))
        return float(
            np.mean([_moved(candidate, calm, _ask(candidate, contender, f)) for f in disturbed])
        )

    def _latency(self, candidate: Candidate, champion: Contender) -> tuple[float, str]:
        rng = np.random.default_rng(self.seed)
        pair = (champion, candidate.challenger)
        for contender in pair:
            _ask(candidate, contender, candidate.golden.iloc[:1])
        times, end = [], self.clock() + self.patience
        for at in rng.choice(len(candidate.golden), self.inputs):
            row = candidate.golden.iloc[[at]]
            # In turns and best of three: the machine's hiccups must not look like the model's.
            rounds = [[self._seconds(candidate, c, row) for c in pair] for _ in range(3)]
            times.append(np.min(rounds, axis=0))
            if self.clock() > end and len(times) >= 8:
                break
        before, now = np.quantile(times, 0.95, axis=0)
        detail = f"p95 for one row went from {1000 * before:.2f} to {1000 * now:.2f} ms."
        return float(now / before) if before > 0 else np.nan, detail

    def _seconds(self, candidate: Candidate, contender: Contender, row: pd.DataFrame) -> float:
        start = self.clock()
        _ask(candidate, contender, row)
        return self.clock() - start

    def _size(self, candidate: Candidate, champion: Contender) -> tuple[float, str]:
        before, now = champion.size, candidate.challenger.size
        if not before or now is None:
            raise CannotDecide("The size of a model is unknown.")
        return now / before, f"The model went from {before} to {now} bytes."


def disturb(candidate: Candidate, noise: float, rng: np.random.Generator) -> pd.DataFrame:
    """Return the golden features a little off: Gaussian noise on numbers, one typo in each text.

    `noise` is in standard deviations of the column. Booleans, times and categories stay: half a
    category is not an input that occurs.
    """
    frame = candidate.golden.copy()
    for column in candidate.schema.features:
        values = frame[column.name]
        if column.kind is Kind.NUMERIC:
            spread = np.nan_to_num(float(values.std()))
            frame[column.name] = values + noise * spread * rng.standard_normal(len(values))
        elif column.kind is Kind.TEXT:
            frame[column.name] = [_typo(text, rng) for text in values]
    return frame


def _typo(text: Any, rng: np.random.Generator) -> Any:
    if not isinstance(text, str) or len(text) < 2:
        return text
    at = int(rng.integers(len(text) - 1))
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _ask(candidate: Candidate, contender: Contender, frame: pd.DataFrame) -> Floats:
    try:
        scores = contender.predict(frame[candidate.schema.feature_names].copy())
    except Exception as error:
        # Only the kind of the error: its message may hold raw values of a sensitive column.
        kind = type(error).__name__
        raise CannotDecide(f"The {candidate.role(contender)}'s predict raised {kind}.") from error
    return _usable(candidate, contender, scores, len(frame))


def _usable(candidate: Candidate, who: Contender, scores: Floats | None, rows: int) -> Floats:
    if fault := fault_in(scores, candidate.schema, rows):
        raise CannotDecide(f"The {candidate.role(who)}'s scores {fault}.")
    return np.asarray(scores)


def _moved(candidate: Candidate, before: Floats, now: Floats) -> float:
    if before.ndim == 2:
        return float((before.argmax(axis=1) != now.argmax(axis=1)).mean())
    spread = float(np.nanstd(truth_of(candidate.schema, candidate.golden)))
    return float(np.abs(now - before).mean() / spread) if spread > 0 else np.nan
