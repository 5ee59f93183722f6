"""Barred: rows of sources that were rolled back."""

from dataclasses import dataclass

import numpy as np

from sluicegate.core import Feedback, Finding


@dataclass(frozen=True)
class Barred:
    """How many rows are from sources that were rolled back (NCSC principle 4.2: act on what is found).

    `sources.barred` counts those of sources that reviewers barred, `sources.in_question` those of
    sources whose incident no reviewer has decided on: anybody can accuse, so these only pause.

    >>> import pandas as pd
    >>> from sluicegate.core import Column, Kind, Schema, Task
    >>> from sluicegate.core.standing import Standing
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
    >>> frame = pd.DataFrame({"x": 1.0, "y": 1, "who": ["ann", "eve", "eve", None]})
    >>> standing = Standing(barred=frozenset({"eve"}))
    >>> batch = Feedback(schema, frame, None, (), frame, None, {}, standing=standing)
    >>> [(f.metric, f.value, f.rows) for f in Barred()(batch)]
    [('sources.barred', 2.0, (1, 2)), ('sources.in_question', 0.0, ())]
    """

    name: str = "barred"

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure both; rows and sources are those of the sources concerned."""
        standing = subject.standing
        return (
            self._found(subject, "sources.barred", standing.barred, "barred"),
            self._found(subject, "sources.in_question", standing.in_question, "under review"),
        )

    def _found(
        self, subject: Feedback, metric: str, sources: frozenset[str], words: str
    ) -> Finding:
        if subject.schema.source is None:
            return Finding(self.name, metric, None, detail="params.yaml declares no source column.")
        rows = np.flatnonzero(subject.sources.isin(sources))
        named = tuple(sorted(set(subject.sources.iloc[rows])))
        detail = f"{len(rows)} rows come from {', '.join(named)}, {words} after a rollback."
        return Finding(
            check=self.name,
            metric=metric,
            value=float(len(rows)),
            rows=tuple(rows.tolist()),
            sources=named,
            detail=detail if len(rows) else "",
        )
