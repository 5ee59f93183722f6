"""retrain: build a challenger from pinned data, compare it with the champion, decide and settle.

The pipeline of dvc.yaml runs in a linked worktree at the pinned data commit. So intake continues
meanwhile, and a batch that arrives during assembly is never recorded as learnt from.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluicegate.core import Conflict, ModelRef, Outcome, Stage, Tampered, Update, Verdict, advance
from sluicegate.core.update import stage_after
from sluicegate.flows.compare import Pinned, PinnedChampion
from sluicegate.flows.feedback.calibrate import recalibrate_if_stale
from sluicegate.flows.feedback.quarantine import hold
from sluicegate.flows.updates.promote import finish_promotion, promote
from sluicegate.flows.updates.record_update import record_update, refuse
from sluicegate.record.champion import champion_of, first_champion
from sluicegate.record.comparison import Reported, findings_in
from sluicegate.record.context import POLICY_FILES, Context, Step, plainly
from sluicegate.record.policy import in_force, require_signed
from sluicegate.record.policy_in_force import candidate_policy, policy_in_force, write_signed_files
from sluicegate.record.replay import judge_update, with_approval
from sluicegate.record.results import RetrainResult, judged
from sluicegate.record.security_review import first_promotion
from sluicegate.record.superseded import require_rolled_back
from sluicegate.record.updates import (
    FIRST,
    approved,
    awaiting,
    new_batches,
    read_comparison,
    read_update,
)
from sluicegate.review.ask import about_update, keep_page
from sluicegate.review.votes import put
from sluicegate.stores import data, dvc, files, git, models, pipeline, record
from sluicegate.stores.environment import scrubbed
from sluicegate.stores.layout import Layout, next_number
from sluicegate.stores.mlflow import Run, open_registry
from sluicegate.stores.transaction import tidy, transaction

LEARNT: tuple[str, ...] = ("reference", "batches")
JUDGED_BY = ("golden", "trust", *POLICY_FILES)


@dataclass(frozen=True)
class Built:
    """What the pipeline made: the challenger, and its measurements."""

    update: Update
    model: Path
    comparison: Reported
    tree: Path
    took: tuple[str, str]
    """When the build began and ended."""


def retrain(
    context: Context,
    supersede: bool = False,
    step: Step = plainly,
    refuse_expired: Callable[[Context], object] = lambda _: None,
) -> RetrainResult:
    """Train a challenger on everything admitted so far, and promote, pause or refuse it.

    While an update awaits review this returns that update; `supersede` replaces it instead. Raises
    Conflict for an uncommitted policy or another running retrain, CannotDecide for a failing trainer.
    First, `refuse_expired` closes the questions that nobody answered in time.
    A policy that differs from what its owners signed pauses the update; it neither runs nor judges.
    """
    started = time.monotonic()
    root = context.layout.root
    busy = f"Another retrain is running in {root}; wait for it to finish."
    with files.locked(context.layout.home / "retrain.lock", busy, wait=False):
        git.require_branch(root)
        git.require_committed(root, POLICY_FILES)
        tidy(context.layout)
        if approved(context.layout):
            require_signed(context.layout)  # nothing is promoted past an unsigned policy
        context = policy_in_force(context)
        finish_promotion(context)
        refuse_expired(context)
        require_rolled_back(context)
        waiting = awaiting(context.layout)
        if waiting and not supersede:
            return _still_waiting(context, waiting[0], started)
        step("calibrate the limits", recalibrate_if_stale, context)
        built = step("build and compare", build, context, pin(context))
        return conclude(context, built, started, step)


def conclude(context: Context, built: Built, started: float, step: Step = plainly) -> RetrainResult:
    """Decide on the built challenger, and promote it if no approval is needed."""
    update, verdict = step("decide", settle, context, built)
    if update.stage is Stage.APPROVED:
        update = step("promote", promote, context, update.id)
    git.remove_worktree(context.layout.root, built.tree)
    found = findings_in(built.comparison)
    return RetrainResult(
        update=update,
        outcome=verdict.outcome,
        findings=tuple(judged(found, candidate_policy(context.settings, found))),
        reasons=verdict.reasons,
        seconds=time.monotonic() - started,
    )


def plan(context: Context) -> dict[str, Any]:
    """Return what a retrain would do now."""
    update = pin(context)
    waiting = awaiting(context.layout)
    return {
        "schema": 1,
        "update": update.id,
        "data_commit": update.data_commit,
        "batches": list(update.batches),
        "new": new_batches(context, update),
        "champion": update.champion.to_dict() if update.champion else None,
        "awaiting": waiting[0] if waiting else None,
    }


def first_update(context: Context) -> None:
    """Train and promote the first champion, which has no predecessor to compare with."""
    with files.locked(context.layout.home / "retrain.lock", "Another init is running.", wait=False):
        built = build(context, pin(context, first=True))
        settle(context, built)
        promote(context, FIRST)
        git.remove_worktree(context.layout.root, built.tree)


def pin(context: Context, first: bool = False) -> Update:
    """Return a new update of everything that HEAD has admitted."""
    layout = context.layout
    champion = None if first else champion_of(layout).ref
    commit = git.head(layout.root)
    if layout.policy and context.signature is None:
        _require_same_policy(layout.root, layout.policy, commit)
    return Update(
        id=FIRST if first else next_number(layout.root / "updates"),
        stage=Stage.ASSEMBLED,
        data_commit=commit,
        batches=tuple(record.admitted_in(layout, commit)),
        champion=champion,
    )


def _require_same_policy(root: Path, policy: str, commit: str) -> None:
    """Raise Conflict where a commit would be trained by another policy than it is judged by."""
    one, other = (git.objects(root, each, POLICY_FILES) for each in (policy, commit))
    if one != other:
        name = min({name for name, _ in one.items() ^ other.items()})
        raise Conflict(f"A new commit changed {name} meanwhile; run the same command again.")


def build(context: Context, update: Update) -> Built:
    """Run assemble, train and compare in a worktree at the update's data commit."""
    layout, began = context.layout, context.now()
    tree = layout.work / update.id
    git.add_worktree(layout.root, tree, update.data_commit)
    signed = in_force(layout)
    if signed is not None:
        write_signed_files(layout, signed, tree)  # whatever else was committed never runs
    dvc.share_cache(tree, layout.root)
    fetch(tree, update)
    files.write_json(tree / "candidate.json", pinned_champions(context, update).to_dict())
    pipeline.require_ours(tree)
    subject = f"update:{update.id}"
    dvc.repro(tree, pipeline.STAGES, scrubbed(), lambda stage: context.tell(f"{subject}: {stage}"))
    model = tree / "build" / "model"
    models.require_data_only(model)
    made = files.read_json(tree / "build" / "comparison.json")
    comparison = Reported.read(made, "build/comparison.json")
    more = (context.signature, first_promotion(context) if update.champion else None)
    found = (*comparison.findings, *(each for each in more if each is not None))
    comparison = comparison.model_copy(update={"findings": found})
    digest = models.digest(model)
    if comparison.challenger != digest:
        raise Tampered("The challenger changed after the comparison; retrain it.")
    files.copy_tree(model, layout.models / digest)
    trained, took = advance(update, Stage.TRAINED), (began, context.now())
    return Built(trained, layout.models / digest, comparison, tree, took)


