"""Tiers: how much of a batch comes from sources that are trusted, known, new or anonymous."""

from dataclasses import dataclass

import numpy as np

from sluicegate.checks.statistics.calibration import Ints
from sluicegate.core import Feedback, Finding
from sluicegate.core.standing import Tier

WHO = {
    Tier.TRUSTED: "sources that the policy trusts",
    Tier.KNOWN: "known sources",
    Tier.NEW: "sources not known yet",
    Tier.ANONYMOUS: "senders without a proven name",
}


@dataclass(frozen=True)
class Tiers:
    """The share of a batch per tier of its sources (NCSC principle 4.1: know who feeds the model).

    One finding `sources.tier.*` per tier. Names cost nothing, so what many new or unnamed sources
    may do together is limited as if they were one (Douceur 2002, "The Sybil attack").

    >>> import pandas as pd
    >>> from sluicegate.core import Column, Kind, Schema, Task
    >>> from sluicegate.core.standing import Standing
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
    >>> frame = pd.DataFrame({"x": 1.0, "y": 1, "who": ["ann", "ann", "bob", None]})
    >>> batch = Feedback(
    ...     schema, frame, None, (), frame, None, {}, standing=Standing(known=frozenset({"ann"}))
    ... )
    >>> [(f.metric.split(".")[-1], f.value) for f in Tiers()(batch)]
    [('trusted', 0.0), ('known', 0.5), ('new', 0.25), ('anonymous', 0.25)]
    """

    name: str = "sources"

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure the four shares; rows are those of the new and of the anonymous sources."""
        if subject.schema.source is None or subject.frame.empty:
            why = "No source column is declared, or the batch is empty."
            return tuple(
                Finding(self.name, f"sources.tier.{tier.value}", None, detail=why) for tier in Tier
            )
        tiers = subject.sources.map({s: subject.standing.tier(s) for s in subject.sources.unique()})
        return tuple(self._share(tier, np.flatnonzero(tiers == tier), len(tiers)) for tier in Tier)

    def _share(self, tier: Tier, rows: Ints, total: int) -> Finding:
        doubted = tier in (Tier.NEW, Tier.ANONYMOUS)
        return Finding(
            self.name,
            f"sources.tier.{tier.value}",
            len(rows) / total,
            rows=tuple(rows.tolist()) if doubted else (),
            detail=f"{len(rows)} of {total} rows are from {WHO[tier]}." if len(rows) else "",
        )
