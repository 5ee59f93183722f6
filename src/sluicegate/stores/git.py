"""git: the branch that admits, the commits and tags that remember. The only caller of git."""

import contextlib
import errno
import io
import os
import subprocess
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from sluicegate.core import CannotDecide, Conflict, Misused

from .effects import effect

STALE_LOCK_SECONDS = 60
REDIRECTING = frozenset(
    {
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_COMMON_DIR",
        "GIT_PREFIX",
    }
)
SERVICE_IDENTITY = {"NAME": "sluicegate", "EMAIL": "sluicegate@localhost"}


def run(root: Path, *arguments: str) -> str:
    """Return what `git ARGUMENTS` prints in `root`; raises CannotDecide with git's own reason."""
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(root) if arguments[0] in ("commit", "tag") else _plain(),
    )
    if done.returncode:
        result = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        why = next((line for line in result if line.startswith(("fatal:", "error:"))), result[-1])
        if any(full in why for full in ("No space left", "Out of diskspace")):
            raise OSError(errno.ENOSPC, why, str(root))
        raise CannotDecide(f"git {arguments[0]} failed in {root}: {why}")
    return done.stdout.strip()


def is_repository(root: Path) -> bool:
    """Tell whether `root` is the top of a git repository."""
    return (root / ".git").exists()


@effect
def init(root: Path) -> None:
    """Make `root` a git repository with the branch main."""
    run(root, "init", "--quiet", "--initial-branch=main")


def head(root: Path) -> str:
    """Return the commit that HEAD names."""
    return run(root, "rev-parse", "HEAD")


def find_head(root: Path) -> str | None:
    """Return the commit that HEAD names, None in a repository without any."""
    asked = ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", "HEAD^{commit}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, env=_plain())
    return None if done.returncode else done.stdout.strip()


def on_a_remote(root: Path) -> bool:
    """Tell whether HEAD is, as far as is known here, on a branch of some remote."""
    return bool(run(root, "branch", "--remotes", "--contains", "HEAD").strip())


def require_branch(root: Path) -> None:
    """Raise Conflict unless `root` is on a branch and in the middle of nothing."""
    git_dir = root / run(root, "rev-parse", "--git-dir")
    for marker, deed in (
        ("MERGE_HEAD", "merge"),
        ("rebase-merge", "rebase"),
        ("rebase-apply", "rebase"),
        ("CHERRY_PICK_HEAD", "cherry-pick"),
        ("REVERT_HEAD", "revert"),
    ):
        if (git_dir / marker).exists():
            raise Conflict(f"A {deed} is in progress in {root}; finish or abort it first.")
    try:
        run(root, "symbolic-ref", "--quiet", "HEAD")
    except CannotDecide as error:
        raise Conflict(f"HEAD is detached in {root}; check out a branch first.") from error


def require_committed(root: Path, paths: Sequence[str]) -> None:
    """Raise Conflict when one of `paths` differs from HEAD: policy is what is committed."""
    changed = changed_paths(root, paths)
    if changed:
        raise Conflict(
            f"{changed[0]} has uncommitted changes; run "
            f"`git commit {changed[0]}` (or `git restore {changed[0]}`) first."
        )


def changed_paths(root: Path, paths: Sequence[str]) -> list[str]:
    """Return those files below `paths` that differ from HEAD, untracked ones included."""
    status = run(root, "status", "--porcelain", "--untracked-files=all", "-z", "--", *paths)
    return [entry[3:] if entry[2:3] == " " else entry[2:] for entry in status.split("\0") if entry]


@effect
def commit(root: Path, paths: Sequence[str], message: str) -> str:
    """Commit exactly `paths` and return the commit; the user's other changes stay as they are."""
    return _commit(root, paths, message)


def commit_all(root: Path, rooms: Sequence[str], message: str) -> str:
    """Commit every change below those of `rooms` that exist or are tracked."""
    return commit(root, _present(root, rooms), message)


@effect
def commit_as_service(root: Path, rooms: Sequence[str], message: str) -> str:
    """Do what `commit_all` does in the service's name, whoever runs it."""
    named = [f"user.{name.lower()}={value}" for name, value in SERVICE_IDENTITY.items()]
    return _commit(root, _present(root, rooms), message, "-c", named[0], "-c", named[1])


def _commit(root: Path, paths: Sequence[str], message: str, *settings: str) -> str:
    _clear_stale_locks(root)
    run(root, "add", "--", *paths)
    if changed_paths(root, paths):
        lines = ("--only", "--no-verify", "--quiet", "-m", message)
        run(root, *settings, "commit", *lines, "--", *paths)
    return head(root)


