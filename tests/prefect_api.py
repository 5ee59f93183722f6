"""What tests of a live Prefect server share."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Protocol

MOST_TURNS = 20


class Reached(Protocol):
    """Something whose Prefect API can be asked."""

    @property
    def prefect(self) -> str:
        """The address of the API."""


def ask(served: Reached, path: str, body: dict[str, Any] | None = None) -> Any:
    """Return Prefect's answer to a POST."""
    return call(served, "POST", path, body or {})


def call(served: Reached, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Return Prefect's answer; a busy SQLite (503) is asked again, what it refuses is raised."""
    request = urllib.request.Request(
        served.prefect + path, None if body is None else json.dumps(body).encode(),
        {"content-type": "application/json"}, method=method,
    )  # fmt: skip
    for turn in range(6):
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return json.loads(reply.read() or b"null")
        except OSError as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                raise
            time.sleep(turn)
    raise AssertionError(f"{path} did not answer")


def eventually(look: Callable[[], Any], seconds: float = 300, pause: float = 0.5) -> Any:
    """Return what `look` returns once it is true."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(pause)
    return found


def run(served: Reached, deployment: str, **parameters: Any) -> dict[str, Any]:
    """Run a deployment through the runner and return its final state; a scheduled turn goes first."""
    state = final(served, begin(served, deployment, **parameters))
    for _ in range(MOST_TURNS):
        if state["message"] != "Deployment concurrency limit reached.":
            break
        state = final(served, begin(served, deployment, **parameters))
    return state


def begin(served: Reached, deployment: str, tags: Sequence[str] = (), **parameters: Any) -> str:
    """Ask the runner for a run of a deployment and return the run's id."""
    (made,) = [d for d in ask(served, "/deployments/filter") if d["name"] == deployment]
    body = {"parameters": made["parameters"] | parameters, "tags": list(tags)}
    return str(ask(served, f"/deployments/{made['id']}/create_flow_run", body)["id"])


def final(served: Reached, begun: str) -> dict[str, Any]:
    """Wait for a run to end and return its state."""
    query = {"flow_runs": {"id": {"any_": [begun]}}}

    def ended() -> dict[str, Any] | None:
        state = ask(served, "/flow_runs/filter", query)[0]["state"]
        return state if state["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

    found: dict[str, Any] = eventually(ended)
    return found


def artifacts(served: Reached) -> dict[str, Any]:
    """Return the newest artifact of each key."""
    made = ask(served, "/artifacts/filter", {"sort": "CREATED_DESC", "limit": 200})
    return {each["key"]: each for each in reversed(made)}
