"""A batch that intake paused: may it be learnt from?"""

from typing import Any

from sluicegate.evidence.statement import VERDICT
from sluicegate.record.subjects.kind import Kind, Supplied, decision_in, sources_in, stated
from sluicegate.stores import data, record
from sluicegate.stores.layout import Layout


def supplied_by(layout: Layout, number: str) -> Supplied:
    """Yield a batch and the sources of its rows."""
    yield f"batch:{number}", sources_in(layout.intake(number))


def _state(layout: Layout, number: str) -> str:
    folder = layout.intake(number)
    decided = decision_in(layout, folder, f"batch:{number}")
    return decided or str(data.read_manifest(folder).state)


def _told(layout: Layout, number: str) -> tuple[str, str]:
    since = data.read_manifest(layout.intake(number)).received
    return str(since), " ".join(_verdict(layout, number)["reasons"][:1])


def _verdict(layout: Layout, number: str) -> dict[str, Any]:
    return stated(layout, layout.intake(number) / "verdict.json", VERDICT)


BATCH = Kind(
    name="batch",
    folder=Layout.intake,
    numbers=record.received,
    state=_state,
    waits="paused",
    told=_told,
    supplied=supplied_by,
    asked_by=lambda layout, number: _verdict(layout, number).get("started_by"),
)
