"""A rollback beside other deeds: what was measured, built or asked before it began changes nothing after."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import SOURCE, rows
from copies import copied
from reviewing import only, policy, trust_them

from sluicegate import Workspace
from sluicegate.core import CannotDecide, Conflict, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.core.schema import ROW
from sluicegate.flows.feedback.intake import intake
from sluicegate.flows.feedback.judge import judge
from sluicegate.flows.updates.retrain import nothing_to_do
from sluicegate.record.subjects.incident import HOLD, incident_in
from sluicegate.stores import data, git, record
from sluicegate.stores.settings import fill

pytestmark = pytest.mark.slow

EVE = "eve"


@pytest.fixture
def place(template: Path, tmp_path: Path, keys: dict[str, Path]) -> Workspace:
    """A workspace whose champion learnt a batch in which eve has three rows, and is clean otherwise."""
    found = Workspace.open(copied(template, tmp_path / "loans"))
    git.commit(found.root, [".dvc/config"], "a remote of its own")
    trust_them(found, keys)
    assert found.intake(joined(11)).outcome.value == "pass"
    return found


def joined(seed: int, count: int = 300) -> pd.DataFrame:
    frame = rows(count, seed=seed)
    return frame.assign(**{SOURCE: [EVE] * 3 + list(frame[SOURCE][3:])})


def at(place: Workspace, moment: str, deed: Callable[[], Any]) -> Workspace:
    """Return the workspace as somebody else has it open, who does `deed` once when told `moment`."""
    done: list[str] = []

    def tell(text: str) -> None:
        if moment in text and not done:
            done.append(text)
            deed()

    return Workspace.open(place.root, tell=tell)


def back(place: Workspace, because: str = f"source:{EVE}", **how: Any) -> dict[str, Any]:
    other = Workspace.open(place.root)
    return other.rollback(because, reason="found out", retrain=False, **how).to_dict()


def of_eve(place: Workspace) -> int:
    """Return how many of eve's rows are in the data."""
    layout = place._context.layout
    tables = [
        data.read_verified(layout.admitted(batch) / data.FEEDBACK)
        for batch in data.admitted_batches(layout)
    ]
    return sum(int((table[SOURCE] == EVE).sum()) for table in tables)


def test_an_update_that_was_building_is_not_promoted(place: Workspace) -> None:
    """It learnt what was taken out meanwhile; the schedule trains anew, though no batch is new."""
    with pytest.raises(Conflict, match="left the data after update:0001 learnt them"):
        at(place, ": compare", lambda: back(place)).retrain()
    assert of_eve(place) == 0
    assert place.status().champion.update == "0000"
    assert nothing_to_do(place._context.layout) is None
    params = place.root / "params.yaml"
    # what three rows less come to is chance
    told = only("candidate", {"golden.loss.accuracy": {"reject": 0.9}})
    params.write_text(fill(params.read_text(), told))
    git.commit(place.root, ["params.yaml"], "policy")
    made = Workspace.open(place.root).retrain().to_dict()["update"]
    assert (made["id"], made["stage"]) == ("0002", "promoted")
    assert place.show("update:0001")["update"]["stage"] == "refused"
    assert place.verify().exit_code == 0


def test_an_update_whose_batch_went_is_not_promoted(place: Workspace) -> None:
    """It is on record as made of what it learnt, though the whole batch lies in quarantine by then."""
    with pytest.raises(Conflict, match="batch:0001 left the data after update:0001 learnt them"):
        at(place, ": compare", lambda: back(place, "batch:0001")).retrain()
    layout, folder = place._context.layout, place.root / "updates" / "0001"
    said = record.read_statement(layout, folder / "update.json")["predicate"]
    made = {each["name"]: each["digest"]["sha256"] for each in said["materials"]}
    lot = layout.quarantine("0001") / "held" / data.FEEDBACK
    assert made["batches/0001/feedback.parquet"] == sha256_file(lot)
    assert place.status().champion.update == "0000"
    assert nothing_to_do(layout) is None, "its promotion broke off"
    Workspace.open(place.root).retrain()
    assert place.show("update:0001")["update"]["stage"] == "refused"
    assert place.verify().exit_code == 0


def test_what_was_refused_is_not_what_was_tried(place: Workspace, keys: dict[str, Path]) -> None:
    """The schedule trains the same data once, not whenever it comes round."""
    policy(place, when="always", required=1)
    place.retrain()
    proof = place.sign_review("update:0001", "reject", "ann", keys["ann"])
    place.answer_review("update:0001", "reject", "ann", proof, "no")
    assert "nothing new" in str(nothing_to_do(place._context.layout))
    policy(place, when="always", required=2)
    assert nothing_to_do(place._context.layout) is None, "another policy may let it pass"


