"""git: the branch that admits, the commits and tags that remember. The only caller of git.

Whoever can write the repository, or starts us, may not choose what we read: git is called without the
caller's `GIT_*` and settings, and without the repository's own replaced objects, grafts, hooks, filters
and external commands. Only who commits is taken from the caller, and it is a claim.
"""

import contextlib
import errno
import hashlib
import io
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from sluicegate.core import CannotDecide, Conflict, Misused, Tampered

from .effects import effect

STALE_LOCK_SECONDS = 60
CLOSED = {
    "LC_ALL": "C.UTF-8",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
"""What git is told instead of the caller's `GIT_*`."""
ALONE = {"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1"}
"""A missing object is asked of nobody: a remote's URL may be a command. We fetch nothing ourselves."""
SETTINGS = {
    "commit.gpgSign": "false",
    "core.attributesFile": os.devnull,
    "core.autocrlf": "false",
    "core.checkStat": "default",
    "core.commitGraph": "false",
    "core.excludesFile": os.devnull,
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.ignoreStat": "false",
    "core.sparseCheckout": "false",
    "core.symlinks": "true",
    "core.trustctime": "true",
    "core.untrackedCache": "false",
    "diff.ignoreSubmodules": "all",
    "log.showSignature": "false",
    "submodule.recurse": "false",
    "tag.gpgSign": "false",
}
"""What outranks the repository's own settings."""
CONVERTING = frozenset({"add", "checkout", "commit", "diff", "reset", "status", "worktree"})
"""The commands that would run a filter or a driver of the repository's."""
WHOLE_HISTORY = ("log", "--full-history", "--no-renames", "--relative")
"""Of files in a folder: a merge that takes them away follows no side by itself."""
ANY = ""
SERVICE_IDENTITY = {"NAME": "sluicegate", "EMAIL": "sluicegate@localhost"}


def run(root: Path, *arguments: str) -> str:
    """Return what `git ARGUMENTS` prints in `root`; raises CannotDecide with git's own reason."""
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=_closed(root, arguments[0]),
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
    closed = _closed(root, "rev-parse")
    done = subprocess.run(asked, capture_output=True, text=True, check=False, env=closed)
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
    changed = differing(root, head(root), paths) or changed_paths(root, paths)
    if changed:
        raise Conflict(
            f"{changed[0]} has uncommitted changes; run "
            f"`git commit {changed[0]}` (or `git restore {changed[0]}`) first."
        )


def differing(root: Path, commit_id: str, paths: Sequence[str]) -> list[str]:
    """Return those files of a commit below `paths` that are no plain files with the same bytes in the tree.

    Whatever git's index says of them: it may be told to look away.
    """
    listed = objects(root, commit_id, paths)
    return sorted(name for name, object_id in listed.items() if not _is(root / name, object_id))


def _is(path: Path, object_id: str) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    return _id_of(b"blob", path.read_bytes(), object_id) == object_id


def _id_of(kind: bytes, content: bytes, like: str) -> str:
    """Return the id of an object, by the digest by which the id `like` was made."""
    digest = hashlib.new("sha1" if len(like) == 40 else "sha256", usedforsecurity=False)
    digest.update(b"%s %d\0%s" % (kind, len(content), content))
    return digest.hexdigest()


def changed_paths(root: Path, paths: Sequence[str]) -> list[str]:
    """Return those files below `paths` that differ from HEAD, untracked ones included."""
    status = run(root, "status", "--porcelain", "--untracked-files=all", "-z", "--", *paths)
    return [entry[3:] if entry[2:3] == " " else entry[2:] for entry in status.split("\0") if entry]


def hidden(root: Path, paths: Sequence[str]) -> list[str]:
    """Return the committed files below `paths` that git's index was told to look away from.

    `status` says nothing of them, and a commit takes whatever lies there.
    """
    listed = run(root, "ls-files", "-v", "-z", "--", *paths).split("\0")
    return [entry[2:] for entry in listed if entry and entry[0] != "H"]


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
    """Return the first commit in HEAD's history that gave the file `path` what it holds now, if any."""
    blob = blobs(root, "HEAD", [path]).get(path)
    return blob and _first(root, head(root), path.split("/")[0]).get((path, blob))


def first_added_in(root: Path, path: str) -> str | None:
    """Return the first commit in HEAD's history that has a file `path`, whatever it held, if any."""
    return _first(root, head(root), path.split("/")[0]).get((path, ANY))


@lru_cache(maxsize=8)
def _first(root: Path, commit_id: str, folder: str) -> dict[tuple[str, str], str]:
    """Return the first commit that has a file below `folder`, by its path and object id, and with ANY."""
    asked = (*WHOLE_HISTORY, "--diff-filter=AM", "--raw", "--no-abbrev", "--format=%H", "-z")
    tokens = iter(run(root, *asked, commit_id, "--", folder).split("\0"))
    found, at = {}, ""
    for token in (each.strip() for each in tokens):
        if token.startswith(":"):
            path = next(tokens)
            found[path, ANY] = found[path, token.split()[3]] = at  # the oldest comes last
        elif token:
            at = token
    return found


def is_ancestor(root: Path, commit_id: str, later: str) -> bool:
    """Tell whether a commit is another one or lies in its history."""
    asked = ["git", "-C", str(root), "merge-base", "--is-ancestor", commit_id, later]
    closed = _closed(root, "merge-base")
    return not subprocess.run(asked, capture_output=True, check=False, env=closed).returncode


def find_at(root: Path, commit_id: str, path: str) -> bytes | None:
    """Return the bytes of the file `path` as it was in a commit, None where it was not there."""
    return contents(root, commit_id, [path])[path]


@effect
def add_worktree(root: Path, path: Path, commit_id: str) -> None:
    """Check out `commit_id` into a linked worktree at `path`, made anew.

    Raises Tampered where a file in it is not what the commit has: an attribute may have changed it.
    """
    remove_worktree(root, path)
    run(root, "worktree", "add", "--detach", "--quiet", str(path), commit_id)
    changed = differing(path, commit_id, ["."])
    if changed:
        raise Tampered(
            f"git checked {changed[0]} out otherwise than the commit {commit_id[:12]} has it; remove the "
            "line in .gitattributes that changes it."
        )


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
    asked = (*WHOLE_HISTORY, "--diff-filter=A", "--name-only", "--format=", "-z")
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
    """Return the bytes of the files `paths` in a commit, by one git; None for one that is not there.

    Raises Tampered for an object whose content is not the one that its id names: git does not look.
    """
    asked = [path for path in paths if "\n" not in path]
    done = subprocess.run(
        ["git", "-C", str(root), "cat-file", "--batch"],
        input="".join(f"{commit_id}:./{path}\n" for path in asked).encode(),
        capture_output=True,
        check=True,
        env=_closed(root, "cat-file"),
    )
    found: dict[str, bytes | None] = dict.fromkeys(paths)
    left = io.BytesIO(done.stdout)
    for path in asked:
        about = left.readline()
        if not about.endswith(b" missing\n"):
            name, kind, size = about.split()
            content = left.read(int(size) + 1)[:-1]
            if _id_of(kind, content, name.decode()) != name.decode():
                raise Tampered(f"git's object {name.decode()} ({path}) is damaged; run `git fsck`.")
            found[path] = content if kind == b"blob" else None
    return found


def read_at(root: Path, commit_id: str, path: str) -> str:
    """Return the text of the file `path` in a commit."""
    content = find_at(root, commit_id, path)
    if content is None:
        raise CannotDecide(
            f"{path} is not in the commit {commit_id[:12]}; fetch it, or restore it."
        )
    return content.decode()


def has_identity(root: Path) -> bool:
    """Tell whether git knows who commits."""
    return _as_caller(root, "var", "GIT_AUTHOR_IDENT").returncode == 0


def identity(root: Path) -> str:
    """Return who acts, as git knows them, else the service."""
    for name in ("user.email", "user.name"):
        known = _as_caller(root, "config", name).stdout.strip()
        if known:
            return known
    return SERVICE_IDENTITY["NAME"]


def authors(root: Path, since: str, paths: Sequence[str]) -> set[str]:
    """Return the e-mail addresses and names of who changed `paths` after the commit `since`."""
    result = run(root, "log", "--format=%ae%n%an%n%ce%n%cn", f"{since}..HEAD", "--", *paths)
    return {line for line in result.splitlines() if line}


def changes(root: Path, since: str, until: str, paths: Sequence[str]) -> str:
    """Return the diff of `paths` between two commits, by no driver of the repository's own choice."""
    return run(
        root, "diff", "--text", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
        since, until, "--", *paths,
    )  # fmt: skip


def require_git() -> None:
    """Raise Misused when git cannot be run."""
    try:
        subprocess.run(["git", "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Misused("git is not installed; install git 2.30 or newer.") from error


def _closed(root: Path, command: str) -> dict[str, str]:
    """Return the environment of a git that reads nothing of the caller's."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    if is_repository(root):  # named, it is not looked for, nor asked whose it is
        kept |= {"GIT_DIR": f"{root.absolute()}/.git", "GIT_WORK_TREE": f"{root.absolute()}"}
        kept |= ALONE
    if command in ("commit", "tag"):
        kept |= _identity(root)
    settings = [*SETTINGS.items(), *(_drivers(root) if command in CONVERTING else ())]
    for place, (name, value) in enumerate(settings):
        kept |= {f"GIT_CONFIG_KEY_{place}": name, f"GIT_CONFIG_VALUE_{place}": value}
    return kept | CLOSED | {"GIT_CONFIG_COUNT": str(len(settings))}


def _drivers(root: Path) -> Iterator[tuple[str, str]]:
    """Yield what switches off each filter, diff and merge driver that the repository names."""
    if is_repository(root):
        for name in run(root, "config", "--list", "--name-only", "-z").split("\0"):
            if name.startswith(("filter.", "diff.", "merge.")) and name.count(".") > 1:
                yield name, "false" if name.endswith(".required") else ""


def _identity(root: Path) -> dict[str, str]:
    """Return whom a commit is by: the caller, as their own git knows them, else the service."""
    known = _as_caller(root, "var", "GIT_AUTHOR_IDENT")
    name, email = SERVICE_IDENTITY["NAME"], SERVICE_IDENTITY["EMAIL"]
    if not known.returncode:
        name, _, rest = known.stdout.partition(" <")
        email = rest.partition(">")[0]
    by = {"NAME": name, "EMAIL": email}
    return {f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in by.items()}


def _as_caller(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Ask git as the caller would, for who they are alone."""
    asked = ["git", "-C", str(root), *arguments]
    return subprocess.run(asked, capture_output=True, text=True, check=False)


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
