"""backup and restore: a machine is lost, and nothing with it."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sluicegate import Workspace, load_champion
from sluicegate.core import Conflict, SluicegateError, Tampered
from sluicegate.record.context import open_context
from sluicegate.stores import dvc
from sluicegate.stores import git as git_store
from sluicegate.stores.layout import Layout
from sluicegate.stores.mlflow import open_registry

pytestmark = pytest.mark.slow

Rows = Callable[..., pd.DataFrame]
Git = Callable[..., str]


def elsewhere(place: Workspace, tmp_path: Path, git: Git) -> None:
    """Move the DVC remote off the machine, and push the repository to a hub."""
    url = Path(str(dvc.default_remote(place.root)))
    shutil.copytree(url, tmp_path / "remote")
    config = place.root / ".dvc" / "config"
    config.write_text(config.read_text().replace(str(url), str(tmp_path / "remote")))
    git_store.commit(place.root, [".dvc/config"], "the remote is elsewhere")
    git(place.root, "init", "-q", "--bare", "-b", "main", str(tmp_path / "hub"))
    git(place.root, "push", "-q", "--tags", str(tmp_path / "hub"), "main")


@pytest.mark.parametrize(
    "with_keys",
    [
        pytest.param(False, id="keys apart"),
        pytest.param(True, id="keys in it", marks=pytest.mark.slow),
    ],
)
def test_a_lost_machine_is_restored(
    with_keys: bool, workspace: Workspace, poisoned: Any, honest: Rows, tmp_path: Path, git: Git
) -> None:
    """From the clone, the DVC remote and the backup: champion, quarantine, MLflow, and it goes on."""
    elsewhere(workspace, tmp_path, git)
    workspace.intake(poisoned(honest(600, seed=11), "evil", 40))
    git(workspace.root, "push", "-q", str(tmp_path / "hub"), "main")
    workspace.export_trust(tmp_path / "trust.json")
    before, held = workspace.status().to_dict(), workspace.show_quarantine("0001")
    kept = tmp_path / "keys"
    shutil.copytree(workspace.root / ".sluicegate" / "keys", kept)
    made = workspace.backup(tmp_path / "backup.tar", with_keys=with_keys)
    assert (tmp_path / "backup.tar").stat().st_mode & 0o777 == 0o600
    assert ("anyone who can read it can sign" in made.notes[0]) is with_keys
    shutil.rmtree(workspace.root)
    git(tmp_path, "clone", "-q", str(tmp_path / "hub"), str(tmp_path / "again"))
    if not with_keys:
        (tmp_path / "again" / ".sluicegate").mkdir()
        shutil.copytree(kept, tmp_path / "again" / ".sluicegate" / "keys")
    done = Workspace.open(tmp_path / "again", reading=True).restore(tmp_path / "backup.tar")
    assert (done.models, done.keys) == (1, True)
    again = Workspace.open(tmp_path / "again")
    assert again.status().to_dict() == before
    assert again.show_quarantine("0001") == held
    served = load_champion(again.root, tmp_path / "trust.json")
    assert served.version == before["champion"]["version"]
    registry = open_registry(Layout(again.root), before["model"])
    assert registry.alias("champion") == served.version
    location = registry._client.get_model_version(before["model"], "1").source
    assert (Path(location.removeprefix("file://")) / "MLmodel").is_file()
    assert again.intake(honest(200, seed=12)).to_dict()["batch"]["id"] == "0002"


def test_what_must_not_be_backed_up_or_restored(workspace: Workspace, tmp_path: Path) -> None:
    """No file is replaced, no living workspace overwritten, and a remote on the same machine is named."""
    made = workspace.backup(tmp_path / "b.tar")
    for place in (tmp_path / "b.tar", workspace.root / "inside.tar"):
        with pytest.raises(Conflict, match="exists or is inside the workspace"):
            workspace.backup(place)
    with pytest.raises(Conflict, match="holds a workspace's state"):
        workspace.restore(tmp_path / "b.tar")
    assert any("does not contain the keys" in note for note in made.notes)


def rewritten(archive: Path, change: Callable[[str, bytes], list[tuple[str, bytes]]]) -> None:
    """Write the archive again with changed members."""
    with tarfile.open(archive) as opened:
        read = [(m.name, opened.extractfile(m).read()) for m in opened]  # type: ignore[union-attr]
    with tarfile.open(archive, "w") as made:
        for name, content in (each for member in read for each in change(*member)):
            told = tarfile.TarInfo(name)
            told.size = len(content)
            made.addfile(told, io.BytesIO(content))


CHANGED = [
    pytest.param(lambda n, c: [(n, c + b"x" if n.endswith("mlflow.db") else c)], "mlflow.db in the backup does not", id="a byte more"),
    pytest.param(lambda n, c: [] if n.endswith("mlflow.db") else [(n, c)], "lacks mlflow/mlflow.db", id="a file less"),
    pytest.param(lambda n, c: [(n, c), ("../out", b"x")] if n == "backup.json" else [(n, c)], r"holds \.\./out", id="a path that escapes"),
    pytest.param(lambda n, c: [(n, c), ("keys/service.pem", b"x")] if n == "backup.json" else [(n, c)], "holds keys/service.pem", id="a key put in"),
    pytest.param(lambda n, c: [] if n == "backup.json" else [(n, c)], "does not begin with", id="no list"),
    pytest.param(lambda n, c: [(n, b"{}" if n == "backup.json" else c)], "not signed by", id="no signature"),
]  # fmt: skip


@pytest.fixture(scope="module")
def backed_up(line: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup, and a clone beside it."""
    folder = tmp_path_factory.mktemp("backup")
    line.backup(folder / "backup.tar")
    git_store.run(folder, "clone", "-q", str(line.root), str(folder / "clone"))
    return folder


