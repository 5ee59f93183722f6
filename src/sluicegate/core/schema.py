"""Schema: which column is what, as the workspace's owner declared it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from .document import Plain

if TYPE_CHECKING:  # `status` must answer at once, and pandas takes most of a second to import
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

ROW = "_row"
PREDICTED = "_predicted"
HOLDOUT = "_holdout"
RESERVED = frozenset({ROW, PREDICTED, HOLDOUT, "_batch", "_reason"})
"""The columns that sluicegate itself adds to a table."""

ORIGINS = ("human", "outcome", "model", "synthetic")
"""Where a label can come from: a person, what happened later, a model's answer, or made up."""


class Kind(Enum):
    """The kinds of a feature column, and its form in a normalised frame.

    NUMERIC and BOOLEAN are float64 (booleans 0.0 and 1.0), TIMESTAMP is float64 seconds since the
    epoch in UTC, CATEGORICAL and TEXT are strings; a missing value is NaN or None.
    """

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    TEXT = "text"

    @property
    def is_number(self) -> bool:
        """Tell whether values of this kind are float64 in a normalised frame."""
        return self in (Kind.NUMERIC, Kind.BOOLEAN, Kind.TIMESTAMP)


class Task(Enum):
    """What the model does."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


@dataclass(frozen=True)
class Column(Plain):
    """A feature's name and kind."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Schema(Plain):
    """The columns of the feedback.

    `classes` are the label's values in the model's own order (empty for regression). `source`,
    `time` and `id` name columns of the feedback that are not features, and so does `label_origin`:
    where a label comes from. `slices` are the feature columns whose values are watched one by one.
    """

    task: Task
    label: str
    features: tuple[Column, ...]
    classes: tuple[Any, ...] = ()
    source: str | None = None
    time: str | None = None
    id: str | None = None
    label_origin: str | None = None
    sensitive: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()

    @property
    def feature_names(self) -> list[str]:
        """Return the features' names in order."""
        return [column.name for column in self.features]

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {label_text(value): code for code, value in enumerate(self.classes)}

    def label_codes(self, labels: pd.Series) -> npt.NDArray[np.int64]:
        """Return each label's position in `classes`, -1 for a missing or unknown one; shape (n,).

        Labels are compared by their text, so that 3, 3.0, np.int64(3) and "3" are the same class.
        """
        if labels.dtype == object:  # else True and 1 in one column are the same to factorize
            labels = labels.map(label_text, na_action="ignore")
        import numpy as np
        import pandas as pd

        values, uniques = pd.factorize(labels, use_na_sentinel=True)
        codes = np.array([self._codes.get(label_text(value), -1) for value in uniques] + [-1])
        return codes[values].astype(np.int64)


def label_text(value: Any) -> str:
    """Return the text by which a label is compared.

    >>> [label_text(v) for v in (3, 3.0, "3", True, "spam")]
    ['3', '3', '3', 'True', 'spam']
    """
    fraction = isinstance(value, Real) and not isinstance(value, Integral)
    if fraction and float(value).is_integer():
        return str(int(value))
    return str(value)
