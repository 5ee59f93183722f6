"""served: who served from when until when is folded from the moves of the champion alone."""

from typing import Any

import pytest

from sluicegate.evidence.ledger import Entry
from sluicegate.record.serving_history import services_of


def move(at: int, verb: str, update: str | None = None, **details: Any) -> Entry:
    """Return the entry of a move at minute `at`; update:0001 made version 2, and so on."""
    said = details if update is None else {"update": update, "version": int(update) + 1, **details}
    time = f"2026-01-01T00:{at:02d}:00+00:00"
    return Entry(sequence=at, previous=None, time=time, who="ann", verb=verb, details=said)


@pytest.mark.parametrize(
    ("moves", "served"),
    [
        pytest.param([], [], id="before the first promotion nobody serves"),
        pytest.param([move(1, "promote", "0000")], [("0000", 1, None)], id="the first one serves"),
        pytest.param(
            [move(1, "promote", "0000"), move(2, "promote", "0001"), move(3, "reinstate", "0000")],
            [("0000", 1, 2), ("0001", 2, 3), ("0000", 3, None)],
            id="whoever is reinstated serves twice",
        ),
        pytest.param(
            [move(1, "promote", "0000"), move(2, "suspend", incident="0001")],
            [("0000", 1, 2)],
            id="whoever is suspended serves no more",
        ),
        pytest.param(
            [
                move(1, "promote", "0000"),
                move(2, "suspend", incident="0001"),
                move(3, "reinstate", "0000", succession="0001"),
                move(4, "suspend", incident="0001"),
                move(5, "promote", "0001"),
            ],
            [("0000", 1, 2), ("0001", 5, None)],
            id="new keys let nobody serve who is suspended",
        ),
        pytest.param(
            [move(1, "promote", "0000"), move(2, "reinstate", "0000", succession="0001")],
            [("0000", 1, None)],
            id="new keys end nobody's service",
        ),
    ],
)
def test_who_served_when(moves: list[Entry], served: list[tuple[str, int, int | None]]) -> None:
    found = services_of(moves)
    minutes = [
        (each.update, int(each.since[14:16]), int(each.until[14:16]) if each.until else None)
        for each in found
    ]
    assert minutes == served
    assert all(each.version == int(each.update) + 1 for each in found)


def test_a_service_names_the_incident_that_ended_it() -> None:
    """And whom it let serve instead, if anybody."""
    (suspended,) = services_of([move(1, "promote", "0000"), move(2, "suspend", incident="0007")])
    assert suspended.to_dict()["ended"] == {"verb": "suspend", "update": None, "incident": "0007"}


def test_a_service_begins_when_its_statement_says() -> None:
    """As the champion's own statement does; the entry that names it may be a second younger."""
    said = "2026-01-01T00:00:59+00:00"
    (serving,) = services_of([move(1, "promote", "0000", time=said)])
    assert serving.since == said
