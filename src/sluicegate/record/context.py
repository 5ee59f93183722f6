"""Context: what every runbook is given instead of reaching for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from sluicegate.core import Finding, Schema
from sluicegate.core.moment import written
from sluicegate.stores import git, pinned
from sluicegate.stores.layout import Layout, open_layout
from sluicegate.stores.settings import Settings, parse_settings

P = ParamSpec("P")
T = TypeVar("T")

SERVED = "SLUICEGATE_WORKSPACE"
"""The environment variable that names the workspace in the processes of the runner."""

PARAMS, SUITE = "params.yaml", "expectations/feedback.json"
POLICY_FILES = (PARAMS, "dvc.yaml", "train.py", "expectations")


def utc_now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def silent(_: str) -> None:
    """Tell nobody."""


class Step(Protocol):
    """Runs one step of a runbook: plainly, or as a Prefect task."""

    def __call__(
        self, name: str, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Return `function(*arguments, **named)`, known as `name` wherever the run is shown."""


def plainly(name: str, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
    """Run a step without Prefect."""
    return function(*arguments, **named)


@dataclass(frozen=True)
class Context:
    """A workspace's paths and settings, the clock, and whom to tell of progress.

    `signature` says whether the policy is as its owners signed it, None where nobody owns it or
    nobody asked. `unattended` is what a deployment of Prefect runs, by schedule or by its form.
    """

    layout: Layout
    settings: Settings
    clock: Callable[[], datetime] = utc_now
    tell: Callable[[str], None] = silent
    signature: Finding | None = None
    unattended: bool = False

    @cached_property
    def schema(self) -> Schema:
        """Return the schema of the feedback."""
        return self.settings.schema_

    @cached_property
    def policy_digest(self) -> str:
        """Return the SHA-256 of the params.yaml that rules."""
        return pinned.artifact(self.layout, PARAMS).sha256

    @cached_property
    def started_by(self) -> str | None:
        """Return the git identity of who runs this by hand; None for a deployment, which knows nobody."""
        return None if self.unattended else git.identity(self.layout.root)

    @cached_property
    def commit(self) -> str:
        """Return the commit that the record is read of: the pinned one, else HEAD when first asked."""
        return self.layout.commit or git.head(self.layout.root)

    def pinned(self) -> "Context":
        """Return the context that reads the record of one commit, whoever commits meanwhile.

        For who tells and changes nothing: what they commit themselves they do not see in it.
        """
        return replace(self, layout=replace(self.layout, commit=self.commit))

    def now(self) -> str:
        """Return the time in UTC as ISO 8601 with seconds."""
        return written(self.clock())


def open_context(
    root: Path,
    clock: Callable[[], datetime] = utc_now,
    tell: Callable[[str], None] = silent,
    reading: bool = False,
) -> Context:
    """Return the context of the workspace at `root`, or of a clone of it for `reading`.

    The policy is the one of HEAD, whatever lies in the working tree. Raises Missing or Misused.
    """
    layout = open_layout(root, reading)
    commit = git.find_head(layout.root)
    if commit and git.find_at(layout.root, commit, PARAMS) is not None:
        layout = replace(layout, policy=commit)
    settings = parse_settings(pinned.read(layout, PARAMS).decode(), PARAMS)
    return Context(layout, settings, clock, tell)
