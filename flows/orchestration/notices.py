"""notices: Prefect automations that notify reviewers of a question; params.yaml configures them.

Prefect sends them through a block that the team has created: a notification block (Slack, e-mail,
custom-webhook) or a webhook. A notice is a courtesy: no gate depends on its arrival.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import CallWebhook, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from sluicegate.core import Misused
from sluicegate.stores.settings import Approval

ASKED, WAITS = "sluicegate: a question is asked", "sluicegate: a question still waits"
SUSPENDED = "prefect.flow-run.Suspended"
ANSWERED = {"prefect.flow-run.Resuming", "prefect.flow-run.Running", "prefect.flow-run.Completed"}
TEXT = "{{ flow_run.name }} waits for a reviewer: {{ flow_run|ui_url }}"


def keep_notices(client: SyncPrefectClient, deployment: UUID, approval: Approval) -> None:
    """Make, change or remove the automations on suspended runs of `deployment`.

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
    related = {
        "prefect.resource.id": f"prefect.deployment.{deployment}",
        "prefect.resource.role": "deployment",
    }
    return {
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "match_related": related,
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
