"""The line: the JSON contract, and what each verb does to files, commits, the ledger and the champion."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sluicegate import Workspace
from sluicegate.stores import record
from sluicegate.stores.data import read_verified
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import fill
from sluicegate.stores.transaction import transaction

Frame = pd.DataFrame
Honest = Callable[..., Frame]

INTAKE_FIELDS = {
    "schema", "batch", "outcome", "quarantined", "suspects", "findings", "reasons", "seconds",
    "uncommitted",
}  # fmt: skip
BATCH_FIELDS = {"id", "path", "sha256", "rows", "sources", "duplicate_of"}
FINDING_FIELDS = {"check", "metric", "value", "limit", "outcome", "rows", "sources", "detail"}
UPDATE_FIELDS = {"id", "stage", "data_commit", "batches", "champion", "challenger"}
OUTCOMES = {"pass", "quarantine", "pause", "reject"}


@pytest.fixture(scope="module")
def taken(line: Workspace, honest: Honest) -> tuple[Workspace, dict[str, Any], Frame]:
    """A workspace after its first honest batch, with five rows outside the contract."""
    frame = honest(400, 3)
    frame.loc[10:14, "region"] = "west"
    return line, line.intake(frame).to_dict(), frame


@pytest.fixture
def own(taken: Any, tmp_path: Path) -> Workspace:
    """A copy of that workspace."""
    shutil.copytree(taken[0].root, tmp_path / "own", symlinks=True)
    return Workspace.open(tmp_path / "own")


def test_intake_answers_by_the_contract(taken: Any) -> None:
    """Every field of the design's section 5, and rows as positions in the received file."""
    _, told, frame = taken
    assert set(told) == INTAKE_FIELDS
    assert set(told["batch"]) == BATCH_FIELDS
    assert told["schema"] == 1
    assert told["batch"] | {"path": "", "sha256": ""} == {
        "id": "0001", "path": "", "sha256": "", "rows": 400,
        "sources": frame["contributor"].nunique(), "duplicate_of": None,
    }  # fmt: skip
    assert len(told["batch"]["sha256"]) == 64
    assert told["outcome"] == "quarantine"
    assert told["quarantined"] == {"rows": [10, 11, 12, 13, 14], "sources": []}
    assert told["suspects"] == {"rows": [], "sources": []}
    assert told["reasons"]
    assert told["seconds"] > 0
    for finding in told["findings"]:
        assert set(finding) == FINDING_FIELDS
        assert finding["outcome"] in OUTCOMES
        assert isinstance(finding["rows"], int)
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_admitted_rows_quarantined_rows_and_the_receipt_lie_where_the_design_says(
    taken: Any,
) -> None:
    """Admitted rows in batches/, those set aside in quarantine/ with their reason, the verdict signed."""
    line, told, frame = taken
    layout = Layout(line.root)
    admitted = read_verified(layout.admitted("0001") / "feedback.parquet")
    aside = read_verified(layout.quarantine("0001") / "feedback.parquet")
    assert sorted([*admitted["_row"], *aside["_row"]]) == list(range(400))
    assert aside["_row"].tolist() == [10, 11, 12, 13, 14]
    assert set(aside["_reason"]) == {"contract.warning"}
    assert admitted["accepted"].tolist() == frame.drop(index=range(10, 15))["accepted"].tolist()
    assert 0 < admitted["_holdout"].mean() < 0.2
    assert {path.name for path in layout.intake("0001").iterdir()} == {
        "manifest.json", "findings.json", "sources.json", "verdict.json", "test-result.json",
        "quotes.json", "quotes.json.dvc",
    }  # fmt: skip
    payload = record.read_statement(layout, layout.intake("0001") / "verdict.json")
    assert payload["predicate"]["quarantined"] == told["quarantined"]
    assert payload["subject"][0]["digest"]["sha256"] == told["batch"]["sha256"]


