"""Sources: who sent how much, and whose labels nobody else would give.

Volume alone is no accusation: it is capped when the training table is assembled. Disagreement is,
when the champion finds it alone and pooled with the peers.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd

from sluicegate.checks.calibration import Floats, Ints
from sluicegate.checks.disagreement import (
    Opinion,
    Tally,
    bulk,
    holm,
    judge_classes,
    judge_numbers,
    pool_classes,
    pool_numbers,
    together,
)
from sluicegate.checks.peers import Heard, peer_scores
from sluicegate.core import Feedback, Finding, Task

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
        refusal = _without_sources(subject)
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
        rows, labels, refusal = judged_rows(subject, self.min_rows)
        if refusal or subject.scores is None:
            metrics = ("disagreement", "disagreement_champion", "cohort")
            return tuple(Finding(self.name, f"sources.{m}", None, detail=refusal) for m in metrics)
        panel = _panel(subject, rows, labels, subject.scores[rows])
        return self.findings(*panel, subject.sources)

    def findings(
        self, champion: Tally, peers: Tally, pooled: Tally, sources: "pd.Series[str]"
    ) -> tuple[Finding, ...]:
        """Return the findings of three tallies over the same sources of the batch."""
        # The pool gives the weight, so an outdated champion has little to say. But where it speaks
        # for the source, peers cannot frame it.
        by_both = np.where(
            champion.evidence > 0, pooled.evidence, np.minimum(champion.evidence, pooled.evidence)
        )
        # Whom the peers vouch for shares its drift with them.
        vouched = peers.evidence < -VOUCHED
        alone = champion.rows > self.cohort_rows
        values = np.zeros(len(by_both))
        values[alone] = holm(by_both[alone])
        by_champion = np.zeros(len(by_both))
        by_champion[alone] = holm(np.where(vouched, 0.0, champion.evidence)[alone])
        by_champion[values > self.accused] = 0.0  # accused by both, no longer by the champion alone
        where = {str(s): tuple(map(int, r)) for s, r in sources.groupby(sources).indices.items()}
        return (
            *self._each("sources.disagreement", values, champion, where),
            *self._each("sources.disagreement_champion", by_champion, champion, where),
            self._cohort(by_both, values, champion, where),
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
            f"{len(names)} sources against the champion where "
            f"{tally.expected[named].sum():.0f} are expected; none stands out alone."
            if names
            else ""
        )
        return Finding(
            self.name, "sources.cohort", max(0.0, value), tuple(rows), _named(names), detail
        )


def judged_rows(subject: Feedback, min_rows: int) -> tuple[Ints, Floats | Ints, str]:
    """Return the rows with a known label, their class codes or numbers, and why not, if not.

    Labels outside the classes are the contract's to quarantine.
    """
    nothing = np.empty(0, dtype=np.int64)
    if subject.scores is None:
        return nothing, nothing, "There is no champion to disagree with; train one first."
    refusal = _without_sources(subject)
    if refusal:
        return nothing, nothing, refusal
    labels = known_labels(subject)
    rows = np.flatnonzero(labels >= 0 if labels.dtype == np.int64 else np.isfinite(labels))
    if len(rows) < min_rows:
        return rows, labels[rows], (
            f"{len(rows)} rows have a known label; collect {min_rows} or more in one batch."
        )  # fmt: skip
    if not np.isfinite(subject.scores[rows]).all():
        return rows, labels[rows], "The champion's scores are not all numbers; mend the champion."
    if subject.sources.iloc[rows].nunique() < 2:
        return rows, labels[rows], "One source has nobody to compare with; batch several together."
    return rows, labels[rows], ""


def known_labels(subject: Feedback) -> Floats | Ints:
    """Return class codes (-1 for unknown) or, for regression, numbers (NaN for unknown)."""
    labels = subject.frame[subject.schema.label]
    if subject.schema.task is Task.CLASSIFICATION:
        return subject.schema.label_codes(labels)
    return pd.to_numeric(labels, errors="coerce").to_numpy(dtype=float)


def _without_sources(subject: Feedback) -> str:
    if subject.schema.source is None:
        return "No source column is declared; declare one, or sources.* not applicable."
    return "" if len(subject.frame) else "The batch is empty; send rows."


def _panel(
    subject: Feedback, rows: Ints, labels: Floats | Ints, scores: Floats
) -> tuple[Tally, Tally, Tally]:
    """Return what the champion, the peers and the pool of both say of each source."""
    sources = subject.sources.iloc[rows].reset_index(drop=True)
    groups = np.asarray(pd.factorize(sources, sort=True)[0])
    champion = _judge(subject, sources, labels, scores)

    def asked(heard: Heard) -> tuple[Opinion, Opinion]:
        answers = peer_scores(subject, rows, labels, heard)
        peers = _judge(subject, sources, labels, answers, champion.tally)
        return peers, _pool(subject, sources, labels, champion, peers)

    everybody = np.ones(len(rows), dtype=bool)
    peers, pooled = asked(everybody)
    # Whom the pool speaks against is heard no more: colluders would vouch for each other.
    heard = bulk(everybody.astype(float), groups, pooled.tally) > 0
    if not heard.all():
        peers, pooled = asked(heard)
    return champion.tally, peers.tally, pooled.tally


def _judge(
    subject: Feedback,
    sources: "pd.Series[str]",
    labels: Floats | Ints,
    scores: Floats,
    doubted: Tally | None = None,
) -> Opinion:
    if subject.schema.task is Task.CLASSIFICATION:
        return judge_classes(sources, np.asarray(labels, dtype=np.int64), scores, doubted)
    return judge_numbers(sources, np.asarray(labels, dtype=float), scores, doubted)


def _pool(
    subject: Feedback,
    sources: "pd.Series[str]",
    labels: Floats | Ints,
    first: Opinion,
    second: Opinion,
) -> Opinion:
    if subject.schema.task is Task.CLASSIFICATION:
        return pool_classes(sources, np.asarray(labels, dtype=np.int64), first, second)
    return pool_numbers(sources, np.asarray(labels, dtype=float), first, second)


def _named(names: list[str]) -> tuple[str, ...]:
    """Return the names, without the empty one: rows without a source have no name to accuse."""
    return tuple(sorted(name for name in names if name))


def _against(tally: Tally, i: int) -> str:
    name = tally.sources[i] or "rows without a source"
    return (
        f"{name}: {tally.against[i]} of {tally.rows[i]} labels against the champion "
        f"where {tally.expected[i]:.0f} are expected"
    )
