"""DVC: pointers are judged before DVC reads them."""

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from absent import without_line

from sluicegate.core import CannotDecide, Tampered
from sluicegate.stores import dvc, git, patience

GOOD = "outs:\n- md5: {}\n  size: 3\n  hash: md5\n  path: t.parquet\n".format("a" * 32)

BAD = [
    pytest.param("", id="an empty file"),
    pytest.param("a: [", id="no YAML"),
    pytest.param("- 1\n", id="a list"),
    pytest.param("outs: []\n", id="no outputs"),
    pytest.param(GOOD + GOOD.removeprefix("outs:\n"), id="two outputs"),
    pytest.param(GOOD.replace("t.parquet", "../t.parquet"), id="a path that climbs"),
    pytest.param(GOOD.replace("t.parquet", "/etc/passwd"), id="a path elsewhere"),
    pytest.param(GOOD.replace("t.parquet", "u.parquet"), id="another file"),
    pytest.param(GOOD.replace("a" * 32, "a" * 32 + ".dir"), id="a directory"),
    pytest.param(GOOD.replace("a" * 32, "../../etc/passwd"), id="a digest that is a path"),
    pytest.param(GOOD.replace("a" * 32, "A" * 32), id="a digest in capitals"),
    pytest.param(GOOD.replace("a" * 32, "a" * 31), id="a digest too short"),
    pytest.param(GOOD.replace("  size: 3\n", ""), id="ok without a size"),
    pytest.param(GOOD + "cmd: touch /tmp/owned\n", id="a command"),
    pytest.param(GOOD + "deps:\n- path: x\n  repo: {url: http://x}\n", id="an import"),
    pytest.param(GOOD + "frozen: true\n", id="one key more"),
    pytest.param(GOOD + "  persist: true\n", id="one key more in the output"),
    pytest.param(GOOD + "  remote: evil\n", id="a remote of its own"),
    pytest.param(GOOD + "  cache: false\n", id="an output outside the cache"),
    pytest.param("!!python/object/apply:os.system [touch /tmp/owned]\n", id="a YAML object"),
]


@pytest.mark.parametrize("text", BAD)
def test_a_pointer_that_we_did_not_write_is_refused(
    tmp_path: Path, text: str, request: pytest.FixtureRequest
) -> None:
    """DVC would follow a path out of the tree, an import or a command: none of them reaches it."""
    path = tmp_path / "t.parquet.dvc"
    path.write_text(text)
    if "ok without" in request.node.callspec.id:
        assert dvc.read_pointer(path).path == "t.parquet"
        return
    with pytest.raises(Tampered, match=r"t\.parquet\.dvc is not a pointer"):
        dvc.read_pointer(path)


def test_a_pointer_that_is_gone_is_refused(tmp_path: Path) -> None:
    """A pointer that cannot be read is no pointer."""
    with pytest.raises(Tampered, match="restore it from git"):
        dvc.read_pointer(tmp_path / "t.parquet.dvc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty workspace whose remote is beside it."""
    made = tmp_path / "w"
    (made / ".sluicegate").mkdir(parents=True)
    git.init(made)
    dvc.init(made, str(tmp_path / "remote"))
    return made


def test_a_file_goes_to_the_remote_and_comes_back(tmp_path: Path, root: Path) -> None:
    """add, push and checkout; the file itself stays as it is, and a second init changes nothing."""
    dvc.init(root, str(tmp_path / "other"))
    assert dvc.default_remote(root) == str(tmp_path / "remote")
    path = root / "t.parquet"
    path.write_bytes(b"abc")
    inode = path.stat().st_ino
    dvc.add(root, [path])
    dvc.push(root, [path])
    assert path.stat().st_ino == inode
    path.unlink()
    shutil.rmtree(root / ".dvc" / "cache")
    dvc.checkout(root, [path])
    assert path.read_bytes() == b"abc"
    path.unlink()
    shutil.rmtree(root / ".dvc" / "cache")
    shutil.rmtree(tmp_path / "remote")
    with pytest.raises(CannotDecide, match="DVC failed in"):
        dvc.checkout(root, [path])


def test_a_host_without_dvc_knows_the_default_remote(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the committed file: what lies in the tree, or is set for this machine, is not asked."""
    assert dvc.default_remote(root) == str(tmp_path / "remote")
    git.commit(root, [dvc.CONFIG], "a remote")
    for name in ("config", "config.local"):
        (root / ".dvc" / name).write_text("['remote \"local\"']\n    url = /elsewhere\n")
    without_line(monkeypatch)
    assert dvc.default_remote(root) == str(tmp_path / "remote")
    (root / dvc.CONFIG).write_text("[core]\n    remote = gone\n")
    git.commit(root, [dvc.CONFIG], "no such remote")
    with pytest.raises(CannotDecide, match="names no default remote"):
        dvc.default_remote(root)


def test_no_room_for_what_dvc_remembers_is_one_sentence(root: Path) -> None:
    """A damaged or full memory of DVC's is no traceback, and deleting it mends it."""
    table = root / "t.parquet"
    table.write_bytes(b"x" * 100)
    dvc.add(root, [table])
    for memory in (root / ".sluicegate" / "dvc-site").rglob("*.db*"):
        memory.write_bytes(b"not a database, and long enough to be told from an empty one" * 99)
    table.write_bytes(b"y" * 100)
    with pytest.raises(CannotDecide, match="DVC's state"):
        dvc.add(root, [table])
    shutil.rmtree(root / ".sluicegate" / "dvc-site")
    dvc.add(root, [table])


def test_what_is_left_of_a_dvc_that_died_is_no_lock(root: Path) -> None:
    """A lock of a process that is gone is none; one that cannot be read is named."""
    died = subprocess.Popen(["true"])
    died.wait()
    table, left = root / "t.parquet", root / ".dvc" / "tmp" / "rwlock"
    table.write_bytes(b"x")
    held = {str(table): {"pid": died.pid, "cmd": "dvc add"}}
    left.write_text(json.dumps({"write": held}))
    dvc.add(root, [table])
    left.write_bytes(b"")
    with pytest.raises(CannotDecide, match=r"delete .*/\.dvc/tmp/rwlock"):
        dvc.add(root, [table])
    left.unlink()
    dvc.add(root, [table])


def test_a_dvc_that_is_at_work_is_waited_for_and_then_named(root: Path) -> None:
    """The same command goes on when it has ended."""
    table = root / "t.parquet"
    table.write_bytes(b"x")
    with (root / ".dvc" / "tmp" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CannotDecide, match="Another dvc holds a lock"):
            dvc.add(root, [table])
    dvc.add(root, [table])


def test_a_remote_that_stays_away_is_one_sentence(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again first; with the remote back the same push succeeds."""
    monkeypatch.setattr(patience, "WAITS", (0.0, 0.0))
    remote = tmp_path / "remote"
    table = root / "t.parquet"
    table.write_bytes(b"x" * 100)
    dvc.add(root, [table])
    remote.write_text("not mounted")
    with pytest.raises((CannotDecide, OSError)):
        dvc.push(root, [table])
    remote.unlink()
    dvc.push(root, [table])
    assert [path.read_bytes() for path in remote.rglob("*") if path.is_file()] == [b"x" * 100]
