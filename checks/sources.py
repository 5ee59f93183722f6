"""Sources: who sent how much, and whose labels nobody else would give.

Volume alone is no accusation: it is capped when the training table is assembled. Disagreement is,
when the champion finds it alone and pooled with the peers.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd

from sluicegate.checks.statistics.calibration import Floats
from sluicegate.checks.statistics.disagreement import Tally, holm, together
from sluicegate.checks.statistics.panel import Panel, by_both, panel_of, without_sources
from sluicegate.core import Feedback, Finding

LIKELY = 0.5
# log10 of the odds: the peers speak for a source when their labels make it ten times likelier honest.
VOUCHED = 1.0


@dataclass(frozen=True)
class SourceShare:
    """The largest share of a batch that one source sent, and the share that nobody signed.

    NCSC *Machine learning principles* 4.1: know where the data of continual learning comes from.

    >>> from sluicegate.core import Column, Feedback, Kind, Schema, Task
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
    >>> frame = pd.DataFrame({"x": 1.0, "y": 1, "who": ["ann", "ann", "bob", None]})
    >>> batch = Feedback(schema, frame, None, (), frame, None, {})
    >>> [(f.metric, f.value, f.sources) for f in SourceShare()(batch)]
    [('sources.share', 0.5, ('ann',)), ('sources.missing', 0.25, ())]
    """

    name: str = "sources"

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure `sources.share` and `sources.missing`, both shares of the batch's rows."""
        refusal = without_sources(subject)
        if refusal:
            metrics = ("sources.share", "sources.missing")
            return tuple(Finding(self.name, metric, None, detail=refusal) for metric in metrics)
        sources = subject.sources
        counts = sources[sources != ""].value_counts()
        missing = np.flatnonzero(sources == "")
        return self._largest(counts, len(sources)), Finding(
            self.name,
            "sources.missing",
            len(missing) / len(sources),
            rows=tuple(missing.tolist()),
            detail=f"{len(missing)} of {len(sources)} rows have no source." if len(missing) else "",
        )

    def _largest(self, counts: "pd.Series[int]", rows: int) -> Finding:
        if counts.empty:
            return Finding(self.name, "sources.share", 0.0, detail="No row has a source.")
        most = int(counts.max())
        # Of equals the first by name, so that the order of the rows does not matter.
        source = str(min(counts.index[counts == most]))
        detail = f"{source} sent {most} of {rows} rows."
        return Finding(self.name, "sources.share", most / rows, sources=(source,), detail=detail)


