"""Workspace: the public object, one method per verb."""

import contextlib
import errno
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from sluicegate.core import CannotDecide, Misused
from sluicegate.flows.context import Context, Step, open_context, plainly, silent, utc_now

if TYPE_CHECKING:
    import pandas as pd

    from sluicegate.flows.calibrate import CalibrateResult
    from sluicegate.flows.drill_record import Drilled
    from sluicegate.flows.policy_try import Trial
    from sluicegate.flows.results import IntakeResult, RetrainResult, UpdateResult
    from sluicegate.flows.review import Reviewed
    from sluicegate.flows.rollback import RolledBack
    from sluicegate.flows.status import Status
    from sluicegate.flows.verify import Verified
    from sluicegate.flows.watch import Watched

Tell = Callable[[str], None]
Delivery = Union[str, Path, "pd.DataFrame"]


class Workspace:
    """A directory in which one model learns from feedback.

    A long-lived process pays imports and model loading once. Every method raises a SluicegateError
    whose message is one sentence that names the place and the mend.
    """

    def __init__(self, context: Context) -> None:
        """Use `Workspace.open` or `Workspace.init` instead."""
        self._context = context
        self._observed: Callable[[Path], UpdateResult] | None = None

    @classmethod
    def open(
        cls,
        root: str | Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        tell: Tell = silent,
        reading: bool = False,
    ) -> "Workspace":
        """Return the workspace at `root`, or a clone of it for `reading`; raises Missing."""
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
        from sluicegate.core import Task
        from sluicegate.flows.init import Origin, init

        with _explained(), contextlib.ExitStack() as stack:
            origin = Origin(
                root=Path(root),
                data=stack.enter_context(_delivered(data)),
                label=label,
                source=source,
                time=time,
                id=id,
                label_origin=label_origin,
                golden=None if golden is None else stack.enter_context(_delivered(golden)),
                model=model,
                sensitive=tuple(sensitive),
                slices=tuple(slices),
                task=None if task is None else Task(task),
                remote=remote,
                trainer=trainer,
            )
            init(origin, tell)
        return cls.open(root, tell=tell)

    @property
    def root(self) -> Path:
        """Return the workspace's directory."""
        return self._context.layout.root

    def check(self, batch: Delivery) -> "IntakeResult":
        """Judge `batch` as intake would, in the light of all admitted batches, and change nothing."""
        from sluicegate.flows.intake import check

        with _explained(), _delivered(batch) as path:
            return check(self._fresh(), path)

    def try_policy(
        self, params: str | Path | None = None, measure: bool = False, drill: bool = False
    ) -> "Trial":
        """Say what changed limits would have stopped in the history, and change nothing.

        The changed policy is params.yaml as it lies in the workspace, or the file `params`.
        """
        from sluicegate.flows.policy_try import try_policy

        with _explained():
            return try_policy(self._fresh(), Path(params) if params else None, measure, drill)

    def policy_difference(self) -> dict[str, Any]:
        """Return what differs from the policy that its owners signed last."""
        from sluicegate.flows.policy_sign import difference

        with _explained():
            return difference(self._fresh()).to_dict()

    def sign_policy(self, owner: str, key: Path) -> dict[str, Any]:
        """Sign the committed policy as one of `policy.owners`, and return what that accepts."""
        from sluicegate.flows.policy_sign import sign_policy

        with _explained():
            return sign_policy(self._fresh(), owner, key)

    def intake(self, batch: Delivery, *, step: Step = plainly) -> "IntakeResult":
        """Judge `batch` and carry it out: admit, quarantine, pause or reject."""
        from sluicegate.flows.intake import intake

        with _explained(), _delivered(batch) as path:
            return intake(self._fresh(), path, step)

    def retrain(self, *, supersede: bool = False, step: Step = plainly) -> "RetrainResult":
        """Train a challenger on everything admitted, compare it, and promote, pause or refuse it."""
        from sluicegate.flows.retrain import retrain

        with _explained():
            return retrain(self._fresh(), supersede, step)

    def update(self, batch: Delivery, *, step: Step = plainly) -> "UpdateResult":
        """Take `batch` in and retrain, unless intake paused or rejected it."""
        from sluicegate.flows.update import update

        with _explained(), _delivered(batch) as path:
            return update(self._fresh(), path, step)

    def update_by_prefect(self, batch: Delivery) -> "UpdateResult":
        """Do what `update` does as a Prefect flow run, on PREFECT_API_URL or the embedded Prefect."""
        from sluicegate.flows.embedded import run_update

        with _explained(), _delivered(batch) as path:
            return self._observed(path) if self._observed else run_update(self._fresh(), path)

    def export_trust(self, path: str | Path, **wanted: Any) -> dict[str, Any]:
        """Write what a serving host trusts to the file `path`; keywords as of `hand_over.export_trust`."""
        from sluicegate.flows.hand_over import export_trust

        with _explained():
            return export_trust(self._fresh(), Path(path), **wanted)

    def export_champion(self, folder: str | Path) -> dict[str, Any]:
        """Copy the champion and what proves it to `folder`, for hosts that do not see the workspace."""
        from sluicegate.flows.hand_over import export_champion

        with _explained():
            return export_champion(self._fresh(), Path(folder))

    def backup(self, path: str | Path, *, with_keys: bool = False) -> dict[str, Any]:
        """Write what is neither in git nor in DVC to the archive `path`, and push all data."""
        from sluicegate.flows.backup import backup

        with _explained():
            return backup(self._fresh(), Path(path), with_keys)

    def restore(self, path: str | Path) -> dict[str, Any]:
        """Bring a clone back to a workspace, from the DVC remote and the backup at `path`; verified."""
        from sluicegate.flows.restore import restore

        with _explained():
            return restore(self._fresh(), Path(path))

    def plan_retrain(self) -> dict[str, Any]:
        """Return what `retrain` would learn from, without training."""
        from sluicegate.flows.retrain import plan

        with _explained():
            return plan(self._fresh())

    def calibrate(self) -> "CalibrateResult":
        """Raise the limits to what honest windows of this workspace need, and record it."""
        from sluicegate.flows.calibrate import calibrate

        with _explained():
            return calibrate(self._fresh())

    def try_calibration(self) -> "CalibrateResult":
        """Return what `calibrate` would record, and record nothing."""
        from sluicegate.flows.calibrate import try_calibration

        with _explained():
            return try_calibration(self._fresh())

    def up(self, prefect_port: int | None = None, mlflow_port: int | None = None) -> int:
        """Serve the schedules and both UIs until interrupted; return the exit code."""
        from sluicegate.flows.up import up

        with _explained():
            return up(self._fresh(), prefect_port, mlflow_port)

    def drill(
        self,
        *,
        full: bool = False,
        attacks: tuple[str, ...] = (),
        seed: int | None = None,
        bar: Callable[[int, int, str], None] = lambda *_: None,
    ) -> "Drilled":
        """Attack the gates with this workspace's own data; nothing is learnt, the record is kept."""
        from sluicegate.flows.drill import Order, drill

        with _explained():
            return drill(self._fresh(), Order(full, tuple(attacks), seed), bar)

    def plan_drill(
        self, *, full: bool = False, attacks: tuple[str, ...] = (), seed: int | None = None
    ) -> dict[str, Any]:
        """Return what `drill` would play, without playing it."""
        from sluicegate.flows.drill import Order, foretell

        with _explained():
            return foretell(self._fresh(), Order(full, tuple(attacks), seed))

    def status(self) -> "Status":
        """Return the champion, what awaits review and where the batches stand."""
        from sluicegate.flows.status import status

        with _explained():
            return status(self._fresh())

    def show(self, subject: str) -> dict[str, Any]:
        """Return the whole record of `batch:NNNN` or `update:NNNN`."""
        from sluicegate.flows.status import show

        with _explained():
            return show(self._fresh(), subject)

    def card(self, subject: str, profile: str = "internal") -> dict[str, Any]:
        """Return the card of `batch:NNNN` or `update:NNNN` for the team, a `partner` or the `public`."""
        from sluicegate.flows.cards import card
        from sluicegate.flows.cards.profiles import Profile

        with _explained():
            return card(self._fresh(), subject, Profile(profile))

    def bill_of_materials(self, update: str, profile: str = "internal") -> dict[str, Any]:
        """Return the CycloneDX ML-BOM of the model that `update:NNNN` promoted."""
        from sluicegate.flows.cards.bom import bill_of_materials

        with _explained():
            return bill_of_materials(self.card(update, profile))

    def explain(self, subject: str) -> dict[str, Any]:
        """Replay the stored findings of `update:NNNN` through its stored policy, offline."""
        from sluicegate.flows.explain import explain

        with _explained():
            return explain(self._fresh(), subject)

    def verify(
        self, full: bool = False, bar: Callable[[int, int, str], None] = lambda *_: None
    ) -> "Verified":
        """Say whether ledger, statements, data, models and approvals are as recorded, offline."""
        from sluicegate.flows.verify import verify

        with _explained():
            return verify(self._fresh(), full, bar)

    def reviews(self) -> list[str]:
        """Return the subjects that wait for a human's decision."""
        from sluicegate.flows.subjects import waiting

        with _explained():
            return waiting(self._context.layout)

    def show_review(self, subject: str) -> dict[str, Any]:
        """Return what is asked about `subject`, with the digests that an answer is bound to."""
        from sluicegate.flows.review import show

        with _explained():
            return show(self._fresh(), subject)

    def sign_review(self, subject: str, decision: str, reviewer: str, key: str | Path) -> str:
        """Return an SSH signature of the answer; works in a clone, and the key stays there."""
        from sluicegate.flows.review import sign
        from sluicegate.gates.approval import Decision

        with _explained():
            return sign(self._fresh(), subject, Decision(decision), reviewer, Path(key))

    def text_to_sign(self, subject: str, decision: str, reviewer: str) -> str:
        """Return the text that `reviewer` signs, for `ssh-keygen -Y sign -n sluicegate-approval`."""
        from sluicegate.flows.review import text_to_sign
        from sluicegate.gates.approval import Decision

        with _explained():
            return text_to_sign(self._fresh(), subject, Decision(decision), reviewer)

    def answer_review(
        self, subject: str, decision: str, reviewer: str, proof: str, reason: str = ""
    ) -> "Reviewed":
        """Record a proven answer, and promote, admit or refuse when the votes suffice."""
        from sluicegate.flows.review import answer
        from sluicegate.gates.approval import Decision

        with _explained():
            return answer(self._fresh(), subject, Decision(decision), reviewer, reason, proof)

    def renew_review(self, subject: str) -> dict[str, Any]:
        """Ask again about `subject`, after the question expired or what it names changed."""
        from sluicegate.flows.review import renew

        with _explained():
            return renew(self._fresh(), subject)

    def quarantine(self) -> dict[str, Any]:
        """Return what is set aside, why, until when somebody has to look, and what was let out."""
        from sluicegate.flows.quarantine import in_quarantine

        with _explained():
            return in_quarantine(self._fresh())

    def show_quarantine(self, batch: str) -> dict[str, Any]:
        """Return the rows of `batch` (its number) that are set aside, each with what it is held for."""
        from sluicegate.flows.quarantine import show_quarantine

        with _explained():
            return show_quarantine(self._fresh(), batch)

    def plan_release(self, batch: str, **wanted: Any) -> dict[str, Any]:
        """Return what intake would make of rows in quarantine; arguments as for `release`."""
        from sluicegate.flows.exception import Wanted
        from sluicegate.flows.release import plan

        with _explained():
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
        from sluicegate.flows.exception import Wanted
        from sluicegate.flows.release import propose
        from sluicegate.flows.review import show

        wanted = Wanted(batch, reason, waives, rows, sources, review_by, waive_unmeasured)
        with _explained():
            return show(self._fresh(), propose(self._fresh(), wanted))

    def reanchor(
        self,
        *,
        reason: str,
        reference: Delivery | None = None,
        golden: Delivery | None = None,
    ) -> dict[str, Any]:
        """Ask the reviewers to trust a new reference or golden set; returns the question."""
        from sluicegate.flows.reanchor import propose
        from sluicegate.flows.review import show

        given = {"reference": reference, "golden": golden}
        with _explained(), contextlib.ExitStack() as stack:
            paths = {
                name: stack.enter_context(_delivered(each))
                for name, each in given.items()
                if each is not None
            }
            return show(self._fresh(), propose(self._fresh(), paths, reason))

    def trace(self, because: str) -> dict[str, Any]:
        """Return what embodies `batch:NNNN`, `source:NAME`, `row:NNNN/N` or `update:NNNN`."""
        from sluicegate.flows.trace import trace

        with _explained():
            return trace(self._fresh(), because).to_dict()

    def plan_rollback(self, because: str) -> dict[str, Any]:
        """Return what `rollback` would take back, and what each clean version would cost."""
        from sluicegate.flows.rollback import plan

        with _explained():
            return plan(self._fresh(), because)

    def rollback(
        self, because: str, *, reason: str = "", retrain: bool = True, step: Step = plainly
    ) -> "RolledBack":
        """Take `because` out of serving, data and models; run again, it finishes or does nothing."""
        from sluicegate.flows.rollback import Order, rollback

        with _explained():
            return rollback(self._fresh(), Order(because, reason, retrain), step)

    def watch(self, *, step: Step = plainly) -> "Watched":
        """Judge the champion on feedback that it has not learnt from; a breach proposes a rollback."""
        from sluicegate.flows.watch import watch

        with _explained():
            return watch(self._fresh(), step)

    def export_incident(self, number: str, profile: str = "full") -> dict[str, Any]:
        """Return an incident `full`, as an `atlas` case study, or redacted as `public`."""
        from sluicegate.flows.incident_export import export

        with _explained():
            return export(self._fresh(), number, profile)

    def _fresh(self) -> Context:
        # params.yaml may have been committed anew since this process opened the workspace.
        reading = not self._context.layout.may_sign
        return open_context(self.root, self._context.clock, self._context.tell, reading)