@pytest.mark.parametrize(("change", "said"), CHANGED)
def test_a_backup_that_was_changed_is_refused(
    change: Callable[[str, bytes], list[tuple[str, bytes]]],
    said: str,
    backed_up: Path,
    tmp_path: Path,
) -> None:
    """Every file is signed for, nothing else is unpacked, and the clone is left as it was."""
    shutil.copytree(backed_up, tmp_path / "all")
    rewritten(tmp_path / "all" / "backup.tar", change)
    clone = Workspace.open(tmp_path / "all" / "clone", reading=True)
    with pytest.raises(SluicegateError, match=said):
        clone.restore(tmp_path / "all" / "backup.tar")
    assert list((clone.root / ".sluicegate").iterdir()) == []


def test_a_clone_that_is_older_than_the_backup_is_refused(backed_up: Path, tmp_path: Path) -> None:
    """A ledger whose end was cut off does not hold what the backup ended with."""
    shutil.copytree(backed_up, tmp_path / "all")
    clone = Workspace.open(tmp_path / "all" / "clone", reading=True)
    sorted((clone.root / "ledger").iterdir())[-1].unlink()
    git_store.commit(clone.root, ["ledger"], "cut off")
    with pytest.raises(Tampered, match="is older than the backup"):
        clone.restore(tmp_path / "all" / "backup.tar")


def test_a_restore_that_was_cut_short_is_finished_by_another(
    backed_up: Path, tmp_path: Path
) -> None:
    """What lies there already stays, and the rest comes."""
    shutil.copytree(backed_up, tmp_path / "all")
    clone = Workspace.open(tmp_path / "all" / "clone", reading=True)
    (clone.root / ".sluicegate" / "mlflow").mkdir(parents=True)
    with pytest.raises(Conflict, match="holds a workspace's state"):
        clone.restore(tmp_path / "all" / "backup.tar")
    (clone.root / ".sluicegate" / "restoring").touch()
    assert clone.restore(tmp_path / "all" / "backup.tar").models == 1
    with pytest.raises(Conflict, match="holds a workspace's state"):
        clone.restore(tmp_path / "all" / "backup.tar")


def test_a_model_that_waits_is_in_the_backup(paused_template: Path, tmp_path: Path) -> None:
    """It is in no remote before it is promoted."""
    root = tmp_path / "loans"
    shutil.copytree(paused_template, root, symlinks=True)
    Workspace.open(root).backup(tmp_path / "backup.tar")
    (waiting,) = (w for w in open_context(root).layout.models.iterdir() if not _kept(root, w.name))
    with tarfile.open(tmp_path / "backup.tar") as archive:
        assert f"models/{waiting.name}/MLmodel" in archive.getnames()


def _kept(root: Path, sha256: str) -> bool:
    return (root / "models" / f"{sha256}.tar.dvc").is_file()
