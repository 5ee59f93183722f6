"""quarantine and release: what is set aside gets out only under an exception that people signed."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from reviewing import policy, trust_them

from sluicegate import Workspace
from sluicegate.core import Conflict, Missing, Misused
from sluicegate.evidence.statement import VERDICT, predicate_of
from sluicegate.flows.feedback.calibrate import false_stops, is_stale
from sluicegate.gates.approval import State
from sluicegate.record.calibration import intake_policy
from sluicegate.record.subjects.release import read_release
from sluicegate.stores import data, git, record

Rows = Callable[..., pd.DataFrame]
pytestmark = pytest.mark.slow

WAIVED = ("sources.disagreement", "sources.share", "duplicates.contradicting", "drift.concept")


@pytest.fixture(scope="module")
def held_template(
    template: Path, honest: Rows, poisoned: Rows, keys: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:  # fmt: skip
    """A workspace with rows of c99 in quarantine, and one whose income cannot be read."""
    root = tmp_path_factory.mktemp("held") / "loans"
    shutil.copytree(template, root, symlinks=True)
    place = Workspace.open(root)
    frame = poisoned(honest(400, seed=11), "c99", 45)
    frame["income"] = frame["income"].astype(object)
    frame.loc[440, "income"] = "much"
    frame["income"] = frame["income"].astype(str)
    assert place.intake(frame).outcome.value == "quarantine"
    trust_them(place, keys)
    return root


@pytest.fixture
def place(held_template: Path, tmp_path: Path) -> Workspace:
    root = tmp_path / "loans"
    shutil.copytree(held_template, root, symlinks=True)
    return Workspace.open(root)


def ask(place: Workspace, **wanted: object) -> str:
    given: dict[str, object] = {
        "reason": "audited",
        "waives": WAIVED,
        "sources": ("c99",),
        "waive_unmeasured": True,
    }
    return place.release("0001", **given | wanted).subject  # type: ignore[arg-type]


def say(place: Workspace, keys: dict[str, Path], who: str, said: str, subject: str) -> State:
    proof = place.sign_review(subject, said, who, keys[who])
    return place.answer_review(subject, said, who, proof, "because").state


def test_what_is_set_aside_is_listed(place: Workspace) -> None:
    """With its reason, its rows and until when somebody has to look at it."""
    (lot,) = place.quarantine().quarantine
    assert lot.subject == "batch:0001"
    assert "sources.disagreement" in lot.reason
    assert not lot.overdue
    later = Workspace.open(place.root, clock=lambda: datetime.now(UTC) + timedelta(days=32))
    assert later.quarantine().quarantine[0].overdue
    held = place.show_quarantine("0001").held
    assert len(held) == lot.rows
    unread = next(row for row in held if row.row == 440)
    assert "contract.warning" in unread.held_for
    assert {row.source for row in held} == set(lot.sources)
    with pytest.raises(Missing, match="no rows in quarantine"):
        place.show_quarantine("0002")


def test_a_release_names_what_it_waives(place: Workspace) -> None:
    """Nothing is waived that was not named, and nothing is named that is no limit."""
    with pytest.raises(Misused, match=r"stop these rows again, by .*sources.share"):
        ask(place, waives=(), waive_unmeasured=False)
    with pytest.raises(Misused, match=r"no limit 'sources.\*'"):
        ask(place, waives=("sources.*",))
    with pytest.raises(Misused, match="needs a reason"):
        ask(place, reason=" ")
    with pytest.raises(Misused, match="Row 7777"):
        ask(place, rows=(7777,), sources=())
    with pytest.raises(Misused, match="not a date"):
        ask(place, review_by="tomorrow")
    told = place.plan_release("0001", waives=WAIVED, sources=("c99",))
    assert told.stopped_by == ["contract.warning"]
    assert place.quarantine().exceptions == []
    assert git.run(place.root, "status", "--porcelain").strip() == ""


def test_exactly_these_rows_get_out(place: Workspace, keys: dict[str, Path]) -> None:
    """After a yes they are a batch of their own; the row that could not be read stays aside."""
    before = place.quarantine().quarantine[0].rows
    subject = ask(place, review_by="2020-01-01")
    shown = place.show_review(subject)
    assert "sources.disagreement" in shown.names["limits waived for these rows"]
    assert place.status().batches["admitted"] == 1
    with pytest.raises(Conflict, match="already released or requested"):
        ask(place)
    assert say(place, keys, "ann", "approve", subject) is State.APPROVED
    said = read_release(place._context.layout, "0001")
    admitted = data.read_verified(place.root / "batches" / "0002" / data.FEEDBACK)
    held = data.read_verified(place.root / "quarantine" / "0002" / data.FEEDBACK)
    assert len(admitted) + len(held) == len(said["rows"])
    assert said["rows"].index(440) in set(held["_row"])
    assert "contract.warning" in set(held["_reason"])
    assert set(admitted["contributor"]) == {"c99"}
    path = place.root / "intake" / "0002" / "verdict.json"
    verdict = predicate_of(record.read_statement(place._context.layout, path), VERDICT, "")
    assert verdict["policy"] != intake_policy(place._fresh()).digest
    told = place.quarantine().to_dict()
    assert told["quarantine"][0]["rows"] == before - len(said["rows"])
    assert told["exceptions"][0]["overdue"]
    found = {
        each["batch"]: each["receipt"] for each in place.trace("row:0001/440").to_dict()["batches"]
    }
    assert {batch: each["released_from"] for batch, each in found.items()} == {
        "0001": None,
        "0002": "0001",
    }
    assert git.run(place.root, "status", "--porcelain").strip() == ""
    with pytest.raises(Conflict, match="already decided"):
        say(place, keys, "bob", "approve", subject)
    with pytest.raises(Conflict, match="already released or requested"):
        ask(place)


def test_a_rollback_that_goes_on_meanwhile_stops_a_release(
    place: Workspace, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had begun before the last yes, and takes the batch out while the rows are judged again."""
    subject = ask(place)

    def died(*_: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr("sluicegate.flows.rollback.rollback._clean", died)
        with pytest.raises(SystemExit):
            place.rollback("batch:0001", reason="bought", retrain=False)

    def tell(text: str) -> None:
        if "Measuring" in text:
            Workspace.open(place.root).rollback("batch:0001", retrain=False)

    proof = place.sign_review(subject, "approve", "ann", keys["ann"])
    with pytest.raises(Conflict, match="A rollback finished meanwhile"):
        Workspace.open(place.root, tell=tell).answer_review(subject, "approve", "ann", proof)
    assert data.admitted_batches(place._context.layout) == []


def test_a_no_leaves_them_there(place: Workspace, keys: dict[str, Path]) -> None:
    """And they can be asked for again."""
    assert say(place, keys, "ann", "reject", ask(place)) is State.REJECTED
    assert place.quarantine().exceptions[0].state == "refused"
    assert place.status().batches["admitted"] == 1
    assert ask(place) == "release:0002"


def test_a_forged_exception_is_worth_nothing(place: Workspace, keys: dict[str, Path]) -> None:
    """A yes is to the rows and limits that the question names; changed rows end it."""
    subject = ask(place)
    proof = place.sign_review(subject, "approve", "ann", keys["ann"])
    manifest = place.root / "releases" / "0001" / "rows" / data.MANIFEST
    manifest.write_text(manifest.read_text().replace('"rows": ', '"rows": 1'))
    with pytest.raises(Conflict, match="was changed outside"):
        place.answer_review(subject, "approve", "ann", proof)
    git.commit(place.root, ["releases"], "an insider's commit")
    with pytest.raises(Conflict, match="changed since"):
        place.answer_review(subject, "approve", "ann", proof)
    assert place.status().batches["admitted"] == 1


def test_who_released_does_not_review(place: Workspace, keys: dict[str, Path]) -> None:
    """Neither the release that they asked for, nor what is learnt from it afterwards."""
    git.run(place.root, "config", "user.email", "Ann@example.org")
    subject = ask(place)
    git.run(place.root, "config", "user.email", "ops@example.org")
    trust_them(place, keys, ann="git: [ann@example.org]")
    with pytest.raises(Conflict, match="started the run by hand"):
        say(place, keys, "ann", "approve", subject)
    assert say(place, keys, "bob", "approve", subject) is State.APPROVED
    policy(place, when="always")
    assert place.retrain().to_dict()["update"]["stage"] == "awaiting"
    with pytest.raises(Conflict, match="released quarantine"):
        say(place, keys, "ann", "approve", "update:0001")


def test_a_release_is_a_false_stop_until_something_speaks_against_it(
    place: Workspace, keys: dict[str, Path]
) -> None:
    """Only what it waived and let out whole counts, and nothing after a rollback of what it became."""
    context = place._fresh()
    subject = ask(place)
    assert false_stops(context) == ()
    say(place, keys, "ann", "approve", subject)
    (found,) = false_stops(context)
    assert found.release == "0001"
    assert set(found.window) <= set(WAIVED)
    assert "sources.share" in found.window or "sources.disagreement" in found.window
    assert is_stale(context)
    place.rollback("batch:0002", reason="it was poison after all", retrain=False)
    assert false_stops(context) == ()


def test_part_of_what_was_accused_says_nothing(place: Workspace, keys: dict[str, Path]) -> None:
    """A finding about all rows of a source is not false because a few of them were let out."""
    rows = [each.row for each in place.show_quarantine("0001").held if each.source == "c99"]
    say(place, keys, "ann", "approve", ask(place, rows=tuple(rows[:12]), sources=()))
    measured = {metric for each in false_stops(place._fresh()) for metric in each.window}
    assert not measured & {"sources.share", "sources.disagreement"}
