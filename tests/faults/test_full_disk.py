"""A small disk under one store, full in the middle of a retrain: git's own process, MLflow's own SQLite."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from sluicegate import Workspace
from sluicegate.core import CannotDecide
from sluicegate.record.context import open_context
from sluicegate.stores import git
from sluicegate.stores.mlflow import open_registry

pytestmark = pytest.mark.slow

LEFT_KIB = (0, 8)


@pytest.fixture(params=[".git", ".sluicegate/mlflow"])
def disk(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[Path]:
    """A disk of 64 MiB under one store of the workspace."""
    store = workspace.root / request.param
    aside = store.with_name("aside")
    store.rename(aside)
    store.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(store)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    shutil.copytree(aside, store, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(aside)
    yield store
    subprocess.run(["umount", "-l", str(store)], check=True)


def test_a_store_on_a_full_disk_stops_a_retrain_that_then_goes_on(
    disk: Path, workspace: Workspace, honest: Callable[..., pd.DataFrame]
) -> None:
    """It cannot decide and says so, the champion serves on; with room the same command promotes."""
    root = workspace.root
    assert workspace.intake(honest(300, seed=11)).outcome.value == "pass"
    before = workspace.status().champion
    for left in LEFT_KIB:
        filler = disk / "filler"
        filler.write_bytes(b"\0" * (shutil.disk_usage(disk).free - left * 1024))
        with pytest.raises(CannotDecide):
            workspace.retrain()
        filler.unlink()
        assert Workspace.open(root).status().champion == before

    made = Workspace.open(root).retrain().to_dict()
    assert made["update"]["stage"] == "promoted", made["reasons"]
    context = open_context(root)
    registry = open_registry(context.layout, context.settings.model, None)
    version = workspace.status().champion.version
    assert version == made["update"]["challenger"]["version"]
    assert registry.mirror(version) is None
    assert git.run(root, "status", "--porcelain").strip() == ""
    seen = Workspace.open(root).verify(full=True)
    assert seen.exit_code == 0, (seen.wrong, seen.undecided)