def test_the_ledger_verifies_and_ends_with_the_batch(taken: Any) -> None:
    """One signed entry for each thing done, chained from init on."""
    layout = Layout(taken[0].root)
    entries = [*record.backwards(layout)][::-1]
    done = [entry for entry in entries if entry.verb != "commit"]
    made = ["init", "update", "intend", "promote", "calibrate", "intake"]
    assert [entry.verb for entry in done[:6]] == made
    assert done[5].details["batch"] == "0001"
    assert entries[-1].verb == "commit", "it names every file that was written"


def test_check_changes_nothing(
    own: Workspace, honest: Honest, git: Any, digest_of: Any, tmp_path: Path
) -> None:
    """No file, no commit, no status: check works on a private copy, and only that it was asked stays."""
    path = tmp_path / "b.parquet"
    honest(300, 4).to_parquet(path, index=False)
    before = digest_of(own.root), git(own.root, "rev-parse", "HEAD"), git(own.root, "status", "-s")
    told = own.check(path).to_dict()
    after = digest_of(own.root), git(own.root, "rev-parse", "HEAD"), git(own.root, "status", "-s")
    asked = [name for name in after[0] if name.startswith(".sluicegate/checks/")]
    assert len(asked) == 1
    assert ({k: v for k, v in after[0].items() if k not in asked}, *after[1:]) == before
    assert told["batch"]["id"] is None
    assert set(told) == INTAKE_FIELDS


def test_intake_judges_as_check_foretold(own: Workspace, honest: Honest, poisoned: Any) -> None:
    """The same delivery has the same findings and verdict in both, but for the batch's number."""
    frame = poisoned(honest(400, 5), "mallory", 40)
    seen, done = own.check(frame).to_dict(), own.intake(frame).to_dict()
    for told in (seen, done):
        told.pop("seconds")
        told["batch"].pop("path"), told["batch"].pop("id")
    assert done == seen
    assert "mallory" in done["quarantined"]["sources"]
    assert set(range(400, 440)) <= set(done["quarantined"]["rows"])


@pytest.mark.parametrize(
    ("made", "outcome", "state", "places"),
    [
        pytest.param(lambda f: f.head(5), "pause", "paused", {"intake/0002/rows"}, id="paused"),
        pytest.param(
            lambda f: f.drop(columns="accepted"), "reject", "rejected", set(), id="rejected"
        ),
        pytest.param(
            lambda f: f.assign(region="west", contributor=[f"c{n}" for n in range(len(f))]),
            None, None, None, id="every row outside the contract",
        ),
    ],
)  # fmt: skip
def test_what_is_not_admitted_is_kept_elsewhere(
    own: Workspace,
    honest: Honest,
    made: Callable[[Frame], Frame],
    outcome: str | None,
    state: str | None,
    places: set[str] | None,
) -> None:
    """A paused batch waits whole in intake/, a rejected one leaves its record only."""
    told = own.intake(made(honest(300, 6))).to_dict()
    assert told["outcome"] == outcome or outcome is None
    assert not (own.root / "batches" / "0002").exists()
    status = own.status().to_dict()
    assert sum(status["batches"].values()) == 2
    if state:
        assert status["batches"][state] == 1
        tables = {
            str(path.parent.relative_to(own.root)) for path in own.root.glob("*/0002/**/*.parquet")
        }
        assert tables == places
    if state == "paused":
        (waiting,) = status["awaiting"]
        assert set(waiting) == {"subject", "since", "why", "expires"}
        assert waiting["subject"] == "batch:0002"


def test_intake_commits_only_its_own_paths(
    own: Workspace, honest: Honest, git: Any, tmp_path: Path
) -> None:
    """The user's staged and unstaged changes are as they were, in the index and in the tree."""
    root = own.root
    (root / "notes.md").write_text("one\n")
    git(root, "add", "notes.md")
    git(root, "commit", "-qm", "notes")
    (root / "notes.md").write_text("two\n")
    git(root, "add", "notes.md")
    (root / "notes.md").write_text("three\n")
    (root / "loose.txt").write_text("mine\n")
    before = git(root, "status", "--porcelain")
    own.intake(honest(300, 4))
    assert git(root, "status", "--porcelain") == before
    assert git(root, "show", ":notes.md") == "two"
    assert git(root, "log", "-1", "--format=%s").startswith("batch:0002 ")
    changed = git(root, "show", "--format=", "--name-only", "HEAD").splitlines()
    assert {name.split("/")[0] for name in changed} <= {"batches", "intake", "ledger", "quarantine"}
    assert not [name for name in changed if name.endswith(".parquet")]


