"""Origins: how many of a batch's labels people gave, outcomes showed, models made, or somebody made up."""

from dataclasses import dataclass

import numpy as np

from sluicegate.checks.statistics.calibration import Ints
from sluicegate.core import Feedback, Finding
from sluicegate.core.schema import ORIGINS


@dataclass(frozen=True)
class Origins:
    """The share of the labels of each origin, by the column that says where a label comes from.

    `origins.share.human`, `.outcome`, `.model` and `.synthetic`. A model that learns from models'
    answers loses the rare and keeps their errors (Shumailov et al. 2024, "AI models collapse when
    trained on recursively generated data"), so model-made labels are set aside by default. A value
    that is none of the four, or missing, is the contract's to set aside.

    >>> import pandas as pd
    >>> from sluicegate.core import Column, Kind, Schema, Task
    >>> columns = (Column("x", Kind.NUMERIC),)
    >>> schema = Schema(Task.CLASSIFICATION, "y", columns, (0, 1), label_origin="from")
    >>> frame = pd.DataFrame({"x": 1.0, "y": 1, "from": ["human", "model", "human", "guess"]})
    >>> found = Origins()(Feedback(schema, frame, None, (), frame, None, {}))
    >>> [(f.metric.split(".")[-1], f.value, f.rows) for f in found if f.value]
    [('human', 0.5, ()), ('model', 0.25, (1,))]
    """

    name: str = "origins"

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure the share of each origin; rows are those of models' and made-up labels."""
        column = subject.schema.label_origin
        if column is None or column not in subject.frame or subject.frame.empty:
            why = "The batch does not say where its labels come from; send the label origin."
            return tuple(
                Finding(self.name, f"origins.share.{origin}", None, detail=why)
                for origin in ORIGINS
            )
        result = subject.frame[column].to_numpy(dtype=object)
        return tuple(self._share(o, np.flatnonzero(result == o), len(result)) for o in ORIGINS)

    def _share(self, origin: str, rows: Ints, total: int) -> Finding:
        return Finding(
            self.name,
            f"origins.share.{origin}",
            len(rows) / total,
            rows=tuple(rows.tolist()) if origin in ("model", "synthetic") else (),
            detail=f"{len(rows)} of {total} labels have origin {origin}." if len(rows) else "",
        )
