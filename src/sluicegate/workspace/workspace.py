"""Workspace: the public object. Each method calls one flow and returns what it answers."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.core import Task
from sluicegate.core.installed import require_line
from sluicegate.gates.approval import Decision
from sluicegate.record.context import Context, Step, open_context, plainly, silent, utc_now
from sluicegate.stores.record import committed
from sluicegate.stores.transaction import tidy
from sluicegate.workspace.delivery import Delivery, Tell, delivered, explained, if_given

if TYPE_CHECKING:
    from sluicegate.flows.custody.backup import BackedUp
    from sluicegate.flows.custody.hand_over import ChampionExport, TrustExport
    from sluicegate.flows.custody.restore import Restored
    from sluicegate.flows.custody.revoke import Believed
    from sluicegate.flows.custody.rotate import Rotated, RotationPlan
    from sluicegate.flows.custody.verify import Verified
    from sluicegate.flows.decisions.policy_defaults import Newer, WholePolicy
    from sluicegate.flows.decisions.policy_sign import Difference
    from sluicegate.flows.decisions.review import Reviewed
    from sluicegate.flows.erasure.due import Due
    from sluicegate.flows.erasure.order import RetirementPlan
    from sluicegate.flows.erasure.retire import Retired
    from sluicegate.flows.feedback.calibrate import CalibrateResult
    from sluicegate.flows.feedback.release import ReleasePlan
    from sluicegate.flows.rollback.rollback import RollbackPlan, RolledBack
    from sluicegate.flows.rollback.watch import Watched
    from sluicegate.flows.status import Status
    from sluicegate.flows.trials.backtested import Backtested, BacktestPlan
    from sluicegate.flows.trials.bisected import Bisected, BisectPlan
    from sluicegate.flows.trials.drilled import Drilled, DrillPlan
    from sluicegate.flows.trials.policy_try import Trial
    from sluicegate.record.quarantine import HeldRows, InQuarantine
    from sluicegate.record.replay import Explained
    from sluicegate.record.results import IntakeResult, RetrainResult, UpdateResult
    from sluicegate.record.traced import MadeOf, Traced
    from sluicegate.reports.bill_of_materials import Bill
    from sluicegate.reports.data_card import DataCard
    from sluicegate.reports.incident_export import CaseStudy, FullIncident, PublicIncident
    from sluicegate.reports.model_card import ModelCard
    from sluicegate.review.question import Asked


class Workspace:
    """A directory in which one model learns from feedback.

    A long-lived process pays imports and model loading once. Every method raises a SluicegateError
    whose message is one sentence that names the place and the fix.
    """

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

    @classmethod
    def open(
        cls,
        root: str | Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        tell: Tell = silent,
        reading: bool = False,
    ) -> "Workspace":
        """Return the workspace at `root`, or a clone of it for `reading`; raises Missing.

        Raises Misused where the extra `line` is not installed, unless for `reading`.
        """
        if not reading:
            require_line()
        return cls(open_context(Path(root), clock, tell, reading))

    @classmethod
    def init(
        cls,
        root: str | Path,
        *,
        data: Delivery,
        label: str,
        source: str | None = None,
        time: str | None = None,
        id: str | None = None,
        label_origin: str | None = None,
        golden: Delivery | None = None,
        model: str | None = None,
        sensitive: tuple[str, ...] = (),
        slices: tuple[str, ...] = (),
        task: str | None = None,
        remote: str | None = None,
        trainer: Mapping[str, Any] | None = None,
        tell: Tell = silent,
    ) -> "Workspace":
        """Make a workspace at `root` from base data and train its first champion.

        `data` and `golden` are paths or data frames. Without `golden`, a share of `data` is held out
        and shown as unverified. `trainer` sets keys of `train` in params.yaml.
        """
        require_line()
        from sluicegate.flows.init import Origin, init

        with explained(), delivered(data) as base, if_given(golden) as trusted:
            origin = Origin(
                root=Path(root),
                data=base,
                label=label,
                source=source,
                time=time,
                id=id,
                label_origin=label_origin,
                golden=trusted,
                model=model,
                sensitive=tuple(sensitive),
                slices=tuple(slices),
                task=None if task is None else Task(task),
                remote=remote,
                trainer=trainer,
            )
            init(origin, tell)
        return cls.open(root, tell=tell)

    @explained()
    def check(self, batch: Delivery) -> "IntakeResult":
        """Judge `batch` as intake would, in the light of all admitted batches, and change nothing."""
        from sluicegate.flows.feedback.intake import check

        with delivered(batch) as path:
            return check(self._fresh(), path)

    @explained()
    def intake(self, batch: Delivery, *, step: Step = plainly) -> "IntakeResult":
        """Judge `batch` and carry it out: admit, quarantine, pause or reject."""
        from sluicegate.flows.feedback.intake import intake

        with delivered(batch) as path:
            return intake(self._fresh(), path, step)

    @explained()
    def retrain(self, *, supersede: bool = False, step: Step = plainly) -> "RetrainResult":
        """Train a challenger on everything admitted, compare it, and promote, pause or refuse it."""
        from sluicegate.flows.decisions.review import refuse_expired
        from sluicegate.flows.updates.retrain import retrain

        return retrain(self._fresh(), supersede, step, refuse_expired)

    @explained()
    def plan_retrain(self) -> dict[str, Any]:
        """Return what `retrain` would learn from, without training."""
        from sluicegate.flows.updates.retrain import plan

        return plan(self._fresh())

    @explained()
    def update(self, batch: Delivery, *, step: Step = plainly) -> "UpdateResult":
        """Take `batch` in and retrain, unless intake paused or rejected it."""
        from sluicegate.flows.decisions.review import refuse_expired
        from sluicegate.flows.updates.update import update

        with delivered(batch) as path:
            return update(self._fresh(), path, step, refuse_expired)

    @explained()
    def update_by_prefect(self, batch: Delivery) -> "UpdateResult":
        """Do what `update` does as a Prefect flow run, on PREFECT_API_URL or the embedded Prefect."""
        from sluicegate.flows.deployments import run_update

        with delivered(batch) as path:
            return self._observed(path) if self._observed else run_update(self._fresh(), path)

    @explained()
    def try_policy(
        self, params: str | Path | None = None, measure: bool = False, drill: bool = False
    ) -> "Trial":
        """Say what changed limits would have stopped in the history, and change nothing.

        The changed policy is params.yaml as it lies in the workspace, or the file `params`.
        """
        from sluicegate.flows.trials.policy_try import try_policy

        return try_policy(self._fresh(), Path(params) if params else None, measure, drill)

    @explained()
    def show_policy(self) -> "WholePolicy":
        """Return the policy in force with its defaults, and every limit as written and as calibrated."""
        from sluicegate.flows.decisions.policy_defaults import whole_policy

        return whole_policy(self._fresh())

    @explained()
    def upgrade_policy(self, to: str | None = None, dry_run: bool = False) -> "Newer":
        """Let params.yaml extend the newest defaults, or those named `to`, and return what changes."""
        from sluicegate.flows.decisions.policy_defaults import newer, upgrade

        return (newer if dry_run else upgrade)(self._fresh(), to)

    @explained()
    def policy_difference(self) -> "Difference":
        """Return what differs from the policy that its owners signed last."""
        from sluicegate.flows.decisions.policy_sign import difference

        return difference(self._fresh(), tree=True)

    @explained()
    def sign_policy(self, owner: str, key: Path) -> "Difference":
        """Sign the committed policy as one of `policy.owners`, and return what that accepts."""
        from sluicegate.flows.decisions.policy_sign import sign_policy

        return sign_policy(self._fresh(), owner, key)

    @explained()
    def security_checklist(self, path: str | Path) -> dict[str, Any]:
        """Write the blank checklist of the security review to the new file `path`."""
        from sluicegate.flows.decisions.security_review import write_checklist

        return write_checklist(self._fresh(), Path(path))

    @explained()
    def sign_security_review(self, path: str | Path, reviewer: str, key: Path) -> dict[str, Any]:
        """Sign the filled checklist in `path` as an owner or reviewer, and record it."""
        from sluicegate.flows.decisions.security_review import sign_review

        return sign_review(self._fresh(), Path(path), reviewer, key)

    @explained()
    def calibrate(self) -> "CalibrateResult":
        """Raise the limits to what honest windows of this workspace need, and record it."""
        from sluicegate.flows.feedback.calibrate import calibrate

        return calibrate(self._fresh())

    @explained()
    def try_calibration(self) -> "CalibrateResult":
        """Return what `calibrate` would record, and record nothing."""
        from sluicegate.flows.feedback.calibrate import try_calibration

        return try_calibration(self._fresh())

    @explained()
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

        return drill(self._fresh(), Order(full, tuple(attacks), seed), bar)

    @explained()
    def plan_drill(
        self, *, full: bool = False, attacks: tuple[str, ...] = (), seed: int | None = None
    ) -> "DrillPlan":
        """Return what `drill` would play, without playing it."""
        from sluicegate.flows.trials.drill import Order, foretell

        return foretell(self._fresh(), Order(full, tuple(attacks), seed))

    @explained()
    def reviews(self) -> list[str]:
        """Return the subjects that wait for a human's decision."""
        from sluicegate.record.subjects import waiting

        return waiting(self._fresh().layout)

    @explained()
    def show_review(self, subject: str) -> "Asked":
        """Return what is asked about `subject`, with the digests that an answer is bound to."""
        from sluicegate.review.question import show

        return show(self._fresh(), subject)

    @explained()
    def sign_review(self, subject: str, decision: str, reviewer: str, key: str | Path) -> str:
        """Return an SSH signature of the answer; works in a clone, and the key stays there."""
        from sluicegate.review.question import sign

        return sign(self._fresh(), subject, Decision(decision), reviewer, Path(key))

    @explained()
    def text_to_sign(self, subject: str, decision: str, reviewer: str) -> str:
        """Return the text that `reviewer` signs, for `ssh-keygen -Y sign -n sluicegate-approval`."""
        from sluicegate.review.question import text_to_sign

        return text_to_sign(self._fresh(), subject, Decision(decision), reviewer)

    @explained()
    def answer_review(
        self, subject: str, decision: str, reviewer: str, proof: str, reason: str = ""
    ) -> "Reviewed":
        """Record a proven answer, and promote, admit or refuse when the votes suffice."""
        from sluicegate.flows.decisions.review import answer

        return answer(self._fresh(), subject, Decision(decision), reviewer, reason, proof)

    @explained()
    def renew_review(self, subject: str) -> "Asked":
        """Ask again about `subject`, after the question expired or what it names changed."""
        from sluicegate.flows.decisions.review import renew

        return renew(self._fresh(), subject)

    @explained()
    def quarantine(self) -> "InQuarantine":
        """Return what is set aside, why, until when somebody has to look, and what was let out."""
        from sluicegate.record.quarantine import in_quarantine

        return in_quarantine(self._fresh())

    @explained()
    def show_quarantine(self, batch: str) -> "HeldRows":
        """Return the rows of `batch` (its number) that are set aside, each with what it is held for."""
        from sluicegate.record.quarantine import show_quarantine

        return show_quarantine(self._fresh(), batch)

    @explained()
    def plan_release(self, batch: str, **wanted: Any) -> "ReleasePlan":
        """Return what intake would make of rows in quarantine; arguments as for `release`."""
        from sluicegate.flows.feedback.exception import Wanted
        from sluicegate.flows.feedback.release import plan

        return plan(self._fresh(), Wanted(batch, **wanted))

    @explained()
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
    ) -> "Asked":
        """Ask the reviewers to send rows of `batch` through intake again without the limits it `waives`.

        Returns the question. Rows are positions in the received file; without `rows` and `sources`
        all that are set aside are asked for.
        """
        from sluicegate.flows.feedback.exception import Wanted
        from sluicegate.flows.feedback.release import propose
        from sluicegate.review.question import show

        wanted = Wanted(batch, reason, waives, rows, sources, review_by, waive_unmeasured)
        return show(self._fresh(), propose(self._fresh(), wanted))

    @explained()
    def plan_retirement(self, what: str, **wanted: Any) -> "RetirementPlan":
        """Return what embodies `what`, and what would be destroyed; arguments as for `retire`."""
        from sluicegate.flows.erasure.order import Wanted, plan

        return plan(self._fresh(), Wanted(what, **wanted))

    @explained()
    def due(self) -> "Due":
        """Return the batches and models whose retention, as their card states it, is over."""
        from sluicegate.flows.erasure.due import due

        return due(self._fresh())

    @explained()
    def retire(
        self,
        what: str,
        *,
        reason: str,
        archive: str | None = None,
        rows: tuple[int, ...] | None = None,
        sources: tuple[str, ...] = (),
    ) -> "Retired":
        """Ask the reviewers to destroy `what` in every store, or finish what a kill broke off.

        `what` is `batch:NNNN`, `source:NAME`, `row:NNNN/N`, `subject:ID` or `model:N`;
        `quarantine:NNNN` is what batch NNNN has in quarantine, of which `rows` and `sources` choose.
        With `archive`, a full path outside the workspace, a copy is kept there. Returns the question,
        or the certificate of what was destroyed.
        """
        from sluicegate.flows.erasure.order import Wanted
        from sluicegate.flows.erasure.retire import retire

        return retire(self._fresh(), Wanted(what, reason, archive, rows, sources))

    @explained()
    def reanchor(
        self, *, reason: str, reference: Delivery | None = None, golden: Delivery | None = None
    ) -> "Asked":
        """Ask the reviewers to trust a new reference or golden set; returns the question."""
        from sluicegate.flows.feedback.reanchor import propose
        from sluicegate.review.question import show

        with if_given(reference) as new_reference, if_given(golden) as new_golden:
            given = {"reference": new_reference, "golden": new_golden}
            paths = {table: path for table, path in given.items() if path is not None}
            return show(self._fresh(), propose(self._fresh(), paths, reason))

    @explained()
    def trace(self, because: str) -> "Traced | MadeOf":
        """Return what embodies batch:NNNN, source:NAME, row:NNNN/N, trigger:NNNN or update:NNNN.

        Of model:N, a version in MLflow, return what it is made of, and when it served.
        """
        from sluicegate.record.causes import parse_cause
        from sluicegate.record.lineage_report import traced

        return traced(self._fresh(), parse_cause(because))

    @explained()
    def plan_rollback(self, because: str) -> "RollbackPlan":
        """Return what `rollback` would take back, and what each clean version would cost."""
        from sluicegate.flows.rollback.rollback import plan
        from sluicegate.record.causes import parse_cause

        return plan(self._fresh(), parse_cause(because))

    @explained()
    def rollback(
        self, because: str, *, reason: str = "", retrain: bool = True, step: Step = plainly
    ) -> "RolledBack":
        """Take `because` out of serving, data and models; run again, it finishes or does nothing."""
        from sluicegate.flows.rollback.rollback import Order, rollback
        from sluicegate.record.causes import parse_cause

        return rollback(self._fresh(), Order(parse_cause(because), reason, retrain), step)

    @explained()
    def watch(self, *, step: Step = plainly) -> "Watched":
        """Judge the champion on feedback that it has not learnt from; a breach proposes a rollback."""
        from sluicegate.flows.rollback.watch import watch

        return watch(self._fresh(), step)

    @explained()
    def export_incident(
        self, number: str, profile: str = "full"
    ) -> "FullIncident | CaseStudy | PublicIncident":
        """Return an incident `full`, as an `atlas` case study, or redacted as `public`."""
        from sluicegate.reports.incident_export import export

        return export(self._fresh(), number, profile)

    @explained()
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
    ) -> "Bisected":
        """Return which batches and sources make something fail: one of a stopped `update` (its number),
        rows with the expected label, and a slice like `region=north`.

        `repeat` trains each set with so many seeds, of which the majority decides; at most `most` guilty
        batches, and sources in each, are named. `give_back` admits the innocent batches of a rejected
        update again.
        """
        from sluicegate.flows.trials import give_back as giving
        from sluicegate.flows.trials.bisect import Order, bisect

        with if_given(example) as path:
            order = Order(path, slice, update, limit, repeat, most)
            return (giving.give_back if give_back else bisect)(self._fresh(), order)

    @explained()
    def plan(self, *, most: int = 8) -> "Backtested":
        """Return what retraining every 1, 2, 4 ... batches gains on the accepted history, and its cost.

        At most `most` models are trained; those of an earlier call or of a bisect are used again.
        """
        from sluicegate.flows.trials.backtest import backtest

        return backtest(self._fresh(), most)

    @explained()
    def plan_backtest(self, *, most: int = 8) -> "BacktestPlan":
        """Return what `plan` would train, without training it."""
        from sluicegate.flows.trials.backtest import plan

        return plan(self._fresh(), most)

    @explained()
    def plan_bisect(
        self,
        update: str | None = None,
        *,
        example: Delivery | None = None,
        slice: str | None = None,
        limit: float | None = None,
        repeat: int = 1,
        most: int = 3,
    ) -> "BisectPlan":
        """Return how many trainings `bisect` would take at most; arguments as there."""
        from sluicegate.flows.trials.bisect import Order, plan

        with if_given(example) as path:
            return plan(self._fresh(), Order(path, slice, update, limit, repeat, most))

    @explained()
    def up(self, prefect_port: int | None = None, mlflow_port: int | None = None) -> int:
        """Serve the schedules and both UIs until interrupted; return the exit code."""
        from sluicegate.flows.orchestration.up import up

        return up(self._fresh(), prefect_port, mlflow_port)

    @explained()
    def status(self) -> "Status":
        """Return the champion, what awaits review and where the batches stand."""
        from sluicegate.flows.status import status

        return status(self._fresh())

    @explained()
    def show(self, subject: str) -> dict[str, Any]:
        """Return the whole record of a batch or an update, or what another subject asks or certifies."""
        from sluicegate.flows.status import show

        return show(self._fresh(), subject)

    @explained()
    def card(self, subject: str, profile: str = "internal") -> "DataCard | ModelCard":
        """Return the card of `batch:NNNN` or `update:NNNN` for the team, a `partner` or the `public`."""
        from sluicegate.reports.cards import card
        from sluicegate.reports.profiles import Profile

        return card(self._fresh(), subject, Profile(profile))

    @explained()
    def bill_of_materials(self, update: str, profile: str = "internal") -> "Bill":
        """Return the CycloneDX ML-BOM of the model that `update:NNNN` promoted."""
        from sluicegate.reports.bill_of_materials import bill_of_materials

        return bill_of_materials(self.card(update, profile))

    @explained()
    def verify(
        self, full: bool = False, bar: Callable[[int, int, str], None] = lambda *_: None
    ) -> "Verified":
        """Say whether ledger, statements, data, models and approvals are as recorded, offline."""
        from sluicegate.flows.custody.verify import verify

        return verify(self._fresh(), full, bar)

    @explained()
    def explain(self, subject: str) -> "Explained":
        """Replay the stored findings of a batch or an update through its stored policy, offline."""
        from sluicegate.record.replay import replay

        layout = self._fresh().layout
        return replay(layout, committed(layout), subject)

    @explained()
    def export_trust(self, path: str | Path, **wanted: Any) -> "TrustExport":
        """Write what a serving host trusts to the file `path`; keywords as of `hand_over.export_trust`."""
        from sluicegate.flows.custody.hand_over import export_trust

        return export_trust(self._fresh(), Path(path), **wanted)

    @explained()
    def export_champion(self, folder: str | Path) -> "ChampionExport":
        """Copy the champion and what proves it to `folder`, for hosts that do not see the workspace."""
        from sluicegate.flows.custody.hand_over import export_champion

        return export_champion(self._fresh(), Path(folder))

    @explained()
    def plan_rotation(self, *kinds: str) -> "RotationPlan":
        """Return which keys `rotate_keys` would change and what it would sign again; makes no key."""
        from sluicegate.flows.custody.rotate import plan
        from sluicegate.flows.custody.succession import BOTH

        return plan(self._fresh(), frozenset(kinds) or BOTH)

    @explained()
    def rotate_keys(self, *kinds: str, reason: str = "rotated") -> "Rotated":
        """Let new keys follow, of `statements`, of `models`, or of both; all that was signed verifies."""
        from sluicegate.flows.custody.rotate import rotate
        from sluicegate.flows.custody.succession import BOTH

        return rotate(self._fresh(), frozenset(kinds) or BOTH, reason)

    @explained()
    def revoke_key(
        self, keyid: str, since: int, *, reason: str, dry_run: bool = False, **wanted: Any
    ) -> "Believed":
        """Believe a stolen key no further than before the entry `since`; keywords as of `revoke.Order`.

        With `dry_run` return what it signed and what rests on that, and change nothing.
        """
        from sluicegate.flows.custody.revoke import Order, plan, revoke

        order, context = Order(keyid, since, reason, **wanted), self._fresh()
        return plan(context, order).believed if dry_run else revoke(context, order)

    @explained()
    def backup(self, path: str | Path, *, with_keys: bool = False) -> "BackedUp":
        """Write what is neither in git nor in DVC to the archive `path`, and push all data."""
        from sluicegate.flows.custody.backup import backup

        return backup(self._fresh(), Path(path), with_keys)

    @explained()
    def restore(self, path: str | Path) -> "Restored":
        """Bring a clone back to a workspace, from the DVC remote and the backup at `path`; verified."""
        from sluicegate.flows.custody.restore import restore

        return restore(self._fresh(), Path(path))
