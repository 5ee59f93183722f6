"""The verbs of the way back: trace, take out, tell others."""

from typing import TYPE_CHECKING, Any

from sluicegate.record.context import Step, plainly
from sluicegate.workspace.delivery import explained
from sluicegate.workspace.opened import Opened

if TYPE_CHECKING:
    from sluicegate.flows.rollback.rollback import RolledBack
    from sluicegate.flows.rollback.watch import Watched


class GoingBack(Opened):
    """The verbs of the way back: trace, take out, tell others."""

    def trace(self, because: str) -> dict[str, Any]:
        """Return what embodies batch:NNNN, source:NAME, row:NNNN/N, trigger:NNNN or update:NNNN.

        Of model:N, a version in MLflow, return what it is made of, and when it served.
        """
        from sluicegate.record.lineage_report import traced

        with explained():
            return traced(self._fresh(), because)

    def plan_rollback(self, because: str) -> dict[str, Any]:
        """Return what `rollback` would take back, and what each clean version would cost."""
        from sluicegate.flows.rollback.rollback import plan

        with explained():
            return plan(self._fresh(), because)

    def rollback(
        self, because: str, *, reason: str = "", retrain: bool = True, step: Step = plainly
    ) -> "RolledBack":
        """Take `because` out of serving, data and models; run again, it finishes or does nothing."""
        from sluicegate.flows.rollback.rollback import Order, rollback

        with explained():
            return rollback(self._fresh(), Order(because, reason, retrain), step)

    def watch(self, *, step: Step = plainly) -> "Watched":
        """Judge the champion on feedback that it has not learnt from; a breach proposes a rollback."""
        from sluicegate.flows.rollback.watch import watch

        with explained():
            return watch(self._fresh(), step)

    def export_incident(self, number: str, profile: str = "full") -> dict[str, Any]:
        """Return an incident `full`, as an `atlas` case study, or redacted as `public`."""
        from sluicegate.reports.incident_export import export

        with explained():
            return export(self._fresh(), number, profile)
