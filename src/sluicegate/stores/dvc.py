"""DVC: every data file that matters is one tracked file with a pointer beside it.

Files, never directories: then taking one batch out while keeping the next is a clean commit. DVC is
not an integrity control (it takes a tampered cache object of mode 444 as up to date), so whoever
reads data verifies it against its manifest first.
"""

import configparser
import contextlib
import io
import logging
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from pydantic import ConfigDict, Field

from sluicegate.core import CannotDecide, Conflict, Tampered
from sluicegate.core.canonical import sha256_bytes
from sluicegate.core.document import Document

from . import files, git
from .effects import effect
from .layout import home_of
from .patience import patiently

_STAGE = re.compile(r"Running stage '([^']+)'")
_RAISED = re.compile(r"^sluicegate\.core\.errors\.\w+: ")
_NOT_SHOWN = re.compile(r"No module named '(\w+)")
_FOREIGN = "{} is not a pointer that sluicegate wrote; restore it from git."
CONFIG = ".dvc/config"
CREDENTIAL = re.compile(
    "access_key_id|account_key|allow_(agent|anonymous_login)|ask_(passphrase|password)|auth|cert_path|client_id|"
    "client_secret|credentialpath|exclude_\\w+_credential|gdrive_(client|service|use|user)_\\w+|gss_auth|"
    "kerb_ticket|kerberos(_principal)?|key_path|keyfile|oss_key_\\w+|passphrase|password|profile|sas_token|"
    "secret_access_key|session_token|tenant_id|token|user"
)
"""What a remote may be given by settings that are not committed; where it lies is not among them."""


@effect
def init(root: Path, remote: str) -> None:
    """Make `root` a DVC repository, if it is none, with `remote` as its default remote if it has none."""
    from dvc.repo import Repo

    with _quiet(root):
        if not (root / ".dvc").is_dir():
            Repo.init(str(root)).close()
        with contextlib.closing(Repo(str(root))) as repo, repo.config.edit("repo") as config:
            core = config["core"] | {"analytics": False}
            if not core.get("remote"):
                core |= {"remote": "local"}
                config["remote"] |= {"local": {"url": remote}}
            config["core"] = core


def default_remote(root: Path) -> str | None:
    """Return the URL of the default remote as it is committed, None when there is none.

    A host that only verifies has no DVC, so DVC is not asked.
    """
    written, here = configparser.RawConfigParser(), root / CONFIG
    content = git.find_at(root, "HEAD", CONFIG) or (here.read_bytes() if here.is_file() else b"")
    try:
        written.read_string(content.decode())
        name = written.get("core", "remote", fallback=None)
        return written.get(f"'remote \"{name}\"'", "url") if name else None
    except (configparser.Error, UnicodeDecodeError) as error:
        raise CannotDecide(f"{CONFIG} in git names no default remote.") from error


@effect
def add(root: Path, paths: Sequence[Path]) -> None:
    """Track `paths` (files) in the cache and write their pointers; the files stay as they are.

    Raises CannotDecide for one that the cache does not hold then: DVC only logs that its disk was full.
    """

    def keep(repo: Any) -> None:
        # relink=False: the default replaces the file by a link, and a kill between strands the only copy
        repo.add([str(path) for path in paths], relink=False)
        for path in paths:
            if not repo.cache.local.exists(read_pointer(pointer(path)).md5):
                raise CannotDecide(
                    f"DVC did not keep {path} in its cache; if the disk is full, free some space. Then run "
                    "the same command again."
                )

    with_repo(root, keep, writes=True)


@effect
def push(root: Path, paths: Sequence[Path]) -> None:
    """Copy the cached contents of `paths` to the default remote; one that is away is asked again."""
    targets = [str(pointer(path)) for path in paths]
    _with_remote(root, lambda repo: repo.push(targets=targets), writes=True)


@effect
def checkout(root: Path, paths: Sequence[Path]) -> None:
    """Bring the files that the pointers of `paths` name into the tree, from the cache or the remote."""
    for path in paths:
        read_pointer(pointer(path))
    targets = [str(pointer(path)) for path in paths]
    _with_remote(root, lambda repo: repo.pull(targets=targets))


