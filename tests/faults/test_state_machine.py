"""A workspace's life at random: whatever people do, and whatever dies or is tampered with meanwhile.

Every deed runs in a forked child, so that it may be killed; beside the real stores stands a model of
what has to be the case, held to after every step.
"""

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from conftest import rows
from copies import copied
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from interrupted import Point, disturbed, in_child
from reviewing import policy, trust_them

from sluicegate import Workspace
from sluicegate.record.champion import champion_of
from sluicegate.stores import keys, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.mlflow import open_registry

pytestmark = pytest.mark.slow

DEATHS = st.none() | st.integers(1, 25)


class Life(RuleBasedStateMachine):
    """One workspace, and what is known of it."""

    base: ClassVar[Path]
    keys: ClassVar[dict[str, Path]]

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="life-"))
        self.root = copied(self.base, self.folder / "loans")
        self.files: dict[str, Path] = {}
        self.admitted: set[str] = set()
        self.taken_out: set[str] = set()
        self.learnt: dict[str, set[str]] = {"0000": set()}
        self.promoted = ["0000"]
        self.champion, self.waiting = "0000", ""

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def done(self, deed: Callable[[Workspace], Any], dies: int | None = None) -> Any:
        """Do it, after it died at its effect number `dies` if it came so far."""
        act = partial(_dict, self.root, deed)
        if dies is not None:
            disturbed(act, Point("after", dies, "any"))
        return in_child(act)

    @precondition(lambda self: len(self.files) < 4)
    @rule(seed=st.integers(1, 10**6), dies=DEATHS)
    def submit(self, seed: int, dies: int | None) -> None:
        path = self.folder / f"{seed}.parquet"
        rows(300, seed).to_parquet(path, index=False)
        told = self.done(lambda place: place.intake(path), dies)
        batch = told["batch"]["id"]
        if path in self.files.values():
            assert told["batch"]["duplicate_of"] == batch
            return
        assert batch == f"{len(self.files) + 1:04d}"
        self.files[batch] = path
        if told["outcome"] in ("pass", "quarantine"):
            self.admitted.add(batch)

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        batch = data.draw(st.sampled_from(sorted(self.files)))
        told = self.done(lambda place: place.intake(self.files[batch]))
        assert told["batch"]["duplicate_of"] == batch

    @precondition(lambda self: not self.waiting and len(self.learnt) < 4)
    @rule(dies=DEATHS)
    def learn(self, dies: int | None) -> None:
        made = self.done(lambda place: place.retrain(), dies)["update"]
        assert set(made["batches"]) == self.admitted
        self.learnt[made["id"]] = set(made["batches"])
        self.waiting = made["id"] if made["stage"] == "awaiting" else ""
        assert made["stage"] in ("awaiting", "rejected")

    @precondition(lambda self: self.waiting)
    @rule(decision=st.sampled_from(["approve", "approve", "reject"]), dies=DEATHS)
    def review(self, decision: str, dies: int | None) -> None:
        subject = f"update:{self.waiting}"

        def answer(place: Workspace) -> Any:
            if subject not in place.reviews():
                return {}  # it was decided before the process died
            proof = place.sign_review(subject, decision, "ann", self.keys["ann"])
            return place.answer_review(subject, decision, "ann", proof, "looked at")

        self.done(answer, dies)
        self.done(lambda place: place.status())  # finishes what broke off
        if decision == "approve":
            self.champion = self.waiting
            self.promoted.append(self.champion)
        self.waiting = ""

    @precondition(lambda self: self.admitted)
    @rule(data=st.data(), dies=DEATHS)
    def roll_back(self, data: st.DataObject, dies: int | None) -> None:
        batch = data.draw(st.sampled_from(sorted(self.admitted)))
        because = f"batch:{batch}"
        self.done(lambda place: place.rollback(because, reason="seen", retrain=False), dies)
        self.admitted.remove(batch)
        self.taken_out.add(batch)
        clean = [each for each in self.promoted if not self.learnt[each] & self.taken_out]
        if self.learnt[self.champion] & self.taken_out:
            self.champion = clean[-1]
        if self.waiting and batch in self.learnt[self.waiting]:
            self.waiting = ""

    @rule(dies=DEATHS)
    def rotate(self, dies: int | None) -> None:
        self.done(lambda place: place.rotate_keys(reason="a year is over"), dies)

    @rule()
    def revoke(self) -> None:
        layout = Layout(self.root)
        key, last = keys.keyring(layout).current.keyid, len(record.entry_files(layout)) + 1
        self.done(lambda place: place.rotate_keys(reason="lost with a laptop"))
        self.done(lambda place: place.revoke_key(key, last, reason="lost", vouch=True))

    @rule(data=st.data())
    def tamper(self, data: st.DataObject) -> None:
        """One byte of the record is another: `verify` says which file, and it is put back."""
        rooms = [self.root / room for room in ("ledger", "updates", "intake", "incidents")]
        signed = sorted(path for room in rooms for path in room.rglob("*.json"))
        path = data.draw(st.sampled_from(signed))
        kept = path.read_bytes()
        at = data.draw(st.integers(0, len(kept) - 1))
        path.write_bytes(kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :])
        told = self.done(lambda place: place.verify(full=True))
        assert not told["ok"], path
        path.write_bytes(kept)

    @invariant()
    def holds(self) -> None:
        """One champion, promoted and signed for, of nothing that was taken out; nothing is lost."""
        if not hasattr(self, "root"):
            return
        told = in_child(partial(_seen, self.root))
        assert told["verified"] == []
        assert (told["champion"], told["alias"]) == (self.champion, told["version"])
        assert not set(told["batches"]) & self.taken_out
        assert told["received"] == len(self.files)
        assert told["admitted"] == sorted(self.admitted)
        assert told["journal"] is False


def _dict(root: Path, deed: Callable[[Workspace], Any]) -> Any:
    told = deed(Workspace.open(root))
    return told if isinstance(told, dict) else told.to_dict()


def _seen(root: Path) -> dict[str, Any]:
    place, layout = Workspace.open(root), Layout(root)
    serving = champion_of(layout)
    checked = place.verify(full=True).to_dict()
    registry = open_registry(layout, place._context.settings.model, None)
    return {
        "verified": [*checked["wrong"], *checked["undecided"]],
        "champion": serving.update,
        "version": serving.version,
        "batches": serving.batches,
        "alias": registry.alias("champion"),
        "received": len(list(layout.received.glob("*"))),
        "admitted": record.admitted_in(layout, "HEAD"),
        "journal": (layout.home / "journal.json").exists(),
    }


@pytest.fixture
def lives(template: Path, keys: dict[str, Path], tmp_path: Path) -> type[RuleBasedStateMachine]:
    """Lives that begin with a champion, and with ann and bob as reviewers."""
    Life.base, Life.keys = copied(template, tmp_path / "loans"), keys
    trust_them(Workspace.open(Life.base), keys)
    policy(Workspace.open(Life.base), when="always", required=1)
    return Life


def test_whatever_happens(lives: type[RuleBasedStateMachine]) -> None:
    """The invariants of `Life` hold in every life."""
    run_state_machine_as_test(
        lives,
        settings=settings(
            max_examples=3,
            stateful_step_count=10,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
