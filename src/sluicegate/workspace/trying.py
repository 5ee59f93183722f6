"""The verbs that try the gates out: limits, policy, calibration and attacks on the user's own data."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.workspace.delivery import explained
from sluicegate.workspace.opened import Opened

if TYPE_CHECKING:
    from sluicegate.flows.feedback.calibrate import CalibrateResult
    from sluicegate.flows.trials.drilled import Drilled
    from sluicegate.flows.trials.policy_try import Trial


class Trying(Opened):
    """The verbs that try the gates out: limits, policy, calibration and attacks on the user's own data."""

    def try_policy(
        self, params: str | Path | None = None, measure: bool = False, drill: bool = False
    ) -> "Trial":
        """Say what changed limits would have stopped in the history, and change nothing.

        The changed policy is params.yaml as it lies in the workspace, or the file `params`.
        """
        from sluicegate.flows.trials.policy_try import try_policy

        with explained():
            return try_policy(self._fresh(), Path(params) if params else None, measure, drill)

    def policy_difference(self) -> dict[str, Any]:
        """Return what differs from the policy that its owners signed last."""
        from sluicegate.flows.decisions.policy_sign import difference

        with explained():
            return difference(self._fresh()).to_dict()

    def sign_policy(self, owner: str, key: Path) -> dict[str, Any]:
        """Sign the committed policy as one of `policy.owners`, and return what that accepts."""
        from sluicegate.flows.decisions.policy_sign import sign_policy

        with explained():
            return sign_policy(self._fresh(), owner, key)

    def security_checklist(self, path: str | Path) -> dict[str, Any]:
        """Write the blank checklist of the security review to the new file `path`."""
        from sluicegate.flows.decisions.security_review import write_checklist

        with explained():
            return write_checklist(self._fresh(), Path(path))

    def sign_security_review(self, path: str | Path, reviewer: str, key: Path) -> dict[str, Any]:
        """Sign the filled checklist in `path` as an owner or reviewer, and record it."""
        from sluicegate.flows.decisions.security_review import sign_review

        with explained():
            return sign_review(self._fresh(), Path(path), reviewer, key)

    def calibrate(self) -> "CalibrateResult":
        """Raise the limits to what honest windows of this workspace need, and record it."""
        from sluicegate.flows.feedback.calibrate import calibrate

        with explained():
            return calibrate(self._fresh())

    def try_calibration(self) -> "CalibrateResult":
        """Return what `calibrate` would record, and record nothing."""
        from sluicegate.flows.feedback.calibrate import try_calibration

        with explained():
            return try_calibration(self._fresh())

    def drill(
        self,
        *,
        full: bool = False,
        attacks: tuple[str, ...] = (),
        seed: int | None = None,
        bar: Callable[[int, int, str], None] = lambda *_: None,
    ) -> "Drilled":
        """Attack the gates with this workspace's own data; nothing is learnt, the record is kept."""
        from sluicegate.flows.trials.drill import Order, drill

        with explained():
            return drill(self._fresh(), Order(full, tuple(attacks), seed), bar)

    def plan_drill(
        self, *, full: bool = False, attacks: tuple[str, ...] = (), seed: int | None = None
    ) -> dict[str, Any]:
        """Return what `drill` would play, without playing it."""
        from sluicegate.flows.trials.drill import Order, foretell

        with explained():
            return foretell(self._fresh(), Order(full, tuple(attacks), seed))