def test_an_update_that_waited_is_not_promoted(
    place: Workspace, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after a rollback that died before it took anything out, and nothing is trained either."""
    policy(place, when="always", required=1)
    assert place.retrain().to_dict()["update"]["stage"] == "awaiting"
    with monkeypatch.context() as patch:
        patch.setattr("sluicegate.flows.rollback.rollback._clean", died)
        with pytest.raises(SystemExit):
            back(place)
    proof = place.sign_review("update:0001", "approve", "ann", keys["ann"])
    with pytest.raises(Conflict, match="learnt from rows that incident:0001 removed"):
        place.answer_review("update:0001", "approve", "ann", proof)
    with pytest.raises(Conflict, match=f"run `sluicegate rollback --because source:{EVE}` again"):
        Workspace.open(place.root).retrain(supersede=True)
    assert "was interrupted" in str(place.status().to_dict()["incidents"])
    assert back(place)["incident"] == "0001"
    assert place.status().champion.update == "0000"
    assert of_eve(place) == 0


def died(*_: object) -> None:
    raise SystemExit(9)


def test_a_delivery_that_was_measured_is_judged_again(place: Workspace, tmp_path: Path) -> None:
    """It was on its way when its source was rolled back: her rows are not let in."""
    path, measured = tmp_path / "late.parquet", list[str]()
    joined(14).to_parquet(path, index=False)

    def step(name: str, deed: Callable[..., Any], *given: Any) -> Any:
        made = deed(*given)
        if name == "measure and decide":
            measured.append(made.verdict.outcome.value)
            back(place)
        return made

    told = intake(place._fresh(), path, step)
    assert measured == ["pass", "pause"]
    assert told.outcome.value == "pause"
    assert of_eve(place) == 0


def test_a_batch_that_waited_is_let_in_without_them(
    place: Workspace, keys: dict[str, Path]
) -> None:
    """Reviewers who approve it later were asked before anybody knew."""
    assert place.intake(joined(14, count=20)).outcome.value == "pause"
    back(place)
    proof = place.sign_review("batch:0002", "approve", "ann", keys["ann"])
    place.answer_review("batch:0002", "approve", "ann", proof)
    table = data.read_verified(place._context.layout.admitted("0002") / data.FEEDBACK)
    assert set(range(20)) - set(table[ROW]) == {0, 1, 2}


def test_a_batch_that_waited_is_let_in_without_copies(
    place: Workspace, keys: dict[str, Path]
) -> None:
    """Somebody else had sent the same rows again by then, and reviewers did not know."""
    copies = rows(300, seed=11).head(10).assign(**{SOURCE: "new"})
    waits = pd.concat([rows(12, seed=14), copies], ignore_index=True)
    assert place.intake(waits).outcome.value == "pause"
    back(place, "batch:0001")
    proof = place.sign_review("batch:0002", "approve", "ann", keys["ann"])
    place.answer_review("batch:0002", "approve", "ann", proof)
    table = data.read_verified(place._context.layout.admitted("0002") / data.FEEDBACK)
    assert "new" not in set(table[SOURCE])


def test_a_batch_that_came_while_a_rollback_was_at_work_is_let_in_without_copies(
    place: Workspace, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was measured after the rollback began, and before anything was taken out."""
    with monkeypatch.context() as patch:
        patch.setattr("sluicegate.flows.rollback.rollback._clean", died)
        with pytest.raises(SystemExit):
            back(place, "batch:0001")
    copies = rows(300, seed=11).head(10).assign(**{SOURCE: "new"})
    assert place.intake(pd.concat([rows(12, seed=14), copies])).outcome.value == "pause"
    back(place, "batch:0001")
    proof = place.sign_review("batch:0002", "approve", "ann", keys["ann"])
    place.answer_review("batch:0002", "approve", "ann", proof)
    table = data.read_verified(place._context.layout.admitted("0002") / data.FEEDBACK)
    assert "new" not in set(table[SOURCE])


def test_what_reviewers_knew_of_is_let_in(place: Workspace, keys: dict[str, Path]) -> None:
    """Copies of what was taken out before the batch came were measured, and are theirs to judge."""
    params = place.root / "params.yaml"
    limits: dict[str, dict[str, float]] = {
        "checks.crashed": {"pause": 0},
        "duplicates.taken_out": {"pause": 0},
    }
    params.write_text(fill(params.read_text(), only("intake", limits)))
    git.commit(place.root, ["params.yaml"], "copies are put to people")
    back(place, "batch:0001")
    copies = rows(300, seed=11).head(10).assign(**{SOURCE: "new"})
    told = place.intake(pd.concat([rows(200, seed=14), copies], ignore_index=True)).to_dict()
    assert (told["outcome"], "duplicates.taken_out" in told["reasons"][0]) == ("pause", True)
    proof = place.sign_review("batch:0002", "approve", "ann", keys["ann"])
    place.answer_review("batch:0002", "approve", "ann", proof)
    table = data.read_verified(place._context.layout.admitted("0002") / data.FEEDBACK)
    assert (table[SOURCE] == "new").sum() == 10


def test_what_a_reviewer_writes_is_no_rollback(place: Workspace, keys: dict[str, Path]) -> None:
    """Their reason may sound like an incident's; nothing is counted to it for that."""
    place.intake(joined(14, count=20))
    proof = place.sign_review("batch:0002", "reject", "ann", keys["ann"])
    place.answer_review("batch:0002", "reject", "ann", proof, "incident:0001: the same again")
    assert back(place, "batch:0001")["cleaned"] == [{"batch": "0001", "rows": 300}]
    held = [e for e in record.backwards(place._context.layout) if e.verb == HOLD]
    assert [incident_in(each) for each in held] == ["0001", None]


def test_what_a_rollback_moved_while_it_was_read_is_read_again(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables go to quarantine while a delivery is measured against them; any other fault is told."""
    seen: list[str] = []

    def measuring(*given: Any) -> Any:
        if not seen:
            seen.append("once")
            back(place, "batch:0001")
            raise FileNotFoundError("batches/0001/feedback.parquet")
        return judge(*given)

    monkeypatch.setattr("sluicegate.flows.feedback.intake.judge", measuring)
    assert place.intake(rows(300, seed=14)).outcome.value == "pass"
    seen.clear()
    monkeypatch.setattr("sluicegate.flows.feedback.intake.judge", gone)
    with pytest.raises(CannotDecide, match=r"feedback\.parquet"):
        place.intake(rows(300, seed=15))


def gone(*_: object) -> None:
    raise FileNotFoundError("batches/0001/feedback.parquet")


def test_a_merge_hides_no_incident(place: Workspace) -> None:
    """A branch from before it, merged so that it is gone: whoever asks who is barred is told."""
    before = git.head(place.root)
    back(place)
    aside = commit_tree(place, f"{before}^{{tree}}", before)
    git.run(place.root, "rm", "-rq", "incidents")
    tree = git.run(place.root, "write-tree").strip()
    git.run(place.root, "reset", "-q", commit_tree(place, tree, "HEAD", aside))
    with pytest.raises(Tampered, match=r"incidents/0001/incident\.json is missing"):
        Workspace.open(place.root).intake(rows(300, seed=14))


def commit_tree(place: Workspace, tree: str, *parents: str) -> str:
    named = ("-c", "user.name=Eve", "-c", "user.email=eve@example.org")
    after = [word for parent in parents for word in ("-p", parent)]
    return git.run(place.root, *named, "commit-tree", tree, *after, "-m", "a commit").strip()


@pytest.mark.parametrize("planted", ["nothing signed", "another incident's"])
def test_an_end_that_was_planted_is_none(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    """A rollback that broke off would pass for done, and its rows would be learnt."""
    place.intake(rows(300, seed=13))
    back(place, "batch:0002")
    with monkeypatch.context() as patch:
        patch.setattr("sluicegate.flows.rollback.rollback._clean", died)
        with pytest.raises(SystemExit):
            back(place)
    ended = (place.root / "incidents" / "0001" / "closed.json").read_text()
    text = "{}" if planted == "nothing signed" else ended
    (place.root / "incidents" / "0002" / "closed.json").write_text(text)
    git.commit(place.root, ["incidents/0002/closed.json"], "closed")
    for deed in (Workspace.open(place.root).retrain, lambda: back(place)):
        with pytest.raises(Tampered, match=r"incidents/0002/closed\.json"):
            deed()


def test_a_rollback_that_was_deleted_is_missed(place: Workspace) -> None:
    """With its incident would go the bar on its source, before anybody runs `verify`."""
    back(place)
    git.run(place.root, "rm", "-rq", "incidents")
    git.run(place.root, "commit", "-qm", "tidied up")
    with pytest.raises(Tampered, match=r"incidents/0001/incident\.json is missing"):
        Workspace.open(place.root).intake(joined(14))
    told = Workspace.open(place.root).verify()
    assert (told.exit_code, told.wrong[0].where) == (4, "incidents/0001/incident.json")
    assert of_eve(place) == 0
