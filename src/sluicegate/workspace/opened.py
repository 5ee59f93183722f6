"""An opened workspace: what every verb starts from."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sluicegate.record.context import Context, open_context
from sluicegate.stores.transaction import tidy

if TYPE_CHECKING:
    from sluicegate.record.results import UpdateResult


class Opened:
    """A workspace's context, read anew for each verb."""

    def __init__(self, context: Context) -> None:
        """Use `Workspace.open` or `Workspace.init` instead."""
        self._context = context
        self._observed: Callable[[Path], UpdateResult] | None = None

    @property
    def root(self) -> Path:
        """Return the workspace's directory."""
        return self._context.layout.root

    def _fresh(self) -> Context:
        # params.yaml may have been committed anew since this process opened the workspace.
        reading = not self._context.layout.may_sign
        tidy(self._context.layout)
        return open_context(self.root, self._context.clock, self._context.tell, reading)
