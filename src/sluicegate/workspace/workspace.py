"""Workspace: the public object, one method per verb."""

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sluicegate.core.installed import require_line
from sluicegate.record.context import open_context, silent, utc_now
from sluicegate.workspace.bisecting import Bisecting
from sluicegate.workspace.delivery import Delivery, Tell, delivered, explained
from sluicegate.workspace.going_back import GoingBack
from sluicegate.workspace.keeping import Keeping
from sluicegate.workspace.learning import Learning
from sluicegate.workspace.quarantining import Quarantining
from sluicegate.workspace.reviewing import Reviewing
from sluicegate.workspace.serving import Serving
from sluicegate.workspace.trying import Trying


class Workspace(Learning, Trying, Reviewing, Quarantining, GoingBack, Bisecting, Serving, Keeping):
    """A directory in which one model learns from feedback.

    A long-lived process pays imports and model loading once. Every method raises a SluicegateError
    whose message is one sentence that names the place and the mend.
    """

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
        from sluicegate.core import Task
        from sluicegate.flows.init import Origin, init

        with explained(), contextlib.ExitStack() as stack:
            origin = Origin(
                root=Path(root),
                data=stack.enter_context(delivered(data)),
                label=label,
                source=source,
                time=time,
                id=id,
                label_origin=label_origin,
                golden=None if golden is None else stack.enter_context(delivered(golden)),
                model=model,
                sensitive=tuple(sensitive),
                slices=tuple(slices),
                task=None if task is None else Task(task),
                remote=remote,
                trainer=trainer,
            )
            init(origin, tell)
        return cls.open(root, tell=tell)
