"""The runbooks as Prefect flows.

Each step of a runbook is a task, each result an artifact on the run's page. A "no" is a completed run
with its name.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import flow
from prefect import settings as known
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.events.worker import EventsWorker
from prefect.settings import temporary_settings
from prefect.states import Completed, Failed

from sluicegate.core import Misused, SluicegateError
from sluicegate.flows.decisions.review import refuse_expired
from sluicegate.flows.feedback import intake as taking
from sluicegate.flows.orchestration.embedded import reached
from sluicegate.flows.orchestration.form import review
from sluicegate.flows.orchestration.inbox import Taken
from sluicegate.flows.orchestration.inbox import inbox as take_inbox
from sluicegate.flows.orchestration.review_runs import asking_after
from sluicegate.flows.orchestration.runs import (
    AS_FLOW,
    also_tell,
    as_task,
    open_served,
    result_in,
    settled,
)
from sluicegate.flows.orchestration.summary import (
    completed,
    delivery_line,
    inbox_page,
    show_batch,
    show_update,
    update_line,
    with_reasons,
)
from sluicegate.flows.orchestration.trial_runs import bisect, plan
from sluicegate.flows.rollback import rollback as rolling_back
from sluicegate.flows.rollback import watch as watching
from sluicegate.flows.rollback.rollback import Order, RolledBack
from sluicegate.flows.rollback.watch import Watched
from sluicegate.flows.trials import drill as drilling
from sluicegate.flows.trials.drill_page import page as drill_page
from sluicegate.flows.trials.drill_page import read_pictures
from sluicegate.flows.trials.drilled import Drilled, verdict_line
from sluicegate.flows.updates import retrain as retraining
from sluicegate.flows.updates import update as updating
from sluicegate.flows.updates.retrain import nothing_to_do
from sluicegate.record.causes import parse_cause
from sluicegate.record.champion import champion_of, suspended
from sluicegate.record.context import Context, Step
from sluicegate.record.drills import DRILLS
from sluicegate.record.open_incidents import incomplete
from sluicegate.record.results import IntakeResult, RetrainResult, UpdateResult
from sluicegate.reports.incident import ACCOUNT
from sluicegate.stores.reading import require_file

_step: Step = as_task


@flow(**AS_FLOW)
def inbox(workspace: str) -> State[list[Taken]]:
    """Take in every new file of the workspace's inbox, the oldest first."""
    return asking_after(workspace, _inbox)


@flow(**AS_FLOW)
def intake(workspace: str, path: str) -> State[IntakeResult]:
    """Judge one delivery of feedback, and admit, quarantine, pause or reject it."""
    return asking_after(workspace, lambda context: _intake(context, path))


@flow(**AS_FLOW)
def retrain(workspace: str, supersede: bool = False) -> State[RetrainResult | None]:
    """Train a challenger if there is anything new, and promote, pause or refuse it.

    `supersede` trains in any case and replaces an update that awaits review.
    """
    return asking_after(workspace, lambda context: _retrain(context, supersede))


@flow(**AS_FLOW)
def update(workspace: str, path: str) -> State[UpdateResult]:
    """Take in one delivery and retrain, unless intake paused or rejected it."""
    return asking_after(workspace, lambda context: _update(context, path))


@flow(**AS_FLOW)
def drill(workspace: str, full: bool = True, seed: int | None = None) -> State[Drilled]:
    """Attack the gates with the workspace's own data, in a scratch copy; nothing is learnt."""
    order = drilling.Order(full, (), seed)
    return settled(lambda: _drill(open_served(workspace), order))


@flow(**AS_FLOW)
def rollback(
    workspace: str, because: str, reason: str = "", retrain: bool = True
) -> State[RolledBack]:
    """Roll back `because` (batch:0003, source:NAME, row:0003/57, trigger:0003, update:0003).

    It leaves serving, data and models, in this order. It needs no approval beforehand; reviewers
    countersign it within a day.
    """
    return asking_after(
        workspace, lambda context: _rollback(context, Order(parse_cause(because), reason, retrain))
    )


@flow(**AS_FLOW)
def watch(workspace: str) -> State[Watched]:
    """Judge the champion on feedback that it has not learnt from; a breach proposes its rollback."""
    return asking_after(workspace, _watch)


RUNBOOKS = (inbox, retrain, intake, update, drill, rollback, watch, bisect, plan, review)


def observed_update(
    chosen: Mapping[str, str], root: Path, path: Path, tell: Callable[[str], None]
) -> UpdateResult:
    """Run the flow `update` under the `chosen` settings, `tell` its progress, return its result."""
    # The environment alone does not reach a prefect that was imported before.
    values = {getattr(known, name): value for name, value in chosen.items() if hasattr(known, name)}
    before = also_tell.set(tell)
    with temporary_settings(values):
        try:
            # the state, not the result: what the server answers is not read as one
            state: Any = update(str(root), str(path), return_state=True)
        finally:
            # what the run page shows of tasks travels as events; the server may be gone in a moment
            EventsWorker.drain_all(timeout=10)
            also_tell.reset(before)
    found = result_in(state)
    if isinstance(found, SluicegateError):
        raise found
    if not isinstance(found, UpdateResult):
        raise Misused(
            f"The flow `update` ended as {state.name} ({state.message}) without a result; "
            "run with --no-prefect."
        )
    return found


