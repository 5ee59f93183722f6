"""retire and quarantine destroy: after a signed yes no store holds the rows, and the record says so."""

import base64
import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from copies import made_at
from reviewing import policy, trust_them
from search_leftovers import ODD, files_with, holding

from sluicegate import Workspace, cli
from sluicegate.cli.retire import print_plan
from sluicegate.cli.terminal import plain_console
from sluicegate.core import CannotDecide, Conflict, Missing, Misused
from sluicegate.flows.assemble import assemble
from sluicegate.gates.approval import State
from sluicegate.record.subjects.retirement import read_certificate
from sluicegate.record.updates import read_update
from sluicegate.stores import dvc, git, models
from sluicegate.stores.mlflow import open_registry
from sluicegate.stores.settings import fill

Rows = Callable[..., pd.DataFrame]
Cli = Callable[..., tuple[int, dict[str, Any], str]]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def held_template(
    template: Path, honest: Rows, poisoned: Rows, keys: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:  # fmt: skip
    """A workspace with rows of c99 in quarantine, one of them with an odd income, and two remotes."""
    root = tmp_path_factory.mktemp("held") / "loans"
    shutil.copytree(template, root, symlinks=True)
    frame = poisoned(honest(400, seed=11), "c99", 45)
    frame.loc[420, "income"] = ODD
    _with_stores_of_its_own(root)
    place = Workspace.open(root)
    assert place.intake(frame).outcome.value == "quarantine"
    trust_them(place, keys)
    for command in (["remote", "add", "spare", "../spare"], ["push", "-q", "-r", "spare"]):
        said = [sys.executable, "-m", "dvc", *command]
        subprocess.run(said, cwd=root, check=True, capture_output=True)
    git.commit(root, [".dvc/config"], "a second remote")
    return root


@pytest.fixture
def place(held_template: Path, tmp_path: Path) -> Workspace:
    for path in held_template.parent.iterdir():
        shutil.copytree(path, tmp_path / path.name, symlinks=True)
    return Workspace.open(tmp_path / "loans")


def _with_stores_of_its_own(root: Path, made: Path | None = None) -> None:
    """Let DVC and MLflow in the copy at `root` name the copy's remote and artifacts."""
    config, before = root / ".dvc" / "config", str(made or made_at(root))
    config.write_text(config.read_text().replace(before, ".."))
    git.commit(root, [".dvc/config"], "a remote of its own")
    columns = {
        "experiments": ["artifact_location"],
        "runs": ["artifact_uri"],
        "model_versions": ["source", "storage_location"],
    }
    with contextlib.closing(sqlite3.connect(root / ".sluicegate" / "mlflow" / "mlflow.db")) as made:
        for table, names in columns.items():
            for name in names:
                made.execute(
                    f"UPDATE {table} SET {name} = replace({name}, ?, ?)",
                    (before, str(root)),
                )
        made.commit()


def say(place: Workspace, keys: dict[str, Path], said: str, subject: str) -> State:
    proof = place.sign_review(subject, said, "ann", keys["ann"])
    return place.answer_review(subject, said, "ann", proof, "because").state


def retire(place: Workspace, what: str, **wanted: object) -> str:
    return str(place.retire(what, reason="audited", **wanted).subject)  # type: ignore[arg-type]


def test_destroyed_rows_are_in_no_store(place: Workspace, keys: dict[str, Path]) -> None:
    """Not in the tree, the cache, a remote, or as received; the ledger names them as destroyed."""
    root = place.root
    before = holding(root, ODD)
    kinds = ("quarantine/", ".dvc/cache/", ".sluicegate/received/", ".sluicegate/remote/")
    assert all(any(path.startswith(kind) for path in before) for kind in kinds)
    assert list(files_with(root.parent / "spare", ODD))
    told = place.plan_retirement("quarantine:0001")
    assert [each.stays for each in told.tables] == [0]
    with pytest.raises(Misused, match="needs a reason"):
        place.retire("quarantine:0001", reason=" ")
    subject = retire(place, "quarantine:0001")
    assert retire(place, "quarantine:0001") == subject  # asked once
    page = (root / "retired" / "0001" / "evidence.html").read_text()
    assert "What would be destroyed" in page
    assert "c99 (" in page
    assert "is destroyed entirely, with its other" in " ".join(page.split())
    assert "learns only from what the champion learnt" not in page
    assert "golden set since the champion" not in page
    assert "nothing is destroyed" in place.show_review(subject).if_nobody_decides
    assert holding(root, ODD) == before
    assert say(place, keys, "approve", subject) is State.APPROVED
    assert holding(root, ODD) == []
    assert list(files_with(root.parent, ODD)) == []
    assert git.run(root, "status", "--porcelain").strip() == ""
    for full in (False, True):
        seen = Workspace.open(root).verify(full=full)
        assert seen.exit_code == 0, seen.wrong
        assert "quarantine:0001 (retirement:0001) was destroyed" in " ".join(seen.notes)
    listed = place.quarantine()
    assert listed.quarantine == []
    assert listed.destroyed[0].state == "retired"
    with pytest.raises(Missing, match="were destroyed"):
        place.show_quarantine("0001")
    assert place.trace("row:0001/420").to_dict()["batches"][0]["set_aside"] == 0


def test_some_rows_go_and_the_others_stay(place: Workspace, keys: dict[str, Path]) -> None:
    """The table is written anew without them, and what it was is gone."""
    rows = [each.row for each in place.show_quarantine("0001").held]
    with pytest.raises(Misused, match="Row 7777"):
        retire(place, "quarantine:0001", rows=(7777,))
    say(place, keys, "approve", retire(place, "quarantine:0001", rows=(420,)))
    left = [each.row for each in place.show_quarantine("0001").held]
    assert left == [row for row in rows if row != 420]
    assert list(files_with(place.root.parent, ODD)) == []
    assert place.verify(full=True).exit_code == 0
    with pytest.raises(Misused, match="Row 420"):
        place.release("0001", reason="audited", rows=(420,))


def test_a_certificate_is_read_as_text(
    place: Workspace, keys: dict[str, Path], tmp_path: Path, run_cli: Cli,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """What, why, by whom, from where, what is not reached and whose key it is; also in a clone."""
    subject = retire(place, "quarantine:0001")
    assert place.show(subject)["certificate"] is None
    say(place, keys, "approve", subject)
    clone = tmp_path / "clone"
    git.run(tmp_path, "clone", "-q", str(place.root), str(clone))
    signed = json.loads((place.root / "retired" / "0001" / "certificate.json").read_text())
    statement = json.loads(base64.b64decode(signed["payload"]))
    key = signed["signatures"][0]["keyid"]
    fingerprint = place.show(subject)["certificate"]["approved_by"][0]["key"]
    for root in (place.root, clone):
        code, told, _ = run_cli("show", subject, "-C", root)
        assert (code, told["certificate"]["statement"]) == (0, statement)
        assert cli.main(["show", subject, "-C", str(root)]) == 0
        said = capsys.readouterr().out
        for words in (
            f"{subject}: quarantine:0001 was destroyed",
            "why: audited",
            f"asked by: {told['retirement']['asked_by']}",
            f"approved by: ann with {fingerprint}",
            f"quarantine/0001/feedback.parquet: sha256 {statement['subject'][0]['digest']['sha256'][:12]},",
            "as received: .sluicegate/received/",
            *(f"removed from: {each}" for each in statement["predicate"]["stores"]),
            *(f"not reached: {each}" for each in statement["predicate"]["left"]),
            f"certificate: retired/0001/certificate.json, signed by the service key {key[:12]} and verified",
        ):
            assert words in said
    place.rotate_keys()
    assert cli.main(["show", subject, "-C", str(place.root)]) == 0
    assert f"{key[:12]}, since replaced by another key, and verified" in capsys.readouterr().out
    signed["payload"] = base64.b64encode(json.dumps(statement | {"x": 1}).encode()).decode()
    (place.root / "retired" / "0001" / "certificate.json").write_text(json.dumps(signed))
    assert cli.main(["show", subject, "-C", str(place.root)]) == 1


def test_a_no_destroys_nothing(place: Workspace, keys: dict[str, Path]) -> None:
    """And without an answer nothing is destroyed either."""
    before = holding(place.root, ODD)
    assert say(place, keys, "reject", retire(place, "quarantine:0001")) is State.REJECTED
    assert holding(place.root, ODD) == before
    assert retire(place, "quarantine:0001") == "retirement:0002"


def test_what_comes_back_is_found(place: Workspace, keys: dict[str, Path]) -> None:
    """Whoever restores an object from an old backup is told of it."""
    table = place.root / "quarantine" / "0001" / "feedback.parquet"
    md5 = dvc.read_pointer(dvc.pointer(table)).md5
    content = table.read_bytes()
    say(place, keys, "approve", retire(place, "quarantine:0001"))
    cached = dvc.copies(place.root, None, md5)["cache"]
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(content)
    assert "is back in the cache" in place.verify().wrong[0].says


def test_what_waits_is_decided_first(place: Workspace) -> None:
    """A release that is asked for holds the rows back from destruction."""
    waived = ("sources.disagreement", "sources.share", "duplicates.contradicting", "drift.concept")
    place.release("0001", reason="audited", waives=waived, sources=("c99",), waive_unmeasured=True)
    with pytest.raises(Conflict, match="already released or requested"):
        retire(place, "quarantine:0001", sources=("c99",))


def test_what_a_killed_intake_pushed_goes_too(
    place: Workspace, keys: dict[str, Path], honest: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No commit points to it; what was delivered again stays, and a foreign pointer stops nothing."""
    gone, again = honest(300, seed=12), honest(300, seed=13)
    gone.loc[7, "income"] = ODD
    with monkeypatch.context() as patched:
        patched.setattr(git, "commit_all", _killed)
        for frame in (gone, again):
            with pytest.raises(RuntimeError):
                place.intake(frame)
    assert place.intake(again).outcome.exit_code == 0
    leftovers = place.root / ".sluicegate" / "leftovers"
    foreign = leftovers / "foreign.parquet.dvc"
    foreign.write_text("outs: 7")
    assert len(list(leftovers.rglob("feedback.parquet.dvc"))) == 2
    say(place, keys, "approve", retire(place, "quarantine:0001"))
    assert list(files_with(place.root.parent, ODD)) == []
    (kept,) = leftovers.rglob("feedback.parquet.dvc")
    assert dvc.read_pointer(kept) == dvc.read_pointer(
        place.root / "batches" / "0002" / "feedback.parquet.dvc"
    )
    assert foreign.exists()
    assert place.verify(full=True).exit_code == 0


def _killed(*_: object) -> None:
    raise RuntimeError


@pytest.fixture(scope="module")
def learnt_template(
    template: Path, honest: Rows, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A workspace in which update:0001 waits; it learnt a batch with ids and an odd income of eve's."""
    root = tmp_path_factory.mktemp("learnt") / "loans"
    shutil.copytree(template, root, symlinks=True)
    _with_stores_of_its_own(root)
    place = Workspace.open(root)
    params = root / "params.yaml"
    # every row is learnt from, also the one that is asked about
    wanted = {"data.id": "case", "compare.held_out": 0.0}
    params.write_text(fill(params.read_text(), wanted))
    git.commit(root, ["params.yaml"], "feedback has ids")
    trust_them(place, keys)
    policy(place, when="always", required=1)
    frame = honest(300, seed=11).assign(case=[f"person-{at:04d}" for at in range(300)])
    frame.loc[7, ["income", "contributor"]] = ODD, "eve"
    assert place.intake(frame).outcome.exit_code == 0
    assert place.retrain().to_dict()["update"]["stage"] == "awaiting"
    return root


@pytest.fixture
def learnt(learnt_template: Path, tmp_path: Path) -> Workspace:
    root = tmp_path / "loans"
    shutil.copytree(learnt_template, root, symlinks=True)
    _with_stores_of_its_own(root, learnt_template)
    return Workspace.open(root)


@pytest.mark.parametrize("what", ["source:eve", "subject:person-0007"])
def test_a_source_is_rolled_back_when_its_rows_are_destroyed(
    learnt: Workspace, keys: dict[str, Path], honest: Rows, what: str
) -> None:
    """What learnt them is taken back and the source barred; whose rows are all there has no others."""
    place = learnt
    say(place, keys, "approve", "update:0001")
    before = [place.trace(f"source:{each}").to_dict() for each in ("eve", "c25")]
    say(place, keys, "approve", retire(place, what))
    assert holding(place.root, ODD) == []
    eve, other = (place.trace(f"source:{each}").to_dict() for each in ("eve", "c25"))
    assert [each["learnt"] for each in eve["updates"]] == [{"0001": 1}]
    assert [each["updates"] for each in (eve, other)] == [each["updates"] for each in before]
    assert other["batches"] == before[1]["batches"]
    with pytest.raises(Missing, match="all were destroyed"):
        place.retire("source:eve", reason="again")
    told = place.rollback("source:eve", reason="bought", retrain=False).to_dict()
    assert [told["champion"][each]["version"] for each in ("before", "after")] == [2, 1]
    say(place, keys, "approve", "incident:0001")
    frame = honest(300, seed=21).assign(case=[f"other-{at}" for at in range(300)])
    frame.loc[:2, "contributor"] = "eve"
    assert place.check(frame).to_dict()["quarantined"]["sources"] == ["eve"]
    assert place.verify(full=True).exit_code == 0


def test_a_model_is_archived_from_wherever_it_is(
    learnt: Workspace, keys: dict[str, Path], tmp_path: Path
) -> None:
    """One that was never promoted is in MLflow besides; what is nowhere is refused when it is asked for."""
    place, archive = learnt, tmp_path / "archive"
    say(place, keys, "reject", "update:0001")
    layout = place._context.layout
    sha256 = read_update(layout, "0001")[0].challenger.sha256  # type: ignore[union-attr]
    shutil.rmtree(layout.models / sha256)
    artifacts = layout.home / "mlflow" / "artifacts"
    artifacts.rename(tmp_path / "away")
    with pytest.raises(CannotDecide, match="cannot archive it"):
        place.retire("model:2", reason="old", archive=str(archive))
    assert not (place.root / "retired").exists()
    shutil.rmtree(artifacts, ignore_errors=True)
    (tmp_path / "away").rename(artifacts)
    say(place, keys, "approve", retire(place, "model:2", archive=str(archive)))
    assert models.digest(archive / sha256) == sha256
    assert not list(artifacts.rglob(sha256))
    assert place.verify(full=True).exit_code == 0


def test_a_person_a_batch_and_a_model_end(
    learnt: Workspace, keys: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each leaves every store, what learnt from it is named, and nobody can go back to it."""
    place = learnt
    with pytest.raises(Conflict, match="update:0001 learnt from it and awaits review"):
        place.retire("subject:person-0007", reason="asked to be forgotten")
    say(place, keys, "approve", "update:0001")
    learnt_before = place.trace("batch:0001").to_dict()["updates"]
    before = place.status().batches
    assert before["admitted"] == 1

    subject = retire(place, "subject:person-0007")
    say(place, keys, "approve", subject)
    assert holding(place.root, ODD) == []
    text = b"".join(path.read_bytes() for path in (place.root / "ledger").iterdir())
    statements = "".join(path.read_text() for path in (place.root / "retired").rglob("*.json"))
    assert b"person-0007" not in text
    assert "person-0007" not in statements
    assert place.status().batches == before
    assert place.trace("batch:0001").to_dict()["updates"] == learnt_before
    with pytest.raises(Missing, match="none was received, or all were destroyed"):
        place.retire("subject:person-0007", reason="again")

    with pytest.raises(Misused, match="outside the workspace"):
        place.retire("batch:0001", reason="old", archive=str(place.root / "archive"))
    subject = retire(place, "batch:0001", archive=str(tmp_path / "archive"))
    say(place, keys, "approve", subject)
    certificate = read_certificate(place._context.layout, "0002")
    assert [each.version for each in certificate.descendants] == [2]
    kept = {f"{each.sha256}.parquet" for each in certificate.destroyed}
    assert kept <= {path.name for path in (tmp_path / "archive").iterdir()}
    assert place.status().batches["admitted"] == 0
    assert place.trace("batch:0001").to_dict()["updates"] == learnt_before
    assemble(place.root)

    with pytest.raises(Conflict, match="Version 2 serves"):
        place.retire("model:2", reason="old")
    sha256 = read_update(place._context.layout, "0000")[0].challenger.sha256  # type: ignore[union-attr]
    assert (place._context.layout.models / sha256).is_dir()
    artifacts = place.root / ".sluicegate" / "mlflow" / "artifacts"
    logged = set(artifacts.rglob("MLmodel"))
    subject = retire(place, "model:1", archive=str(tmp_path / "archive"))
    words = "nothing to go back to: version 1"
    assert words in place.show_review(subject).names["warning"]
    page = (place.root / "retired" / "0003" / "evidence.html").read_text()
    assert words in " ".join(page.split())
    plan = place.plan_retirement("model:1")
    assert words in (plan.warning or "")
    print_plan(plain_console(), plan)
    assert words in " ".join(capsys.readouterr().out.replace("│", " ").split())
    copies = _leave_copies(place, sha256)
    say(place, keys, "approve", subject)
    assert models.digest(tmp_path / "archive" / sha256) == sha256
    assert not [path for path in place.root.rglob(f"*{sha256}*") if ".git" not in path.parts]
    assert len(logged - set(artifacts.rglob("MLmodel"))) == 1
    with pytest.raises(Conflict, match="was destroyed"):
        place.rollback("to:0000", reason="back")
    seen = place.verify(full=True)
    assert seen.exit_code == 0, (seen.wrong, seen.undecided)
    assert "model:1 (retirement:0003) was destroyed" in " ".join(seen.notes)
    copies[0].write_bytes(b"from a backup")
    assert [each.says for each in place.verify().wrong] == ["was destroyed but is back"]
    copies[0].unlink()
    first, second = place.trace("model:1").to_dict(), place.trace("model:2").to_dict()
    assert first["model"]["destroyed_by"] == "0003"
    (batch,) = second["batches"]  # its table is destroyed; how much was learnt stays on record
    assert (batch["learnt"], batch["sources"]) == (learnt_before[0]["learnt"]["0001"], None)

    told = place.rollback("batch:0001", reason="bought", retrain=False).to_dict()
    assert told["suspended"], "no version is clean: nobody serves"
    assert told["champion"]["after"] == told["champion"]["before"]
    assert place.status().suspended == told["incident"] == "0001"
    incident = place.root / "incidents" / "0001"
    assert "serving stopped: no version is clean" in (incident / "incident.md").read_text()
    page = (incident / "evidence.html").read_text()
    assert "Serving now: none, because no version is clean." in page
    assert "No other model took its place" in page
    assert place.rollback("batch:0001", retrain=False).to_dict()["repeated"]
    assert place.verify(full=True).exit_code == 0

    registry = open_registry(place._context.layout, place._context.settings.model)
    assert registry.alias("champion") is None
    registry.set_alias("champion", 2)
    assert [each["says"] for each in place.verify().to_dict()["wrong"]] == [
        "points to version 2, but the signed record says that no model is served"
    ]
    place.watch()
    assert registry.alias("champion") is None

    made = place.retrain().to_dict()["update"]
    say(place, keys, "approve", f"update:{made['id']}")
    assert place.status().suspended is None
    assert registry.alias("champion") == made["challenger"]["version"]
    assert registry.alias("previous") is None, "nobody goes back to what was taken back"


def _leave_copies(place: Workspace, sha256: str) -> list[Path]:
    """Leave what bringing a model back and promoting one leave when they are killed, and no model."""
    layout = place._context.layout
    archive, half = layout.archive(sha256), layout.models / ".back-killed"
    aside = layout.home / "leftovers" / "killed" / "models" / archive.name
    dvc.checkout(layout.root, [archive])
    aside.parent.mkdir(parents=True)
    shutil.copy(archive, aside)
    half.mkdir()
    (layout.models / sha256).rename(half / sha256)
    return [archive, aside, half / sha256]


def test_what_is_due_comes_from_the_cards(place: Workspace) -> None:
    """A period in words is counted from the receipt; a card without one is named."""
    assert place.due().cards["data"].period is False
    params = place.root / "params.yaml"
    params.write_text(fill(params.read_text(), {"card.data.retention": "3 weeks after receipt"}))
    git.commit(place.root, ["params.yaml"], "a card")
    assert place.due().due == ()
    later = Workspace.open(place.root, clock=lambda: datetime.now(UTC) + timedelta(days=23))
    assert [each.what for each in later.due().due] == ["batch:0001"]


def test_the_command_line_asks_and_says_what_would_go(
    place: Workspace, run_cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3 while people have to decide, 2 where nothing says what becomes of it."""
    where = ("-C", place.root)
    code, plan, _ = run_cli("quarantine", "destroy", "batch:0001", "--dry-run", *where)
    assert (code, len(plan["tables"])) == (0, 1)
    away = ("--archive", "/mnt/archive", "--dry-run")
    code, plan, _ = run_cli("retire", "batch:0001", *away, *where)
    assert (code, plan["archive"]) == (0, "/mnt/archive")
    print_plan(plain_console(), place.plan_retirement("batch:0001", archive="/mnt/archive"))
    assert "first, a copy of everything goes to /mnt/archive" in (
        " ".join(capsys.readouterr().out.split())
    )
    code, told, _ = run_cli("retire", "batch:0001", "--reason", "old", *where)
    assert code == 2
    assert "--destroy" in told["error"]
    code, told, _ = run_cli("retire", "batch:0001", "--destroy", "--reason", "old", *where)
    assert (code, told["subject"]) == (3, "retirement:0001")
    assert run_cli("retire", "--due", *where)[0] == 0
    assert run_cli("show", "retirement:0001", *where)[1]["state"] == "proposed"


def test_whose_rows_they_are_must_be_told(place: Workspace) -> None:
    """Without a column of ids nobody can tell."""
    with pytest.raises(Misused, match=r"data\.id in params\.yaml is not set"):
        place.retire("subject:ann", reason="asked to be forgotten")
    with pytest.raises(Misused, match="Cannot retire"):
        place.retire("golden:1", reason="old")
