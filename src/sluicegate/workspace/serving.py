"""The verbs of looking on: both UIs, status, records and cards."""

from typing import TYPE_CHECKING, Any

from sluicegate.workspace.delivery import explained
from sluicegate.workspace.opened import Opened

if TYPE_CHECKING:
    from sluicegate.flows.status import Status


class Serving(Opened):
    """The verbs of looking on: both UIs, status, records and cards."""

    def up(self, prefect_port: int | None = None, mlflow_port: int | None = None) -> int:
        """Serve the schedules and both UIs until interrupted; return the exit code."""
        from sluicegate.flows.orchestration.up import up

        with explained():
            return up(self._fresh(), prefect_port, mlflow_port)

    def status(self) -> "Status":
        """Return the champion, what awaits review and where the batches stand."""
        from sluicegate.flows.status import status

        with explained():
            return status(self._fresh())

    def show(self, subject: str) -> dict[str, Any]:
        """Return the whole record of a batch or an update, or what another subject asks or certifies."""
        from sluicegate.flows.status import show

        with explained():
            return show(self._fresh(), subject)

    def card(self, subject: str, profile: str = "internal") -> dict[str, Any]:
        """Return the card of `batch:NNNN` or `update:NNNN` for the team, a `partner` or the `public`."""
        from sluicegate.reports.cards import card
        from sluicegate.reports.profiles import Profile

        with explained():
            return card(self._fresh(), subject, Profile(profile))

    def bill_of_materials(self, update: str, profile: str = "internal") -> dict[str, Any]:
        """Return the CycloneDX ML-BOM of the model that `update:NNNN` promoted."""
        from sluicegate.reports.bill_of_materials import bill_of_materials

        with explained():
            return bill_of_materials(self.card(update, profile))
