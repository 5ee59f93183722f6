"""What is done before there is a workspace, or without one: the plan, the diagnosis, the demonstration."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.record.context import open_context
from sluicegate.workspace.delivery import Tell, explained
from sluicegate.workspace.workspace import Workspace

if TYPE_CHECKING:
    from sluicegate.record.results import UpdateResult


@explained()
def plan_init(root: str | Path, **given: Any) -> dict[str, Any]:
    """Return what `Workspace.init` would make of the base data, without making it."""
    from sluicegate.flows.init import plan

    return plan(Path(root), Path(given["data"]), given)


@explained()
def diagnose(root: Path) -> list[dict[str, Any]]:
    """Return what is wrong with this machine and, if there is one, the workspace at `root`."""
    from sluicegate.flows.doctor import doctor

    return [diagnosis.to_dict() for diagnosis in doctor(root)]


def demo(
    root: Path, data: str | None, label: str | None, prefect: bool, tell: Tell
) -> dict[str, Any]:
    """Play the demonstration in a new workspace at `root`."""
    from sluicegate.flows.demo import demo as play
    from sluicegate.flows.demo import digits, read_own
    from sluicegate.flows.deployments import observed

    stack = contextlib.ExitStack()

    def begin(folder: Path, **given: Any) -> Workspace:
        place = Workspace.init(folder, **given, tell=lambda text: tell(f"    {text}"))
        if prefect:
            place._observed = stack.enter_context(observed(place._fresh()))
        return place

    def deliver(place: Workspace, path: Path) -> "UpdateResult":
        return place.update_by_prefect(path) if prefect else place.update(path)

    with explained(), stack:
        frame, name = read_own(Path(data), label) if data else digits()
        return play(root, frame, name, begin, deliver, tell)


@explained()
def serve_demo(root: Path, subject: str, tell: Tell) -> int:
    """Serve the demonstration's workspace until Ctrl-C, so that `subject` can be decided on."""
    from sluicegate.flows.demo import serve

    return serve(open_context(root, tell=tell), subject)
