"""notices: a real server tells a webhook of a question, once per automation, and reminds."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import UUID

import pytest
from live_questions import UPDATE, Asked
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_api import eventually

from sluicegate.core import Misused
from sluicegate.flows.orchestration.runner import ASKED, WAITS, keep_notices
from sluicegate.stores.settings import Approval

pytestmark = pytest.mark.slow
SOON = 12 / 86_400  # days
BLOCK = "custom-webhook/reviewers"


@pytest.fixture
def heard() -> Iterator[tuple[str, list[str]]]:
    """A webhook's address and what it was told."""
    told: list[str] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", told
    server.shutdown()
    server.server_close()


def test_reviewers_are_told_and_reminded(asked: Asked, heard: tuple[str, list[str]]) -> None:
    """Two starts make one automation; a question is told once it is asked, and again when it waits."""
    address, told = heard
    run = asked.suspended()
    deployment = UUID(asked.read("/deployments/name/review/review")["id"])
    approval = Approval(notify=BLOCK, remind_days=SOON)
    with SyncPrefectClient(asked.served.prefect) as client:
        with pytest.raises(Misused, match=BLOCK):
            keep_notices(client, deployment, approval)
        hook = CustomWebhookNotificationBlock(
            name="hook", url=address, json_data={"text": "{{subject}}: {{body}}"}
        )
        with temporary_settings({PREFECT_API_URL: asked.served.prefect}):
            hook.save("reviewers")
        for _ in range(2):
            keep_notices(client, deployment, approval)
        assert {name: len(client.read_automations_by_name(name)) for name in (ASKED, WAITS)} == {
            ASKED: 1, WAITS: 1
        }  # fmt: skip
        asked.refused(run, "The last answer does not count", proof="forged")  # it is asked again
        first = json.loads(eventually(lambda: told)[0])["text"]
        assert first.startswith(f"sluicegate asks: review {UPDATE} waits")
        assert f"/runs/flow-run/{run['id']}" in first
        eventually(lambda: [each for each in told if "After" in each])
        keep_notices(client, deployment, Approval(notify=BLOCK))
        assert client.read_automations_by_name(WAITS) == []
        keep_notices(client, deployment, Approval())
        assert client.read_automations_by_name(ASKED) == []
