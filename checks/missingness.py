"""Missingness: how far the share of missing values moved."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from sluicegate.checks.statistics.summaries import too_few_rows
from sluicegate.checks.statistics.two_sample import share_moved_by
from sluicegate.core import Feedback, Finding, Schema


@dataclass(frozen=True)
class Missing:
    """How many of a column's rows are missing."""

    missing: int
    rows: int

    def merge(self, other: "Missing") -> "Missing":
        """Return the summary of both partitions together."""
        return Missing(self.missing + other.missing, self.rows + other.rows)


Summary = Mapping[str, Missing | None]


@dataclass(frozen=True)
class Missingness:
    """The absolute change of the missing share of each feature and the label.

    `missingness.<reference>.<column>` is what that change is at least, 0 to 1, at a confidence of
    1 - alpha over all columns and references together (Newcombe 1998). A fall counts as a rise
    does: a column that is suddenly filled in is filled in by someone.

    >>> from sluicegate.core import Column, Kind, Reference, Task
    >>> schema = Schema(Task.REGRESSION, "y", (Column("age", Kind.NUMERIC),))
    >>> old = pd.DataFrame({"age": [1.0] * 1000, "y": 0.0})
    >>> new = pd.DataFrame({"age": [1.0, None] * 500, "y": 0.0})
    >>> reference = Reference("original", old, old["y"])
    >>> batch = Feedback(schema, new, None, (reference,), old, None, {})
    >>> for finding in Missingness()(batch):
    ...     print(finding.metric, round(finding.value, 2))
    missingness.original.feature.age 0.44
    missingness.original.label 0.0
    """

    name: str = "missingness"
    min_rows: int = 30
    alpha: float = 0.001

    def __call__(self, subject: Feedback) -> tuple[Finding, ...]:
        """Compare the batch with each of its references."""
        references = {r.name: summarise(subject.schema, r.frame) for r in subject.references}
        return self.findings(summarise(subject.schema, subject.frame), references)

    def findings(self, batch: Summary, references: Mapping[str, Summary]) -> tuple[Finding, ...]:
        """Compare summaries, of a whole batch or of its merged partitions."""
        alpha = self.alpha / max(1, len(batch) * len(references))
        return tuple(
            self._compare(column, batch[column], old.get(column), name, alpha)
            for name, old in references.items()
            for column in batch
        )

    def _compare(
        self, column: str, new: Missing | None, old: Missing | None, reference: str, alpha: float
    ) -> Finding:
        metric = f"missingness.{reference}.{column}"
        if new is None or old is None:
            where = "batch" if new is None else f"{reference} reference"
            return Finding(
                self.name, metric, None, detail=f"`{column}` is absent from the {where}."
            )
        if min(new.rows, old.rows) < self.min_rows:
            why = too_few_rows(min(new.rows, old.rows), self.min_rows)
            detail = f"Missing values of `{column}` against the {reference} reference: {why}"
            return Finding(self.name, metric, None, detail=detail)
        moved = share_moved_by(new.missing, new.rows, old.missing, old.rows, alpha)
        detail = (
            f"`{column}` is missing in {new.missing / new.rows:.1%} of rows, and in "
            f"{old.missing / old.rows:.1%} of the {reference} reference."
        )
        return Finding(self.name, metric, moved, detail=detail if moved > 0 else "")


def summarise(schema: Schema, frame: pd.DataFrame) -> dict[str, Missing | None]:
    """Count a partition's missing values by column; None where the column is absent."""
    columns = {f"feature.{name}": name for name in schema.feature_names} | {"label": schema.label}
    return {
        metric: Missing(int(frame[name].isna().sum()), len(frame)) if name in frame else None
        for metric, name in columns.items()
    }


def merge(first: Summary, second: Summary) -> dict[str, Missing | None]:
    """Return the summaries of two partitions together; what one of them lacks is absent."""
    return {
        column: one.merge(other) if one and (other := second.get(column)) else None
        for column, one in first.items()
    }