def _inbox(context: Context) -> State[list[Taken]]:
    taken = take_inbox(context, _step)
    if not taken:
        return Completed(message="Nothing new in the inbox.", data=taken)
    results = [result for _, result in taken if isinstance(result, IntakeResult)]
    for result in results:
        show_batch(result)
    create_markdown_artifact(markdown=inbox_page(taken), key="inbox")
    message = "; ".join(f"{name}: {delivery_line(result)}" for name, result in taken)
    if len(results) < len(taken):
        return Failed(message=message)
    return completed([result.outcome for result in results], message, taken)


def _intake(context: Context, path: str) -> State[IntakeResult]:
    result = taking.intake(context, path, _step)
    show_batch(result)
    message = with_reasons(delivery_line(result), result.outcome, result)
    return completed([result.outcome], message, result)


def _retrain(context: Context, supersede: bool) -> State[RetrainResult | None]:
    why_not = None if supersede else nothing_to_do(context.layout)
    if why_not:
        return Completed(name="Skipped", message=why_not)
    result = retraining.retrain(context, supersede, _step, refuse_expired)
    show_update(context, result)
    return completed([result.outcome], update_line(result), result)


def _update(context: Context, path: str) -> State[UpdateResult]:
    result = updating.update(context, path, _step, refuse_expired)
    show_batch(result.intake)
    message = delivery_line(result.intake)
    if result.retrain:
        show_update(context, result.retrain)
        message = f"{message}; {update_line(result.retrain)}"
    return completed([result.outcome], with_reasons(message, result.outcome, result.intake), result)


def _drill(context: Context, order: drilling.Order) -> State[Drilled]:
    shown = create_progress_artifact(0.0, key="drill-progress", description="Progress of the drill")
    last = 0

    def bar(done: int, total: int, what: str) -> None:
        nonlocal last
        if (percent := 100 * done // max(total, 1)) >= last + 2:  # each call is one to the server
            last = percent
            update_progress_artifact(cast(UUID, shown), float(percent))
            context.tell(f"Drill: {percent} %, {what}")

    result = drilling.drill(context, order, bar, _step)
    create_markdown_artifact(
        markdown=drill_page(
            result, read_pictures(context.layout.root / DRILLS / str(result.drill))
        ),
        key=f"drill-{result.drill}",
        description="Which of our own attacks the gates caught, and the trend",
    )
    name = {0: "Completed", 4: "BelowFloor"}.get(result.exit_code, "NotMeasured")
    return Completed(name=name, message=verdict_line(result), data=result)


def _rollback(context: Context, order: Order) -> State[RolledBack]:
    result = rolling_back.rollback(context, order, _step)
    if result.incident is None:
        return Completed(
            name="Skipped", message=f"No row or model contains {order.because}.", data=result
        )
    account = context.layout.incident(result.incident) / ACCOUNT
    create_markdown_artifact(
        markdown=account.read_text(encoding="utf-8"),
        key=f"incident-{result.incident}",
        description="What was rolled back, and what it did while it served",
    )
    behind = ", ".join(each.loader for each in result.still_serving)
    stopped = suspended(context.layout)
    serving = "No model" if stopped else f"Version {champion_of(context.layout).version}"
    what = "was finished before" if result.repeated else "waits for its countersignature"
    sentence = f"{serving} serves; incident:{result.incident} {what}."
    left = f" Still serving the rolled-back model: {behind}." if behind else ""
    return Completed(name="RolledBack", message=sentence + left, data=result)


def _watch(context: Context) -> State[Watched]:
    seen = watching.watch(context, _step)
    message = " ".join([each.detail for each in seen.findings])
    if seen.rolled_back:
        message += f" It was rolled back: incident:{seen.rolled_back.incident}."
    elif seen.proposed:
        message += f" {seen.proposed} is proposed."
    for number, left in incomplete(context).items():
        message += f" incident:{number}: {'; '.join(left)}."
    return completed([seen.verdict.outcome], message, seen)


@contextlib.contextmanager
def observed(context: Context) -> Iterator[Callable[[str | Path], UpdateResult]]:
    """Yield a function that runs `update` as a Prefect flow and returns its result.

    Raises CannotDecide when Prefect cannot be reached; `--no-prefect` does without it.
    """
    with reached(context) as chosen, _environment(chosen):

        def update(given: str | Path) -> UpdateResult:
            path = require_file(given).absolute()
            result = observed_update(chosen, context.layout.root, path, context.tell)
            intake = replace(result.intake, path=str(given))
            return result.model_copy(update={"intake": intake})

        yield update


def run_update(context: Context, given: str | Path) -> UpdateResult:
    """Run `update` once as a Prefect flow and return its result."""
    require_file(given)
    with observed(context) as update:
        return update(given)


@contextlib.contextmanager
def _environment(chosen: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in chosen}
    os.environ.update(chosen)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
