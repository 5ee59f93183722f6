"""judge: freeze a delivery, measure it and decide; it writes only a private copy."""

import hashlib
import hmac
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from sluicegate.core import Artifact, Batch, Finding
from sluicegate.core.canonical import sha256_file
from sluicegate.core.finding import quoted_in
from sluicegate.flows.feedback import workers
from sluicegate.flows.feedback.measure import Measured, measure
from sluicegate.flows.feedback.repeated_checks import repeats
from sluicegate.gates import Policy, decide
from sluicegate.record.calibration import intake_policy
from sluicegate.record.context import Context
from sluicegate.record.feeds import as_proven, feed_of, read_signature
from sluicegate.record.judgement import Frozen, Judgement
from sluicegate.record.policy_in_force import with_built_in_limits
from sluicegate.stores import data, keys
from sluicegate.stores.reading import SUFFIXES, Unreadable, read_table


def freeze(context: Context, path: Path, scratch: Path) -> Frozen:
    """Copy the delivery and read the copy in a child process; the original stays untouched."""
    workers.start()
    context.tell(f"Reading {path.name}")
    copy = scratch / f"delivery{path.suffix.lower()}"
    shutil.copyfile(path, copy)
    feed = feed_of(context, path, read_signature(path), copy)
    normal = scratch / "normal.parquet"
    key = keys.derived_key(context.layout, "pseudonym")
    form = SUFFIXES[copy.suffix]
    origin = str(path)
    try:
        table = read_table(copy, form, context.schema, key, context.settings.reading, normal)
    except Unreadable as refused:
        sha256 = sha256_file(copy)
        if context.schema.sensitive:
            sha256 = hmac.new(key, sha256.encode(), hashlib.sha256).hexdigest()
        sentence = f"{path.name}: {refused}"
        return Frozen(origin, Artifact(path.name, sha256), None, copy, sentence, feed)
    if context.settings.sources.signed:
        table = replace(table, frame=as_proven(table.frame, context.schema, feed))
    # With sensitive columns the delivery itself is never hashed or kept, only its normal form.
    kept = normal if context.schema.sensitive else copy
    return Frozen(origin, Artifact(path.name, sha256_file(kept)), table, kept, feed=feed)


def judge(context: Context, frozen: Frozen) -> Judgement:
    """Measure the frozen batch and decide by the policy."""
    known = [context.signature] if context.signature else []
    return judge_by(context, frozen, with_built_in_limits(intake_policy(context), known), known)


def judge_by(
    context: Context, frozen: Frozen, policy: Policy, known: Sequence[Finding] = ()
) -> Judgement:
    """Measure the frozen batch and decide by `policy`; `known` was found of these rows before."""
    context.tell("Measuring contract, drift, sources, duplicates and triggers")
    if frozen.table is None:
        why = frozen.unreadable
        quotes = quoted_in(why)
        unreadable = [Finding("contract", "contract.critical", 1.0, detail=why, quotes=quotes)]
        measured = Measured(unreadable, pd.Series([], dtype=object), None)
        rows_of: dict[str, list[int]] = {}
    else:
        normal = frozen.path.with_name("normal.parquet")
        measured = measure(context, frozen.table, normal, policy)
        asked = repeats(context, frozen.table.frame, frozen.artifact.sha256)
        measured = replace(measured, findings=[*measured.findings, asked])
        rows_of = data.rows_by_source(frozen.table.frame, context.schema.source)
    findings = (*measured.findings, *known)
    verdict = decide(policy, f"batch:{frozen.artifact.sha256[:12]}", findings, rows_of)
    return Judgement(
        frozen=frozen,
        findings=findings,
        verdict=verdict,
        predicted=measured.predicted,
        panel=measured.panel,
        pulled=measured.pulled,
        stopped=measured.stopped,
        policy=policy,
        rows_of=rows_of,
    )


def batch_of(context: Context, frozen: Frozen, number: str | None) -> Batch:
    """Return the batch that `frozen` is, under its `number` once it has one."""
    table = frozen.table
    source = context.schema.source
    counts = data.source_counts(table.frame, context.schema) if table and source else {}
    rows = len(table.frame) if table else 0
    return Batch(number, frozen.artifact, context.now(), rows, len(counts))