@pytest.mark.slow
def test_the_form_of_the_file_does_not_change_the_verdict(
    own: Workspace, honest: Honest, poisoned: Any, tmp_path: Path
) -> None:
    """CSV, JSONL and parquet of the same rows have the same findings, but that they were asked before."""
    frame = poisoned(honest(300, 8), "mallory", 30)
    frame.to_parquet(tmp_path / "b.parquet", index=False)
    frame.to_csv(tmp_path / "b.csv", index=False)
    frame.to_json(tmp_path / "b.jsonl", orient="records", lines=True, date_format="iso")
    told = [own.check(tmp_path / f"b.{form}").to_dict() for form in ("parquet", "csv", "jsonl")]
    for each in told:
        each.pop("batch"), each.pop("seconds")
    asked = [next(f for f in t["findings"] if f["check"] == "oracle")["value"] for t in told]
    assert asked == [0, 1, 2]
    for each in told:
        each["findings"] = [f for f in each["findings"] if f["check"] != "oracle"]
    assert told[0] == told[1] == told[2]


def test_status_answers_by_the_contract(taken: Any, run_cli: Any) -> None:
    """The champion, what waits, and the batches by state."""
    code, told, err = run_cli("status", "-C", taken[0].root)
    assert (code, err) == (0, "")
    assert set(told) >= {"schema", "model", "champion", "awaiting", "batches"}
    assert set(told["champion"]) == {"version", "sha256", "update", "since"}
    assert set(told["batches"]) == {"admitted", "paused", "quarantined", "rejected"}


@pytest.fixture(scope="module")
def updated(
    taken: Any, honest: Honest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workspace, dict[str, Any]]:
    """A workspace whose first batch was learnt from; another batch arrived while it was built."""
    root = tmp_path_factory.mktemp("updated") / "loans"
    shutil.copytree(taken[0].root, root, symlinks=True)
    arrived: list[str] = []

    def tell(text: str) -> None:
        if text.endswith(": train") and not arrived:
            arrived.append(Workspace.open(root).intake(honest(300, 9)).to_dict()["batch"]["id"])

    told = Workspace.open(root, tell=tell).retrain().to_dict()
    assert arrived == ["0002"]
    return Workspace.open(root), told


def test_retrain_answers_by_the_contract(updated: Any) -> None:
    """Every field of the design's section 5."""
    workspace, told = updated
    assert set(told) == {"schema", "update", "outcome", "findings", "reasons", "seconds"}
    assert set(told["update"]) == UPDATE_FIELDS
    assert told["update"]["stage"] == "promoted", told["reasons"]
    assert told["update"]["champion"]["version"] == 1
    assert told["update"]["challenger"]["version"] == 2
    assert workspace.status().to_dict()["champion"]["version"] == 2
    assert workspace.status().to_dict()["champion"]["update"] == told["update"]["id"]
    for finding in told["findings"]:
        assert set(finding) == FINDING_FIELDS


def test_a_batch_that_arrives_while_a_challenger_is_built_is_not_in_the_update(
    updated: Any, git: Any
) -> None:
    """The data commit is pinned before the pipeline starts, and admits what the update names."""
    workspace, told = updated
    assert told["update"]["batches"] == ["0001"]
    listed = git(
        workspace.root, "ls-tree", "--name-only", told["update"]["data_commit"], "batches/"
    )
    assert listed.splitlines() == ["batches/.gitkeep", "batches/0001"]
    assert workspace.plan_retrain()["new"] == ["0002"]


