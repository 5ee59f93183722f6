"""intake: freeze a delivery, measure it, decide, and settle it."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from sluicegate.core import Artifact, Assessment, Batch, SluicegateError, Verdict
from sluicegate.evidence.statement import VERDICT
from sluicegate.flows.feedback.judge import batch_of, freeze, judge
from sluicegate.flows.feedback.repeated_checks import remember
from sluicegate.flows.feedback.settle import settle
from sluicegate.record.context import POLICY_FILES, Context, Step, plainly
from sluicegate.record.findings import findings_of
from sluicegate.record.judgement import Frozen, Judgement
from sluicegate.record.policy import unlike_tree
from sluicegate.record.policy_in_force import policy_in_force
from sluicegate.record.results import IntakeResult, judged
from sluicegate.record.subjects.incident import cleaned_so_far
from sluicegate.record.subjects.kind import stated
from sluicegate.stores import data, files, git, record
from sluicegate.stores.reading import require_file
from sluicegate.stores.transaction import tidy, transaction

STALE_SECONDS = 86_400


def check(context: Context, given: str | Path) -> IntakeResult:
    """Judge a delivery as intake would, on a private copy, and change nothing.

    It remembers the call outside git: answers help anyone who probes what passes.
    """
    started = time.monotonic()
    uncommitted = tuple(unlike_tree(context.layout))
    context = policy_in_force(context)
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as scratch:
        frozen = freeze(context, require_file(given), Path(scratch))
        result = _duplicate(context, frozen, started)
        if result is None:
            judgement = judge(context, frozen)
            result = _result(judgement, batch_of(context, frozen, None), started)
        frame = frozen.table.frame if frozen.table else None
        found = result.assessment.findings
        remember(context, frame, frozen.artifact.sha256, result.outcome, found)
        return replace(result, uncommitted=uncommitted)


def intake(context: Context, given: str | Path, step: Step = plainly) -> IntakeResult:
    """Receive a delivery: judge it, then admit, quarantine, pause or reject it.

    A delivery that was received before returns its recorded verdict and changes nothing. A policy
    that differs from what its owners signed pauses the batch. Raises Misused for a path
    that is no plain file, Conflict for an uncommitted policy.
    """
    started = time.monotonic()
    path = require_file(given)
    git.require_branch(context.layout.root)
    git.require_committed(context.layout.root, POLICY_FILES)
    tidy(context.layout)
    context = policy_in_force(context)
    with tempfile.TemporaryDirectory(prefix="intake-", dir=_scratch(context)) as scratch:
        frozen = step("freeze", freeze, context, path, Path(scratch))
        known = _duplicate(context, frozen, started)
        if known:
            return known
        while True:
            before = cleaned_so_far(context.layout)
            try:
                judgement = step("measure and decide", judge, context, frozen)
            except (SluicegateError, OSError):  # a rollback may have moved what was being read
                with files.locked(context.layout.home / "lock", "busy"):
                    if cleaned_so_far(context.layout) == before:
                        raise
                context.tell("A rollback finished meanwhile; judging the batch again")
                continue
            with transaction(context, "intake") as t:
                known = _duplicate(context, frozen, started)
                if known:
                    return known
                if cleaned_so_far(context.layout) == before:
                    batch = step("settle", settle, t, context, judgement)
                    return _result(judgement, batch, started)
            context.tell("A rollback finished meanwhile; judging the batch again")


def _duplicate(context: Context, frozen: Frozen, started: float) -> IntakeResult | None:
    """Return the recorded result of a delivery with the same bytes, None when it is new."""
    for number in record.received(context.layout):
        manifest = data.read_manifest(context.layout.intake(number))
        if manifest.sha256 == frozen.artifact.sha256 and not _outdone(context, frozen, manifest):
            return _recorded(context, frozen, manifest, started)
    return None


def _outdone(context: Context, frozen: Frozen, manifest: data.Manifest) -> bool:
    """Tell whether a feed signs what was received unsigned before, and let in nowhere.

    Else whoever gets hold of a copy could have it stopped as nobody's, before the feed delivers it.
    """
    admitted = (context.layout.admitted(str(manifest.batch)) / data.MANIFEST).is_file()
    return frozen.feed is not None and not manifest.feed and not admitted


def _recorded(
    context: Context, frozen: Frozen, manifest: data.Manifest, started: float
) -> IntakeResult:
    number = str(manifest.batch)
    layout = context.layout
    predicate = stated(layout, layout.intake(number) / "verdict.json", VERDICT)
    batch = Batch(
        id=number,
        artifact=Artifact(manifest.file, manifest.sha256),
        received=manifest.received,
        rows=manifest.rows,
        sources=len(manifest.sources),
    )
    return IntakeResult(
        path=frozen.origin,
        assessment=Assessment(batch, (), Verdict.read(predicate, "verdict.json")),
        findings=tuple(findings_of(layout, number)),
        duplicate_of=number,
        seconds=time.monotonic() - started,
    )


def _result(judgement: Judgement, batch: Batch, started: float) -> IntakeResult:
    return IntakeResult(
        path=judgement.frozen.origin,
        assessment=Assessment(batch, judgement.findings, judgement.verdict),
        findings=tuple(judged(judgement.findings, judgement.policy, judgement.rows_of)),
        duplicate_of=None,
        seconds=time.monotonic() - started,
    )


def _scratch(context: Context) -> Path:
    folder = context.layout.home / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():  # a killed intake leaves a raw copy of its delivery
        if time.time() - left.stat().st_mtime > STALE_SECONDS:
            files.remove_tree(left)
    return folder