def read_at(root: Path, path: Path, commit_id: str) -> bytes:
    """Return the bytes that the pointer of `path` named in a commit, from the cache or the remote."""
    name = pointer(path).relative_to(root).as_posix()
    out = parse_pointer(git.read_at(root, commit_id, name), pointer(path))
    found: list[bytes] = []

    def find(repo: Any) -> None:
        cached = Path(repo.cache.local.oid_to_path(out.md5))
        if not cached.is_file():
            repo.fetch(targets=[str(pointer(path))], revs=[commit_id])
        if cached.is_file():
            found.append(cached.read_bytes())

    with_repo(root, find)
    if not found:
        raise CannotDecide(f"{name} of {commit_id[:12]} is in no cache or remote; run `dvc fetch`.")
    return found[0]


@effect
def share_cache(worktree: Path, root: Path) -> None:
    """Let the linked worktree use the cache of the workspace at `root`."""
    config = f"[cache]\n    dir = {root / '.dvc' / 'cache'}\n"
    (worktree / ".dvc" / "config.local").write_text(config)


def copies(root: Path, remote: str | None, md5: str) -> dict[str, Path]:
    """Return where the content of a pointer lies on this machine: in the cache and a local remote."""
    below = Path("files") / "md5" / md5[:2] / md5[2:]
    places = {"cache": root / ".dvc" / "cache" / below}
    if remote is not None and "://" not in remote:
        places["remote"] = (root / ".dvc" / remote).resolve() / below
    return places


def pointer(path: Path) -> Path:
    """Return the path of the pointer to `path`."""
    return path.with_name(path.name + ".dvc")


class Pointer(Document):
    """The one output that a pointer of ours names: a plain file beside it."""

    model_config = ConfigDict(extra="forbid")

    md5: str = Field(pattern="^[0-9a-f]{32}$")
    size: int | None = None
    hash: str | None = None
    path: str


class _Pointers(Document):
    model_config = ConfigDict(extra="forbid")

    outs: tuple[Pointer]


def read_pointer(path: Path) -> Pointer:
    """Return the one output that a pointer of ours names, before DVC itself reads the file.

    Raises Tampered for anything but a single plain file beside the pointer: DVC would follow a path
    out of the tree, an import or a stage command.
    """
    try:
        return parse_pointer(path.read_text(), path)
    except (OSError, UnicodeDecodeError) as error:
        raise Tampered(_FOREIGN.format(path)) from error


def parse_pointer(text: str, path: Path) -> Pointer:
    """Return what the `text` of the pointer at `path` names; raises Tampered as `read_pointer` does."""
    try:
        (out,) = _Pointers.model_validate(yaml.safe_load(text)).outs
    except (yaml.YAMLError, ValueError) as error:
        raise Tampered(_FOREIGN.format(path)) from error
    if out.path != path.name.removesuffix(".dvc"):
        raise Tampered(_FOREIGN.format(path))
    return out


@effect
def repro(
    worktree: Path,
    stages: Sequence[str],
    environment: dict[str, str],
    tell: Callable[[str], None],
) -> None:
    """Run just these stages of `worktree` anew, in order; `tell` hears the name of each as it starts.

    Nothing is taken from a lock file or the run cache, since whoever can write those could otherwise
    choose the result. Raises CannotDecide with the last line a failing stage printed.
    """
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache", "--single-item"]
    command += [f"dvc.yaml:{stage}" for stage in stages]
    process = subprocess.Popen(
        command,
        cwd=worktree,
        env=environment | _settings(worktree),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )
    listed: list[str] = []
    with process:
        for printed in process.stdout or ():
            listed.append(printed.rstrip())
            if stage := _STAGE.match(printed):
                tell(stage.group(1))
    if process.returncode:
        raise CannotDecide(_failure(listed, worktree))


def _failure(said: list[str], worktree: Path) -> str:
    started = [found.group(1) for found in map(_STAGE.match, said) if found]
    errors = [x.split("ERROR: ")[1] for x in said if "ERROR: " in x]
    own = [x for x in said if x.strip() and not x.startswith(("ERROR", ">", "Running stage", "!"))]
    sentence = own[-1].strip() if own else "it printed nothing"
    if errors and "exited with" not in errors[0]:  # the command ended well, what it made is amiss
        sentence = errors[0]
    name = started[-1] if started else "a stage"
    if missing := _NOT_SHOWN.search(sentence):  # code sees what its stage names, and nothing else
        for module in (f"{missing[1]}.py", missing[1]):
            if (worktree / module).exists():
                sentence += f"; add `- {module}` to stages.{name}.deps in dvc.yaml"
    return f"The stage {name!r} of dvc.yaml failed: {_RAISED.sub('', sentence)}"


