"""runner: the process that serves one workspace's deployments, with its schedules, until stopped."""

import asyncio
import hashlib
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect import Flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.events.actions import CallWebhook, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from sluicegate.core import Misused
from sluicegate.flows.orchestration.review_runs import keep_asking
from sluicegate.flows.orchestration.runs import forget_broken_off
from sluicegate.flows.orchestration.up import SERVING
from sluicegate.record.context import SERVED, open_context
from sluicegate.stores.settings import Approval, Settings

LOOK_SECONDS = 2
"""How often the server, which is on this machine, is asked what is due: people wait for it."""
ONE_AT_A_TIME = ConcurrencyLimitConfig(
    limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
)
ASKED, WAITS = "sluicegate: a question is asked", "sluicegate: a question still waits"
SUSPENDED = "prefect.flow-run.Suspended"
ANSWERED = {"prefect.flow-run.Resuming", "prefect.flow-run.Running", "prefect.flow-run.Completed"}
TEXT = "{{ flow_run.name }} waits for a reviewer: {{ flow_run|ui_url }}"


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


def keep_notices(client: SyncPrefectClient, deployment: UUID, approval: Approval) -> None:
    """Make, change or remove the automations that notify reviewers of suspended runs of `deployment`.

    Prefect sends them through a block that the team has created: a notification block (Slack, e-mail,
    custom-webhook) or a webhook. A notice is a courtesy: no gate depends on its arrival.

    It looks them up by name first: Prefect would create a second one of the same name without a
    warning. Raises Misused if a block that `approval` names does not exist.
    """
    wanted = {each.name: each for each in _wanted(client, deployment, approval)}
    for name in (ASKED, WAITS):
        found, asked = client.read_automations_by_name(name), wanted.get(name)
        if asked is None or len(found) > 1:
            for each in found:
                client.delete_automation(each.id)
            found = []
        if asked is None:
            continue
        if not found:
            client.create_automation(asked)
        elif found[0].description != asked.description:
            client.update_automation(found[0].id, asked)


def _wanted(
    client: SyncPrefectClient, deployment: UUID, approval: Approval
) -> Iterator[AutomationCore]:
    if approval.notify:
        soon = EventTrigger(
            **_about(deployment), expect={SUSPENDED}, posture=Posture.Reactive, threshold=1
        )
        yield _automation(client, ASKED, soon, [approval.notify], TEXT)
    if approval.notify and approval.remind_days:
        late = EventTrigger(
            **_about(deployment),
            after={SUSPENDED},
            expect=ANSWERED,
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(days=approval.remind_days),
        )
        listed = [approval.notify, *([approval.escalate_to] if approval.escalate_to else [])]
        text = f"After {approval.remind_days:g} days, {TEXT}"
        yield _automation(client, WAITS, late, listed, text)


def _about(deployment: UUID) -> dict[str, Any]:
    about = f"prefect.deployment.{deployment}"
    return {
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "match_related": {"prefect.resource.id": about, "prefect.resource.role": "deployment"},
        "for_each": {"prefect.resource.id"},
    }


def _automation(
    client: SyncPrefectClient, name: str, trigger: EventTrigger, blocks: list[str], text: str
) -> AutomationCore:
    actions = [_action(client, block, text) for block in blocks]
    listed = [*(each.model_dump_json() for each in actions), trigger.within, trigger.match_related]
    digest = hashlib.sha256(repr(listed).encode()).hexdigest()[:12]
    about = f"Kept by sluicegate as approval.* of params.yaml says ({digest})."
    return AutomationCore(name=name, description=about, trigger=trigger, actions=actions)


def _action(client: SyncPrefectClient, block: str, text: str) -> CallWebhook | SendNotification:
    kind, _, name = block.partition("/")
    try:
        found = client.read_block_document_by_name(name, kind)
    except ObjectNotFound as error:
        raise Misused(
            f"approval.notify or escalate_to in params.yaml names {block}, but Prefect has no such "
            "block; create it in Prefect under Blocks."
        ) from error
    if kind == "webhook":
        return CallWebhook(block_document_id=found.id, payload=text)
    return SendNotification(block_document_id=found.id, subject="sluicegate asks", body=text)