def fetch(tree: Path, update: Update) -> None:
    """Bring the data that the update learns from into its worktree, all of it verified on reading."""
    tables = [tree / "reference" / "reference.parquet", tree / "golden" / "golden.parquet"]
    tables += [tree / "batches" / batch / data.FEEDBACK for batch in update.batches]
    dvc.checkout(tree, tables)


def pinned_champions(context: Context, update: Update) -> Pinned:
    """Return candidate.json: the champions to compare the challenger with, and what they were made of."""
    if update.champion is None:
        return Pinned(update=update.id, champion=None, first=None)
    champion, first = champion_of(context.layout), first_champion(context.layout)
    return Pinned(
        update=update.id,
        champion=PinnedChampion(
            version=champion.version,
            sha256=champion.sha256,
            update=champion.update,
            makeup=read_comparison(context.layout, champion.update).makeup,
        ),
        first=read_comparison(context.layout, first.update).makeup,
    )


def settle(context: Context, built: Built) -> tuple[Update, Verdict]:
    """Register the challenger, judge it and record the update, without promoting it."""
    measured = judge_update(context.settings, built.update, built.comparison)
    verdict = with_approval(context.settings, measured)
    run_id, version = register(context, built)
    challenger = ModelRef(version, built.comparison.challenger)
    compared = advance(built.update, Stage.COMPARED, challenger=challenger)
    update = advance(compared, stage_after(verdict), verdicts=(verdict,))
    with transaction(context, "update", rooms=("updates", "ledger", "batches", "quarantine")) as t:
        for old in awaiting(context.layout):
            refuse(t, context, old, f"superseded by update:{update.id}")
        record_update(
            t, context, update, built.comparison, built.tree, run_id, measured.outcome, built.took
        )
        if update.stage is Stage.AWAITING:
            put(t, context, about_update(context, update))
        if measured.outcome is Outcome.REJECT:
            hold(t, new_batches(context, update), f"update:{update.id} was rejected")
        t.commits_as(f"update:{update.id} {update.stage.value}")
    if update.stage is Stage.AWAITING:
        keep_page(context, update.id)
    return update, verdict


