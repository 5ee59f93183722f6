"""review_runs: one suspended Prefect run for each open question, whatever paused it.

The record says what is open, and the runs are kept in line with it. So a run that was deleted,
killed or set to another state is created again, and a pause without Prefect gets its run, too.
"""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import httpx
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.states import Completed

from sluicegate.core import Conflict, SluicegateError
from sluicegate.flows.orchestration.runs import open_served, runs_of, settled
from sluicegate.flows.updates.promote import finish_broken_off
from sluicegate.record.context import Context, open_context, utc_now
from sluicegate.record.questions import read_request
from sluicegate.record.subjects import waiting
from sluicegate.review.votes import require_alive
from sluicegate.stores import record

T = TypeVar("T")

DEPLOYMENT = "review/review"
ON_ITS_WAY = (StateType.PENDING, StateType.RUNNING, StateType.SCHEDULED)
MOST_RUNS = 20
STARTS_WITHIN = timedelta(minutes=10)
LOOK_SECONDS, AGAIN_SECONDS = 3, 30


def keep_asked(client: SyncPrefectClient, context: Context) -> None:
    """Bring the runs of the review deployment in line with the open questions of the workspace.

    Does nothing where that deployment is missing or serves another workspace.
    """
    try:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound:
        return
    if deployment.parameters.get("workspace") != str(context.layout.root):
        return
    ours = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    runs = runs_of(client, ours, tuple(StateType))
    questions = dict(_questions(context))
    message = "The question was decided, asked again, or can no longer be answered."
    for run in runs:
        if run.state_type is StateType.PAUSED and not questions.keys() & set(run.tags):
            over: State[None] = Completed(name="Over", message=message)
            client.set_flow_run_state(run.id, over, force=True)
    for nonce, subject in questions.items():
        asking = [run for run in runs if nonce in run.tags]
        used = {run.idempotency_key for run in asking}
        free = [key for key in (f"{nonce}-{n}" for n in range(MOST_RUNS)) if key not in used]
        if free and not any(_is_live(run) for run in asking):
            client.create_flow_run_from_deployment(
                deployment.id,
                parameters=deployment.parameters | {"subject": subject},
                name=f"review {subject}",
                tags=["review", subject, nonce],
                idempotency_key=free[0],
            )


def asking_after(workspace: str, runbook: Callable[[Context], State[T]]) -> State[T]:
    """Return the state of a runbook, once each question that it opened has a run."""

    def run() -> State[T]:
        context = open_served(workspace)
        try:
            return runbook(context)
        finally:
            try:
                with get_client(sync_client=True) as client:
                    keep_asked(client, context)
            except httpx.HTTPError as error:  # what was done stays done; `up` asks again by itself
                context.tell(f"Could not update the review runs: {error}")

    return settled(run)


def form_of(api: str, subject: str) -> str | None:
    """Return the id of the run at `api` whose form asks about `subject`, None while there is none."""
    tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[subject]))
    with SyncPrefectClient(api) as client:
        for run in client.read_flow_runs(flow_run_filter=tagged, limit=200):
            if run.state_type is StateType.PAUSED and _is_live(run):
                return str(run.id)
    return None


def keep_asking(root: Path) -> None:
    """Keep the runs up to date in a thread, so that pauses from the command line show, too."""
    threading.Thread(target=_look_for_ever, args=[root], name="questions", daemon=True).start()


def _look_for_ever(root: Path) -> None:
    seen: str | None = None
    when, sentence = 0.0, ""
    while True:
        try:
            context = open_context(root)
            head = record.head(context.layout)
            if head != seen or time.monotonic() - when > AGAIN_SECONDS:
                finish_broken_off(context)
                with get_client(sync_client=True) as client:
                    keep_asked(client, context)
                seen, when = head, time.monotonic()
            sentence = ""
        # a busy server, a record being written: look again
        except (httpx.HTTPError, PrefectException, SluicegateError, OSError, ValueError) as error:
            if str(error) != sentence:
                sentence = str(error)
                print(f"questions: {sentence}", flush=True)
        time.sleep(LOOK_SECONDS)


def _questions(context: Context) -> Iterator[tuple[str, str]]:
    """Yield nonce and subject of each question that can still be answered."""
    for subject in waiting(context.layout):
        try:
            request, bound = read_request(context.layout, subject)
            require_alive(context, request, bound)
        except Conflict as error:
            context.tell(str(error))
        except SluicegateError as error:
            context.tell(f"Could not ask about {subject}: {error}")
        else:
            yield request.nonce, subject


def _is_live(run: FlowRun) -> bool:
    """Tell whether `run` asks its question or is about to.

    A run that only says so does not count: anybody who reaches the API can set it to Running, to a
    start in a year, or to a pause without a form.
    """
    state = run.state
    if state is None:
        return False
    if state.type is StateType.PAUSED:
        return state.state_details.run_input_keyset is not None
    return state.type in ON_ITS_WAY and abs(utc_now() - state.timestamp) < STARTS_WITHIN
