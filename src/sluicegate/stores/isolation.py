"""Isolation: the user's training code runs behind a wall, so that it cannot sign for us.

Three walls, the best first: bubblewrap (namespaces of its own for files, network and processes),
Landlock with a filter of system calls, and another user where we are root. Which one stands is found
by trying to break out of it (`probing.py`), never by looking for a program.
"""

import json
import os
import site
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import computed_field

from sluicegate.core.document import Document

from . import confine
from .settings import Trainer

NOT_ISOLATED = "trainer not isolated: it could sign for us"
ESSENTIAL = ("keys", "writes", "network", "environment")
"""What a trainer must not reach, or it could sign for us, or tell somebody who can."""

SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/opt")
# of /etc only what libraries look up
LOOKED_UP = (
    *(f"/etc/{name}" for name in ("alternatives", "fonts", "group", "ld.so.cache", "localtime")),
    *(f"/etc/{name}" for name in ("ld.so.conf", "ld.so.conf.d", "mime.types", "nsswitch.conf")),
    *("/etc/passwd", "/etc/ssl", "/etc/timezone", "/sys/devices/system/cpu"),
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
ASKED_OF_PROC = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems")
BWRAP = "bwrap"
SHARED_MEMORY = 256 * 1024**2
NOBODYS_USER = 61_184  # the first of systemd's dynamic users: no account has it
TASKS = 4096
PASSED = ("LANG", "LC_ALL", "TZ", "OMP_NUM_THREADS")


class Isolation(Document):
    """Which wall stands around the trainer, and what held when we tried to break out.

    `by` is None where no wall may be used or stands; `why` says for each what was amiss.
    """

    by: str | None
    held: dict[str, bool]
    why: tuple[str, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def isolated(self) -> bool:
        """Tell whether the trainer reaches nothing with which it could sign for us."""
        return self.by is not None and all(self.held.get(each, False) for each in ESSENTIAL)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def told(self) -> str:
        """Return one sentence for a reviewer."""
        if not self.isolated:
            return NOT_ISOLATED
        leaks = [name for name, held in self.held.items() if not held]
        open_ = f"; not held: {', '.join(leaks)}" if leaks else ""
        return f"trainer isolated by {self.by}{open_}"


@dataclass(frozen=True)
class Cell:
    """Where untrusted code works: `folder` is all that it may write, `hidden` what it must not see."""

    folder: Path
    hidden: tuple[Path, ...]
    limits: Trainer

    @property
    def environment(self) -> dict[str, str]:
        """Return the whole environment of the code: an allow list, and folders of its own."""
        kept = {name: os.environ[name] for name in PASSED if name in os.environ}
        own = str(self.folder / "tmp")
        return kept | {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": own,
            "TMPDIR": own,
            "USER": "trainer",
            "DO_NOT_TRACK": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "ignore",
        }


def walled(by: str | None, cell: Cell, command: Sequence[str]) -> list[str]:
    """Return `command` behind the wall `by`, or with limits only."""
    if by == "bubblewrap":
        return [*_bubblewrap(cell), *_confined(cell, command, network=True, inside=True)]
    if by == "landlock":
        read = [*map(str, readable(cell)), *DEVICES, *ASKED_OF_PROC, str(cell.folder)]
        return _confined(cell, command, landlock=True, read=read)
    if by == "user":
        return _confined(cell, command, user=NOBODYS_USER)
    return list(command)


def readable(cell: Cell) -> list[Path]:
    """Return what any program needs: system libraries and this Python, nothing that holds secrets."""
    named = [*SYSTEM, *LOOKED_UP, sys.prefix, sys.base_prefix, *site.getsitepackages()]
    named += [*sysconfig.get_paths().values(), *_editable(), confine.__file__]
    paths = (Path(name) for name in dict.fromkeys(named))
    return [path for path in paths if path.exists() and not _shows(path, cell.hidden)]


def _editable() -> Iterator[str]:
    """Yield the folders that .pth files add to the path."""
    for folder in site.getsitepackages():
        for listed in sorted(Path(folder).glob("*.pth")):
            lines = listed.read_text(errors="replace").splitlines()
            yield from (line for line in lines if line.startswith("/"))


def _shows(path: Path, hidden: Sequence[Path]) -> bool:
    real = path.resolve()
    return any(each == real or real in each.parents or each in real.parents for each in hidden)


def _bubblewrap(cell: Cell) -> Iterator[str]:
    own = str(cell.folder)
    yield from (BWRAP, "--unshare-all", "--die-with-parent", "--new-session")
    yield from ("--cap-drop", "ALL", "--hostname", "trainer", "--proc", "/proc", "--dev", "/dev")
    yield from ("--size", str(SHARED_MEMORY), "--tmpfs", "/dev/shm")  # noqa: S108 - its own
    yield from ("--bind", str(cell.folder / "tmp"), "/tmp")  # noqa: S108 - its own
    for path in readable(cell):
        yield from ("--ro-bind", str(path), str(path))
    yield from ("--bind", own, own)
    yield from ("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", own, "--")


def _confined(
    cell: Cell,
    command: Sequence[str],
    network: bool = False,
    inside: bool = False,
    landlock: bool = False,
    read: Sequence[str] = (),
    user: int | None = None,
) -> list[str]:
    limits = cell.limits
    most = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": limits.max_bytes,
        "RLIMIT_DATA": limits.max_memory,
    }
    if inside or user is not None:  # elsewhere all that this user runs would be counted
        most["RLIMIT_NPROC"] = TASKS
    order = confine.Order(
        starter=0 if inside else os.getpid(),
        limits=most,
        user=user,
        landlock=landlock,
        read=list(read),
        write=[str(cell.folder), "/dev/null"],
        network=network,
    )
    return [sys.executable, "-I", "-S", confine.__file__, json.dumps(asdict(order)), *command]
