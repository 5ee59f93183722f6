"""proposal: an approval that is taken back after promotion asks whether to roll back."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from reviewing import policy

from sluicegate import Workspace
from sluicegate.core import Conflict
from sluicegate.flows.decisions.review import refuse_expired
from sluicegate.gates.approval import State
from sluicegate.record.subjects import KINDS
from sluicegate.stores import git, record

UPDATE, ROLLBACK = "update:0001", "rollback:0001"


@pytest.fixture(scope="module")
def promoted_template(
    paused_template: Path, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A workspace in which ann's yes made update:0001 the champion."""
    root = tmp_path_factory.mktemp("promoted") / "loans"
    shutil.copytree(paused_template, root, symlinks=True)
    assert say(Workspace.open(root), keys, "ann", "approve", UPDATE) is State.APPROVED
    return root


@pytest.fixture
def place(promoted_template: Path, tmp_path: Path) -> Workspace:
    root = tmp_path / "loans"
    shutil.copytree(promoted_template, root, symlinks=True)
    return Workspace.open(root)


def say(place: Workspace, keys: dict[str, Path], who: str, said: str, subject: str) -> State:
    proof = place.sign_review(subject, said, who, keys[who])
    return place.answer_review(subject, said, who, proof, "because").state


def waits(place: Workspace) -> list[str]:
    return [each["subject"] for each in place.status().to_dict()["awaiting"]]


@pytest.mark.slow
def test_who_approved_may_take_it_back(place: Workspace, keys: dict[str, Path]) -> None:
    """It is proposed once, shown everywhere, and the champion serves on."""
    with pytest.raises(Conflict, match="bob did not approve"):
        say(place, keys, "bob", "withdraw", UPDATE)
    policy(place, required=1, expires_days=7)  # neither another policy nor an expiry is in the way
    assert say(place, keys, "ann", "withdraw", UPDATE) is State.OPEN
    entries = len(list(record.backwards(place._context.layout)))
    assert say(place, keys, "ann", "withdraw", UPDATE) is State.OPEN
    assert len(list(record.backwards(place._context.layout))) == entries
    assert waits(place) == ["batch:0002", ROLLBACK] == place.reviews()
    told = place.show(UPDATE)["rollback"]
    assert (told["state"], told["because"], told["proposed_by"]) == ("proposed", UPDATE, "ann")
    assert place.status().champion.update == "0001"
    assert "because" in place.show_review(ROLLBACK).why
    assert git.run(place.root, "status", "--porcelain").strip() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "state", "left"),
    [("approve", "agreed", ["batch:0002", ROLLBACK]), ("reject", "kept", ["batch:0002"])],
)
def test_the_proposal_is_decided(
    place: Workspace, keys: dict[str, Path], said: str, state: str, left: list[str]
) -> None:
    """What was agreed on waits until it is carried out; what was turned down is gone."""
    say(place, keys, "ann", "withdraw", UPDATE)
    say(place, keys, "bob", said, ROLLBACK)
    assert place.show(UPDATE)["rollback"]["state"] == state
    assert waits(place) == left
    assert place.reviews() == ["batch:0002"]
    assert place.status().champion.update == "0001"


@pytest.mark.slow
def test_silence_ends_no_proposal(place: Workspace, keys: dict[str, Path]) -> None:
    """Where `on_expiry` refuses what nobody decided, a proposal to roll back waits on."""
    say(place, keys, "ann", "withdraw", UPDATE)
    policy(place, on_expiry="reject")
    later = Workspace.open(place.root, clock=lambda: datetime.now(UTC) + timedelta(days=15))
    assert refuse_expired(later._fresh()) == ["batch:0002"]
    assert waits(later) == [ROLLBACK]
    assert "stays open" in later.show_review(ROLLBACK).if_nobody_decides


def test_what_happened_outlives_silence() -> None:
    """Every kind of subject has its consequences."""
    lapses = {kind.name: kind.lapses for kind in KINDS}
    assert lapses == {
        "batch": True,
        "update": True,
        "release": True,
        "anchor": True,
        "rollback": False,
        "incident": False,
        "retirement": True,
    }