def _present(root: Path, rooms: Sequence[str]) -> list[str]:
    return [room for room in rooms if holds_files(root / room) or tracked(root, room)]


def holds_files(path: Path) -> bool:
    """Tell whether git has anything to add at `path`: it refuses an empty folder."""
    return path.is_file() or any(each.is_file() for each in path.rglob("*"))


@effect
def discard(root: Path, paths: Sequence[str]) -> None:
    """Bring the committed files below `paths` back as they are in HEAD, in index and tree."""
    _clear_stale_locks(root)
    present = [path for path in paths if (root / path).exists() or tracked(root, path)]
    if not present:
        return
    run(root, "reset", "--quiet", "HEAD", "--", *present)
    committed = [path for path in paths if tracked(root, path)]
    if committed:
        run(root, "checkout", "HEAD", "--", *committed)


@effect
def tag(root: Path, name: str, commit_id: str, message: str) -> None:
    """Make the annotated tag `name`; one that already names the commit is left as it is."""
    _clear_stale_locks(root)
    if run(root, "tag", "--list", name):
        if run(root, "rev-list", "-n", "1", name) != commit_id:
            raise Conflict(f"The tag {name} already names another commit; remove or rename it.")
        return
    run(root, "tag", "--annotate", name, commit_id, "-m", message)


def tags(root: Path, pattern: str) -> list[str]:
    """Return the names of the tags that match `pattern`, in their order."""
    return run(root, "tag", "--list", "--sort=refname", pattern).splitlines()


def read_tag(root: Path, name: str) -> tuple[str, str] | None:
    """Return the commit that an annotated tag names, and its message; None for a plain tag."""
    if run(root, "cat-file", "-t", f"refs/tags/{name}") != "tag":
        return None
    head, _, message = run(root, "cat-file", "tag", f"refs/tags/{name}").partition("\n\n")
    kinds = dict(line.split(" ", 1) for line in head.splitlines() if " " in line)
    return (kinds["object"], message) if kinds.get("type") == "commit" else None


def added_in(root: Path, path: str) -> str | None:
    """Return the first commit in HEAD's history that has the file `path`; None for none."""
    result = run(root, "log", "--diff-filter=A", "--format=%H", "--", path).splitlines()
    return result[-1] if result else None


def is_ancestor(root: Path, commit_id: str, later: str) -> bool:
    """Tell whether a commit is another one or lies in its history."""
    asked = ["git", "-C", str(root), "merge-base", "--is-ancestor", commit_id, later]
    return not subprocess.run(asked, capture_output=True, check=False, env=_plain()).returncode


def find_at(root: Path, commit_id: str, path: str) -> bytes | None:
    """Return the bytes of the file `path` as it was in a commit, None where it was not there."""
    done = subprocess.run(
        ["git", "-C", str(root), "cat-file", "blob", f"{commit_id}:./{path}"],
        capture_output=True,
        check=False,
        env=_plain(),
    )
    return None if done.returncode else done.stdout


@effect
def add_worktree(root: Path, path: Path, commit_id: str) -> None:
    """Check out `commit_id` into a linked worktree at `path`, made anew."""
    remove_worktree(root, path)
    run(root, "worktree", "add", "--detach", "--quiet", str(path), commit_id)


@effect
def remove_worktree(root: Path, path: Path) -> None:
    """Remove the linked worktree at `path`, if there is one."""
    if path.exists():
        run(root, "worktree", "remove", "--force", str(path))
    run(root, "worktree", "prune")


def tracked(root: Path, path: str, commit_id: str = "HEAD") -> list[str]:
    """Return the files at or below `path` in a commit."""
    listed = run(root, "ls-tree", "-r", "--name-only", "-z", commit_id, "--", path)
    return [name for name in listed.split("\0") if name]


@lru_cache(maxsize=8)
def ever_added(root: Path, commit_id: str, folder: str) -> frozenset[str]:
    """Return the files below `folder` that this commit or any before it added, also those that went.

    A plain folder: with a pattern git would read whole trees, a hundred times as long.
    """
    asked = (
        "log",
        "--full-history",  # a merge that takes them away follows no side by itself
        "--no-renames",
        "--diff-filter=A",
        "--name-only",
        "--relative",
        "--format=",
        "-z",
    )
    return frozenset(run(root, *asked, commit_id, "--", folder).strip("\0\n").split("\0")) - {""}


