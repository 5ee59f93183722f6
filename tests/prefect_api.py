"""What tests of a live Prefect server share."""

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from sluicegate.flows.up import Services


def ask(served: Services, path: str, body: dict[str, Any] | None = None) -> Any:
    """Return Prefect's answer to a POST; a busy SQLite is asked again."""
    request = urllib.request.Request(
        served.prefect + path, json.dumps(body or {}).encode(), {"content-type": "application/json"}
    )
    for turn in range(5):
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return json.load(reply)
        except OSError:
            time.sleep(turn)
    raise AssertionError(f"{path} did not answer")


def eventually(look: Callable[[], Any], seconds: float = 300) -> Any:
    """Return what `look` returns once it is true."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.5)
    return found
