"""trace: from a version in MLflow back to the deliveries it is made of, and on to when it served."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sluicegate import Workspace, cli
from sluicegate.cli.terminal import plain_console
from sluicegate.cli.trees import print_tree
from sluicegate.core import Misused, Tampered
from sluicegate.core.schema import HOLDOUT
from sluicegate.record.serving_history import services
from sluicegate.record.updates import read_update
from sluicegate.stores import data, git, record

pytestmark = pytest.mark.slow
Rows = Callable[..., pd.DataFrame]
Cli = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture(scope="module")
def waits(paused_template: Path) -> Workspace:
    """A workspace in which model:2 waits for review."""
    return Workspace.open(paused_template)


@pytest.fixture(scope="module")
def place(
    paused_template: Path, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """A workspace in which model:2 served and was taken back with batch:0001: model:1 serves again."""
    place = decided(paused_template, tmp_path_factory.mktemp("traced") / "loans", "approve", keys)
    place.rollback("batch:0001", reason="found out", retrain=False)
    return place


def decided(template: Path, root: Path, said: str, keys: dict[str, Path]) -> Workspace:
    """Return a copy of the workspace in which ann decided on update:0001."""
    shutil.copytree(template, root, symlinks=True)
    place = Workspace.open(root)
    proof = place.sign_review("update:0001", said, "ann", keys["ann"])
    place.answer_review("update:0001", said, "ann", proof)
    return place


def test_a_version_is_traced_back_to_its_deliveries(place: Workspace) -> None:
    """By the signed record: update, run, data commit, and of each batch how many rows of whom."""
    told = place.trace("model:2").to_dict()
    layout = place._context.layout
    update = read_update(layout, "0001")[0]
    assert told["model"]["update"] == "0001"
    assert told["model"]["sha256"] == update.challenger.sha256  # type: ignore[union-attr]
    assert told["model"]["data_commit"] == update.data_commit
    reference = json.loads(git.read_at(place.root, update.data_commit, "reference/manifest.json"))
    assert told["reference"] == {"rows": reference["rows"], "sha256": reference["sha256"]}
    (batch,) = told["batches"]
    table = data.read_admitted_at(layout, "0001", update.data_commit)
    learnt = table[~table[HOLDOUT].astype(bool)]
    assert batch["learnt"] == len(learnt) < len(table) == batch["learnt"] + batch["held_out"]
    assert batch["sources"] == learnt["contributor"].value_counts().to_dict()
    manifest = json.loads((layout.intake("0001") / "manifest.json").read_text())
    (delivery,) = layout.received.glob(f"{batch['receipt']['sha256']}*")
    assert batch["receipt"] == {
        "file": manifest["file"],
        "sha256": hashlib.sha256(delivery.read_bytes()).hexdigest(),
        "received": manifest["received"],
        "feed": None,
        "released_from": None,
    }


def test_a_version_is_traced_on_to_whom_it_served(place: Workspace) -> None:
    """From its promotion until an incident, which is named; the one before it serves again."""
    first, second = (
        place.trace("model:1").to_dict()["model"],
        place.trace("model:2").to_dict()["model"],
    )
    moves = [
        e for e in record.backwards(place._context.layout) if e.verb in ("promote", "reinstate")
    ]
    times = [each.details["time"] for each in reversed(moves)]
    assert len(times) == 3
    (served,) = second["served"]
    assert (served["since"], served["until"]) == (times[1], times[2])
    assert served["ended"] == {"verb": "reinstate", "update": "0000", "incident": "0001"}
    assert (second["champion"], second["stage"]) == (False, "rolled_back")
    assert second["taken_back_by"] == "0001"
    spans = [(each["since"], each["until"]) for each in first["served"]]
    assert spans == [(times[0], times[1]), (times[2], None)]
    assert (first["champion"], first["taken_back_by"]) == (True, None)
    account = json.loads((place.root / "incidents" / "0001" / "account.json").read_text())
    assert account["served"] == [
        {"update": "0001", "version": 2, "from": times[1], "until": times[2]}
    ]


def test_a_version_that_waits_or_was_rejected_never_served(
    waits: Workspace, keys: dict[str, Path], tmp_path: Path
) -> None:
    """What it is made of is told all the same, and the update says the same of it."""
    waiting = waits.trace("model:2").to_dict()
    rejected = decided(waits.root, tmp_path / "loans", "reject", keys).trace("model:2").to_dict()
    for told, stage in ((waiting, "awaiting"), (rejected, "refused")):
        assert (told["model"]["stage"], told["model"]["served"]) == (stage, [])
        assert told["model"]["taken_back_by"] is None
        assert [each["batch"] for each in told["batches"]] == ["0001"]
    assert waiting["batches"] == rejected["batches"]
    shown = waits.trace("update:0001").to_dict()
    (embodied,) = shown["updates"]
    assert (embodied["version"], embodied["served"], embodied["promoted"]) == (2, [], None)
    assert embodied["learnt"] == {"0001": waiting["batches"][0]["learnt"]}


def test_an_update_that_was_rolled_back_before_it_served(waits: Workspace, tmp_path: Path) -> None:
    """The incident that refused it is named."""
    shutil.copytree(waits.root, tmp_path / "loans", symlinks=True)
    copy = Workspace.open(tmp_path / "loans")
    copy.rollback("batch:0001", reason="found out", retrain=False)
    assert copy.trace("model:2").to_dict()["model"]["taken_back_by"] == "0001"


def test_a_row_and_a_source_name_their_delivery(place: Workspace) -> None:
    """And who served what learnt from them, until when."""
    for what in ("row:0001/5", "source:c02", "batch:0001", "update:0001"):
        told = place.trace(what).to_dict()
        assert (
            told["batches"][0]["receipt"]
            == place.trace("model:2").to_dict()["batches"][0]["receipt"]
        ), what
    version = next(each for each in told["updates"] if each["version"] == 2)
    assert version["served"] == place.trace("model:2").to_dict()["model"]["served"]
    assert (version["taken_back_by"], version["promoted"]) == (
        "0001",
        version["served"][0]["since"],
    )
    assert (
        place.trace("model:1").to_dict()["model"]["served"][-1]["since"]
        == place.status().champion.since
    )


def test_what_a_person_reads_of_a_version(
    place: Workspace, waits: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tree says what the JSON says."""
    assert cli.main(["trace", "model:2", "-C", str(place.root)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in ("made by update:0001, rolled_back", "reference: ", "learnt "):
        assert words in said
    assert "rolled back by incident:0001" in said
    assert "(update:0000 was reinstated, incident:0001)" in " ".join(said.split("│")).replace(
        "  ", " "
    )
    assert "is the champion now" not in said
    print_tree(plain_console(), place.trace("model:1"))
    assert "is the champion now" in capsys.readouterr().out
    print_tree(plain_console(), waits.trace("model:2"))
    assert "never served" in capsys.readouterr().out


def test_a_version_is_no_cause_of_a_rollback(place: Workspace, run_cli: Cli) -> None:
    """A model is made of all that came before it; the update to name instead is named."""
    commit = git.head(place.root)
    code, told, _ = run_cli("rollback", "--because", "model:2", "-C", place.root)
    assert (code, git.head(place.root)) == (2, commit)
    assert "`sluicegate rollback --because update:0001`" in told["error"]
    with pytest.raises(Misused, match="or, to trace it, model:3"):
        place.trace("model:two")
    code, told, _ = run_cli("trace", "model:9", "-C", place.root)
    assert (code, "There is no model:9" in told["error"]) == (2, True)


def test_a_receipt_that_was_rewritten_is_tampering(place: Workspace, tmp_path: Path) -> None:
    """The manifest of a receipt is the one that the signed verdict names."""
    root = tmp_path / "loans"
    shutil.copytree(place.root, root, symlinks=True)
    path = root / "intake" / "0002" / "manifest.json"
    path.write_text(path.read_text().replace('"rows": 20', '"rows": 21'))
    with pytest.raises(Tampered, match=r"intake/0002/manifest\.json was changed"):
        Workspace.open(root).trace("batch:0002")


def test_a_change_of_keys_ends_no_service(place: Workspace, tmp_path: Path) -> None:
    """New keys say once more who the champion is, and it served all the while; or nobody did."""
    root = tmp_path / "loans"
    shutil.copytree(place.root, root, symlinks=True)
    copy = Workspace.open(root)
    before = services(copy._context.layout)
    copy.rotate_keys(reason="yearly")
    assert services(copy._context.layout) == before