def test_a_promotion_leaves_its_evidence(updated: Any, git: Any) -> None:
    """updates/NNNN is committed and tagged; nothing of ours is left uncommitted."""
    workspace, told = updated
    folder = workspace.root / "updates" / told["update"]["id"]
    names = {path.name for path in folder.iterdir()}
    assert {"update.json", "comparison.json", "report.md", "promotion.json", "products"} <= names
    assert git(workspace.root, "tag", "--list") == "update/0000\nupdate/0001"
    assert git(workspace.root, "status", "--porcelain") == ""
    assert git(workspace.root, "worktree", "list").count("\n") == 0


@pytest.mark.slow
def test_plain_dvc_works_in_a_workspace_and_gives_the_same_model(
    updated: Any, tmp_path: Path
) -> None:
    """status, repro, metrics and plots by DVC's own command line; golden predictions are equal."""
    from sluicegate.record.champion import champion_of
    from sluicegate.stores import models
    from sluicegate.stores.settings import read_settings

    root = tmp_path / "loans"
    shutil.copytree(updated[0].root, root, symlinks=True)
    shutil.rmtree(root / "batches" / "0002")
    dvc(root, "status")
    dvc(root, "metrics", "show")
    dvc(root, "metrics", "diff", "update/0000", "update/0001")
    dvc(root, "plots", "show")
    dvc(root, "repro")
    layout = Layout(root)
    schema = read_settings(layout.params).schema_
    golden = read_verified(layout.golden)
    champion = champion_of(layout)
    served = models.load(layout.models / champion.sha256, champion.sha256, schema)
    digest = models.digest(root / "build" / "model")
    again = models.load(root / "build" / "model", digest, schema)
    assert np.array_equal(served.scores(golden), again.scores(golden))
    train = pd.read_parquet(root / "build" / "train.parquet")
    admitted = read_verified(layout.admitted("0001") / "feedback.parquet")
    assert len(train) == 1500 + int((~admitted["_holdout"]).sum())
    held = admitted[admitted["_holdout"]]
    assert train.merge(held[["income", "debt", "opened"]]).empty


@pytest.mark.slow
def test_an_update_that_waits_stays_until_it_is_superseded(
    updated: Any, tmp_path: Path, git: Any, run_cli: Any
) -> None:
    """approval.when always: retrain pauses (3), waits (3), and only --supersede replaces it."""
    root = tmp_path / "loans"
    shutil.copytree(updated[0].root, root, symlinks=True)
    _approve(root, git, "always")
    champion = updated[0].status().to_dict()["champion"]
    code, first, _ = run_cli("retrain", "-C", root)
    assert (code, first["update"]["stage"], first["outcome"]) == (3, "awaiting", "pause")
    code, again, _ = run_cli("retrain", "-C", root)
    assert (code, again["update"]["id"]) == (3, first["update"]["id"])
    _, status, _ = run_cli("status", "-C", root)
    assert [each["subject"] for each in status["awaiting"]] == [f"update:{first['update']['id']}"]
    code, other, _ = run_cli("retrain", "-C", root, "--supersede")
    assert (code, other["update"]["stage"]) == (3, "awaiting")
    _, status, _ = run_cli("status", "-C", root)
    assert [each["subject"] for each in status["awaiting"]] == [f"update:{other['update']['id']}"]
    assert status["champion"] == champion
    _, shown, _ = run_cli("show", f"update:{first['update']['id']}", "-C", root)
    assert shown["update"]["stage"] == "refused"


