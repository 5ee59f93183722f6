"""One store at a time on a disk that may not be written to: it cannot decide, says where, and then goes on."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from copies import copied
from interrupted import in_child

from sluicegate import Workspace
from sluicegate.core import CannotDecide
from sluicegate.stores import git
from sluicegate.stores.layout import Layout
from sluicegate.stores.mlflow import open_registry

pytestmark = pytest.mark.slow

Mount = Callable[[str], Path]


@pytest.fixture
def mounted(template: Path, tmp_path: Path) -> Iterator[Mount]:
    """A function that puts a store of `loans` on a disk of its own and returns it."""
    root, made = copied(template, tmp_path / "loans"), []

    def mount(name: str) -> Path:
        store = root / name
        store.rename(tmp_path / "aside")
        store.mkdir()
        how = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(store)]
        if subprocess.run(how, capture_output=True, check=False).returncode:
            pytest.skip("mounting a disk is not permitted here")
        made.append(store)
        shutil.copytree(tmp_path / "aside", store, symlinks=True, dirs_exist_ok=True)
        return store

    yield mount
    for store in made:
        subprocess.run(["umount", "-l", str(store)], check=True)


@pytest.mark.parametrize("name", [".git", ".dvc/cache", ".sluicegate/remote"])
def test_a_read_only_store_stops_a_deed_that_then_goes_on(
    name: str, mounted: Mount, tmp_path: Path, honest: Callable[..., pd.DataFrame]
) -> None:
    """Nothing is half done meanwhile, and the champion serves on; writable again, the deed is done once."""
    root = tmp_path / "loans"
    frame = honest(300, seed=11).head(299)  # whose like no other test has pushed

    def seen() -> list[Any]:
        told = Workspace.open(root).status().to_dict()
        return [told["champion"], told["batches"], git.run(root, "status", "--porcelain")]

    before, store = seen(), mounted(name)
    remount(store, "ro")
    with pytest.raises(CannotDecide, match="Read-only"):
        Workspace.open(root).intake(frame)
    remount(store, "rw")
    assert seen() == before
    assert Workspace.open(root).intake(frame).outcome.value == "pass"
    assert Workspace.open(root).verify(full=True).exit_code == 0


def test_an_mlflow_that_may_not_be_written_to_says_so(mounted: Mount, tmp_path: Path) -> None:
    """In processes of their own: a client keeps what it was allowed to do when it connected."""
    layout = Layout(tmp_path / "loans")
    model = Workspace.open(layout.root).status().model

    def deed() -> None:
        open_registry(layout, model).set_alias("challenger", 1)

    def refused() -> str:
        with pytest.raises(CannotDecide) as caught:
            deed()
        return str(caught.value)

    store = mounted(".sluicegate/mlflow")
    remount(store, "ro")
    assert "attempt to write a readonly database" in in_child(refused)
    remount(store, "rw")
    in_child(deed)
    assert in_child(lambda: open_registry(layout, model).alias("challenger")) == 1


def remount(store: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(store)], check=True)
