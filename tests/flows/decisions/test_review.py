"""review: real SSH keys, real workspaces, and every way around an approval that we could think of."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest
from reviewing import policy, trust_them

from sluicegate import Workspace
from sluicegate.cli import main
from sluicegate.core import Artifact, Conflict, Missing, Misused, Stage, Tampered
from sluicegate.evidence.statement import DECISION, REQUEST, VOTE
from sluicegate.flows.updates import promote as promoting
from sluicegate.flows.updates.retrain import nothing_to_do
from sluicegate.gates.approval import Decision, State
from sluicegate.record.context import SERVED, open_context
from sluicegate.record.questions import read_request
from sluicegate.record.updates import read_update
from sluicegate.review.votes import current
from sluicegate.stores import files, git, record
from sluicegate.stores.transaction import Transaction, transaction

pytestmark = pytest.mark.slow

Rows = Callable[..., pd.DataFrame]


@pytest.fixture
def place(paused_template: Path, tmp_path: Path) -> Workspace:
    root = tmp_path / "loans"
    shutil.copytree(paused_template, root, symlinks=True)
    return Workspace.open(root)


def answer(place: Workspace, keys: dict[str, Path], who: str, said: str, subject: str) -> State:
    proof = place.sign_review(subject, said, who, keys[who])
    return place.answer_review(subject, said, who, proof, "because").state


def champion(place: Workspace) -> str:
    return str(place.status().champion.update)


def test_a_signed_yes_moves_the_champion(place: Workspace, keys: dict[str, Path]) -> None:
    """The question names both models, and after one yes the challenger serves."""
    shown = place.show_review("update:0001")
    assert {"champion", "challenger", "data commit", "params.yaml", "ledger head"} <= set(
        shown.names
    )
    assert shown.open
    assert shown.dead is None
    assert champion(place) == "0000"
    assert answer(place, keys, "ann", "approve", "update:0001") is State.APPROVED
    assert champion(place) == "0001"
    with pytest.raises(Conflict, match="already decided"):
        answer(place, keys, "bob", "reject", "update:0001")
    assert [each.verb for each in record.backwards(place._context.layout)][:4] == [
        "promote",
        "commit",
        "intend",
        "decide",
    ]


def test_a_signed_no_refuses_it(place: Workspace, keys: dict[str, Path]) -> None:
    """The champion serves on, and the reason is on record."""
    assert answer(place, keys, "ann", "reject", "update:0001") is State.REJECTED
    assert champion(place) == "0000"
    assert place.show("update:0001")["update"]["stage"] == "refused"
    assert place.reviews() == ["batch:0002"]


@pytest.mark.parametrize(("said", "state"), [("approve", "admitted"), ("reject", "quarantined")])
def test_a_paused_batch(place: Workspace, keys: dict[str, Path], said: str, state: str) -> None:
    """A yes admits its rows with a share held out, a no sets all of them aside; DVC agrees."""
    answer(place, keys, "bob", said, "batch:0002")
    assert place.status().batches["paused"] == 0
    assert place.show("batch:0002")["state"] == state
    admitted = place.root / "batches" / "0002" / "feedback.parquet"
    held = place.root / "quarantine" / "0002" / "held" / "feedback.parquet"
    assert (admitted.exists(), held.exists()) == (state == "admitted", state == "quarantined")
    assert len(pd.read_parquet(admitted if admitted.exists() else held)) == 20
    status = git.run(place.root, "status", "--porcelain")
    assert status.strip() == ""
    told = "--because batch:0002" if state == "admitted" else "sluicegate show batch:0002"
    with pytest.raises(Conflict, match=told):
        answer(place, keys, "bob", "withdraw", "batch:0002")


def test_two_people(place: Workspace, keys: dict[str, Path]) -> None:
    """Where two are required one is not enough, also twice, and asking anew binds the new policy."""
    policy(place, required=2, separate_duties=False)
    with pytest.raises(Conflict, match=r"params.yaml changed since"):
        answer(place, keys, "ann", "approve", "batch:0002")
    place.renew_review("batch:0002")
    assert answer(place, keys, "ann", "approve", "batch:0002") is State.OPEN
    assert answer(place, keys, "ann", "approve", "batch:0002") is State.OPEN
    assert len(place.show_review("batch:0002").votes) == 1
    assert answer(place, keys, "bob", "approve", "batch:0002") is State.APPROVED
    with pytest.raises(Conflict, match="The policy, golden set"):
        place.renew_review("update:0001")


def test_a_withdrawn_yes_stays_withdrawn(place: Workspace, keys: dict[str, Path]) -> None:
    """The old signature cannot bring it back."""
    policy(place, required=2, separate_duties=False)
    place.renew_review("batch:0002")
    old = place.sign_review("batch:0002", "approve", "ann", keys["ann"])
    place.answer_review("batch:0002", "approve", "ann", old)
    answer(place, keys, "ann", "withdraw", "batch:0002")
    place.answer_review("batch:0002", "approve", "ann", old)
    assert answer(place, keys, "bob", "approve", "batch:0002") is State.OPEN
    assert current(place._fresh(), "batch:0002").standing.approved_by == ("bob",)


def test_nobody_reviews_what_they_had_a_hand_in(place: Workspace, keys: dict[str, Path]) -> None:
    """Not the source of its rows, not the author of the policy, not somebody whom nobody knows."""
    source = sorted(place.show("batch:0001")["manifest"]["sources"])[0]
    author = git.run(place.root, "log", "-1", "--format=%ae", "--", "params.yaml").strip()
    trust_them(place, keys, "ann bob", ann=f"sources: [{source}]", bob=f"git: ['{author}']")
    with pytest.raises(Conflict, match="supplied rows of batch:0001"):
        answer(place, keys, "ann", "approve", "update:0001")
    with pytest.raises(Conflict, match="changed policy"):
        answer(place, keys, "bob", "approve", "update:0001")
    (place.root / "trust" / "people.yaml").write_text("{}\n")
    git.commit(place.root, ["trust/people.yaml"], "nobody is known")
    with pytest.raises(Conflict, match="does not list ann"):
        answer(place, keys, "ann", "approve", "update:0001")
    assert champion(place) == "0000"


def test_who_may_not_review_is_told_before_they_sign(
    place: Workspace, keys: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key is not asked for; a proof that was made otherwise is refused by the workspace itself."""
    source = sorted(place.show("batch:0001")["manifest"]["sources"])[0]
    trust_them(place, keys, "ann bob", ann=f"sources: [{source}]")
    why = f"ann may not review update:0001: as source {source} they supplied rows of batch:0001"
    for said in ("approve", "reject"):
        with pytest.raises(Conflict, match=why):
            place.sign_review("update:0001", said, "ann", tmp_path / "no key")
    said = ["update:0001", "--as", "ann", "--key", str(keys["ann"]), "--approve"]
    capsys.readouterr()
    for more in ([], ["--text"]):
        assert main(["review", "sign", *said, *more, "-C", str(place.root)]) == 2
        shown = capsys.readouterr()
        assert (shown.out, why in shown.err) == ("", True)
    text = read_request(place._context.layout, "update:0001")[0].text(Decision.APPROVE, "ann")
    proof = _ssh_sign(text, keys["ann"], "sluicegate-approval")
    with pytest.raises(Conflict, match=why):
        place.answer_review("update:0001", "approve", "ann", proof)
    assert answer(place, keys, "bob", "approve", "update:0001") is State.APPROVED
    trust_them(place, keys, "ann bob", bob=f"sources: [{source}]")  # to take back is anybody's
    assert "decision: withdraw" in place.text_to_sign("update:0001", "withdraw", "bob")


