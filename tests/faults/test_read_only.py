"""One store at a time on a disk that may not be written to: it cannot decide, says where, and then goes on."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from copies import copied
from killed import in_child

from sluicegate import Workspace
from sluicegate.core import CannotDecide
from sluicegate.stores import git

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


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        (".git", "intake"),
        (".dvc/cache", "intake"),
        (".sluicegate/remote", "intake"),
        (".sluicegate/mlflow", "retrain"),
    ],
)
def test_a_read_only_store_stops_a_deed_that_then_goes_on(
    name: str, verb: str, mounted: Mount, tmp_path: Path, honest: Callable[..., pd.DataFrame]
) -> None:
    """Nothing is half done meanwhile, and the champion serves on; writable again, the deed is done once."""
    root, frame = tmp_path / "loans", honest(300, seed=11)

    def deed() -> Any:
        place = Workspace.open(root)
        told = place.intake(frame) if verb == "intake" else place.retrain()
        return told.outcome.value

    def refused() -> str:
        with pytest.raises(CannotDecide) as caught:
            deed()
        return str(caught.value)

    def seen() -> Any:
        told = Workspace.open(root).status().to_dict()
        return [told["champion"], told["batches"], git.run(root, "status", "--porcelain")]

    # MLflow's client keeps its connection, and what it was allowed to do, as long as its process lives
    apart = in_child if verb == "retrain" else call

    if verb == "retrain":
        Workspace.open(root).intake(frame)
    before = seen()
    store = mounted(name)
    subprocess.run(["mount", "-o", "remount,ro", str(store)], check=True)
    said = apart(refused).lower()
    assert "read-only" in said or "readonly" in said, said
    subprocess.run(["mount", "-o", "remount,rw", str(store)], check=True)
    assert apart(seen) == before
    assert apart(deed) == "pass"
    assert apart(lambda: Workspace.open(root).verify(full=True).exit_code) == 0


def call(deed: Callable[[], Any]) -> Any:
    return deed()
