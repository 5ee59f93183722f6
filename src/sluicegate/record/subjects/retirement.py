"""A retirement: may these rows, or this model, be destroyed in every store for good?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sluicegate.evidence.statement import DESTRUCTION, RETIREMENT, TOMBSTONE
from sluicegate.record.subjects.kind import PROPOSED, Kind, Supplied, decision_in, stated
from sluicegate.stores import record
from sluicegate.stores.layout import Layout

APPROVED, RETIRED = "approved", "retired"
ORDER, TOMB, CERTIFICATE = "order.json", "tombstone.json", "certificate.json"


def read_retirement(layout: Layout, number: str) -> dict[str, Any]:
    """Return what somebody wants retired, how, and why."""
    return stated(layout, layout.retirement(number) / ORDER, RETIREMENT)


def read_tombstone(layout: Layout, number: str) -> dict[str, Any]:
    """Return what left the workspace for good, by positions and digests."""
    return stated(layout, layout.retirement(number) / TOMB, TOMBSTONE)


def read_certificate(layout: Layout, number: str) -> dict[str, Any]:
    """Return what was destroyed where, and what was not reached."""
    return stated(layout, layout.retirement(number) / CERTIFICATE, DESTRUCTION)


def retirements(layout: Layout) -> list[str]:
    """Return the numbers of all retirements that were asked for."""
    return record.numbers(layout, "retired", ORDER)


def tombstones(layout: Layout) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the number and the tombstone of each retirement that was approved."""
    for number in retirements(layout):
        if (layout.retirement(number) / TOMB).is_file():
            yield number, read_tombstone(layout, number)


def destroyed_tables(layout: Layout) -> dict[str, dict[str, Any]]:
    """Return by SHA-256 the tables that were destroyed: which rows they had, and which were learnt."""
    return {
        table["sha256"]: table | {"retirement": number}
        for number, told in tombstones(layout)
        for table in told["tables"]
    }


def destroyed_rows(layout: Layout, batch: str) -> set[int]:
    """Return the rows of `batch` that were destroyed."""
    gone = (told["rows"].get(batch, ()) for _, told in tombstones(layout))
    return {row for rows in gone for row in rows}


def destroyed_models(layout: Layout) -> dict[str, str]:
    """Return the updates whose model was destroyed, each with the number of its retirement."""
    return {
        each["update"]: number for number, told in tombstones(layout) for each in told["models"]
    }


def model_copies(layout: Layout, sha256: str) -> list[Path]:
    """Return where a model lies: to be loaded, as an archive, and as copies that killed deeds left."""
    found = [
        *layout.models.glob(f"*{sha256}*"),
        *layout.models.glob(f".back-*/*{sha256}*"),
        *(layout.root / "models").glob(f"*{sha256}*"),
        *(layout.home / "leftovers").rglob(f"*{sha256}*"),
    ]
    return sorted(path for path in found if path.suffix != ".dvc")


def _state(layout: Layout, number: str) -> str:
    folder = layout.retirement(number)
    if (folder / CERTIFICATE).is_file():
        read_certificate(layout, number)
        return RETIRED
    return decision_in(layout, folder, f"retirement:{number}") or PROPOSED


def _told(layout: Layout, number: str) -> tuple[str, str]:
    said = read_retirement(layout, number)
    return said["time"], said["reason"]


def _supplied(layout: Layout, number: str) -> Supplied:
    # who sent something in does not decide that it can never be looked at again
    said = read_retirement(layout, number)
    yield str(said["what"]), said["sources"]


RETIREMENT_KIND = Kind(
    name="retirement",
    folder=Layout.retirement,
    numbers=retirements,
    state=_state,
    waits=PROPOSED,
    told=_told,
    supplied=_supplied,
    asked_by=lambda layout, number: read_retirement(layout, number)["asked_by"],
)
