"""runs: what all our Prefect runs have in common.

An error fails the run with its one sentence. Nothing is cached, retried or persisted: a runbook knows
by its own record what it has done, and results hold what contributors sent.
"""

import os
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.results import ResultRecord  # type: ignore[attr-defined] # their own `__all__` is short
from prefect.runtime import deployment, flow_run
from prefect.states import Crashed, Failed

from sluicegate.core import Misused, SluicegateError
from sluicegate.record.context import SERVED, Context, open_context, silent, utc_now

P = ParamSpec("P")
T = TypeVar("T")

also_tell: ContextVar[Callable[[str], None]] = ContextVar("also_tell", default=silent)
BROKEN_OFF = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


def refuse_results() -> None:
    """Never read a result back from Prefect in this process.

    A state names the file with its result and how to unpickle it, and anyone who reaches the API
    can write states: reading a result would run their code.
    """

    def refuse(*_: Any, **__: Any) -> Any:
        raise Misused("sluicegate reads no results back from Prefect: a state can name any file.")

    for reader in ("deserialize", "deserialize_from_result_and_metadata"):
        setattr(ResultRecord, reader, refuse)


def result_in(state: State[Any]) -> Any:
    """Return the result that a run in this process left in `state`, without reading storage."""
    return state.data.result if isinstance(state.data, ResultRecord) else state.data


if os.environ.get(SERVED):  # a process of the runner, which runs nobody else's flows
    refuse_results()


def _run_name() -> str:
    """Return what the run works on: the subject, the file, or the workspace."""
    given = dict(flow_run.parameters)
    verb = str(flow_run.flow_name)
    about = (
        given.get("subject") or Path(str(given.get("path") or given.get("workspace") or "")).name
    )
    return f"{verb} {about}"


AS_FLOW: dict[str, Any] = {
    "flow_run_name": _run_name,
    "retries": 0,
    "persist_result": False,
    "validate_parameters": True,
}


def as_task(name: str, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
    """Run one step of a runbook as a Prefect task."""
    refused: list[SluicegateError] = []

    def run() -> Any:
        try:
            return function(*arguments, **named)
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


def open_served(workspace: str) -> Context:
    """Return the context, with progress in the run's log; a runner serves no other workspace.

    Anyone who reaches Prefect's API can name any directory, and a workspace has its own train.py.
    """
    root, served = Path(workspace).resolve(), os.environ.get(SERVED)
    if deployment.id and not served:
        raise Misused(f"This worker has no workspace; start it with {SERVED}={workspace}.")
    if served and root != Path(served).resolve():
        raise Misused(f"This runner serves {served}, not {workspace}; run the flow for {served}.")
    log, also = get_run_logger(), also_tell.get()

    def tell(text: str) -> None:
        log.info(text)
        also(text)

    return replace(open_context(root, tell=tell), unattended=deployment.id is not None)


def settled(runbook: Callable[[], State[T]]) -> State[T]:
    """Return the state of a finished runbook; an error becomes its one sentence."""
    try:
        return runbook()
    except SluicegateError as error:
        return Failed(message=str(error), data=error)


def forget_broken_off(client: SyncPrefectClient, names: list[str]) -> None:
    """Close the runs that died with the last runner: they would occupy the only slot for ever.

    It also drops the runs that were due meanwhile, or all of them would start at once.
    """
    ours = DeploymentFilter(name=DeploymentFilterName(any_=names))
    for run in runs_of(client, ours, BROKEN_OFF):
        crashed: State[Any] = Crashed(message="The runner was stopped; the next run starts over.")
        client.set_flow_run_state(run.id, crashed, force=True)
    for run in runs_of(client, ours, (StateType.SCHEDULED,)):
        due = run.next_scheduled_start_time or run.expected_start_time
        if run.auto_scheduled and due is not None and due < utc_now():
            client.delete_flow_run(run.id)


def runs_of(
    client: SyncPrefectClient, ours: DeploymentFilter, types: tuple[StateType, ...]
) -> list[FlowRun]:
    """Return the newest runs of deployments that are in a state of one of `types`."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types)))
    return client.read_flow_runs(
        deployment_filter=ours, flow_run_filter=FlowRunFilter(state=state), limit=200
    )