@pytest.mark.slow
def test_a_rejected_candidate_puts_the_new_batches_on_hold(
    updated: Any, tmp_path: Path, git: Any, run_cli: Any
) -> None:
    """The batches since the champion leave training, are counted as quarantined, and can come back."""
    root = tmp_path / "loans"
    shutil.copytree(updated[0].root, root, symlinks=True)
    params = root / "params.yaml"
    params.write_text(fill(params.read_text(), {"gates.candidate.churn": {"reject": -1}}))
    git(root, "commit", "-qam", "policy")
    champion = updated[0].status().to_dict()["champion"]
    code, told, _ = run_cli("retrain", "-C", root)
    assert (code, told["update"]["stage"], told["outcome"]) == (4, "refused", "reject")
    status = Workspace.open(root).status().to_dict()
    assert status["champion"] == champion
    assert (status["batches"]["admitted"], status["batches"]["quarantined"]) == (1, 1)
    held = root / "quarantine" / "0002" / "held"
    assert {path.name for path in held.iterdir()} == {
        "feedback.parquet", "feedback.parquet.dvc", "manifest.json", "reason.json",
    }  # fmt: skip
    assert Workspace.open(root).plan_retrain()["batches"] == ["0001"]
    assert git(root, "status", "--porcelain") == ""


