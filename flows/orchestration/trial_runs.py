"""trial_runs: bisect and plan as Prefect flows; they train models to learn something, and promote none."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from sluicegate.flows.orchestration.review_runs import asking_after
from sluicegate.flows.orchestration.runs import AS_FLOW, as_task, open_served, settled
from sluicegate.flows.trials.backtest import MOST_TRAININGS, backtest
from sluicegate.flows.trials.backtest_page import summary
from sluicegate.flows.trials.bisect import MOST_GUILTY, Order
from sluicegate.flows.trials.bisect import bisect as search
from sluicegate.flows.trials.bisected import report, sentences
from sluicegate.flows.trials.give_back import give_back as admit_innocent
from sluicegate.flows.trials.search import FOUND, PASSES
from sluicegate.record.context import Context
from sluicegate.reports.plots import as_uri


@flow(**AS_FLOW)
def bisect(
    workspace: str,
    update: str | None = None,
    example: str | None = None,
    slice: str | None = None,
    limit: float | None = None,
    repeat: int = 1,
    most: int = MOST_GUILTY,
    give_back: bool = False,
) -> State[dict[str, Any]]:
    """Find the batch, then the source, that makes one thing fail.

    Give one: a stopped `update` (update:0007), an `example` (a file of rows as they should be answered,
    on this machine) or a `slice` of the golden set (region=north), of which the share `limit` may be
    missed. `repeat` trains each set with so many seeds; at most `most` guilty batches, and sources in
    each, are named. `give_back` admits the innocent batches of a rejected update again.
    """
    number = (update or "").removeprefix("update:") or None
    path = Path(example) if example else None
    order = Order(path, slice or None, number, limit, repeat, most)
    return asking_after(workspace, lambda context: _bisect(context, order, give_back))


@flow(**AS_FLOW)
def plan(workspace: str, most: int = MOST_TRAININGS) -> State[dict[str, Any]]:
    """Tell whether retraining pays against a frozen champion, and how often, with `most` trainings."""
    return settled(lambda: _plan(open_served(workspace), most))


def _bisect(context: Context, order: Order, give_back: bool) -> State[dict[str, Any]]:
    how = admit_innocent if give_back else search
    found = as_task("train and search", how, context, order)
    create_markdown_artifact(
        markdown=report(found),
        key=f"bisect-{Path(found.report).parent.name}",
        description="What makes it fail, and every set tried",
    )
    name = {FOUND: "Found", PASSES: "Completed"}.get(found.ended, "Undecided")
    return Completed(name=name, message=" ".join(sentences(found)), data=found.to_dict())


def _plan(context: Context, most: int) -> State[dict[str, Any]]:
    found = as_task("train and backtest", backtest, context, most)
    if found.report is not None:
        picture = (context.layout.root / found.report).with_suffix(".png")
        create_markdown_artifact(
            markdown=summary(found, as_uri(picture.read_bytes())),
            key="plan",
            description="Does retraining pay, and how often?",
        )
    name = "Completed" if found.enough else "Undecided"
    return Completed(name=name, message=found.advice, data=found.to_dict())
