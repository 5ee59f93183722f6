"""What the tests of the runbooks share: copies of the workspace, the command line, digests of trees."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from asked import Asked
from reviewing import policy, trust_them

from sluicegate import Workspace
from sluicegate.flows.orchestration.embedded import free_port
from sluicegate.flows.orchestration.up import services
from sluicegate.record.context import open_context

Deliver = Callable[..., Path]
Rows = Callable[..., pd.DataFrame]
Cli = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture(scope="module")
def line(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace that the tests of one module pass on, each a batch further."""
    root = tmp_path_factory.mktemp("line") / "loans"
    shutil.copytree(template, root, symlinks=True)
    return Workspace.open(root)


@pytest.fixture(scope="session")
def digest_of() -> Callable[[Path], dict[str, str]]:
    """The SHA-256 of every file below a folder, git's own index and logs left out."""

    def digest(root: Path) -> dict[str, str]:
        return {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*"))
            if path.is_file() and path.name != "index"
        }

    return digest


@pytest.fixture(scope="session")
def paused_template(
    template: Path, honest: Rows, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A workspace in which update:0001 and batch:0002 wait."""
    root = tmp_path_factory.mktemp("paused") / "loans"
    shutil.copytree(template, root, symlinks=True)
    place = Workspace.open(root)
    policy(place, when="always", required=1)
    place.intake(honest(300, seed=11))
    assert place.retrain().to_dict()["update"]["stage"] == "awaiting"
    assert place.intake(honest(20, seed=12)).outcome.value == "pause"
    trust_them(place, keys)
    return root


@pytest.fixture(scope="module")
def asked(
    paused_template: Path, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    """Questions put without Prefect, served from then on."""
    root = tmp_path_factory.mktemp("asked") / "loans"
    shutil.copytree(paused_template, root, symlinks=True)
    with services(open_context(root), free_port(), free_port()) as started:
        yield Asked(Workspace.open(root), started, keys)


@pytest.fixture(scope="module")
def needs_two(
    template: Path, honest: Rows, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    """A served workspace in which batch:0001 waits for two people."""
    root = tmp_path_factory.mktemp("two") / "loans"
    shutil.copytree(template, root, symlinks=True)
    place = Workspace.open(root)
    policy(place, required=2, separate_duties=False)
    trust_them(place, keys)
    assert place.intake(honest(20, seed=12)).outcome.value == "pause"
    with services(open_context(root), free_port(), free_port()) as started:
        yield Asked(place, started, keys)