def plan_init(root: str | Path, **given: Any) -> dict[str, Any]:
    """Return what `Workspace.init` would make of the base data, without making it."""
    from sluicegate.flows.init import plan

    with _explained():
        return plan(Path(root), Path(given["data"]), given)


def diagnose(root: Path) -> list[dict[str, Any]]:
    """Return what is wrong with this machine and, if there is one, the workspace at `root`."""
    from sluicegate.flows.doctor import doctor

    with _explained():
        return [diagnosis.to_dict() for diagnosis in doctor(root)]


def demo(
    root: Path, data: str | None, label: str | None, prefect: bool, tell: Tell
) -> dict[str, Any]:
    """Play the demonstration in a new workspace at `root`."""
    from sluicegate.flows.demo import demo as play
    from sluicegate.flows.demo import digits, read_own
    from sluicegate.flows.embedded import observed

    stack = contextlib.ExitStack()

    def begin(folder: Path, **given: Any) -> Workspace:
        place = Workspace.init(folder, **given, tell=lambda text: tell(f"    {text}"))
        if prefect:
            place._observed = stack.enter_context(observed(place._fresh()))
        return place

    def deliver(place: Workspace, path: Path) -> "UpdateResult":
        return place.update_by_prefect(path) if prefect else place.update(path)

    with _explained(), stack:
        frame, name = read_own(Path(data), label) if data else digits()
        return play(root, frame, name, begin, deliver, tell)


