"""guard: run one command so that none of its processes outlives the caller.

`python -m sluicegate.flows.orchestration.guard COMMAND ...` ends the command, its children and theirs when
its standard input closes. The kernel ensures that even if the caller is killed with SIGKILL. Linux
only.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_SECONDS = 10.0
REAP_SECONDS = 30.0
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def guard(command: list[str], lifeline: int = 0) -> int:
    """Run `command` until it ends or `lifeline` closes, end all that is left, and return its code."""
    # Whatever a child leaves behind, in whatever session, becomes ours instead of init's.
    _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # safe: this process has one thread
    )
    try:
        ended = os.pidfd_open(child.pid)
        while ended not in (ready := select.select([lifeline, ended], [], [], REAP_SECONDS)[0]):
            if lifeline in ready and not os.read(lifeline, 1):
                break
            _reap(child)
    finally:
        end(child)
    return child.returncode or 0


def end(child: "subprocess.Popen[bytes]") -> None:
    """Ask the group of `child` to stop, then kill every descendant that is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    while descendants(os.getpid()) and time.monotonic() < until:
        time.sleep(0.05)
        _reap(child)
    while left := descendants(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        _reap(child)


def descendants(pid: int) -> list[int]:
    """Return the children of `pid` and theirs, zombies included."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # the command's name may hold spaces and brackets; the parent follows its last bracket
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        offspring = children.get(queue.pop(), [])
        found += offspring
        queue += offspring
    return found


def _reap(child: "subprocess.Popen[bytes]") -> None:
    child.poll()  # first, or its exit code is lost below
    with contextlib.suppress(ChildProcessError):
        while True:
            seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if seen is None or seen.si_pid == child.pid:
                return
            os.waitpid(seen.si_pid, os.WNOHANG)


def _die_with_parent() -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def main() -> None:
    """Guard the command given as arguments."""
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(guard(sys.argv[1:]))


def _stop(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


if __name__ == "__main__":
    main()