def _with_remote(root: Path, deed: Callable[[Any], Any], writes: bool = False) -> None:
    patiently(lambda: with_repo(root, deed, writes), (CannotDecide, OSError))


def with_repo(root: Path, deed: Callable[[Any], Any], writes: bool = False) -> None:
    """Call `deed` with DVC's own view of `root`; raises CannotDecide with DVC's reason."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo
    from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError

    with _quiet(root) as entry:
        try:
            with contextlib.closing(_pinned(root) if writes else Repo(str(root))) as repo:
                deed(repo)
        except (LockError, RWLockFileCorruptedError, RWLockFileFormatError) as error:
            tmp = root / ".dvc" / "tmp"
            raise CannotDecide(
                f"Another dvc holds a lock in {tmp}: wait for it to end. If none is running, delete "
                f"{tmp / 'rwlock'}. Then run the same command again."
            ) from error
        except DvcException as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else entry.getvalue()
            raise CannotDecide(f"DVC failed in {root}: {first}") from error
        except (
            sqlite3.Error
        ) as error:  # what it remembers of files; a full disk, or a damaged memory
            where = home_of(root) / "dvc-site"
            raise CannotDecide(
                f"DVC's state in {where} is unusable ({error}): free some space or delete it, and run the "
                "same command again."
            ) from error


def _pinned(root: Path) -> Any:
    """Return DVC's view of `root` for what it writes, with the remotes and the cache that are committed.

    What is set elsewhere gives credentials alone: raises Conflict where it names another place. Before a
    workspace is committed nothing is pinned.
    """
    from dvc.config import Config, ConfigError
    from dvc.repo import Repo

    found = git.contents(root, "HEAD", [CONFIG, "trust/service.json"])
    committed = found[CONFIG]
    if committed is None or found["trust/service.json"] is None:
        return Repo(str(root))
    owned = home_of(root) / "owned.json"
    signed = files.read_json(owned).get("remotes") if owned.is_file() else None
    if signed not in (None, sha256_bytes(committed)):
        raise Conflict(
            f"{CONFIG} differs from the one that the policy's owners signed, so no row is sent anywhere; "
            "restore it, or have an owner sign it."
        )
    try:
        text = SimpleNamespace(open=lambda _: io.StringIO(committed.decode()))
        read = {"core": {}, "cache": {}, "remote": {}} | Config.load_file(CONFIG, fs=text)
        pinned = Config.validate(Config._load_paths(read, str(root / CONFIG)))
        merged = Config(str(root / ".dvc"))
    except (ConfigError, UnicodeDecodeError) as error:
        raise CannotDecide(f"{CONFIG} cannot be read: {error}") from error
    pinned["cache"].setdefault("dir", str(home_of(root).parent / ".dvc" / "cache"))
    _require_same("core.remote", merged["core"].get("remote"), pinned["core"].get("remote"))
    _require_same(
        "cache.dir", merged["cache"].get("dir", pinned["cache"]["dir"]), pinned["cache"]["dir"]
    )
    for name, remote in pinned["remote"].items():
        for key, value in merged["remote"].get(name, {}).items():
            if not CREDENTIAL.fullmatch(key):
                _require_same(f"remote.{name}.{key}", value, remote.get(key))
            elif key not in read["remote"][name]:
                remote[key] = value
    merged |= {"cache": pinned["cache"], "remote": merged["remote"] | pinned["remote"]}

    class Pinned(Repo):  # type: ignore[misc]
        config = property(lambda _: merged)  # DVC reads its files anew for whatever it does

    return Pinned(str(root))


def _require_same(key: str, here: object, committed: object) -> None:
    if here != committed:
        raise Conflict(
            f"DVC's {key} is {here} here, but {committed} in the commit, and rows go only where that says; "
            f"commit {CONFIG} with the new value, or restore it."
        )


@contextlib.contextmanager
def _quiet(root: Path) -> Iterator[io.StringIO]:
    os.environ.update(_settings(root))
    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # --json writes nothing but JSON
    result = io.StringIO()
    with contextlib.redirect_stdout(result), contextlib.redirect_stderr(result):
        yield result


def _settings(root: Path) -> dict[str, str]:
    return {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(home_of(root) / "dvc-site")}