def serve_demo(root: Path, subject: str, tell: Tell) -> int:
    """Serve the demonstration's workspace until Ctrl-C, so that `subject` can be decided on."""
    from sluicegate.flows.invite import serve

    with _explained():
        return serve(open_context(root, tell=tell), subject)


@contextlib.contextmanager
def _delivered(batch: Delivery) -> Iterator[Path]:
    """Yield the path of `batch`; a frame is written as the parquet that is then hashed.

    Raises Misused for a frame that parquet cannot hold.
    """
    if isinstance(batch, str | Path):
        from sluicegate.stores.reading import require_file

        yield require_file(batch)
        return
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as folder:
        path = Path(folder) / "frame.parquet"
        try:
            batch.to_parquet(path, index=False)
        except (AttributeError, ValueError, TypeError, OverflowError) as error:
            said = str(error).splitlines()[0].rstrip(".")
            raise Misused(
                f"The data frame cannot be written as parquet ({said}); give every column a name "
                "of its own and values of one type."
            ) from error
        yield path


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn what the operating system says into one sentence with the mend."""
    try:
        yield
    except OSError as error:
        where = error.filename or "the workspace"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CannotDecide(
                f"The disk is full at {where}: free some space and run the same command again."
            ) from error
        raise CannotDecide(
            f"{where}: {error.strerror or error}; mend that and run the same command again."
        ) from error
