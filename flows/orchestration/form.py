"""form: a question to the reviewers as a Prefect run, suspended until somebody fills in its form.

Prefect is only the messenger. Anyone with access to its API can resume the run with any text, set its
state or delete it: an answer counts by its SSH signature, which `review.answer` verifies, and the run
keeps nothing that the workspace's record does not hold.
"""

import logging
from typing import Literal

from prefect import flow, suspend_flow_run
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.input import RunInput
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from pydantic import Field

from sluicegate.core import SluicegateError
from sluicegate.core.moment import moment
from sluicegate.flows.decisions.review import answer
from sluicegate.flows.orchestration.runs import AS_FLOW, open_served, settled
from sluicegate.flows.orchestration.summary import question_page
from sluicegate.gates.approval import Decision
from sluicegate.record.context import Context
from sluicegate.review.question import Asked, show
from sluicegate.review.votes import MOST_REASON

MOST_ANSWERS = 20


class Answer(RunInput):
    """What a reviewer fills in. No field has a default, so a run resumed without a form says nothing."""

    reviewer: str = Field(
        min_length=1, max_length=200, description="Your name in trust/allowed_signers."
    )
    decision: Literal["approve", "reject"] = Field(description="The decision that you signed.")
    reason: str = Field(
        min_length=1, max_length=MOST_REASON, description="One sentence for the record."
    )
    proof: str = Field(
        min_length=1,
        max_length=20_000,
        description="The signature: all lines from BEGIN SSH SIGNATURE to END SSH SIGNATURE.",
    )


@flow(**AS_FLOW)
def review(workspace: str, subject: str) -> State[None]:
    """Ask the reviewers about `subject` until it is decided; after a refused answer, ask again."""
    return settled(lambda: _review(open_served(workspace), subject))


def _review(context: Context, subject: str) -> State[None]:
    refused = ""
    for turn in range(MOST_ANSWERS):
        asked = show(context, subject)
        if not asked.open:
            return Completed(name="Decided", message=f"{subject} is {asked.state}.")
        if asked.dead:
            return Completed(name="Over", message=asked.dead)
        result = _wait_for_answer(context, asked, turn, refused)
        refused = _answered(context, subject, result)
    return Failed(
        message=f"{MOST_ANSWERS} answers to this form were refused; the last one because: {refused}"
    )


def _wait_for_answer(context: Context, asked: Asked, turn: int, refused: str) -> Answer | None:
    """Return what was filled in, at once where this turn was answered before; None for no form."""
    page = question_page(context, asked, refused)
    if flow_run.run_count <= 1:
        key = asked.subject.replace(":", "-")
        create_markdown_artifact(markdown=page, key=f"review-{key}", description=asked.question)
    left = moment(asked.expires) - context.clock()
    try:
        # The nonce is in the key: answers to an earlier question are not answers to this one.
        result: Answer = suspend_flow_run(
            wait_for_input=Answer.with_initial_data(description=page),
            key=f"{asked.nonce[:12]}-{turn}",
            timeout=max(1, int(left.total_seconds())),
        )
    except (ValueError, TypeError) as error:  # resumed past the server's own validation
        logging.getLogger(__name__).info("no form: %s", type(error).__name__)
        return None
    return result


def _answered(context: Context, subject: str, given: Answer | None) -> str:
    """Return why the answer does not count, or what is still missing; "" once it decided."""
    if given is None:
        return "Somebody resumed the run without filling in the form."
    decision, reviewer = Decision(given.decision), given.reviewer.strip()
    proof = given.proof.strip() + "\n"
    try:
        found = answer(context, subject, decision, reviewer, given.reason, proof, wait=True)
    except SluicegateError as error:
        return str(error)
    context.tell(f"{subject}: {decision.value} by {reviewer}; {found.done}")
    return ""
