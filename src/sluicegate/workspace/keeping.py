"""The verbs of proof and keeping: verify the record, hand over, back up."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.workspace.delivery import explained
from sluicegate.workspace.opened import Opened

if TYPE_CHECKING:
    from sluicegate.flows.custody.verify import Verified


class Keeping(Opened):
    """The verbs of proof and keeping: verify the record, hand over, back up."""

    def verify(
        self, full: bool = False, bar: Callable[[int, int, str], None] = lambda *_: None
    ) -> "Verified":
        """Say whether ledger, statements, data, models and approvals are as recorded, offline."""
        from sluicegate.flows.custody.verify import verify

        with explained():
            return verify(self._fresh(), full, bar)

    def explain(self, subject: str) -> dict[str, Any]:
        """Replay the stored findings of a batch or an update through its stored policy, offline."""
        from sluicegate.flows.trials.explain import explain

        with explained():
            return explain(self._fresh(), subject)

    def export_trust(self, path: str | Path, **wanted: Any) -> dict[str, Any]:
        """Write what a serving host trusts to the file `path`; keywords as of `hand_over.export_trust`."""
        from sluicegate.flows.custody.hand_over import export_trust

        with explained():
            return export_trust(self._fresh(), Path(path), **wanted)

    def export_champion(self, folder: str | Path) -> dict[str, Any]:
        """Copy the champion and what proves it to `folder`, for hosts that do not see the workspace."""
        from sluicegate.flows.custody.hand_over import export_champion

        with explained():
            return export_champion(self._fresh(), Path(folder))

    def plan_rotation(self, *kinds: str) -> dict[str, Any]:
        """Return which keys `rotate_keys` would change and what it would sign again; makes no key."""
        from sluicegate.flows.custody.rotate import plan
        from sluicegate.flows.custody.succession import BOTH

        with explained():
            return plan(self._fresh(), frozenset(kinds) or BOTH)

    def rotate_keys(self, *kinds: str, reason: str = "rotated") -> dict[str, Any]:
        """Let new keys follow, of `statements`, of `models`, or of both; all that was signed verifies."""
        from sluicegate.flows.custody.rotate import rotate
        from sluicegate.flows.custody.succession import BOTH

        with explained():
            return rotate(self._fresh(), frozenset(kinds) or BOTH, reason)

    def revoke_key(
        self, keyid: str, since: int, *, reason: str, dry_run: bool = False, **wanted: Any
    ) -> dict[str, Any]:
        """Believe a stolen key no further than before the entry `since`; keywords as of `revoke.Order`.

        With `dry_run` return what it signed and what rests on that, and change nothing.
        """
        from sluicegate.flows.custody.revoke import Order, plan, revoke

        order, context = Order(keyid, since, reason, **wanted), self._fresh()
        with explained():
            return plan(context, order).to_dict() if dry_run else revoke(context, order)

    def backup(self, path: str | Path, *, with_keys: bool = False) -> dict[str, Any]:
        """Write what is neither in git nor in DVC to the archive `path`, and push all data."""
        from sluicegate.flows.custody.backup import backup

        with explained():
            return backup(self._fresh(), Path(path), with_keys)

    def restore(self, path: str | Path) -> dict[str, Any]:
        """Bring a clone back to a workspace, from the DVC remote and the backup at `path`; verified."""
        from sluicegate.flows.custody.restore import restore

        with explained():
            return restore(self._fresh(), Path(path))
