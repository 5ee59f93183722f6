"""update: take in a delivery, then retrain, unless intake paused or rejected it."""

from collections.abc import Callable
from pathlib import Path

from sluicegate.core import Outcome
from sluicegate.flows.feedback.intake import intake
from sluicegate.flows.updates.retrain import retrain
from sluicegate.record.context import Context, Step, plainly
from sluicegate.record.results import UpdateResult


def update(
    context: Context,
    given: str | Path,
    step: Step = plainly,
    refuse_expired: Callable[[Context], object] = lambda _: None,
) -> UpdateResult:
    """Run intake, and retrain if it admitted something."""
    received = intake(context, given, step)
    if received.outcome in (Outcome.PAUSE, Outcome.REJECT):
        return UpdateResult(intake=received, retrain=None)
    trained = retrain(context, step=step, refuse_expired=refuse_expired)
    return UpdateResult(intake=received, retrain=trained)
