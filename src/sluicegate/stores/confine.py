"""Run a command with less than its starter has: limits, no new rights, Landlock, a filter of calls.

Runs as a lone file, inside whatever wall stands around it, so it imports the standard library only:
`python -I -S confine.py ORDER COMMAND...`. ORDER is JSON; see `isolation.py`, which writes it.
Landlock: https://docs.kernel.org/userspace-api/landlock.html. Whatever cannot be had ends the
process before the command runs.
"""

import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
NO_NEW_PRIVS, SECCOMP, DEATH_SIGNAL, DROP_BOUND, AMBIENT = 38, 22, 1, 24, 47
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446

# Rights on files as numbered by the kernel: what reading needs, and all that each version knows.
READ = 0b1101  # execute, read a file, read a folder
ON_FILES = 1 << 15 | 1 << 14 | 0b111  # what a rule on a plain file may name
BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
TCP, SCOPED = 0b11, 0b11  # bind and connect; abstract sockets and signals

# (x86_64, aarch64): calls that reach around the walls, or into the kernel's darker corners.
DENIED = {
    "io_uring_setup": (425, 425),  # would make sockets unseen by this filter
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "add_key": (248, 217),  # the kernel's keyring is inherited
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
}
# Landlock leaves modes, owners, attributes and times of files open to their owner: the kernel says
# that it was done, as programs that copy files want, and does nothing. None: no such call there.
PRETENDED = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}
OLDEST_LANDLOCK = 3  # before Linux 6.2 any file of ours could be emptied
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
SOCKET, CLONE, CLONE3 = (41, 198), (56, 220), (435, 435)
NEW_NAMESPACES = 0x7E020000
LOCAL_FAMILIES = (1, 2, 10, 16)  # unix, inet, inet6, netlink: each network namespace has its own
ALLOW, KILL, EPERM, ENOSYS, DONE = 0x7FFF0000, 0x80000000, 0x50001, 0x50026, 0x50000


@dataclass(frozen=True)
class Order:
    """What to give up. `starter` is the process to end with, 0 where the wall sees to that itself."""

    starter: int
    limits: dict[str, int]
    user: int | None
    landlock: bool
    read: list[str]
    write: list[str]
    network: bool


