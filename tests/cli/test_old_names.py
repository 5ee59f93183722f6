"""Old names of verbs: each answers with the JSON and the exit code of the new form."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sluicegate import Workspace
from sluicegate.cli.contents import FORMER

Rows = Callable[..., pd.DataFrame]
Cli = Callable[..., tuple[int, dict[str, Any], str]]
pytestmark = pytest.mark.slow

READING = [
    ("trace batch:0001", "show batch:0001 --as tree"),
    ("trace source:c99", "show source:c99"),
    ("trace model:1", "show model:1"),
    ("card batch:0001 --profile public", "show batch:0001 --as card --profile public"),
    ("card update:0000 --format json", "show update:0000 --as card"),
    ("card update:0000 --format cyclonedx", "show update:0000 --as cyclonedx"),
    ("incident export incident:0001", "show incident:0001 --as account"),
    (
        "incident export incident:0001 --profile public",
        "show incident:0001 --as account --profile public",
    ),
    ("incident export incident:0001 --profile atlas", "show incident:0001 --as atlas"),
    ("watch", "check --champion"),
    ("calibrate --dry-run", "policy calibrate --dry-run"),
    ("plan --dry-run", "policy plan --dry-run"),
    ("retrain --dry-run", "update --dry-run"),
    (
        "quarantine destroy batch:0001 --source c99 --dry-run",
        "retire quarantine:0001 --source c99 --dry-run",
    ),
]
WRITING = {"intake", "export", "restore"}


@pytest.fixture(scope="module")
def rolled_back(
    template: Path, honest: Rows, poisoned: Rows, tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """A workspace with rows in quarantine and a rollback."""
    root = tmp_path_factory.mktemp("old") / "loans"
    shutil.copytree(template, root, symlinks=True)
    place = Workspace.open(root)
    place.intake(poisoned(honest(300, seed=11), "c99", 40))
    place.rollback("source:c25", reason="reported", retrain=False)
    return place


def without_times(answer: Any) -> Any:
    """Return an answer without how long it took and when it was made."""
    if isinstance(answer, dict):
        left = answer.keys() - {"seconds", "time", "timestamp", "serialNumber"}
        return {name: without_times(answer[name]) for name in answer if name in left}
    return [without_times(each) for each in answer] if isinstance(answer, list) else answer


@pytest.mark.parametrize(("old", "new"), READING)
def test_an_old_name_answers_as_the_new_form(
    old: str, new: str, rolled_back: Workspace, run_cli: Cli
) -> None:
    """The same JSON and exit code."""
    first, then = (run_cli(*each.split(), "-C", rolled_back.root)[:2] for each in (old, new))
    assert first[0] == then[0]
    assert without_times(first[1]) == without_times(then[1])
    assert "error" not in first[1]


def test_every_old_name_is_tried() -> None:
    """Here, or below where something is written."""
    names = {old.split()[0] for old, _ in READING}
    assert {name.split()[0] for name in FORMER} - names == WRITING


def test_intake_is_update_without_the_retraining(
    workspace: Workspace, template: Path, honest: Rows, tmp_path: Path, run_cli: Cli
) -> None:
    """`intake` prints its own JSON, as scripts know it; `update` prints it under its name."""
    honest(300, seed=11).to_parquet(tmp_path / "batch.parquet", index=False)
    twin = tmp_path / "twin"
    shutil.copytree(template, twin, symlinks=True)
    old = run_cli("intake", tmp_path / "batch.parquet", "-C", twin)
    new = run_cli("update", tmp_path / "batch.parquet", "--no-retrain", "-C", workspace.root)
    assert old[0] == new[0] == 0
    assert old[1]["batch"]["id"] == "0001"
    assert [*new[1]] == ["schema", "intake", "retrain"]
    assert new[1]["retrain"] is None
    assert without_times(old[1]) == without_times(new[1]["intake"])


def test_retrain_is_update_without_a_batch(
    workspace: Workspace, honest: Rows, run_cli: Cli
) -> None:
    """`update` prints what `retrain` prints under its name, and null for intake."""
    workspace.intake(honest(300, seed=11))
    code, answer, _ = run_cli("update", "-C", workspace.root)
    assert code == 0
    assert answer["intake"] is None
    assert answer["retrain"]["update"]["stage"] == "promoted"
    assert answer["retrain"]["update"]["batches"] == ["0001"]


def test_export_and_restore(workspace: Workspace, tmp_path: Path, run_cli: Cli) -> None:
    """The champion is copied by both names, and both bring a clone back."""
    where = ("-C", workspace.root)
    made = [
        run_cli("export", tmp_path / "a", *where)[:2],
        run_cli("trust", "export", "--model", tmp_path / "b", *where)[:2],
    ]
    assert [code for code, _ in made] == [0, 0]
    assert made[0][1] | {"folder": None} == made[1][1] | {"folder": None}
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == sorted(
        p.name for p in (tmp_path / "b").iterdir()
    )
    archive = tmp_path / "backup.tar"
    assert run_cli("backup", archive, *where)[0] == 0
    back = [run_cli("restore", archive, *where), run_cli("backup", "--restore", archive, *where)]
    assert back[0][:2] == back[1][:2]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        pytest.param("check", "Name a BATCH", id="check nothing"),
        pytest.param("check x.parquet --champion", "Name a BATCH", id="check two things"),
        pytest.param("update --no-retrain", "Nothing to do", id="update nothing"),
        pytest.param("update x.parquet --supersede", "first", id="supersede with a batch"),
        pytest.param("show batch:0001 --as atlas", "not an incident", id="a batch as an incident"),
        pytest.param("show incident:0001 --as account --profile partner", "partner", id="profile"),
        pytest.param("show batch:0001 --as card --explain", "not both", id="two forms"),
        pytest.param(
            "retire batch:0001 --row 3 --destroy", "quarantine:0001", id="rows of a batch"
        ),
        pytest.param("trust export", "--model FOLDER", id="export nothing"),
        pytest.param("backup x.tar --restore --with-keys", "--with-keys", id="restore with keys"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(
    call: str, why: str, workspace: Workspace, run_cli: Cli
) -> None:
    """With the exit code of a wrong call, before anything is done."""
    code, answer, _ = run_cli(*call.split(), "-C", workspace.root)
    assert code == 2
    assert why in answer["error"]


def test_policy_show_lists_the_limits_in_force(rolled_back: Workspace, run_cli: Cli) -> None:
    """Of all three gates; a calibrated one is never below the written one."""
    code, answer, _ = run_cli("policy", "show", "-C", rolled_back.root)
    assert code == 0
    assert {each["gate"] for each in answer["limits"]} == {"intake", "candidate", "watch"}
    assert all(each["limit"] >= each["written"] for each in answer["limits"])
