"""A release from quarantine: may these rows go through intake again, under this exception?"""

from typing import Any

from sluicegate.evidence.statement import RELEASE
from sluicegate.record.subjects.kind import (
    PROPOSED,
    Kind,
    Supplied,
    decision_in,
    sources_in,
    stated,
)
from sluicegate.stores import record
from sluicegate.stores.layout import Layout

RELEASED = "released"


def read_release(layout: Layout, number: str) -> dict[str, Any]:
    """Return what a release would let in, and by which exception."""
    return stated(layout, layout.release(number) / "release.json", RELEASE)


def releases(layout: Layout) -> list[str]:
    """Return the numbers of all releases that were asked for."""
    return record.numbers(layout, "releases", "release.json")


def _state(layout: Layout, number: str) -> str:
    return decision_in(layout, layout.release(number), f"release:{number}") or PROPOSED


def _told(layout: Layout, number: str) -> tuple[str, str]:
    predicate = read_release(layout, number)
    return predicate["time"], predicate["reason"]


def _supplied(layout: Layout, number: str) -> Supplied:
    predicate = read_release(layout, number)
    yield f"batch:{predicate['batch']}", sources_in(layout.release(number) / "rows")


RELEASE_KIND = Kind(
    name="release",
    folder=Layout.release,
    numbers=releases,
    state=_state,
    waits=PROPOSED,
    told=_told,
    supplied=_supplied,
    asked_by=lambda layout, number: read_release(layout, number)["asked_by"],
)