def test_a_clone_that_cannot_tell_lets_its_reviewer_sign(
    place: Workspace, keys: dict[str, Path], tmp_path: Path
) -> None:
    """A shallow one does not know who changed what; the workspace does, and decides."""
    trust_them(place, keys, "ann", ann="git: [somebody@example.org]")
    shallow = tmp_path / "shallow"
    git.run(tmp_path, "clone", "-q", "--depth", "1", f"file://{place.root}", str(shallow))
    clone = Workspace.open(shallow, reading=True)
    proof = clone.sign_review("update:0001", "approve", "ann", keys["ann"])
    assert place.answer_review("update:0001", "approve", "ann", proof).state is State.APPROVED


def test_nobody_reviews_a_run_that_they_started(
    place: Workspace, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand a run is started by a git identity; the runner's schedules are started by nobody."""
    git.run(place.root, "config", "user.email", "Starter@example.org")
    waiting = place.retrain(supersede=True).update.id
    trust_them(place, keys, "ann bob", ann="git: [starter@example.org]")
    with pytest.raises(Conflict, match="started the run by hand"):
        answer(place, keys, "ann", "approve", f"update:{waiting}")
    assert champion(place) == "0000"
    assert answer(place, keys, "bob", "approve", f"update:{waiting}") is State.APPROVED
    monkeypatch.setenv(SERVED, str(place.root))  # which anybody can set
    assert place._fresh().started_by == "Starter@example.org"
    assert replace(place._fresh(), unattended=True).started_by is None


def test_an_uncommitted_policy_decides_nothing(place: Workspace, keys: dict[str, Path]) -> None:
    """Whoever edits it while people sign would choose how many have to, and could take it back."""
    proof = place.sign_review("batch:0002", "approve", "ann", keys["ann"])
    params = place.root / "params.yaml"
    params.write_text(params.read_text() + "\n# mine\n")
    for deed in (
        lambda: place.answer_review("batch:0002", "approve", "ann", proof),
        lambda: place.renew_review("batch:0002"),
    ):
        with pytest.raises(Conflict, match=r"params\.yaml"):
            deed()


def test_a_no_is_not_asked_away(
    place: Workspace, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process died before it carried the no out; asking anew would forget it."""
    with monkeypatch.context() as patch:
        patch.setattr("sluicegate.flows.decisions.review.refuse", died)
        with pytest.raises(SystemExit):
            answer(place, keys, "ann", "reject", "batch:0002")
    with pytest.raises(Conflict, match="batch:0002 was rejected: ann"):
        place.renew_review("batch:0002")
    assert answer(place, keys, "ann", "reject", "batch:0002") is State.REJECTED
    assert place.status().batches["quarantined"] == 1


def died(*_: object) -> None:
    raise SystemExit(9)


def test_proofs_that_are_none(place: Workspace, keys: dict[str, Path]) -> None:
    """A stranger's, another subject's, another decision's, another namespace's, none at all."""
    other = place.sign_review("batch:0002", "approve", "ann", keys["ann"])
    text = place.text_to_sign("update:0001", "approve", "ann")
    refused = {
        "stranger": place.sign_review("update:0001", "approve", "ann", keys["eve"]),
        "subject": other,
        "decision": place.sign_review("update:0001", "reject", "ann", keys["ann"]),
        "name": place.sign_review("update:0001", "approve", "bob", keys["ann"]),
        "namespace": _ssh_sign(text, keys["ann"], "git"),
        "nothing": "",
        "jinja": "{{ flow_run.id }}",
        "long": "A" * 30_000,
    }
    for name, proof in refused.items():
        with pytest.raises(Misused) as told:
            place.answer_review("update:0001", "approve", "ann", proof)
        assert "proof" in str(told.value).lower(), name
    for name in ("-oProxyCommand", "ann\nbob", "*", ""):
        with pytest.raises(Misused, match="is not a valid name"):
            place.answer_review("update:0001", "approve", name, other)
    assert (champion(place), place.show_review("update:0001").votes) == ("0000", [])
    # and the plain command of OpenSSH is as good as ours
    proof = _ssh_sign(text, keys["ann"], "sluicegate-approval")
    assert place.answer_review("update:0001", "approve", "ann", proof).state is State.APPROVED


def test_a_removed_reviewer_no_longer_counts(place: Workspace, keys: dict[str, Path]) -> None:
    """Their recorded yes dies with their key."""
    policy(place, required=2, separate_duties=False)
    place.renew_review("batch:0002")
    answer(place, keys, "ann", "approve", "batch:0002")
    trust_them(place, keys, "bob")
    assert answer(place, keys, "bob", "approve", "batch:0002") is State.OPEN
    assert "ann" in current(place._fresh(), "batch:0002").refused[0]


def test_without_reviewers_nobody_decides(place: Workspace, keys: dict[str, Path]) -> None:
    """An uncommitted allowed_signers is none."""
    git.run(place.root, "rm", "--cached", "-q", "trust/allowed_signers")
    git.run(place.root, "commit", "-qm", "gone")
    with pytest.raises(Misused, match="There are no reviewers"):
        answer(place, keys, "ann", "approve", "update:0001")


def test_changed_evidence_kills_the_question(place: Workspace, keys: dict[str, Path]) -> None:
    """The reviewer is told which file changed, in the tree alone or committed by an insider."""
    proof = place.sign_review("update:0001", "approve", "ann", keys["ann"])
    path = place.root / "updates" / "0001" / "comparison.json"
    path.write_text(path.read_text().replace("0.9", "0.8"))
    assert "comparison.json changed" in place.show_review("update:0001").dead
    with pytest.raises(Conflict, match=r"updates/0001/comparison.json was changed outside"):
        place.answer_review("update:0001", "approve", "ann", proof)
    git.commit(place.root, ["updates"], "an insider's commit")
    with pytest.raises(Conflict, match=r"updates/0001/comparison.json changed since"):
        place.answer_review("update:0001", "approve", "ann", proof)


def test_a_decision_without_votes_promotes_nothing(place: Workspace, keys: dict[str, Path]) -> None:
    """Even with the service's own key: promotion verifies the people's signatures itself."""
    context = place._fresh()
    layout = context.layout
    subject = [context_artifact(place)]
    said = {"subject": "update:0001", "state": "approved", "approved_by": ["ann"], "time": "now"}
    thief = Transaction(layout, context.now)
    thief.state(layout.update("0001") / "decision.json", subject, DECISION, said)
    assert read_update(layout, "0001")[0].stage is Stage.APPROVED
    with pytest.raises(Conflict, match="0 of 1 approvals"):
        promoting.promote(context, "0001")
    proof = place.sign_review("batch:0002", "approve", "ann", keys["ann"])
    forged = {
        "subject": "update:0001",
        "nonce": place.show_review("update:0001").nonce,
        "reviewer": "ann",
        "decision": "approve",
        "signature": proof,
        "reason": "",
        "time": "now",
    }
    reviews = layout.update("0001") / "reviews" / "001.json"
    thief.state(reviews, subject, VOTE, forged)
    with pytest.raises(Conflict, match="0 of 1 approvals"):
        promoting.promote(context, "0001")
    assert champion(place) == "0000"


def test_a_vote_of_another_service_is_tampering(place: Workspace, keys: dict[str, Path]) -> None:
    policy(place, required=2, separate_duties=False)
    place.renew_review("batch:0002")
    answer(place, keys, "ann", "approve", "batch:0002")
    path = place.root / "intake" / "0002" / "reviews" / "001.json"
    path.write_text(path.read_text().replace('"payload": "ey', '"payload": "eY'))
    git.commit(place.root, ["intake"], "an insider's commit")
    with pytest.raises(Tampered):
        place.show_review("batch:0002")


def test_time_runs_out(place: Workspace, keys: dict[str, Path]) -> None:
    """By default nothing is decided and it can be asked again; an old proof does not fit the new text."""
    later = Workspace.open(place.root, clock=lambda: datetime.now(UTC) + timedelta(days=15))
    old = place.sign_review("batch:0002", "approve", "ann", keys["ann"])
    with pytest.raises(Conflict, match="expired at"):
        later.answer_review("batch:0002", "approve", "ann", old)
    later.renew_review("batch:0002")
    with pytest.raises(Misused, match="proof"):
        later.answer_review("batch:0002", "approve", "ann", old)
    assert answer(later, keys, "ann", "approve", "batch:0002") is State.APPROVED


ZONES = [
    pytest.param(-5, id="New York"),
    pytest.param(0, id="UTC"),
    pytest.param(14, id="Kiritimati"),
]


@pytest.mark.parametrize("hours", ZONES)
def test_a_vote_in_time_holds_wherever_the_clock_stands(
    place: Workspace, keys: dict[str, Path], hours: int
) -> None:
    """The end of a question is written in UTC; what was accepted is verified, what came late is not."""
    zone = timezone(timedelta(hours=hours))
    policy(place, expires_days=0.1)
    here = Workspace.open(place.root, clock=lambda: datetime.now(zone))
    here.renew_review("batch:0002")
    assert here.show_review("batch:0002").expires.endswith("+00:00")
    late = Workspace.open(place.root, clock=lambda: datetime.now(zone) + timedelta(hours=3))
    assert "expired at" in late.show_review("batch:0002").dead
    assert answer(here, keys, "ann", "approve", "batch:0002") is State.APPROVED
    assert here.verify(full=True).wrong == ()


@pytest.mark.parametrize("hours", [-5, 14])
def test_a_question_that_was_written_in_the_clocks_zone_still_verifies(
    place: Workspace, keys: dict[str, Path], hours: int
) -> None:
    """An earlier version wrote the end of a question with the clock's own offset."""
    policy(place, expires_days=0.1)
    place.renew_review("batch:0002")
    layout = place._context.layout
    path = layout.intake("0002") / "request.json"
    with transaction(place._context, "review", "asked by an earlier version") as writing:
        payload = record.read_statement(layout, path)
        bound = [Artifact(each["name"], each["digest"]["sha256"]) for each in payload["subject"]]
        end = datetime.fromisoformat(payload["predicate"]["expires"])
        there = end.astimezone(timezone(timedelta(hours=hours))).isoformat(timespec="seconds")
        made = writing.state(path, bound, REQUEST, payload["predicate"] | {"expires": there})
        writing.append("ask", [made], {"subject": "batch:0002"})
    assert answer(place, keys, "ann", "approve", "batch:0002") is State.APPROVED
    assert place.verify(full=True).wrong == ()


def test_on_expiry_reject(place: Workspace) -> None:
    """The next retrain refuses what nobody decided; nothing else is needed to run."""
    policy(place, on_expiry="reject")
    later = Workspace.open(place.root, clock=lambda: datetime.now(UTC) + timedelta(days=15))
    assert later.retrain().to_dict()["update"]["id"] == "0002"
    assert later.show("update:0001")["update"]["stage"] == "refused"
    assert later.show("batch:0002")["state"] == "quarantined"


def test_a_kill_between_yes_and_promotion(
    place: Workspace, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same answer again, or the next retrain, finishes it."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sluicegate.flows.decisions.review.promote", killed)
        with pytest.raises(KeyboardInterrupt):
            answer(place, keys, "ann", "approve", "update:0001")
    assert champion(place) == "0000"
    assert place.status().unfinished == "0001"
    assert nothing_to_do(place._context.layout) is None, "the schedule would finish it"
    with files.locked(place._context.layout.home / "retrain.lock", "", wait=False):
        promoting.finish_broken_off(place._fresh())
        assert champion(place) == "0000", "one that is at work is left alone"
    promoting.finish_broken_off(place._fresh())
    assert champion(place) == "0001"
    assert place.status().unfinished is None


def test_an_approval_that_died_does_not_block_the_line(
    place: Workspace, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approved, killed, and then the reviewer is removed: refused, and the line goes on."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sluicegate.flows.decisions.review.promote", killed)
        with pytest.raises(KeyboardInterrupt):
            answer(place, keys, "ann", "approve", "update:0001")
    trust_them(place, keys, "bob")
    promoting.finish_promotion(place._fresh())
    assert champion(place) == "0000"
    assert read_update(place._context.layout, "0001")[0].stage is Stage.REFUSED


def test_the_command_line_in_a_clone(
    place: Workspace, keys: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reviewer signs in a clone, sees what is signed, and ops pass the proof on."""
    clone = tmp_path / "clone"
    git.run(tmp_path, "clone", "-q", str(place.root), str(clone))
    assert main(["review", "list", "-C", str(clone), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["subject"] for each in told["reviews"]] == ["batch:0002", "update:0001"]
    said = ["update:0001", "--as", "ann", "--key", str(keys["ann"])]
    assert main(["review", "sign", *said, "--approve", "-C", str(clone)]) == 0
    shown = capsys.readouterr()
    assert "decision: approve\nreviewer: ann\n" in shown.err
    proof = tmp_path / "proof"
    proof.write_text(shown.out)
    assert main(["review", "approve", *said, "-C", str(clone)]) == 2
    assert "a clone is read-only" in capsys.readouterr().err
    given = ["update:0001", "--as", "ann", "--proof", str(proof), "--reason", "fine"]
    assert main(["review", "approve", *given, "-C", str(place.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "subject": "update:0001",
        "state": "approved",
        "approved_by": ["ann"],
        "required": 1,
        "done": "version 2 is champion",
    }
    assert main(["review", "show", "update:0001", "-C", str(place.root)]) == 0
    assert "already decided" in capsys.readouterr().out
    said = ["batch:0002", "--as", "bob", "--key", str(keys["bob"])]
    assert main(["review", "reject", *said, "-C", str(place.root)]) == 4


def test_what_cannot_be_reviewed(place: Workspace) -> None:
    """Names that are none, and subjects that ask nothing."""
    for name in ("champion", "update:../0001", "row:1", "update:"):
        with pytest.raises(Misused, match="cannot be reviewed"):
            place.show_review(name)
    with pytest.raises(Missing, match="Nothing to review"):
        place.show_review("batch:0001")


def context_artifact(place: Workspace):  # type: ignore[no-untyped-def]
    from sluicegate.core import Artifact

    return Artifact("params.yaml", open_context(place.root).policy_digest)


def _ssh_sign(text: str, key: Path, namespace: str) -> str:
    done = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", namespace],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
