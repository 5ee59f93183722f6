"""The workspace's own Prefect: where it lives, whether it runs, and a run of `update` shown in it.

No code here imports prefect before its settings are known: it reads them on import.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluicegate.core import CannotDecide, Conflict, Misused
from sluicegate.record.context import Context
from sluicegate.stores import files
from sluicegate.stores.environment import scrubbed
from sluicegate.stores.layout import Layout

HOST = "127.0.0.1"
READY_SECONDS = 180.0
API_URL = "PREFECT_API_URL"
# One shared password for Prefect's API, if the user set one; the server is told nothing else.
PASSED_ON = ("PREFECT_SERVER_API_AUTH_STRING",)


@dataclass(frozen=True, eq=False)
class Service:
    """A guarded child process and its log file."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def last_words(self) -> str:
        """Return the last line that it logged."""
        listed = [
            line for line in self.log.read_text(errors="replace").splitlines() if line.strip()
        ]
        return listed[-1].strip() if listed else "no output"

    def require_alive(self) -> None:
        """Raise CannotDecide when it has ended."""
        code = self.process.poll()
        if code is not None:
            raise CannotDecide(
                f"{self.name} exited with code {code} ({self.last_words()}); see {self.log}."
            )


@contextlib.contextmanager
def guarded(
    layout: Layout, name: str, command: list[str], environment: Mapping[str, str]
) -> Iterator[Service]:
    """Run `command` in its own session; end all its processes on leaving, or when this process dies."""
    log = layout.home / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "sluicegate.flows.orchestration.guard", *command],
            stdin=subprocess.PIPE,  # closing it is what stops the service
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=layout.root,
            env=dict(environment),
            start_new_session=True,
        )
    try:
        yield Service(name, process, log)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait()


@contextlib.contextmanager
def prefect_server(context: Context, port: int, schedules: bool = True) -> Iterator[Service]:
    """Run the workspace's Prefect server on `port`; leave once `wait_for(health(...))` is over."""
    layout = context.layout
    command = ["-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment = scrubbed() | passed | settings(layout, api_of(port))
    environment |= {
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": str(schedules),
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": str(schedules),
    }
    (layout.home / "prefect").mkdir(parents=True, exist_ok=True)
    with guarded(layout, "prefect", [sys.executable, *command], environment) as service:
        yield service


def settings(layout: Layout, api: str) -> dict[str, str]:
    """Return the environment with which a process uses the Prefect at `api`, kept in the workspace."""
    return {
        "PREFECT_HOME": str(layout.home / "prefect"),
        API_URL: api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        "DO_NOT_TRACK": "1",
        # What a run tells is shown by us, and logged to the run's page in any case.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
    }


def api_of(port: int) -> str:
    """Return the address of the API on `port`."""
    return f"http://{HOST}:{port}/api"


def up_lock(layout: Layout) -> contextlib.AbstractContextManager[None]:
    """Return the lock that `sluicegate up` holds while it runs."""
    result = running(layout)
    where = f" at {result['prefect_ui']} and {result['mlflow']}" if result else ""
    busy = f"`sluicegate up` is already running for {layout.root}{where}; stop it first (Ctrl-C)."
    return files.locked(layout.home / "up.lock", busy, wait=False)


def running(layout: Layout) -> dict[str, Any] | None:
    """Return what a running `sluicegate up` recorded about itself; None if none runs."""
    try:
        # The kernel drops the lock of a killed process, so a file without its lock is a leftover.
        with files.locked(layout.home / "up.lock", "", wait=False):
            return None
    except Conflict:
        pass
    try:
        recorded: dict[str, Any] = json.loads((layout.home / "up.json").read_bytes())
    except (OSError, ValueError):
        return None
    return recorded


def answers(url: str, seconds: float = 5.0) -> bool:
    """Tell whether a GET of `url` succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as reply:  # noqa: S310 - http of our own
            return bool(reply.status == 200)
    except (OSError, ValueError):
        return False


def wait_for(url: str, service: Service) -> None:
    """Return once `url` answers; raises CannotDecide when `service` ends or stays silent."""
    silent = f"{service.name} did not answer at {url} within {READY_SECONDS:.0f} seconds"
    wait_until(lambda: answers(url), service, silent)


def wait_until(ready: Callable[[], bool], service: Service, late: str) -> None:
    """Return once `service` is `ready`; raises CannotDecide when it ends, or is `late`."""
    until = time.monotonic() + READY_SECONDS
    while not ready():
        service.require_alive()
        if time.monotonic() > until:
            raise CannotDecide(f"{late}; see {service.log}.")
        time.sleep(0.2)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_taken(port: int) -> bool:
    """Tell whether a process listens on `port`."""
    with socket.socket() as probe:
        # As servers do: a connection that lingers after its server ended takes no port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


@contextlib.contextmanager
def reached(context: Context) -> Iterator[dict[str, str]]:
    """Yield the settings for the Prefect to use: PREFECT_API_URL's, that of `up`, or one for now."""
    given = os.environ.get(API_URL)
    result = None if given else running(context.layout)
    if given:
        _require_answer(given)
        yield {API_URL: given}
    elif result and answers(f"{result['prefect']}/health"):
        yield settings(context.layout, result["prefect"])
    else:
        port = free_port()
        context.tell("Starting the workspace's Prefect (`sluicegate up` keeps one running)")
        # Schedules are `up`'s business: nobody would serve what a server for one run schedules.
        with prefect_server(context, port, schedules=False) as server:
            wait_for(f"{api_of(port)}/health", server)
            yield settings(context.layout, api_of(port))


def _require_answer(api: str) -> None:
    if not api.startswith(("http://", "https://")):
        raise Misused(f"PREFECT_API_URL is {api!r}; it must start with http:// or https://.")
    if not answers(f"{api.rstrip('/')}/health", 15):
        raise CannotDecide(
            f"Prefect does not answer at PREFECT_API_URL ({api}); start it, unset the variable, "
            "or run with --no-prefect."
        )
