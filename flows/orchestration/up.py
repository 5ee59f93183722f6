"""up: the workspace's Prefect server, the MLflow UI and the runner, until Ctrl-C."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sluicegate.core import Misused
from sluicegate.flows.orchestration.embedded import (
    HOST,
    Service,
    api_of,
    free_port,
    guarded,
    is_taken,
    prefect_server,
    settings,
    up_lock,
    wait_for,
    wait_until,
)
from sluicegate.record.context import Context
from sluicegate.stores import files
from sluicegate.stores.environment import scrubbed
from sluicegate.stores.mlflow import embedded_uri

PREFECT_PORT, MLFLOW_PORT = 4200, 5000
SERVING = "sluicegate serves"


@dataclass(frozen=True, eq=False)
class Services:
    """The services and their addresses; `mlflow` is the team's server if params.yaml names one."""

    prefect: str
    prefect_ui: str
    mlflow: str
    processes: tuple[Service, ...]

    def require_alive(self) -> None:
        """Raise CannotDecide when one of them has ended."""
        for service in self.processes:
            service.require_alive()


def up(
    context: Context,
    prefect_port: int | None = None,
    mlflow_port: int | None = None,
    greet: Callable[["Services"], None] | None = None,
) -> int:
    """Run everything until SIGINT or SIGTERM, then stop all of it and return 0.

    It calls `greet` once all services answer.
    Raises Conflict when it already runs for this workspace, Misused for a given port that is taken,
    CannotDecide when one of the services ends by itself.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts background jobs deaf to SIGINT
        signal.signal(number, signal.default_int_handler)
    try:
        with services(context, prefect_port, mlflow_port) as started:
            context.tell(f"Prefect:  {started.prefect_ui}")
            context.tell(f"MLflow:   {started.mlflow}")
            context.tell(f"Drop feedback into {context.layout.inbox}; Ctrl-C stops everything.")
            if greet is not None:
                greet(started)
            while True:
                started.require_alive()
                time.sleep(0.5)
    except KeyboardInterrupt:
        context.tell("All services have stopped.")
    return 0


@contextlib.contextmanager
def services(
    context: Context, prefect_port: int | None = None, mlflow_port: int | None = None
) -> Iterator[Services]:
    """Run the Prefect server, the MLflow UI and the runner; yield once all of them answer."""
    layout, uri = context.layout, context.settings.mlflow.tracking_uri
    with up_lock(layout), contextlib.ExitStack() as stack:
        port = _port(context, prefect_port, PREFECT_PORT, "--prefect-port")
        server = stack.enter_context(prefect_server(context, port))
        started = [server]
        mlflow = uri or ""
        if uri is None:
            ui_port = _port(context, mlflow_port, MLFLOW_PORT, "--mlflow-port", but=port)
            started.append(stack.enter_context(_mlflow(context, ui_port)))
            mlflow = f"http://{HOST}:{ui_port}"
        context.tell("Waiting for Prefect (a new database takes about 10 seconds)")
        wait_for(f"{api_of(port)}/health", server)
        runner = stack.enter_context(_runner(context, api_of(port)))
        for service in started[1:]:
            context.tell("Waiting for MLflow")
            wait_for(f"{mlflow}/health", service)
        context.tell("Waiting for the runner")
        late = "The runner did not start"
        wait_until(lambda: SERVING in runner.log.read_text(errors="replace"), runner, late)
        found = Services(api_of(port), f"http://{HOST}:{port}", mlflow, (runner, *started))
        with _written_down(layout.home / "up.json", found):
            yield found


@contextlib.contextmanager
def _written_down(path: Path, found: Services) -> Iterator[None]:
    addresses = {"prefect": found.prefect, "prefect_ui": found.prefect_ui, "mlflow": found.mlflow}
    files.write_json(path, {"pid": os.getpid(), **addresses})
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _port(context: Context, given: int | None, default: int, option: str, but: int = 0) -> int:
    wanted = default if given is None else given
    if wanted != but and not is_taken(wanted):
        return wanted
    if given is not None:
        raise Misused(f"Port {given} is in use; give another {option}, or omit it.")
    found = free_port()
    context.tell(f"Port {default} is in use; using {found} instead (choose one with {option}).")
    return found


def _mlflow(context: Context, port: int) -> contextlib.AbstractContextManager[Service]:
    home = context.layout.home
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", embedded_uri(context.layout)]
    command += ["--default-artifact-root", (home / "mlflow" / "artifacts").as_uri()]
    # Its job consumers outlive it when it is killed.
    environment = scrubbed() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "DO_NOT_TRACK": "1"}
    return guarded(context.layout, "mlflow", command, environment)


def _runner(context: Context, api: str) -> contextlib.AbstractContextManager[Service]:
    layout = context.layout
    command = [sys.executable, "-m", "sluicegate.flows", str(layout.root)]
    # It pushes to the data remote and logs to MLflow, so it has the user's own environment.
    environment = dict(os.environ) | settings(layout, api) | {"PYTHONUNBUFFERED": "1"}
    return guarded(layout, "runner", command, environment)
