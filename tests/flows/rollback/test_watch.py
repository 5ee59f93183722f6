"""watch: the champion is judged on what it has not learnt, and a breach leads to a rollback."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import LABEL, rows
from reviewing import only, policy, trust_them

from sluicegate import Workspace
from sluicegate.stores import git
from sluicegate.stores.settings import fill

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def moved(
    template: Path, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """A workspace with a champion of its own, and then feedback from another world, let in."""
    root = tmp_path_factory.mktemp("moved") / "loans"
    shutil.copytree(template, root, symlinks=True)
    place = Workspace.open(root)
    trust_them(place, keys)
    policy(place, when="always", required=1)
    place.update(rows(300, seed=11))
    say(place, keys, "update:0001")
    assert place.watch().verdict.outcome.value == "pass"
    world = rows(300, seed=31)
    world[LABEL] = world[LABEL].map({"yes": "no", "no": "yes"})
    batch = place.intake(world).to_dict()
    assert batch["outcome"] == "pause"
    say(place, keys, "batch:0002")
    return place


def say(place: Workspace, keys: dict[str, Path], subject: str) -> None:
    proof = place.sign_review(subject, "approve", "ann", keys["ann"])
    place.answer_review(subject, "approve", "ann", proof)


def copy(moved: Workspace, tmp_path: Path) -> Workspace:
    return Workspace.open(shutil.copytree(moved.root, tmp_path / "loans", symlinks=True))


def test_a_breach_is_proposed_once(moved: Workspace, tmp_path: Path) -> None:
    place = copy(moved, tmp_path)
    seen: dict[str, Any] = place.watch().to_dict()
    assert (seen["outcome"], seen["proposed"], seen["rollback"]) == ("pause", "rollback:0001", None)
    assert "of 300 new rows wrong" in seen["reasons"][0]
    assert "rollback:0001" in place.reviews()
    assert place.status().champion.update == "0001"
    commit = git.head(place.root)
    assert place.watch().proposed == "rollback:0001"
    assert git.head(place.root) == commit


AUTO = {
    "watch.auto": True,
    **only("intake", {"checks.crashed": {"pause": 0}}),
    **only("candidate", {"golden.loss.accuracy": {"reject": 0.9}}),
    "checks.calibration_windows": 0,
}


def rich(seed: int) -> pd.DataFrame:
    """Return feedback of those whom the golden set hardly knows."""
    many = rows(20_000, seed=seed)
    return many[many["income"] > 66].head(400).reset_index(drop=True)


def test_the_policy_may_have_it_rolled_back_at_once(template: Path, tmp_path: Path) -> None:
    """Where the champion before answers right what this one does not."""
    place = Workspace.open(shutil.copytree(template, tmp_path / "loans", symlinks=True))
    params = place.root / "params.yaml"
    params.write_text(fill(params.read_text(), AUTO))
    git.commit(place.root, ["params.yaml"], "policy")
    poison = rich(11).assign(**{LABEL: "no"})
    assert place.intake(poison).outcome.value == "pass"
    assert place.retrain().to_dict()["update"]["stage"] == "promoted"
    assert place.intake(rich(12)).outcome.value == "pass"
    seen = place.watch().to_dict()
    assert seen["rollback"]["champion"]["after"]["update"] == "0000"
    told = place.show("incident:0001")["incident"]
    assert "breaks its promise" in told["reason"]
    assert told["detected_by"] == "watch"
    assert place.watch().verdict.outcome.value == "pass"


def test_what_going_back_would_not_help_is_put_to_people(moved: Workspace, tmp_path: Path) -> None:
    """The champion before errs on it too: the world moved, or these rows are what is wrong."""
    place = copy(moved, tmp_path)
    params = place.root / "params.yaml"
    params.write_text(fill(params.read_text(), {"watch.auto": True}))
    git.commit(place.root, ["params.yaml"], "policy")
    seen = place.watch().to_dict()
    assert (seen["proposed"], seen["rollback"]) == ("rollback:0001", None)
    assert place.status().champion.update == "0001"


@pytest.mark.parametrize("auto", [False, True])
def test_what_reviewers_decided_to_keep_is_kept(
    moved: Workspace, tmp_path: Path, keys: dict[str, Path], auto: bool
) -> None:
    """They are not asked again, nor is it rolled back without them."""
    place = copy(moved, tmp_path)
    place.watch()
    proof = place.sign_review("rollback:0001", "reject", "ann", keys["ann"])
    place.answer_review("rollback:0001", "reject", "ann", proof, "the rows are wrong")
    params = place.root / "params.yaml"
    params.write_text(fill(params.read_text(), {"watch.auto": auto}))
    git.commit(place.root, ["params.yaml"], "policy")
    seen = place.watch().to_dict()
    assert (seen["outcome"], seen["proposed"], seen["rollback"]) == ("pause", None, None)


def test_the_alias_follows_the_record(moved: Workspace, tmp_path: Path) -> None:
    """Whoever moved it, watching moves it back."""
    place = copy(moved, tmp_path)
    from sluicegate.stores.mlflow import open_registry

    registry = open_registry(place._context.layout, place._context.settings.model)
    registry.set_alias("champion", 1)
    place.watch()
    assert registry.alias("champion") == place.status().champion.version == 2
