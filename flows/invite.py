"""invite: the end of the demo, a served question that a newcomer answers in the browser."""

import time

from sluicegate.core import CannotDecide
from sluicegate.flows.demo import REVIEWER, REVIEWER_KEY
from sluicegate.flows.orchestration.review_runs import form_of
from sluicegate.flows.up import Services, up
from sluicegate.gates.approval import Decision
from sluicegate.record.context import Context
from sluicegate.record.subjects import PAGE, folder_of
from sluicegate.review.question import sign

FORM_SECONDS = 180


def serve(context: Context, subject: str) -> int:
    """Serve the workspace until Ctrl-C, and tell a newcomer how to answer `subject` in the browser."""

    def invite(served: Services) -> None:
        context.tell("Waiting for the form")
        until = time.monotonic() + FORM_SECONDS
        while (run := form_of(served.prefect, subject)) is None:
            served.require_alive()
            if time.monotonic() > until:
                raise CannotDecide(f"{subject} was not asked in Prefect; see .sluicegate/logs.")
            time.sleep(1)
        key = context.layout.root / REVIEWER_KEY
        page = folder_of(context.layout, subject) / PAGE
        for line in (
            "",
            f"{subject} waits for you. To approve it in the browser:",
            f"  1. Look at the evidence: {page.absolute().as_uri()}",
            f"  2. Open {served.prefect_ui}/runs/flow-run/{run} and press Resume.",
            f"  3. Reviewer: {REVIEWER}, decision: approve, reason: your own words, and as proof:",
            "",
            sign(context, subject, Decision.APPROVE, REVIEWER, key),
            f"The demo signed this with the key that it made for {REVIEWER}. A real reviewer runs",
            f"`sluicegate review sign {subject} --approve --as NAME` in a clone of their own.",
            "Ctrl-C stops everything.",
        ):
            context.tell(line)

    return up(context, greet=invite)
