"""Updates move only along the allowed stages."""

import itertools
from dataclasses import FrozenInstanceError

import pytest

from sluicegate.core import Misused, ModelRef, Outcome, Stage, Update, Verdict, advance
from sluicegate.core.update import ALLOWED, stage_after

A, T, C, W, Y, P, N, R = Stage
MOVES = {(A, T), (A, N), (T, C), (T, N), (C, W), (C, Y), (C, N), (W, Y), (W, N), (Y, P), (Y, N), (P, R)}  # fmt: skip


def update(stage: Stage) -> Update:
    return Update("0007", stage, "c0ffee", ("0003",))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(before, after, id=f"{before.value} to {after.value}")
        for before, after in itertools.product(Stage, Stage)
    ],
)
def test_every_pair_of_stages(before: Stage, after: Stage) -> None:
    """The same step changes nothing, an allowed one moves, every other is refused."""
    start = update(before)
    if before is after:
        assert advance(start, after) is start
    elif (before, after) in MOVES:
        assert advance(start, after).stage is after
    else:
        with pytest.raises(Misused, match=r"update:0007 is .* cannot become"):
            advance(start, after)


def test_every_stage_is_in_the_table() -> None:
    """No stage is forgotten."""
    assert set(ALLOWED) == set(Stage)


def test_only_an_approved_update_is_promoted() -> None:
    """There is no way to promotion but through approval."""
    assert {before for before, after in ALLOWED.items() if P in after} == {Y}


def test_an_end_is_an_end() -> None:
    """Refused and rolled back updates never move again."""
    assert not ALLOWED[N] | ALLOWED[R]


def test_a_step_carries_its_changes_once() -> None:
    """The challenger is set by the step that trained it, and the same step again changes nothing."""
    trained = advance(update(A), T, challenger=ModelRef(4, "ab"))
    assert trained.challenger == ModelRef(4, "ab")
    assert advance(trained, T, challenger=ModelRef(5, "cd")) is trained


def test_an_update_is_frozen() -> None:
    """Nobody moves an update by assignment."""
    with pytest.raises(FrozenInstanceError):
        update(A).stage = P  # type: ignore[misc]


@pytest.mark.parametrize(
    ("outcome", "stage"),
    [
        pytest.param(Outcome.PASS, Y, id="a pass needs no human"),
        pytest.param(Outcome.QUARANTINE, W, id="a quarantine makes no sense here and asks a human"),
        pytest.param(Outcome.PAUSE, W, id="a pause waits for a human"),
        pytest.param(Outcome.REJECT, N, id="a reject refuses"),
    ],
)
def test_stage_after(outcome: Outcome, stage: Stage) -> None:
    """A compared update moves as its verdict says, by an allowed step."""
    assert stage_after(Verdict("update:0007", "", outcome, ())) is stage
    assert stage in ALLOWED[C]


def test_written_form() -> None:
    """An update is written with its references in full."""
    written = Update("7", P, "c0ffee", ("3",), ModelRef(1, "ab"), ModelRef(2, "cd")).to_dict()
    assert written == {
        "id": "7",
        "stage": "promoted",
        "data_commit": "c0ffee",
        "batches": ["3"],
        "champion": {"version": 1, "sha256": "ab"},
        "challenger": {"version": 2, "sha256": "cd"},
    }
