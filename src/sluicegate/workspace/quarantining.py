"""The verbs of what is set aside, and of references that are trusted anew."""

import contextlib
from typing import Any

from sluicegate.workspace.delivery import Delivery, delivered, explained
from sluicegate.workspace.opened import Opened


class Quarantining(Opened):
    """The verbs of what is set aside, and of references that are trusted anew."""

    def quarantine(self) -> dict[str, Any]:
        """Return what is set aside, why, until when somebody has to look, and what was let out."""
        from sluicegate.record.quarantine import in_quarantine

        with explained():
            return in_quarantine(self._fresh())

    def show_quarantine(self, batch: str) -> dict[str, Any]:
        """Return the rows of `batch` (its number) that are set aside, each with what it is held for."""
        from sluicegate.record.quarantine import show_quarantine

        with explained():
            return show_quarantine(self._fresh(), batch)

    def plan_release(self, batch: str, **wanted: Any) -> dict[str, Any]:
        """Return what intake would make of rows in quarantine; arguments as for `release`."""
        from sluicegate.flows.feedback.exception import Wanted
        from sluicegate.flows.feedback.release import plan

        with explained():
            return plan(self._fresh(), Wanted(batch, **wanted))

    def release(
        self,
        batch: str,
        *,
        reason: str,
        waives: tuple[str, ...] = (),
        rows: tuple[int, ...] | None = None,
        sources: tuple[str, ...] = (),
        review_by: str | None = None,
        waive_unmeasured: bool = False,
    ) -> dict[str, Any]:
        """Ask the reviewers to send rows of `batch` through intake again without the limits it `waives`.

        Returns the question. Rows are positions in the received file; without `rows` and `sources`
        all that are set aside are asked for.
        """
        from sluicegate.flows.feedback.exception import Wanted
        from sluicegate.flows.feedback.release import propose
        from sluicegate.review.question import show

        wanted = Wanted(batch, reason, waives, rows, sources, review_by, waive_unmeasured)
        with explained():
            return show(self._fresh(), propose(self._fresh(), wanted))

    def plan_retirement(self, what: str, **wanted: Any) -> dict[str, Any]:
        """Return what embodies `what`, and what would be destroyed; arguments as for `retire`."""
        from sluicegate.flows.erasure.order import Wanted, plan

        with explained():
            return plan(self._fresh(), Wanted(what, **wanted))

    def due(self) -> dict[str, Any]:
        """Return the batches and models whose retention, as their card states it, is over."""
        from sluicegate.flows.erasure.due import due

        with explained():
            return due(self._fresh())

    def retire(
        self,
        what: str,
        *,
        reason: str,
        archive: str | None = None,
        rows: tuple[int, ...] | None = None,
        sources: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Ask the reviewers to destroy `what` in every store, or finish what a kill broke off.

        `what` is `batch:NNNN`, `source:NAME`, `row:NNNN/N`, `subject:ID` or `model:N`;
        `quarantine:NNNN` is what batch NNNN has in quarantine, of which `rows` and `sources` choose.
        With `archive`, a full path outside the workspace, a copy is kept there. Returns the question,
        or the certificate of what was destroyed.
        """
        from sluicegate.flows.erasure.order import Wanted
        from sluicegate.flows.erasure.retire import retire

        with explained():
            wanted = Wanted(what, reason, archive, rows, sources)
            return retire(self._fresh(), wanted).to_dict()

    def reanchor(
        self,
        *,
        reason: str,
        reference: Delivery | None = None,
        golden: Delivery | None = None,
    ) -> dict[str, Any]:
        """Ask the reviewers to trust a new reference or golden set; returns the question."""
        from sluicegate.flows.feedback.reanchor import propose
        from sluicegate.review.question import show

        given = {"reference": reference, "golden": golden}
        with explained(), contextlib.ExitStack() as stack:
            paths = {
                name: stack.enter_context(delivered(each))
                for name, each in given.items()
                if each is not None
            }
            return show(self._fresh(), propose(self._fresh(), paths, reason))
