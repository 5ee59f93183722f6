"""The verbs of the line: judge a batch, learn from it, keep what was learnt."""

from typing import TYPE_CHECKING, Any

from sluicegate.record.context import Step, plainly
from sluicegate.workspace.delivery import Delivery, delivered, explained
from sluicegate.workspace.opened import Opened

if TYPE_CHECKING:
    from sluicegate.record.results import IntakeResult, RetrainResult, UpdateResult


class Learning(Opened):
    """The verbs of the line: judge a batch, learn from it, keep what was learnt."""

    def check(self, batch: Delivery) -> "IntakeResult":
        """Judge `batch` as intake would, in the light of all admitted batches, and change nothing."""
        from sluicegate.flows.feedback.intake import check

        with explained(), delivered(batch) as path:
            return check(self._fresh(), path)

    def intake(self, batch: Delivery, *, step: Step = plainly) -> "IntakeResult":
        """Judge `batch` and carry it out: admit, quarantine, pause or reject."""
        from sluicegate.flows.feedback.intake import intake

        with explained(), delivered(batch) as path:
            return intake(self._fresh(), path, step)

    def retrain(self, *, supersede: bool = False, step: Step = plainly) -> "RetrainResult":
        """Train a challenger on everything admitted, compare it, and promote, pause or refuse it."""
        from sluicegate.flows.decisions.review import refuse_expired
        from sluicegate.flows.updates.retrain import retrain

        with explained():
            return retrain(self._fresh(), supersede, step, refuse_expired)

    def plan_retrain(self) -> dict[str, Any]:
        """Return what `retrain` would learn from, without training."""
        from sluicegate.flows.updates.retrain import plan

        with explained():
            return plan(self._fresh())

    def update(self, batch: Delivery, *, step: Step = plainly) -> "UpdateResult":
        """Take `batch` in and retrain, unless intake paused or rejected it."""
        from sluicegate.flows.decisions.review import refuse_expired
        from sluicegate.flows.updates.update import update

        with explained(), delivered(batch) as path:
            return update(self._fresh(), path, step, refuse_expired)

    def update_by_prefect(self, batch: Delivery) -> "UpdateResult":
        """Do what `update` does as a Prefect flow run, on PREFECT_API_URL or the embedded Prefect."""
        from sluicegate.flows.deployments import run_update

        with explained(), delivered(batch) as path:
            return self._observed(path) if self._observed else run_update(self._fresh(), path)
