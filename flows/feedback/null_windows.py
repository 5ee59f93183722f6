"""null_windows: honest windows that look like batches, from rows that no model has learnt from.

Intake's own checks measure each window against the rows that were not drawn into it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sluicegate.checks.drift import Drift
from sluicegate.checks.statistics.blocks import block_length, draw
from sluicegate.checks.statistics.calibration import Ints
from sluicegate.checks.statistics.stretches import wander
from sluicegate.checks.statistics.summaries import champion_answers, summarise
from sluicegate.checks.statistics.two_sample import Method
from sluicegate.core import Check, Feedback, Finding, Schema
from sluicegate.flows.feedback.eligible import Eligible, window_of
from sluicegate.flows.feedback.measure import feedback, intake_checks, run_checks
from sluicegate.gates import Policy
from sluicegate.gates.calibration import Window
from sluicegate.gates.nulls import NULLS, Null
from sluicegate.record.context import Context
from sluicegate.stores import data, keys
from sluicegate.stores.reading import Table
from sluicegate.stores.settings import Checks

# One batch fills at most this share of the rows, and all of them as many as the golden set has.
MOST_OF_A_BATCH = 0.1
# Drift against what came before is nothing that the golden set could tell.
PREVIOUS = ".previous."
GOLDEN_ONLY = "none: the golden set has no sources, so the checks of sources are not calibrated"
OWN = "the rows' own, or drawn by the shares of the accepted batches"


@dataclass(frozen=True, eq=False)
class Pool:
    """Honest rows in time order, and what they are compared with; the golden set comes first."""

    subject: Feedback
    golden: int
    rows: int
    sources: str
    has_history: bool


def pool_of(context: Context, batches: tuple[Eligible, ...]) -> Pool:
    """Return the rows of the golden set, and the held-out ones of `batches`, as one pool."""
    layout, schema = context.layout, context.schema
    golden = _in_time_order(schema, data.read_trusted(layout, "golden"))
    later = _held_out(context, batches, len(golden))
    frame = pd.concat([golden, later] if len(later) else [golden], ignore_index=True)
    frame = _with_sources(context, frame, batches)
    known = schema.source is not None and schema.source in frame
    named = schema if known else replace(schema, source=None)
    subject = feedback(context, Table(frame, {}))
    references = subject.references if batches else subject.references[:1]
    subject = replace(subject, schema=named, references=references, earlier=None)
    sizes = [data.read_manifest(layout.admitted(each.batch)).rows for each in batches]
    usual = int(np.median(sizes)) if sizes else len(golden) // 2
    rows, whose = min(usual, len(frame) // 2), OWN if known else GOLDEN_ONLY
    return Pool(subject, len(golden), rows, whose, has_history=bool(batches))


def measured_windows(context: Context, pool: Pool, policy: Policy) -> Iterator[Window]:
    """Yield what the checks measure of `checks.calibration_windows` windows; none of a tiny pool."""
    settings = context.settings.checks
    seed = keys.random_seed(context.layout, "calibration")
    for number, window in enumerate(windows_of(pool, settings, policy, seed), 1):
        context.tell(f"Calibrating: honest window {number} of {settings.calibration_windows}")
        yield window


def windows_of(pool: Pool, settings: Checks, policy: Policy, seed: int) -> Iterator[Window]:
    """Yield what the checks measure of windows drawn from `pool`, by chance from `seed`."""
    if pool.rows < settings.min_rows:
        return
    checks = _checks(pool, settings, policy)
    drift = _DriftOf(pool, Drift(min_rows=settings.min_rows, method=Method.SCIPY))
    for number in range(settings.calibration_windows):
        drawn = draw(len(pool.subject.frame), pool.rows, np.random.default_rng([seed, number]))
        window = _window(pool, drawn)
        findings = [*run_checks(checks, window), *drift.findings(window)]
        listed = [f for f in findings if pool.has_history or PREVIOUS not in f.metric]
        yield window_of(listed)


def block_of(pool: Pool) -> int:
    """Return the length of the blocks that windows of `pool` are made of."""
    return block_length(pool.rows)


def _checks(pool: Pool, settings: Checks, policy: Policy) -> tuple[Check[Feedback], ...]:
    """Return intake's checks; before there is history those whose null is this workspace's data.

    The others are right by theory until then, and are what takes time: `init` should be quick.
    """
    every = intake_checks(settings, policy, pool.subject.schema)
    if pool.has_history:
        return every
    own = {pattern.split(".")[0] for pattern, null in NULLS if null is Null.WORKSPACE}
    return tuple(check for check in every if check.name in own)


def _window(pool: Pool, drawn: Ints) -> Feedback:
    """Return the rows `drawn` as a batch, beside the golden rows that were not drawn."""
    whole = pool.subject
    rest = np.setdiff1d(np.arange(pool.golden), drawn)
    original, *others = whole.references
    return replace(
        whole,
        frame=whole.frame.iloc[drawn].reset_index(drop=True),
        scores=None if whole.scores is None else whole.scores[drawn],
        golden=whole.golden.iloc[rest].reset_index(drop=True),
        golden_scores=None if whole.golden_scores is None else whole.golden_scores[rest],
        references=(
            replace(original, predicted=original.predicted.iloc[rest].reset_index(drop=True)),
            *others,
        ),
    )


class _DriftOf:
    """Drift of many windows against the same references, which are summarised once."""

    def __init__(self, pool: Pool, check: Drift) -> None:
        whole = pool.subject
        self._check = check
        self._schema: Schema = whole.schema
        self._known = {
            reference.name: summarise(whole.schema, reference.frame, reference.predicted)
            for reference in whole.references
        }
        self._wanders = wander(whole.schema, whole.references[0], pool.rows)

    def findings(self, window: Feedback) -> tuple[Finding, ...]:
        """Return the drift of one window; the golden answers are those of the rows not drawn."""
        batch = summarise(self._schema, window.frame, champion_answers(window))
        answers = window.references[0].predicted
        first = summarise(self._schema, pd.DataFrame(index=answers.index), answers)
        original = self._known["original"] | {"prediction": first["prediction"]}
        known = self._known | {"original": original}
        return self._check.findings(self._schema, batch, known, self._wanders)


def _held_out(context: Context, batches: tuple[Eligible, ...], golden: int) -> pd.DataFrame:
    """Return held-out rows of `batches` in time order, the newest first to be taken, each capped."""
    schema = context.schema
    parts: list[pd.DataFrame] = []
    for each in reversed(batches):
        rows = data.read_admitted(context.layout, [each.batch], held_out=True)
        if schema.source is not None and schema.source in rows:
            rows = rows[~rows[schema.source].fillna("").astype(str).isin(each.tainted)]
        left = golden - sum(map(len, parts))
        parts.append(
            _in_time_order(schema, rows).head(min(left, max(1, int(MOST_OF_A_BATCH * golden))))
        )
    return pd.concat(parts[::-1], ignore_index=True) if parts else pd.DataFrame()


def _in_time_order(schema: Schema, rows: pd.DataFrame) -> pd.DataFrame:
    """Return `rows` by their time, or as they were kept where there is none."""
    if schema.time is None or schema.time not in rows:
        return rows
    return rows.sort_values(schema.time, kind="stable")


def _with_sources(
    context: Context, frame: pd.DataFrame, batches: tuple[Eligible, ...]
) -> pd.DataFrame:
    """Return `frame` with a source for each row where any is known, drawn where it has none."""
    source = context.schema.source
    counts = _shares(context, batches)
    if source is None or not counts:
        return frame
    own = frame[source] if source in frame else pd.Series([None] * len(frame), dtype=object)
    names = np.array(sorted(counts), dtype=object)
    shares = np.array([counts[name] for name in names], dtype=float)
    seed = keys.random_seed(context.layout, "calibration's sources")
    drawn = np.random.default_rng(seed).choice(names, len(frame), p=shares / shares.sum())
    return frame.assign(**{source: own.where(own.notna(), pd.Series(drawn))})


def _shares(context: Context, batches: tuple[Eligible, ...]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for each in batches:
        sent = data.read_manifest(context.layout.admitted(each.batch)).sources.items()
        counts.update({name: n for name, n in sent if name and name not in each.tainted})
    return counts