def main() -> None:
    """Give up what the order says, then become the command."""
    order, command = Order(**json.loads(sys.argv[1])), sys.argv[2:]
    if order.starter:  # a wall with processes of its own ends them itself
        _prctl(DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != order.starter:
            sys.exit("The process that started the trainer has ended.")
    limit(order.limits)
    if order.user is not None:
        os.setgroups([])
        os.setresgid(*[order.user] * 3)
        os.setresuid(*[order.user] * 3)
    drop_capabilities()
    _prctl(NO_NEW_PRIVS, 1)
    if order.landlock:
        landlock(order.read, order.write)
    filter_calls(order.network)
    os.execvp(command[0], command)  # noqa: S606 - there is to be no shell


def limit(limits: dict[str, int]) -> None:
    """Set resource limits by their names, and offer this process first where memory ends."""
    for name, most in limits.items():
        resource.setrlimit(getattr(resource, name), (most, most))
    Path("/proc/self/oom_score_adj").write_text("1000")


def drop_capabilities() -> None:
    """Give up every capability for good, where there are any: root without them is a plain user."""
    header, nothing = struct.pack("Ii", 0x20080522, 0), bytes(24)
    _LIBC.prctl(AMBIENT, 4, 0, 0, 0)
    for capability in range(64):
        _LIBC.prctl(DROP_BOUND, capability, 0, 0, 0)
    if _LIBC.capset(header, nothing):
        _fail("capset")


def landlock_version() -> int:
    """Return the version of Landlock that the kernel speaks, 0 for none."""
    return max(0, int(_LIBC.syscall(CREATE_RULESET, None, 0, 1)))


def landlock(read: Iterable[str], write: Iterable[str]) -> None:
    """Leave this process and its children these paths only, and no TCP, signal or abstract socket."""
    version = landlock_version()
    if version < OLDEST_LANDLOCK:
        sys.exit("This kernel lacks Landlock, or is older than 6.2 and lets files be emptied.")
    rights = (1 << BY_VERSION[min(version, 5)]) - 1
    handled = struct.pack("QQQ", rights, TCP, SCOPED)[
        : 8 if version < 4 else 16 if version < 6 else 24
    ]
    ruleset = int(_LIBC.syscall(CREATE_RULESET, handled, len(handled), 0))
    if ruleset < 0:
        _fail("landlock")
    for path in read:
        _allow(ruleset, path, READ)
    # what a process may ask about itself; kept open, or the kernel might forget what was allowed
    os.set_inheritable(_allow(ruleset, f"/proc/{os.getpid()}", READ), True)
    for path in write:
        # no devices, no sockets; links only to what may be reached anyway
        _allow(ruleset, path, rights & ~(1 << 6 | 1 << 9 | 1 << 11))
    if _LIBC.syscall(RESTRICT_SELF, ruleset, 0):
        _fail("landlock")
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> int:
    """Allow `rights` below `path`, and return it opened; it is closed when the command starts."""
    try:
        place = os.open(path, os.O_PATH)
    except OSError:
        return -1  # what is not there need not be allowed
    rights = rights if Path(path).is_dir() else rights & ON_FILES
    if _LIBC.syscall(ADD_RULE, ruleset, 1, struct.pack("=Qi", rights, place), 0):
        _fail(f"landlock for {path}")
    return place


def filter_calls(network: bool) -> None:
    """Have the kernel refuse DENIED; new sockets and modes of files too, unless all is its own."""
    if platform.machine() not in MACHINES:
        if not network:
            sys.exit(f"There is no system call filter for {platform.machine()}.")
        return
    program = b"".join(_program(network))
    buffer = ctypes.create_string_buffer(program)
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if _LIBC.prctl(SECCOMP, 2, described, 0, 0):
        _fail("seccomp")


def _program(network: bool) -> Iterable[bytes]:
    """Yield the filter, in the instructions of seccomp(2): load, jump if (not) equal, return."""
    which, machine = MACHINES[platform.machine()]
    yield _load(4)
    yield from (_step(0x15, machine, 1, 0), _answer(KILL))
    yield _load(0)
    if which == 0:  # the numbers of x32 go around the list
        yield from (_step(0x35, 0x40000000, 0, 1), _answer(EPERM))
    for numbers in DENIED.values():
        yield from _refuse(numbers[which], EPERM)
    for names in () if network else PRETENDED.values():
        number = names[which]
        if number is not None:
            yield from _refuse(number, DONE)
    yield from _refuse(CLONE3[which], ENOSYS)  # its flags cannot be seen; libraries fall back
    yield from (
        _step(0x15, CLONE[which], 0, 4),
        _load(16),
        _step(0x45, NEW_NAMESPACES, 0, 1),
        _answer(EPERM),
        _answer(ALLOW),
    )
    yield from _sockets(SOCKET[which], LOCAL_FAMILIES if network else ())
    yield _answer(ALLOW)


def _sockets(call: int, families: tuple[int, ...]) -> Iterable[bytes]:
    yield _step(0x15, call, 0, 2 + 2 * len(families))
    yield _load(16)
    for family in families:
        yield from _refuse(family, ALLOW)
    yield _answer(EPERM)


def _refuse(value: int, answer: int) -> tuple[bytes, bytes]:
    return _step(0x15, value, 0, 1), _answer(answer)


def _load(offset: int) -> bytes:
    return _step(0x20, offset)


def _answer(code: int) -> bytes:
    return _step(0x06, code)


def _step(code: int, value: int, equal: int = 0, other: int = 0) -> bytes:
    return struct.pack("=HBBI", code, equal, other, value)


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, value, 0, 0, 0):
        _fail(f"prctl {option}")


def _fail(what: str) -> Any:
    sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
