"""divergence: how far the challenger has moved from the previous and from the first champion.

An alert system of its own (NCSC, Machine learning principles, 4.1): a model can keep its scores and
still have become another model, and many small steps can lead far from the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import asin, inf, isnan, nan, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.checks.candidate import Candidate, Predict
from sluicegate.checks.statistics.scoring import Answers, Floats, fault_in, known, row_losses
from sluicegate.core import Finding, Kind, Schema, Task
from sluicegate.core.compared import Makeup
from sluicegate.core.schema import label_text

# A tree ensemble answers 10,000 rows in hardly more time than 100: features share a call.
AT_ONCE = 32

Numbers = Mapping[str, float | None]


@dataclass(frozen=True)
class Divergence:
    """The distance of the challenger's makeup from the previous and from the first champion's.

    `divergence.previous.parameters` is the share of trainer parameters that changed, 0 to 1;
    `.importances` the total variation distance of the normalised permutation importances, 0 to 1;
    `.statistics` the largest move of a training statistic, in standard deviations for means
    (Cohen's d, pooled) and in Cohen's h for shares (Cohen, "Statistical power analysis",
    1988: 0.2 is small, 0.8 large). The same under `divergence.first`. Without a champion, nothing.

    >>> from sluicegate.checks.candidate import Contender
    >>> from sluicegate.core import Schema
    >>> old = Makeup({"C": 1, "seed": 0}, {"x": 1.0, "z": 1.0}, {"mean.x": 0.0, "std.x": 1.0})
    >>> new = Makeup({"C": 9, "seed": 0}, {"x": 3.0, "z": 1.0}, {"mean.x": 0.5, "std.x": 1.0})
    >>> def model(makeup):
    ...     return Contender(lambda frame: np.zeros(len(frame)), None, makeup=makeup)
    >>> none, schema = pd.DataFrame(), Schema(Task.REGRESSION, "y", ())
    >>> found = Divergence()(Candidate(schema, none, none, model(new), model(old), first=old))
    >>> [(f.metric, f.value) for f in found[:2]]
    [('divergence.previous.parameters', 0.5), ('divergence.previous.importances', 0.25)]
    >>> found[2].value, found[2].detail
    (0.5, 'mean.x moved most: 0 before, 0.5 now.')
    """

    name: str = "divergence"

    def __call__(self, candidate: Candidate) -> tuple[Finding, ...]:
        """Return three findings for each of the two champions, None where a record is missing."""
        if candidate.champion is None:
            return ()
        now = candidate.challenger.makeup
        earlier = {"previous": candidate.champion.makeup, "first": candidate.first or Makeup()}
        return tuple(
            Finding(self.name, f"{self.name}.{which}.{part}", value, detail=detail)
            for which, makeup in earlier.items()
            for part, (value, detail) in _moves(makeup, now).items()
        )


Move = tuple[float | None, str]
UNRECORDED: Move = (None, "One of the two models has no record of this.")


def _moves(before: Makeup, now: Makeup) -> dict[str, Move]:
    def move(measure: Any, old: Any, new: Any) -> Move:
        if old is None or new is None:
            return UNRECORDED
        value, detail = measure(old, new)
        return (None if isnan(value) else float(value)), detail

    return {
        "parameters": move(_changed, before.parameters, now.parameters),
        "importances": move(_shifted, before.importances, now.importances),
        "statistics": move(_largest_move, before.statistics, now.statistics),
    }


def _changed(before: Mapping[str, object], now: Mapping[str, object]) -> tuple[float, str]:
    names = sorted({*before, *now})
    # By their text, since MLflow gives parameters back as text.
    old, new = ({k: label_text(v) for k, v in values.items()} for values in (before, now))
    changed = [name for name in names if old.get(name) != new.get(name)]
    return len(changed) / max(len(names), 1), f"Changed: {', '.join(changed) or 'none'}."


def _shifted(before: Numbers, now: Numbers) -> tuple[float, str]:
    names = sorted({*before, *now})
    if not names:
        return nan, "Neither model has importances."
    old, new = _shares(before, names), _shares(now, names)
    most = names[int(np.argmax(np.abs(new - old)))]
    at = names.index(most)
    detail = f"{most} moved most: its share went from {old[at]:.3f} to {new[at]:.3f}."
    # A model that uses nothing and one that uses something have nothing in common.
    whole = 0.5 * (1.0 if old.any() != new.any() else 0.0)
    return float(0.5 * np.abs(new - old).sum() + whole), detail


def _shares(importances: Numbers, names: list[str]) -> Floats:
    values = np.array([_number(importances.get(name, 0.0)) for name in names])
    used = np.maximum(values, 0.0)
    return used / used.sum() if used.any() else used


def _largest_move(before: Numbers, now: Numbers) -> tuple[float, str]:
    # A deviation only gives means their scale: one unusual row in a constant column would move it by
    # more than anything that matters.
    names = sorted(n for n in {*before, *now} if n != "rows" and not n.startswith("std."))
    if not names:
        return nan, "Neither model has statistics."
    moves = np.array([_move(name, before, now) for name in names])
    # argmax answers the first NaN, so that one unmeasured statistic is not hidden by a small move.
    at = names[int(np.argmax(moves))]
    return float(np.max(moves)), f"{at} moved most: from {_said(before, at)} to {_said(now, at)}."


def _move(name: str, before: Numbers, now: Numbers) -> float:
    part, _, column = name.partition(".")
    if part in ("missing", "share", "class"):
        old, new = (_share(values.get(name, 0.0)) for values in (before, now))
        return abs(2 * asin(sqrt(new)) - 2 * asin(sqrt(old)))
    if name in before and name in now and before[name] is None and now[name] is None:
        return 0.0
    old, new = (_number(values.get(name)) for values in (before, now))
    spreads = [_number(values.get(f"std.{column}")) for values in (before, now)]
    pooled = sqrt((spreads[0] ** 2 + spreads[1] ** 2) / 2)
    if old == new:
        return 0.0
    return inf if pooled == 0 else abs(new - old) / pooled


def _number(value: float | None) -> float:
    return nan if value is None else float(value)


def _share(value: float | None) -> float:
    return nan if value is None or not 0 <= value <= 1 else value


def _said(values: Numbers, name: str) -> str:
    value = values.get(name)
    return "nothing" if value is None else f"{value:.4g}"


def training_statistics(frame: pd.DataFrame, schema: Schema) -> dict[str, float | None]:
    """Return what a training set looks like, as flat numbers that JSON can hold.

    `rows`; `missing.<column>` shares; `mean.<column>` and `std.<column>` of numbers, of the length
    of texts and of a regression's label; `share.<column>` of true values of booleans;
    `class.<class>` shares. None stands for a column without any value.
    """
    found: dict[str, float | None] = {"rows": float(len(frame))}
    for column in schema.features:
        values = frame[column.name]
        found[f"missing.{column.name}"] = _json(values.isna().mean())
        if column.kind is Kind.BOOLEAN:
            found[f"share.{column.name}"] = _json(values.mean())
        elif column.kind.is_number:
            found |= _mean_and_std(column.name, values)
        elif column.kind is Kind.TEXT:
            found |= _mean_and_std(column.name, values.dropna().map(len))
    if schema.task is Task.REGRESSION:
        return found | _mean_and_std(schema.label, frame[schema.label])
    codes = schema.label_codes(frame[schema.label])
    for code, value in enumerate(schema.classes):
        found[f"class.{label_text(value)}"] = _json((codes == code).mean()) if len(codes) else None
    return found


def _mean_and_std(name: str, values: "pd.Series[Any]") -> dict[str, float | None]:
    return {f"mean.{name}": _json(values.mean()), f"std.{name}": _json(values.std(ddof=0))}


def _json(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def importances(
    predict: Predict,
    frame: pd.DataFrame,
    schema: Schema,
    truth: npt.NDArray[np.int64] | Floats,
    seed: int,
    rows: int = 350,
) -> dict[str, float | None]:
    """Return how much the mean loss rises when a feature's values are shuffled (Breiman, 2001).

    Model-agnostic: the log loss of a classifier, the absolute error of a regression, on at most
    `rows` labelled rows of `frame`. `truth` is class codes or numbers, as `scoring.truth_of` gives
    them. None where the model's answers are unusable; what `predict` raises is passed on.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(np.flatnonzero(known(truth)))[:rows]
    sample, answers = frame.iloc[drawn][schema.feature_names], truth[drawn]
    base = _mean_loss(predict(sample.copy()), answers, schema)
    found: dict[str, float | None] = {}
    for start in range(0, len(schema.features), AT_ONCE):
        names = schema.feature_names[start : start + AT_ONCE]
        stacked = pd.concat([_shuffled(sample, name, rng) for name in names], ignore_index=True)
        parts = np.array_split(predict(stacked), len(names))
        losses = (_mean_loss(part, answers, schema) for part in parts)
        found |= {name: _json(loss - base) for name, loss in zip(names, losses, strict=True)}
    return found


def _shuffled(sample: pd.DataFrame, name: str, rng: np.random.Generator) -> pd.DataFrame:
    values = sample[name].iloc[rng.permutation(len(sample))].set_axis(sample.index)
    return sample.assign(**{name: values})


def _mean_loss(scores: Floats, truth: npt.NDArray[np.int64] | Floats, schema: Schema) -> float:
    if not len(truth) or fault_in(scores, schema, len(truth)):
        return nan
    answers = Answers(scores, truth)
    return float(row_losses(answers)["log_loss" if answers.classifies else "mae"].mean())
