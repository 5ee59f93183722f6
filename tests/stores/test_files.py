"""Files: whole or not at all, and locked by the kernel."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sluicegate.core import Conflict, Missing, Tampered
from sluicegate.stores import files


def names(folder: Path) -> list[str]:
    """Return the names in `folder`, hidden ones included."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_with_its_mode(tmp_path: Path) -> None:
    """Folders are made, the mode is set, and no temporary file is left."""
    path = tmp_path / "a" / "b.pem"
    files.write_bytes(path, b"one", 0o600)
    files.write_bytes(path, b"two", 0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(path.parent) == ["b.pem"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """What cannot be written whole is not written at all."""
    path = tmp_path / "b"
    files.write_bytes(path, b"one")
    with pytest.raises(TypeError):
        files.write_bytes(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == ["b"]


def test_json_has_no_nan_and_comes_back(tmp_path: Path) -> None:
    """read(write(x)) == x, and what JSON has no form for is refused."""
    path = tmp_path / "x.json"
    files.write_json(path, {"b": [1, None], "a": "naïve"})
    assert files.read_json(path) == {"a": "naïve", "b": [1, None]}
    assert list(json.loads(path.read_text())) == ["a", "b"]
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(path, float("nan"))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(None, Missing, id="no file"),
        pytest.param(b"{", Tampered, id="half a file"),
        pytest.param(b"\xff", Tampered, id="no text"),
        pytest.param(b"", Tampered, id="an empty file"),
    ],
)
def test_json_that_cannot_be_read_names_the_file(
    tmp_path: Path, content: bytes | None, error: type[Exception]
) -> None:
    """What is missing and what was changed are two errors, both with the mend."""
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=r"x\.json .* restore it from git"):
        files.read_json(path)


def test_a_lock_is_held_by_one_and_dies_with_its_process(tmp_path: Path) -> None:
    """The second is refused while the first lives; a killed holder leaves nothing behind."""
    lock = tmp_path / "lock"
    script = (
        "import sys, time, fcntl; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(lock)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Conflict, match="somebody"), files.locked(lock, "somebody", wait=False):
            pass
        holder.kill()
        holder.wait()
    with files.locked(lock, "somebody", wait=False):
        pass


def test_a_tree_is_copied_once(tmp_path: Path) -> None:
    """A directory that is already there is kept as it is."""
    source, target = tmp_path / "a", tmp_path / "b" / "c"
    files.write_bytes(source / "x", b"1")
    files.copy_tree(source, target)
    files.write_bytes(source / "x", b"2")
    files.copy_tree(source, target)
    assert (target / "x").read_bytes() == b"1"
    assert names(tmp_path / "b") == ["c"]


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    """Whoever may commit a link knows under which name a copy is made."""
    key, made, kept = tmp_path / "key", tmp_path / "made", tmp_path / "dvc.lock"
    key.write_text("secret")
    made.write_text("new")
    (tmp_path / ".dvc.lock.part").symlink_to(key)
    files.copy_in(made, kept)
    assert (key.read_text(), kept.read_text(), kept.is_symlink()) == ("secret", "new", False)


def test_what_a_killed_copy_left_is_overwritten(tmp_path: Path) -> None:
    made, kept = tmp_path / "made", tmp_path / "dvc.lock"
    made.write_text("new")
    (tmp_path / ".dvc.lock.part").write_text("half")
    files.copy_in(made, kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dvc.lock", "made"]
