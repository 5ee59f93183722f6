"""What the checks look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .standing import Standing

if TYPE_CHECKING:  # see schema.py
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from .schema import Schema


@dataclass(frozen=True, eq=False)
class Reference:
    """Accepted data that a batch is compared with: "original" or "previous".

    `predicted` holds the champion's answers on rows it had not learnt from (class labels, or
    numbers for regression); its rows need not be those of `frame`.
    """

    name: str
    frame: pd.DataFrame
    predicted: pd.Series[Any]


@dataclass(frozen=True, eq=False)
class Feedback:
    """A batch as intake's checks see it.

    `frame` is normalised (see Kind), has a RangeIndex equal to the position in the received file,
    and holds the features, the label and, where declared, the source, time and id columns.
    `scores` are the champion's class probabilities, shape (rows, classes) in the schema's order, or
    its predictions, shape (rows,), for regression; None when there is no champion to ask.
    `golden` is the golden set with `golden_scores`, which the champion has never learnt from.
    `faults` names cells that could not be read as their kind: column -> row positions.
    `standing` says which sources are trusted or known. `earlier` are the admitted rows with an id of
    this batch, in the order of their admission (None where rows have no id). `key` is what random
    choices are keyed with: whoever has read the code must not foretell them.
    """

    schema: Schema
    frame: pd.DataFrame
    scores: npt.NDArray[np.float64] | None
    references: tuple[Reference, ...]
    golden: pd.DataFrame
    golden_scores: npt.NDArray[np.float64] | None
    faults: dict[str, tuple[int, ...]]
    standing: Standing = Standing()
    earlier: pd.DataFrame | None = None
    key: bytes = b""

    @property
    def sources(self) -> pd.Series[Any]:
        """Return each row's source as text; a missing one is the empty string."""
        if self.schema.source is None or self.schema.source not in self.frame:
            import pandas as pd

            return pd.Series("", index=self.frame.index, dtype=object)
        return self.frame[self.schema.source].fillna("").astype(str)
