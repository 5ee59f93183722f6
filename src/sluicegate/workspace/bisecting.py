"""The verbs that train models of parts of the data to learn something: bisect and plan."""

import contextlib
from pathlib import Path
from typing import Any

from sluicegate.workspace.delivery import Delivery, delivered, explained
from sluicegate.workspace.opened import Opened


class Bisecting(Opened):
    """The verbs that train models of parts of the data to learn something: bisect and plan."""

    def bisect(
        self,
        update: str | None = None,
        *,
        example: Delivery | None = None,
        slice: str | None = None,
        limit: float | None = None,
        repeat: int = 1,
        most: int = 3,
        give_back: bool = False,
    ) -> dict[str, Any]:
        """Return which batches and sources make something fail: one of a stopped `update` (its number),
        rows with the expected label, and a slice like `region=north`.

        `repeat` trains each set with so many seeds, of which the majority decides; at most `most` guilty
        batches, and sources in each, are named. `give_back` admits the innocent batches of a rejected
        update again.
        """
        from sluicegate.flows.trials import give_back as giving
        from sluicegate.flows.trials.bisect import Order, bisect

        with explained(), contextlib.ExitStack() as stack:
            path = None if example is None else Path(stack.enter_context(delivered(example)))
            order = Order(path, slice, update, limit, repeat, most)
            return (giving.give_back if give_back else bisect)(self._fresh(), order).to_dict()

    def plan(self, *, most: int = 8) -> dict[str, Any]:
        """Return what retraining every 1, 2, 4 ... batches gains on the accepted history, and its cost.

        At most `most` models are trained; those of an earlier call or of a bisect are used again.
        """
        from sluicegate.flows.trials.backtest import backtest

        with explained():
            return backtest(self._fresh(), most).to_dict()

    def plan_backtest(self, *, most: int = 8) -> dict[str, Any]:
        """Return what `plan` would train, without training it."""
        from sluicegate.flows.trials.backtest import plan

        with explained():
            return plan(self._fresh(), most).to_dict()

    def plan_bisect(
        self,
        update: str | None = None,
        *,
        example: Delivery | None = None,
        slice: str | None = None,
        limit: float | None = None,
        repeat: int = 1,
        most: int = 3,
    ) -> dict[str, Any]:
        """Return how many trainings `bisect` would take at most; arguments as there."""
        from sluicegate.flows.trials.bisect import Order, plan

        with explained(), contextlib.ExitStack() as stack:
            path = None if example is None else Path(stack.enter_context(delivered(example)))
            return plan(self._fresh(), Order(path, slice, update, limit, repeat, most)).to_dict()