@dataclass(frozen=True)
class SourceDisagreement:
    """The sources whose labels contradict the champion and the peers beyond honest sloppiness.

    `sources.disagreement` is -log10 of a source's adjusted p-value by a pool of the champion and
    the peers, weighed by how well each foretells this window, where the champion alone is against
    the source too; one finding per source beyond `reported`, and one for the worst in any case.
    `sources.disagreement_champion` is the same by the champion alone, where the peers do not vouch
    for the source. `sources.cohort` is log10 of the evidence that some of the sources nobody would
    accuse alone are hostile: those with `cohort_rows` rows or fewer (Douceur 2002, "The Sybil
    attack"), and all that are not yet reported. Statistic and null are in `disagreement.py`. Below
    `min_rows` rows with a known label, or with one source, nothing is measured.

    >>> from sluicegate.core import Column, Feedback, Kind, Schema, Task
    >>> schema = Schema(Task.CLASSIFICATION, "y", (Column("x", Kind.NUMERIC),), (0, 1), source="who")
    >>> x = np.tile([0.0, 1.0], 100)
    >>> who = np.repeat(["ann", "bob", "cat", "dan"], 50)
    >>> frame = pd.DataFrame({"x": x, "y": np.where(who == "dan", 1 - x, x), "who": who})
    >>> scores = np.column_stack([0.9 - 0.8 * x, 0.1 + 0.8 * x])
    >>> findings = SourceDisagreement()(Feedback(schema, frame, scores, (), frame, None, {}))
    >>> findings[0].sources, findings[0].value > 2, findings[0].detail[:32]
    (('dan',), True, 'dan: 50 of 50 labels against the')
    """

    name: str = "sources"
    min_rows: int = 30
    cohort_rows: int = 5
    reported: float = 1.0
    accused: float = inf

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure the three metrics; rows are all rows of the sources named."""
        panel, refusal = panel_of(subject, self.min_rows)
        if panel is None:
            metrics = ("disagreement", "disagreement_champion", "cohort")
            return tuple(Finding(self.name, f"sources.{m}", None, detail=refusal) for m in metrics)
        return self.findings(panel, subject.sources)

    def findings(self, panel: Panel, sources: "pd.Series[str]") -> tuple[Finding, ...]:
        """Return the findings of a panel on the sources of the batch."""
        champion = panel.champion
        evidence = by_both(champion.evidence, panel.pooled.evidence)
        # Whom the peers vouch for shares its drift with them.
        vouched = panel.peers.evidence < -VOUCHED
        alone = champion.rows > self.cohort_rows
        values = np.zeros(len(evidence))
        values[alone] = holm(evidence[alone])
        by_champion = np.zeros(len(evidence))
        by_champion[alone] = holm(np.where(vouched, 0.0, champion.evidence)[alone])
        by_champion[values > self.accused] = 0.0  # accused by both, no longer by the champion alone
        where = {str(s): tuple(map(int, r)) for s, r in sources.groupby(sources).indices.items()}
        return (
            *self._each("sources.disagreement", values, champion, where),
            *self._each("sources.disagreement_champion", by_champion, champion, where),
            self._cohort(evidence, values, champion, where),
        )

    def _each(
        self, metric: str, values: Floats, tally: Tally, where: dict[str, tuple[int, ...]]
    ) -> list[Finding]:
        worst = np.argsort(-values, kind="stable")
        named = [i for i in worst if values[i] > self.reported]
        if not named:
            return [Finding(self.name, metric, float(values.max(initial=0.0)))]
        return [
            Finding(
                self.name,
                metric,
                float(values[i]),
                rows=where[tally.sources[i]],
                sources=_named([tally.sources[i]]),
                detail=_against(tally, i),
            )
            for i in named
        ]

    def _cohort(
        self, evidence: Floats, values: Floats, tally: Tally, where: dict[str, tuple[int, ...]]
    ) -> Finding:
        small = np.flatnonzero(tally.rows <= self.cohort_rows)
        unreported = np.flatnonzero(values <= self.reported)
        results = [together(evidence[part]) for part in (small, unreported)]
        # The mean of two e-values is one again; the larger of them names the sources.
        value = float(np.log10(np.mean([10.0 ** min(total, 300.0) for total, _ in results])))
        part = (small, unreported)[int(results[1][0] > results[0][0])]
        likely = together(evidence[part])[1]
        named = part[likely > LIKELY] if value > self.reported else part[:0]
        names = [tally.sources[i] for i in named]
        rows = sorted(row for name in names for row in where[name])
        detail = (
            f"{int(tally.against[named].sum())} of {int(tally.rows[named].sum())} labels of "
            f"{len(names)} sources contradict the champion "
            f"({tally.expected[named].sum():.0f} expected); none stands out alone."
            if names
            else ""
        )
        return Finding(
            self.name, "sources.cohort", max(0.0, value), tuple(rows), _named(names), detail
        )


def _named(names: list[str]) -> tuple[str, ...]:
    """Return the names, without the empty one: rows without a source have no name to accuse."""
    return tuple(sorted(name for name in names if name))


def _against(tally: Tally, i: int) -> str:
    name = tally.sources[i] or "rows without a source"
    return (
        f"{name}: {tally.against[i]} of {tally.rows[i]} labels contradict the champion "
        f"({tally.expected[i]:.0f} expected)"
    )
