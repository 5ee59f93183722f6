"""The runbooks as Prefect flows: the only importer of prefect.

Each step of a runbook is a task, each result an artifact on the run's page. A "no" is a completed run
with its name; an error fails the run with its one sentence. Nothing is cached, retried or persisted:
a runbook knows by its own record what it has done, and results hold what contributors sent.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar, cast

from prefect import flow, get_client, get_run_logger, task
from prefect import serve as serve_deployments
from prefect import settings as known
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    FlowRun,
    State,
    StateType,
)
from prefect.deployments.runner import RunnerDeployment
from prefect.events.worker import EventsWorker
from prefect.runtime import flow_run
from prefect.schedules import Cron
from prefect.settings import temporary_settings
from prefect.states import Completed, Crashed, Failed
from prefect.types.entrypoint import EntrypointType

from sluicegate.core import Misused, Outcome, SluicegateError
from sluicegate.flows import intake as taking
from sluicegate.flows import retrain as retraining
from sluicegate.flows import update as updating
from sluicegate.flows.champion import champion_of
from sluicegate.flows.context import Context, Step, open_context, silent, utc_now
from sluicegate.flows.inbox import Taken
from sluicegate.flows.inbox import inbox as take_inbox
from sluicegate.flows.results import IntakeResult, RetrainResult, UpdateResult
from sluicegate.flows.summary import batch_page, findings_rows, inbox_page, said, update_page
from sluicegate.flows.up import SERVING
from sluicegate.flows.updates import awaiting, read_update
from sluicegate.stores.data import admitted_batches
from sluicegate.stores.layout import Layout, numbered

T = TypeVar("T")

SERVED = "SLUICEGATE_WORKSPACE"
_also_told: ContextVar[Callable[[str], None]] = ContextVar("also_told", default=silent)
STATE_NAMES = {Outcome.PAUSE: "Paused", Outcome.REJECT: "Rejected"}
ONE_AT_A_TIME = ConcurrencyLimitConfig(
    limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
)
BROKEN_OFF = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


def _run_name() -> str:
    """Return what the run works on: the file, or the workspace."""
    given = dict(flow_run.parameters)
    verb = str(flow_run.flow_name)
    return f"{verb} {Path(str(given.get('path') or given.get('workspace') or '')).name}"


_AS_FLOW: dict[str, Any] = {
    "flow_run_name": _run_name,
    "retries": 0,
    "persist_result": False,
    "validate_parameters": True,
}


@flow(**_AS_FLOW)
def inbox(workspace: str) -> State[list[Taken]]:
    """Take in every new file of the workspace's inbox, the oldest first."""
    return _settled(lambda: _inbox(_open(workspace)))


@flow(**_AS_FLOW)
def intake(workspace: str, path: str) -> State[IntakeResult]:
    """Judge one delivery of feedback, and admit, quarantine, pause or reject it."""
    return _settled(lambda: _intake(_open(workspace), path))


@flow(**_AS_FLOW)
def retrain(workspace: str, supersede: bool = False) -> State[RetrainResult | None]:
    """Train a challenger if there is anything new, and promote, pause or refuse it.

    `supersede` trains in any case and replaces an update that awaits review.
    """
    return _settled(lambda: _retrain(_open(workspace), supersede))


@flow(**_AS_FLOW)
def update(workspace: str, path: str) -> State[UpdateResult]:
    """Take in one delivery and retrain, unless intake paused or rejected it."""
    return _settled(lambda: _update(_open(workspace), path))


def as_task(name: str, function: Callable[..., T], /, *arguments: Any) -> T:
    """Run one step of a runbook as a Prefect task."""
    refused: list[SluicegateError] = []

    def run() -> Any:
        try:
            return function(*arguments)
        except SluicegateError as error:
            # raised again below: the task must fail with a sentence, not with a traceback
            refused.append(error)
            return Failed(message=str(error))

    # No arguments: Prefect would walk through data frames and keys to look for other tasks' results.
    as_shown = task(
        name=name, task_run_name=name, cache_policy=NO_CACHE, retries=0, persist_result=False
    )
    result: Any = as_shown(run)()
    if refused:
        raise refused[0]
    return cast(T, result)


