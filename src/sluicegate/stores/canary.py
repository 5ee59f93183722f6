"""Try to break out, as a hostile trainer would, and say on stdout what worked.

Runs as a lone file within a wall that is to be probed: `python -I -S canary.py ORDER`. Everything
that it reaches for was put there to be reached for; see `probing.py`.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Order:
    """What to reach for: two files with the `token`, folders, what listens, and another process."""

    token: str
    key: str
    file: str
    folders: list[str]
    port: int
    socket: str
    bystander: int


def main() -> None:
    """Try everything that the order names."""
    order = Order(**json.loads(sys.argv[1]))
    print(json.dumps({name: _worked(attempt, order) for name, attempt in ATTEMPTS.items()}))


def _worked(attempt: Callable[[Order], Any], order: Order) -> bool:
    try:
        return bool(attempt(order))
    except (OSError, ValueError):
        return False


def keys(order: Order) -> bool:
    """Read a file that lies where the keys lie."""
    return order.token in Path(order.key).read_text()


def data(order: Order) -> bool:
    """Read a file of the workspace that has no secret mode."""
    return order.token in Path(order.file).read_text()


def writes(order: Order) -> bool:
    """Leave a file in one of the folders, empty one, open one to all; whoever asked looks there."""
    for folder in order.folders:
        try:
            (Path(folder) / order.token).write_text("")
        except OSError:
            continue
    _worked(lambda each: os.chmod(each.key, 0o666), order)  # noqa: PTH101, S103 - a try
    _worked(lambda each: os.truncate(each.file, 0), order)
    _worked(lambda each: os.open(each.key, os.O_RDONLY | os.O_TRUNC), order)
    return False


def network(order: Order) -> bool:
    """Reach a socket that somebody listens on: TCP, UDP, named, abstract; or see a way out."""
    host = ("127.0.0.1", order.port)
    tried = (
        (socket.AF_INET, socket.SOCK_STREAM, host),
        (socket.AF_UNIX, socket.SOCK_STREAM, order.socket),
        (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + order.token),
    )
    if any(_worked(lambda _, way=way: _connects(*way), order) for way in tried):  # type: ignore[misc]
        return True
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as reached:
        reached.sendto(order.token.encode(), host)  # whoever listens tells
    return False


def _connects(family: int, kind: int, where: Any) -> bool:
    with closing(socket.socket(family, kind)) as reached:
        reached.settimeout(2)
        reached.connect(where)
        return True


def environment(order: Order) -> bool:
    """Read the environment of another process."""
    return order.token.encode() in Path(f"/proc/{order.bystander}/environ").read_bytes()


def signals(order: Order) -> bool:
    """End another process; whoever asked looks whether it lives."""
    os.kill(order.bystander, signal.SIGKILL)
    return False


# In this order: a dead process has no environment to read.
ATTEMPTS = {
    "keys": keys,
    "data": data,
    "writes": writes,
    "network": network,
    "environment": environment,
    "signals": signals,
}

if __name__ == "__main__":
    main()