@pytest.mark.slow
def test_never_asking_a_human_refuses_what_would_wait(
    updated: Any, tmp_path: Path, git: Any
) -> None:
    """approval.when never: a pause becomes a refusal, never a promotion."""
    root = tmp_path / "loans"
    shutil.copytree(updated[0].root, root, symlinks=True)
    _approve(root, git, "never")
    params = root / "params.yaml"
    params.write_text(fill(params.read_text(), {"gates.candidate.churn": {"pause": -1}}))
    git(root, "commit", "-qam", "policy")
    told = Workspace.open(root).retrain().to_dict()
    assert (told["update"]["stage"], told["outcome"]) == ("refused", "reject")
    assert Workspace.open(root).status().to_dict()["batches"]["admitted"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("task", ["regression", "three classes"])
def test_other_tasks_go_down_the_whole_line(tmp_path: Path, honest: Honest, task: str) -> None:
    """Regression and more than two classes: init, a poisoned batch, an honest one, an update."""

    def made(count: int, seed: int) -> Frame:
        frame = honest(count, seed).drop(columns="accepted")
        score = frame["income"] / 10 - frame["debt"].fillna(20) / 5
        if task == "regression":
            rng = np.random.default_rng(seed)
            return frame.assign(y=(score + rng.normal(0, 0.1, count)).round(3))
        return frame.assign(y=pd.cut(score, [-99, 0.5, 1.5, 99], labels=False))

    workspace = Workspace.init(
        tmp_path / "w",
        data=made(800, 1),
        label="y",
        source="contributor",
        trainer={"trees": 10},
        task=None,
    )
    told = workspace.intake(made(300, 2)).to_dict()
    assert told["outcome"] in ("pass", "quarantine"), told["reasons"]
    bad = made(300, 3)
    worst = bad.sample(40, random_state=1).assign(contributor="mallory")
    worst["y"] = worst["y"] + 8 if task == "regression" else (worst["y"] + 1) % 3
    told = workspace.intake(pd.concat([bad, worst], ignore_index=True)).to_dict()
    assert "mallory" in told["quarantined"]["sources"] or told["outcome"] == "pause", told[
        "reasons"
    ]
    told = workspace.retrain().to_dict()
    assert told["update"]["stage"] in ("promoted", "awaiting")


@pytest.mark.slow
def test_a_sensitive_value_is_nowhere_in_the_workspace(tmp_path: Path, honest: Honest) -> None:
    """Pseudonymised before it is hashed, stored or shown: not in files, cache, remote or git objects."""
    marker = "MARKER-7f3a9c"

    def made(count: int, seed: int) -> Frame:
        frame = honest(count, seed)
        frame["region"] = marker + frame["region"]
        frame["contributor"] = marker + frame["contributor"]
        return frame

    root = tmp_path / "w"
    workspace = Workspace.init(
        root, data=made(600, 1), label="accepted", source="contributor",
        sensitive=("region", "contributor"), slices=("region",), trainer={"trees": 5},
    )  # fmt: skip
    workspace.intake(made(300, 2))
    unseen = made(300, 3)
    unseen.loc[:5, "region"] = marker + "west"
    workspace.intake(unseen)
    broken = tmp_path / "broken.csv"
    broken.write_text(made(40, 4).to_csv(index=False) + f"{marker},1,2,3,4,5,6,7,8\n")
    assert workspace.intake(broken).to_dict()["outcome"] == "reject"
    workspace.retrain()
    gone = workspace.rollback(f"source:{marker}c07", reason="bought", retrain=False).to_dict()
    assert gone["cleaned"]
    again = workspace.rollback(gone["because"], retrain=False).to_dict()
    assert again["repeated"], "its pseudonym names it, too"
    subprocess.run(["git", "-C", root, "gc", "-q"], check=True)
    assert list(_found(root, marker)) == []


@pytest.mark.slow
def test_a_workspace_in_a_repository_of_the_users(tmp_path: Path, honest: Honest, git: Any) -> None:
    """init adds its own files and one commit; what the user had is as it was."""
    root = tmp_path / "mine"
    root.mkdir()
    git(root, "init", "-q")
    (root / ".gitignore").write_text("*.log\n*.parquet")
    (root / "train.py").write_text(
        (Path(__file__).parents[2] / "train.py").read_text() + "\n# mine\n"
    )
    (root / "app.py").write_text("print(1)\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "mine")
    (root / "app.py").write_text("print(2)\n")
    git(root, "add", "app.py")
    workspace = Workspace.init(
        root, data=honest(600, 1), label="accepted", source="contributor", trainer={"trees": 5}
    )
    assert git(root, "status", "--porcelain") == "M  app.py"
    assert (root / "train.py").read_text().endswith("# mine\n")
    assert workspace.status().to_dict()["champion"]["version"] == 1


@pytest.mark.slow
def test_status_starts_no_more_processes_with_fifty_batches(
    own: Workspace, honest: Honest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is costly does not grow with the receipts: fifty more, and git is asked as often."""
    real, started = subprocess.run, []

    def run(*arguments: Any, **options: Any) -> Any:
        started.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(subprocess, "run", run)
    paused = own.root / "intake" / "0002"
    own.intake(honest(5, 1))
    started.clear()
    own.status()
    before = len(started)
    with transaction(own._context, "test", "more"):
        for number in range(3, 53):
            shutil.copytree(paused, own.root / "intake" / f"{number:04d}")
    started.clear()
    told = own.status().to_dict()
    assert 0 < len(started) <= before
    assert told["batches"]["paused"] == 51


def dvc(root: Path, *arguments: str) -> str:
    """Run DVC's own command line in `root`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, text=True,
        env=os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _approve(root: Path, git: Any, when: str) -> None:
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("when: on_divergence", f"when: {when}"))
    git(root, "commit", "-qam", f"approval {when}")


def _found(root: Path, marker: str) -> Iterator[str]:
    """Yield every file below `root` that holds `marker`, unpacked where git or parquet packs."""
    for path in root.rglob("*"):
        if path.is_file() and marker.encode() in path.read_bytes():
            yield str(path)
        table = path.is_file() and path.read_bytes()[:4] == b"PAR1"
        if table and marker in pd.read_parquet(path).to_csv():
            yield str(path)
    listed = subprocess.run(
        ["git", "-C", root, "cat-file", "--batch", "--batch-all-objects"],
        capture_output=True, check=True,
    )  # fmt: skip
    if marker.encode() in listed.stdout:
        yield "a git object"


@pytest.mark.slow
def test_a_workspace_without_a_source_column_passes_honest_feedback(
    tmp_path: Path, honest: Callable[..., pd.DataFrame]
) -> None:
    """What init declared not applicable does not pause every batch; its other checks still judge."""
    base, batch = (honest(n, seed).drop(columns="contributor") for n, seed in ((900, 1), (300, 2)))
    workspace = Workspace.init(tmp_path / "w", data=base, label="accepted", trainer={"trees": 5})
    told = workspace.check(batch).to_dict()
    assert told["outcome"] == "pass", told["reasons"]
    assert workspace.check(batch.drop(columns="income")).to_dict()["outcome"] == "reject"
