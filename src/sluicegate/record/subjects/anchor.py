"""A re-anchoring: may a new reference or golden set take the place of the one that is trusted now?"""

from collections.abc import Mapping, Sequence
from typing import Any

from sluicegate.evidence.statement import ANCHOR
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

ANCHORED = "anchored"


def read_anchor(layout: Layout, number: str) -> dict[str, Any]:
    """Return what a re-anchoring would replace, by what, and how far that lies from the first."""
    return stated(layout, layout.anchor(number) / "anchor.json", ANCHOR)


def anchors(layout: Layout) -> list[str]:
    """Return the numbers of all re-anchorings that were asked for."""
    return record.numbers(layout, "anchors", "anchor.json")


def anchored(layout: Layout) -> list[str]:
    """Return the numbers of those that were carried out, the oldest first."""
    return [each for each in anchors(layout) if _state(layout, each) == ANCHORED]


def moved_so_far(layout: Layout) -> list[dict[str, Any]]:
    """Return for each re-anchored table by what, and its farthest column from the very first one."""
    last = {
        table: (number, entry["distances"])
        for number in anchored(layout)
        for table, entry in read_anchor(layout, number)["tables"].items()
    }
    return [
        {"table": table, "subject": f"anchor:{number}", "farthest": farthest(entry)}
        for table, (number, entry) in last.items()
    ]


def farthest(moved: Sequence[Mapping[str, Any]]) -> str:
    """Return which column lies farthest from the very first table, and how far."""
    known = [each for each in moved if each["from_first"]]
    if not known:
        return "no column clearly moved"
    far = max(known, key=lambda each: float(each["from_first"]))
    return f"{far['column']}, by {far['from_first']:.2g} of 1"


def _state(layout: Layout, number: str) -> str:
    return decision_in(layout, layout.anchor(number), f"anchor:{number}") or PROPOSED


def _told(layout: Layout, number: str) -> tuple[str, str]:
    predicate = read_anchor(layout, number)
    return predicate["time"], predicate["reason"]


def _supplied(layout: Layout, number: str) -> Supplied:
    for table in read_anchor(layout, number)["tables"]:
        yield f"the new {table}", sources_in(layout.anchor(number) / table)


ANCHOR_KIND = Kind(
    name="anchor",
    folder=Layout.anchor,
    numbers=anchors,
    state=_state,
    waits=PROPOSED,
    told=_told,
    supplied=_supplied,
    asked_by=lambda layout, number: read_anchor(layout, number)["asked_by"],
)
