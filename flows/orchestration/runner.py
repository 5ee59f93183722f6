"""runner: the process that serves one workspace's deployments, with its schedules, until stopped."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect import Flow, get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from sluicegate.core import Misused
from sluicegate.flows.orchestration.notices import keep_notices
from sluicegate.flows.orchestration.review_runs import keep_asking
from sluicegate.flows.orchestration.runs import forget_broken_off
from sluicegate.flows.orchestration.up import SERVING
from sluicegate.record.context import SERVED, open_context
from sluicegate.stores.settings import Settings

LOOK_SECONDS = 2
"""How often the server, which is on this machine, is asked what is due: people wait for it."""
ONE_AT_A_TIME = ConcurrencyLimitConfig(
    limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
)


def serve(workspace: Path, runbooks: Sequence[Flow[..., Any]]) -> None:
    """Serve `runbooks` as deployments of `workspace`, with its schedules, until stopped."""
    context = open_context(workspace)
    root = str(context.layout.root)
    os.environ[SERVED] = root
    with get_client(sync_client=True) as client:
        forget_broken_off(client, [runbook.name for runbook in runbooks])
    asyncio.run(_serve(root, context.settings, runbooks))


async def _serve(root: str, settings: Settings, runbooks: Sequence[Flow[..., Any]]) -> None:
    """Serve flows that are in memory: what the server says a deployment loads is never loaded."""
    schedule = settings.schedule
    runner = Runner(pause_on_shutdown=False, query_seconds=LOOK_SECONDS)
    cron = {
        "inbox": schedule.intake,
        "retrain": schedule.retrain,
        "drill": schedule.drill,
        "watch": schedule.watch,
    }
    made = {}
    for runbook in runbooks:
        when = cron.get(runbook.name)
        made[runbook.name] = await runner.aadd_flow(
            runbook,
            name=runbook.name,
            schedules=[Cron(when, timezone="UTC")] if when else [],
            parameters={"workspace": root},
            concurrency_limit=ONE_AT_A_TIME if runbook.name in cron else None,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
    await asyncio.to_thread(_keep_notices, made["review"], settings)
    keep_asking(Path(root))
    print(SERVING, root, flush=True)
    await runner.start()


def _keep_notices(deployment: UUID, settings: Settings) -> None:
    try:
        with get_client(sync_client=True) as client:
            keep_notices(client, deployment, settings.approval)
    except (Misused, httpx.HTTPError) as error:  # a gate depends on no notice
        print(f"notices: {error}", flush=True)