def register(context: Context, built: Built) -> tuple[str, int]:
    """Log the run in MLflow, register its version as `challenger`, and return both."""
    settings = context.settings
    registry = open_registry(context.layout, settings.model, settings.mlflow.tracking_uri)
    figures = built.comparison.report.of("golden", "challenger")
    digest = built.comparison.challenger
    run_id = registry.log_run(
        Run(
            update=built.update.id,
            model_dir=built.model,
            digest=digest,
            params={**settings.train, "seed": settings.seed},
            metrics={f"golden.{k}": v for k, v in figures.items() if isinstance(v, int | float)},
            datasets=tuple(data.materials(Layout(built.tree), list(built.update.batches))),
            tags={"sluicegate.data_commit": built.update.data_commit},
        )
    )
    version = registry.register(run_id, digest)
    registry.set_alias("challenger", version)
    return run_id, version


def _still_waiting(context: Context, update: str, started: float) -> RetrainResult:
    waiting, verdict = read_update(context.layout, update)
    findings = findings_in(read_comparison(context.layout, update))
    reason = (
        f"update:{update} awaits review, so no training started; "
        "decide it with `sluicegate review`, or replace it with `sluicegate update --supersede`."
    )
    return RetrainResult(
        update=waiting,
        outcome=Outcome.PAUSE,
        findings=tuple(judged(findings, candidate_policy(context.settings, findings))),
        reasons=(reason, *verdict.reasons),
        seconds=time.monotonic() - started,
    )


def nothing_to_do(layout: Layout) -> str | None:
    """Return why a scheduled retrain would train nothing new, None when there is something to do."""
    waiting = awaiting(layout)
    if waiting:
        return f"update:{waiting[0]} awaits review; no training starts until it is decided."
    if approved(layout):
        return None  # its promotion broke off
    admitted = set(data.admitted_batches(layout))
    champion = champion_of(layout)
    tried = [(champion.data_commit, champion.batches, LEARNT)]
    for update in record.updates(layout)[-1:]:
        last = read_update(layout, update)[0]
        tried.append((last.data_commit, last.batches, (*LEARNT, *JUDGED_BY)))
    for commit, batches, paths in tried:
        # rows may also have left a batch that stays, and what was refused may pass by another policy
        if admitted == set(batches) and not git.changes(layout.root, commit, "HEAD", paths):
            return "No rows were admitted since the last update, so there is nothing new to learn."
    return None