_step: Step = as_task


def observed_update(
    chosen: Mapping[str, str], root: Path, path: Path, tell: Callable[[str], None]
) -> UpdateResult:
    """Run the flow `update` under the `chosen` settings, `tell` its progress, return its result."""
    # The environment alone does not reach a prefect that was imported before.
    values = {getattr(known, name): value for name, value in chosen.items() if hasattr(known, name)}
    told = _also_told.set(tell)
    with temporary_settings(values):
        try:
            result: Any = update(str(root), str(path))
        finally:
            # what the run page shows of tasks travels as events; the server may be gone in a moment
            EventsWorker.drain_all(timeout=10)
            _also_told.reset(told)
    if not isinstance(result, UpdateResult):
        raise Misused("The flow `update` returned no result; run with --no-prefect.")
    return result


def serve(workspace: Path) -> None:
    """Serve the deployments of `workspace` with the schedules of its params.yaml until stopped."""
    context = open_context(workspace)
    root = str(context.layout.root)
    os.environ[SERVED] = root
    schedule = context.settings.schedule
    deployments = [
        _deployment(inbox, root, schedule.intake, ONE_AT_A_TIME),
        _deployment(retrain, root, schedule.retrain, ONE_AT_A_TIME),
        _deployment(intake, root),
        _deployment(update, root),
    ]
    with get_client(sync_client=True) as client:
        forget_broken_off(client, [each.name for each in deployments])
    print(SERVING, root, flush=True)
    serve_deployments(*deployments, pause_on_shutdown=False, print_starting_message=False)


def forget_broken_off(client: SyncPrefectClient, names: list[str]) -> None:
    """Close the runs that died with the last runner: theirs would be the only slot for ever.

    Runs that were due meanwhile are dropped, or all of them would start at once.
    """
    ours = DeploymentFilter(name=DeploymentFilterName(any_=names))
    for run in _runs(client, ours, BROKEN_OFF):
        crashed: State[Any] = Crashed(message="Its runner was stopped; the next run starts afresh.")
        client.set_flow_run_state(run.id, crashed, force=True)
    for run in _runs(client, ours, (StateType.SCHEDULED,)):
        due = run.next_scheduled_start_time or run.expected_start_time
        if run.auto_scheduled and due is not None and due < utc_now():
            client.delete_flow_run(run.id)


def _runs(
    client: SyncPrefectClient, ours: DeploymentFilter, types: tuple[StateType, ...]
) -> list[FlowRun]:
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types)))
    return client.read_flow_runs(
        deployment_filter=ours, flow_run_filter=FlowRunFilter(state=state), limit=200
    )


