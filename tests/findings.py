"""Judged findings for tests: what a test does not speak of is left at nothing."""

from typing import Any

from sluicegate.core import Judged

NOTHING: dict[str, Any] = {
    "check": "test",
    "metric": "test",
    "value": None,
    "rows": (),
    "sources": (),
    "detail": "",
    "limit": None,
    "outcome": "pass",
}


def judged(**known: Any) -> Judged:
    """Return a judged finding of which only this is `known`."""
    return Judged(**(NOTHING | known))
