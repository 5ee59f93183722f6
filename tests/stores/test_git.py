"""git: only our own paths, on a branch, in the middle of nothing."""

import os
import time
from pathlib import Path

import pytest

from sluicegate.core import CannotDecide, Conflict
from sluicegate.stores import git


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one commit and a user who is not known to git."""
    git.init(tmp_path)
    (tmp_path / "mine.txt").write_text("1\n")
    git.commit(tmp_path, ["mine.txt"], "first")
    return tmp_path


def test_without_an_identity_the_service_commits(root: Path) -> None:
    """Where git knows nobody the service acts in its own name; a known user acts in theirs."""
    assert git.run(root, "log", "-1", "--format=%an <%ae>") == "sluicegate <sluicegate@localhost>"
    assert git.identity(root) == "sluicegate"
    git.run(root, "config", "user.email", "ann@example.org")
    git.run(root, "config", "user.name", "Ann")
    assert git.identity(root) == "ann@example.org"
    (root / "b").write_text("b")
    git.commit(root, ["b"], "second")
    assert git.run(root, "log", "-1", "--format=%an") == "Ann"


def test_a_commit_holds_our_paths_only(root: Path) -> None:
    """What the user staged or changed is not in it, and is still staged or changed."""
    (root / "mine.txt").write_text("2\n")
    git.run(root, "add", "mine.txt")
    (root / "mine.txt").write_text("3\n")
    (root / "ours").mkdir()
    (root / "ours" / "a b ü").write_text("x")
    made = git.commit(root, ["ours"], "ours")
    assert git.tracked(root, "ours", made) == ["ours/a b ü"]
    assert git.run(root, "show", ":mine.txt") == "2"
    assert (root / "mine.txt").read_text() == "3\n"
    assert git.changed_paths(root, ["."]) == ["mine.txt"]


def test_nothing_to_commit_makes_no_commit(root: Path) -> None:
    """The same commit twice is one commit; an empty or absent room is nothing to commit."""
    head = git.head(root)
    (root / "empty").mkdir()
    assert git.commit_all(root, ["empty", "absent", "mine.txt"], "nothing") == head


def test_a_room_that_was_emptied_is_committed_as_emptied(root: Path) -> None:
    """Files that are gone from the tree go from the commit."""
    git_room = root / "room"
    git_room.mkdir()
    (git_room / "x").write_text("x")
    git.commit_all(root, ["room"], "in")
    (git_room / "x").unlink()
    git_room.rmdir()
    git.commit_all(root, ["room"], "out")
    assert git.tracked(root, "room") == []


def test_a_path_that_is_not_there_is_named(root: Path) -> None:
    """git's own reason is passed on, not the last line of its advice."""
    with pytest.raises(CannotDecide, match=r"fatal: pathspec 'absent'"):
        git.commit(root, ["absent"], "no")


def test_discard_brings_back_what_was_committed(root: Path) -> None:
    """In index and tree; files that were never committed stay where they are."""
    (root / "mine.txt").write_text("2\n")
    (root / "new").write_text("new")
    git.run(root, "add", ".")
    git.discard(root, ["mine.txt", "new", "absent"])
    assert (root / "mine.txt").read_text() == "1\n"
    assert git.run(root, "status", "--porcelain") == "?? new"


def test_a_lock_that_outlived_its_git_is_removed_and_a_fresh_one_is_not(root: Path) -> None:
    """A killed git leaves index.lock; one of the user's at work now is respected and named."""
    lock = root / ".git" / "index.lock"
    (root / "b").write_text("b")
    lock.touch()
    with pytest.raises(CannotDecide, match=r"index\.lock"):
        git.commit(root, ["b"], "no")
    old = time.time() - git.STALE_LOCK_SECONDS - 1
    os.utime(lock, (old, old))
    git.commit(root, ["b"], "yes")
    assert not lock.exists()


def test_a_lock_of_a_tag_that_outlived_its_git_is_removed(root: Path) -> None:
    """A git that was killed while it made a tag leaves a lock of its own, deep in refs/."""
    lock = root / ".git" / "refs" / "tags" / "update" / "0001.lock"
    lock.parent.mkdir()
    lock.touch()
    with pytest.raises(CannotDecide, match=r"0001\.lock"):
        git.tag(root, "update/0001", git.head(root), "no")
    old = time.time() - git.STALE_LOCK_SECONDS - 1
    os.utime(lock, (old, old))
    git.tag(root, "update/0001", git.head(root), "yes")
    assert git.tags(root, "*") == ["update/0001"]


@pytest.mark.parametrize(
    ("marker", "deed"),
    [
        pytest.param("MERGE_HEAD", "merge", id="a merge"),
        pytest.param("rebase-merge", "rebase", id="a rebase"),
        pytest.param("rebase-apply", "rebase", id="a rebase by patches"),
        pytest.param("CHERRY_PICK_HEAD", "cherry-pick", id="a cherry-pick"),
        pytest.param("REVERT_HEAD", "revert", id="a revert"),
    ],
)
def test_in_the_middle_of_something_nothing_is_written(root: Path, marker: str, deed: str) -> None:
    """A commit of ours would end or spoil what the user is in the middle of."""
    git.require_branch(root)
    (root / ".git" / marker).touch()
    with pytest.raises(Conflict, match=f"A {deed} is in progress"):
        git.require_branch(root)


def test_a_detached_head_is_refused(root: Path) -> None:
    """A commit that no branch holds would be lost."""
    git.run(root, "checkout", "--quiet", "--detach")
    with pytest.raises(Conflict, match="HEAD is detached"):
        git.require_branch(root)


def test_a_hook_of_the_users_does_not_send_us_to_another_repository(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GIT_DIR and GIT_INDEX_FILE, which hooks set, do not outrank the workspace."""
    other = tmp_path / "other"
    other.mkdir()
    git.init(other)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    assert git.tracked(root, "mine.txt") or git.head(root)


def test_a_tag_is_made_once_and_never_moved(root: Path) -> None:
    """The same tag on the same commit is nothing to do, on another a conflict."""
    first = git.head(root)
    git.tag(root, "update/0001", first, "one")
    git.tag(root, "update/0001", first, "one")
    (root / "b").write_text("b")
    second = git.commit(root, ["b"], "second")
    with pytest.raises(Conflict, match="already names another commit"):
        git.tag(root, "update/0001", second, "two")


def test_a_worktree_is_made_anew_each_time(root: Path, tmp_path: Path) -> None:
    """One that a killed retrain left is replaced."""
    place = tmp_path / "tree"
    for _ in range(2):
        git.add_worktree(root, place, git.head(root))
        (place / "left").write_text("x")
    git.add_worktree(root, place, git.head(root))
    assert not (place / "left").exists()
    git.remove_worktree(root, place)
    assert not place.exists()


def test_a_repository_may_be_named_from_here(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git is told of it by an absolute path, whatever folder the command runs in."""
    monkeypatch.chdir(root.parent)
    assert git.head(Path(root.name)) == git.head(root)