def _deployment(
    runbook: Any, root: str, cron: str | None = None, limit: ConcurrencyLimitConfig | None = None
) -> RunnerDeployment:
    made: RunnerDeployment = runbook.to_deployment(
        name=runbook.name,
        schedules=[Cron(cron, timezone="UTC")] if cron else [],
        parameters={"workspace": root},
        concurrency_limit=limit,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return made


def _open(workspace: str) -> Context:
    """Return the context, with progress in the run's log; a runner serves no other workspace.

    Whoever reaches Prefect's API can name any directory, and a workspace brings its own train.py.
    """
    root, served = Path(workspace).resolve(), os.environ.get(SERVED)
    if served and root != Path(served).resolve():
        raise Misused(f"This runner serves {served}, not {workspace}; give that workspace.")
    log, also = get_run_logger(), _also_told.get()

    def tell(text: str) -> None:
        log.info(text)
        also(text)

    return open_context(root, tell=tell)


def _settled(runbook: Callable[[], State[T]]) -> State[T]:
    """Return the state of a finished runbook; an error becomes its one sentence."""
    try:
        return runbook()
    except SluicegateError as error:
        return Failed(message=str(error), data=error)


def _inbox(context: Context) -> State[list[Taken]]:
    taken = take_inbox(context, _step)
    if not taken:
        return Completed(message="Nothing new in the inbox.", data=taken)
    results = [result for _, result in taken if isinstance(result, IntakeResult)]
    for result in results:
        _show_batch(result)
    create_markdown_artifact(markdown=inbox_page(taken), key="inbox")
    message = "; ".join(f"{name}: {said(result)}" for name, result in taken)
    if len(results) < len(taken):
        return Failed(message=message)
    return _completed([result.outcome for result in results], message, taken)


def _intake(context: Context, path: str) -> State[IntakeResult]:
    result = taking.intake(context, path, _step)
    _show_batch(result)
    return _completed([result.outcome], _because(said(result), result.outcome, result), result)


def _retrain(context: Context, supersede: bool) -> State[RetrainResult | None]:
    why_not = None if supersede else nothing_to_do(context.layout)
    if why_not:
        return Completed(name="Skipped", message=why_not)
    result = retraining.retrain(context, supersede, _step)
    _show_update(context, result)
    return _completed([result.outcome], _told(result), result)


def _update(context: Context, path: str) -> State[UpdateResult]:
    result = updating.update(context, path, _step)
    _show_batch(result.intake)
    message = said(result.intake)
    if result.retrain:
        _show_update(context, result.retrain)
        message = f"{message}; {_told(result.retrain)}"
    return _completed([result.outcome], _because(message, result.outcome, result.intake), result)


def nothing_to_do(layout: Layout) -> str | None:
    """Return why a scheduled retrain would train nothing new, None when there is something to do."""
    waiting = awaiting(layout)
    if waiting:
        return f"update:{waiting[0]} awaits review, so nothing is trained until it is decided on."
    admitted = set(admitted_batches(layout))
    last = numbered(layout.root / "updates")[-1:]
    tried = [set(champion_of(layout).batches)]
    tried += [set(read_update(layout, update)[0].batches) for update in last]
    if admitted in tried:
        return "Nothing was admitted since the last update, so there is nothing new to learn."
    return None


def _completed(outcomes: list[Outcome], message: str, result: T) -> State[T]:
    worst = max(outcomes, key=lambda outcome: outcome.severity)
    return Completed(name=STATE_NAMES.get(worst, "Completed"), message=message, data=result)


def _because(message: str, outcome: Outcome, received: IntakeResult) -> str:
    """Return `message` with the reasons of a batch that stopped the line."""
    reasons = received.assessment.verdict.reasons if outcome is received.outcome else ()
    stopped = outcome in STATE_NAMES
    return " ".join([f"{message}.", *reasons[:3]]) if stopped and reasons else message


def _told(result: RetrainResult) -> str:
    told = f"update:{result.update.id} {result.update.stage.value} ({result.outcome.value})"
    return " ".join([f"{told}.", *result.reasons[:3]])


def _show_batch(result: IntakeResult) -> None:
    key = f"batch-{result.assessment.batch.id}"
    create_markdown_artifact(
        markdown=batch_page(result), key=key, description="What became of the batch, and why"
    )
    create_table_artifact(
        table=findings_rows(result.findings), key=f"{key}-findings", description="Every measurement"
    )


def _show_update(context: Context, result: RetrainResult) -> None:
    key = f"update-{result.update.id}"
    create_markdown_artifact(
        markdown=update_page(context, result), key=key, description="Champion and challenger"
    )
    create_table_artifact(
        table=findings_rows(result.findings), key=f"{key}-findings", description="Every measurement"
    )


def main() -> None:
    """Serve the workspace named on the command line."""
    # Prefect loads the flows by this module's own name, not as __main__.
    from sluicegate.flows import deployments

    logging.captureWarnings(True)
    try:
        deployments.serve(Path(sys.argv[1]))
    except SluicegateError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
