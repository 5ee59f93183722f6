"""Which wall stands: each is tried by a canary that runs behind it and reaches for what we put there."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import canary
from .isolation import ESSENTIAL, NOBODYS_USER, Cell, Isolation, walled
from .layout import home_of
from .settings import Trainer

PROBE_SECONDS = 30


def standing_wall(root: Path, trainer: Trainer) -> Isolation:
    """Return the first wall of `trainer.by` that holds on this machine, tried around this workspace."""
    if trainer.isolation == "off":
        return Isolation(by=None, held={}, why=("trainer.isolation is off",))
    why: list[str] = []
    for by in trainer.by:
        held, amiss = probe(by, root, trainer)
        found = Isolation(by=by, held=held, why=tuple(why))
        if found.isolated:
            return found
        leaks = [name for name in ESSENTIAL if not held.get(name, False)]
        why.append(f"{by}: {amiss or 'it does not hold ' + ', '.join(leaks)}")
    return Isolation(by=None, held={}, why=tuple(why))


def probe(by: str, root: Path, trainer: Trainer) -> tuple[dict[str, bool], str]:
    """Return what the wall `by` held against the canary, and why it could not be tried."""
    try:
        with _baits(root) as (order, reached), cell_for(root, trainer, by) as cell:
            ran = _copied(cell)
            done = subprocess.run(
                walled(by, cell, [sys.executable, "-I", "-S", str(ran), json.dumps(asdict(order))]),
                cwd=cell.folder,
                env=cell.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PROBE_SECONDS,
                check=False,
            )
            outside = reached()
    except (OSError, subprocess.TimeoutExpired) as error:
        return {}, str(error)
    try:
        inside: dict[str, bool] = json.loads(done.stdout)
    except ValueError:
        result = done.stderr.strip().splitlines() or [f"it exited with code {done.returncode}"]
        return {}, result[-1]
    return {name: not (inside[name] or outside.get(name, False)) for name in inside}, ""


@contextmanager
def cell_for(root: Path, trainer: Trainer, by: str | None) -> Iterator[Cell]:
    """Make a cell for untrusted code of the workspace at `root`, and remove it in the end."""
    folder = Path(tempfile.mkdtemp(prefix="sluicegate-trainer-")).resolve()
    try:
        (folder / "tmp").mkdir()
        (folder / "build").mkdir()
        home = home_of(root).resolve()
        owner = home.parent
        hidden = (home, owner / ".git", owner / ".dvc", owner / "ledger")
        yield Cell(folder, hidden, trainer)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def give(cell: Cell, by: str | None) -> None:
    """Give the cell to the user who will work in it, where that is another one."""
    if by == "user":
        for path in (cell.folder, *cell.folder.rglob("*")):
            os.chown(path, NOBODYS_USER, NOBODYS_USER, follow_symlinks=False)


def _copied(cell: Cell) -> Path:
    ran = cell.folder / "canary.py"
    shutil.copyfile(canary.__file__, ran)
    cell.folder.chmod(0o755)  # another user must be able to read it
    return ran


@contextmanager
def _baits(root: Path) -> Iterator[tuple[canary.Order, Any]]:
    """Put out what the canary reaches for; yield the order, and a function that tells what it reached."""
    token = f"canary-{secrets.token_hex(16)}"
    home = home_of(root).resolve()
    owner = home.parent
    folders = [home, owner, owner / ".git", Path(sys.prefix), Path("~").expanduser()]
    with ExitStack() as stack:
        key = _file(stack, home / "keys", token, 0o600)
        plain = _file(stack, home, token, 0o644)
        near = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "socket"
        tcp, udp = _on_loopback(stack)
        named, abstract = _listener(stack, str(near)), _listener(stack, "\0" + token)
        bystander = subprocess.Popen(["sleep", "60"], env={"TOKEN": token, "PATH": os.defpath})
        stack.callback(bystander.wait)
        stack.callback(bystander.kill)
        order = canary.Order(
            token=token,
            key=str(key),
            file=str(plain),
            folders=[str(folder) for folder in folders],
            port=tcp.getsockname()[1],
            socket=str(near),
            bystander=bystander.pid,
        )

        def reached() -> dict[str, bool]:
            left = [folder / token for folder in folders if (folder / token).exists()]
            for path in left:
                path.unlink()
            heard = [_heard(each) for each in (tcp, named, abstract)]
            return {
                "writes": bool(left)
                or _changed(key, token, 0o600)
                or _changed(plain, token, 0o644),
                "network": any(heard) or _received(udp),
                "signals": bystander.poll() is not None,
            }

        yield order, reached


def _file(stack: ExitStack, folder: Path, token: str, mode: int) -> Path:
    place = folder if folder.is_dir() else Path(stack.enter_context(tempfile.TemporaryDirectory()))
    handle, name = tempfile.mkstemp(prefix=".canary-", dir=place)
    stack.callback(lambda: Path(name).unlink(missing_ok=True))
    with os.fdopen(handle, "w") as file:
        file.write(token)
    Path(name).chmod(mode)
    return Path(name)


def _changed(bait: Path, token: str, mode: int) -> bool:
    """Tell whether a bait was emptied, written, removed or opened to others."""
    try:
        return bait.read_text() != token or bait.stat().st_mode & 0o777 != mode
    except OSError:
        return True


def _on_loopback(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Return a TCP and a UDP socket that listen on the same port of 127.0.0.1."""
    tcp = stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)))
    tcp.bind(("127.0.0.1", 0))
    tcp.listen()
    udp = stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
    udp.bind(tcp.getsockname())
    for each in (tcp, udp):
        each.setblocking(False)
    return tcp, udp


def _listener(stack: ExitStack, where: str) -> socket.socket:
    listening = stack.enter_context(closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)))
    listening.bind(where)
    listening.listen()
    listening.setblocking(False)
    return listening


def _heard(listening: socket.socket) -> bool:
    try:
        listening.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _received(udp: socket.socket) -> bool:
    try:
        return bool(udp.recv(100))
    except BlockingIOError:
        return False