def blobs(root: Path, commit_id: str, paths: Sequence[str]) -> dict[str, str]:
    """Return the object id of those of the files `paths` that a commit holds."""
    if not paths:
        return {}
    listed = run(root, "ls-tree", "-z", commit_id, "--", *paths)
    values = [line.partition("\t") for line in listed.split("\0") if line]
    return {path: about.split()[2] for about, _, path in values}


def objects(root: Path, commit_id: str, rooms: Sequence[str]) -> dict[str, str]:
    """Return the object id of every plain file below `rooms` in a commit, by its path."""
    listed = run(root, "ls-tree", "-r", "-z", commit_id, "--", *rooms)
    values = [line.partition("\t") for line in listed.split("\0") if line]
    return {path: about.split()[2] for about, _, path in values if about.startswith("100")}


def contents(root: Path, commit_id: str, paths: Sequence[str]) -> dict[str, bytes | None]:
    """Return the bytes of the files `paths` in a commit, by one git; None for one that is not there."""
    asked = [path for path in paths if "\n" not in path]
    done = subprocess.run(
        ["git", "-C", str(root), "cat-file", "--batch"],
        input="".join(f"{commit_id}:./{path}\n" for path in asked).encode(),
        capture_output=True,
        check=True,
        env=_plain(),
    )
    found: dict[str, bytes | None] = dict.fromkeys(paths)
    left = io.BytesIO(done.stdout)
    for path in asked:
        about = left.readline()
        if not about.endswith(b" missing\n"):
            _, kind, size = about.split()
            content = left.read(int(size) + 1)[:-1]
            found[path] = content if kind == b"blob" else None
    return found


def read_at(root: Path, commit_id: str, path: str) -> str:
    """Return the text of the file `path` in a commit."""
    return run(root, "show", f"{commit_id}:./{path}")


def has_identity(root: Path) -> bool:
    """Tell whether git knows who commits."""
    asked = subprocess.run(
        ["git", "-C", str(root), "var", "GIT_AUTHOR_IDENT"], capture_output=True, check=False
    )
    return asked.returncode == 0


def identity(root: Path) -> str:
    """Return who acts, as git knows them, else the service."""
    for name in ("user.email", "user.name"):
        asked = subprocess.run(
            ["git", "-C", str(root), "config", name], capture_output=True, text=True, check=False
        )
        if asked.stdout.strip():
            return asked.stdout.strip()
    return SERVICE_IDENTITY["NAME"]


def authors(root: Path, since: str, paths: Sequence[str]) -> set[str]:
    """Return the e-mail addresses and names of who changed `paths` after the commit `since`."""
    result = run(root, "log", "--format=%ae%n%an%n%ce%n%cn", f"{since}..HEAD", "--", *paths)
    return {line for line in result.splitlines() if line}


def changes(root: Path, since: str, until: str, paths: Sequence[str]) -> str:
    """Return the diff of `paths` between two commits, by no driver of the repository's own choice."""
    return run(
        root, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
        since, until, "--", *paths,
    )  # fmt: skip


def require_git() -> None:
    """Raise Misused when git cannot be run."""
    try:
        subprocess.run(["git", "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Misused("git is not installed; install git 2.30 or newer.") from error


def _environment(root: Path) -> dict[str, str]:
    if has_identity(root):
        return _plain()
    names = {
        f"GIT_{role}_{k}": v
        for role in ("AUTHOR", "COMMITTER")
        for k, v in SERVICE_IDENTITY.items()
    }
    return _plain() | names


def _plain() -> dict[str, str]:
    # A git hook of the user's sets GIT_DIR and GIT_INDEX_FILE, which outrank `-C root`.
    kept = {name: value for name, value in os.environ.items() if name not in REDIRECTING}
    return kept | {"LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0"}


def _clear_stale_locks(root: Path) -> None:
    # We hold the workspace's own lock here. A git of the user's may still be at work, so only a lock
    # that has outlived any git command is one that a killed process left.
    own, shared = run(root, "rev-parse", "--git-dir", "--git-common-dir").splitlines()
    whole = [
        root / own / "index.lock",
        root / own / "HEAD.lock",
        root / shared / "packed-refs.lock",
    ]
    for lock in [*whole, *(root / shared / "refs").rglob("*.lock")]:
        with contextlib.suppress(FileNotFoundError):
            if time.time() - lock.stat().st_mtime > STALE_LOCK_SECONDS:
                lock.unlink()
