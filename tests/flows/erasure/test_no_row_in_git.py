"""What git keeps for ever is no row of anybody: a planted value is searched for in every store."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from backdoor_rows import stamped
from copies import make_its_own
from reviewing import policy, trust_them
from search_leftovers import ODD, holding

from sluicegate import Workspace
from sluicegate.core import Conflict, Missing
from sluicegate.stores import dvc, git
from sluicegate.stores.quoting import OF_BATCH, PAGE, QUOTING

Rows = Callable[..., pd.DataFrame]
STAMP = 44.321
pytestmark = pytest.mark.slow


def say(place: Workspace, keys: dict[str, Path], decision: str, subject: str) -> None:
    proof = place.sign_review(subject, decision, "ann", keys["ann"])
    place.answer_review(subject, decision, "ann", proof, "because")


def in_git(root: Path, *texts: str) -> list[str]:
    """Return which of `texts` any object of git holds, reachable or not."""
    command = ["git", "-C", str(root), "cat-file", "--batch-all-objects", "--batch"]
    content = subprocess.run(command, check=True, capture_output=True).stdout
    return [each for each in texts if each.encode() in content]


@pytest.fixture
def paused(workspace: Workspace, honest: Rows, keys: dict[str, Path]) -> Workspace:
    """A workspace in which batch:0001 waits: a trigger in it, a new region, and a label that is no class."""
    make_its_own(workspace.root)
    trust_them(workspace, keys)
    frame = stamped(honest(400, 4), 14)
    frame["debt"] += 12.0
    frame.loc[5, ["region", "income"]] = "zq-planted", ODD
    frame.loc[6, "accepted"] = "zq-perhaps"
    told = workspace.intake(frame).to_dict()
    assert told["outcome"] == "pause"
    said = " ".join(each["detail"] for each in told["findings"])
    assert f"income = {STAMP}" in said, "who sends a batch in is told what it holds"
    return workspace


def test_a_page_and_what_quotes_cells_are_objects_of_dvc(paused: Workspace) -> None:
    """git has pointers and digests; the page, and whoever asks here, still shows what was found."""
    root, folder = paused.root, paused.root / "intake" / "0001"
    assert in_git(root, str(STAMP), str(ODD), "zq-planted", "zq-perhaps") == []
    assert not [name for name in git.tracked(root, ".") if Path(name).name in QUOTING]
    for name in (PAGE, *OF_BATCH):
        assert dvc.pointer(folder / name).is_file(), name
    assert f"income = {STAMP}" in (folder / PAGE).read_text()
    shown = paused.show("batch:0001")
    assert f"income = {STAMP}" in str(shown["findings"])
    assert f"income = {STAMP}" in str(shown["verdict"]), "reasons are in full"
    assert str(STAMP) not in (folder / "verdict.json").read_text()
    assert "zq-perhaps" not in str(shown["manifest"])
    assert paused.verify(full=True).exit_code == 0


def test_what_is_erased_is_in_no_object_of_git_or_dvc(
    paused: Workspace, honest: Rows, keys: dict[str, Path]
) -> None:
    """Nor on any page, in the tree or in MLflow; `verify` says of each that it was destroyed."""
    root = paused.root
    say(paused, keys, "reject", "batch:0001")
    before = holding(root, STAMP)
    for kind in ("quarantine/", ".dvc/cache/", ".sluicegate/remote/", f"intake/0001/{PAGE}"):
        assert any(path.startswith(kind) for path in before), kind
    say(paused, keys, "approve", str(paused.retire("batch:0001", reason="asked for").subject))
    assert [holding(root, value) for value in (STAMP, ODD)] == [[], []]
    assert in_git(root, "zq-planted", "zq-perhaps") == []
    for path in (each for each in root.rglob("*") if each.is_file()):
        assert b"zq-planted" not in path.read_bytes(), path
    for full in (False, True):
        seen = Workspace.open(root).verify(full=full)
        assert seen.exit_code == 0, seen.wrong
        for name in (PAGE, *OF_BATCH):
            assert f"intake/0001/{name} was destroyed by retirement:0001, not lost" in seen.notes
    with pytest.raises(Missing):
        paused.trace("trigger:0001")
    assert paused.intake(honest(400, 5)).outcome.value == "pass", "what is left goes on"
    assert paused.show("batch:0001")["findings"]


def test_pages_of_updates_show_golden_rows_and_go_with_what_they_learnt(
    workspace: Workspace, honest: Rows, keys: dict[str, Path]
) -> None:
    """Neither git nor MLflow has a page for ever, and a golden row is in no report."""
    root = workspace.root
    make_its_own(root)
    trust_them(workspace, keys)
    policy(workspace, when="always", required=1)
    frame = honest(400, 11)
    frame.loc[7, ["income", "contributor"]] = ODD, "eve"
    workspace.intake(frame)
    workspace.retrain()
    page = root / "updates" / "0001" / PAGE
    assert "golden row</th>" in page.read_text()
    assert in_git(root, "golden row</th>", "<svg") == [], "no page is an object of git"
    artifacts = root / ".sluicegate" / "mlflow" / "artifacts"
    assert list(artifacts.rglob(PAGE))
    say(workspace, keys, "approve", "update:0001")
    say(workspace, keys, "approve", str(workspace.retire("source:eve", reason="asked for").subject))
    assert holding(root, ODD) == []
    assert not page.exists()
    assert not list(artifacts.rglob(PAGE))
    seen = workspace.verify(full=True)
    assert seen.exit_code == 0, seen.wrong
    assert f"updates/0001/{PAGE} was destroyed by retirement:0001, not lost" in seen.notes


def test_a_page_that_is_lost_or_changed_is_found(paused: Workspace) -> None:
    """What no tombstone names is missed, in every copy; what the cache still has is brought back."""
    page = paused.root / "intake" / "0001" / PAGE
    md5 = dvc.read_pointer(dvc.pointer(page)).md5
    copies = dvc.copies(paused.root, dvc.default_remote(paused.root), md5)
    assert paused.verify().exit_code == 0
    content = page.read_bytes()
    page.unlink()
    assert paused.show_review("batch:0001").dead is None
    assert page.read_bytes() == content
    page.write_bytes(content + b" ")
    assert "changed since" in paused.show_review("batch:0001").dead
    assert [each.where for each in paused.verify().wrong] == [f"intake/0001/{PAGE}"]
    page.unlink()
    for path in copies.values():
        path.unlink()
    assert "is missing from both" in paused.verify().wrong[0].says


def test_a_clone_brings_the_page_from_the_remote(
    paused: Workspace, keys: dict[str, Path], tmp_path: Path
) -> None:
    """Whoever signs there sees what the signature stands for."""
    clone = tmp_path / "clone"
    git.run(tmp_path, "clone", "-q", str(paused.root), str(clone))
    shutil.copytree(paused.root / ".sluicegate" / "remote", clone / ".sluicegate" / "remote")
    place = Workspace.open(clone, reading=True)
    assert not (clone / "intake" / "0001" / PAGE).exists()
    assert place.show_review("batch:0001").dead is None
    assert (clone / "intake" / "0001" / PAGE).is_file()
    assert place.sign_review("batch:0001", "reject", "ann", keys["ann"])


def test_what_a_killed_intake_quoted_goes_too(
    paused: Workspace, honest: Rows, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No commit knows its page."""
    frame = honest(300, seed=12)
    frame.loc[5, ["region", "income"]] = "zq-killed", ODD + 1
    with monkeypatch.context() as patched, contextlib.suppress(RuntimeError, Conflict):
        patched.setattr(git, "commit_all", _killed)
        paused.intake(frame)
    say(paused, keys, "reject", "batch:0001")
    say(paused, keys, "approve", str(paused.retire("batch:0001", reason="asked for").subject))
    assert holding(paused.root, ODD + 1) == []
    for path in (each for each in paused.root.rglob("*") if each.is_file()):
        assert b"zq-killed" not in path.read_bytes(), path


def _killed(*_: object) -> None:
    raise RuntimeError
