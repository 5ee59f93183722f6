"""reanchor: a new reference or golden set is trusted once people signed, and the old one is kept."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import LABEL, SOURCE

from sluicegate import Workspace
from sluicegate.core import Conflict, Misused
from sluicegate.flows.feedback import reanchor
from sluicegate.gates.approval import State
from sluicegate.stores import data, dvc, git

Rows = Callable[..., pd.DataFrame]
pytestmark = pytest.mark.slow
ANCHOR = "anchor:0001"


@pytest.fixture
def place(paused_template: Path, tmp_path: Path) -> Workspace:
    root = tmp_path / "loans"
    shutil.copytree(paused_template, root, symlinks=True)
    return Workspace.open(root)


def moved(honest: Rows, rows: int, seed: int, by: float) -> pd.DataFrame:
    frame = honest(rows, seed=seed).drop(columns=SOURCE)
    return frame.assign(income=frame["income"] + by)


def say(place: Workspace, keys: dict[str, Path], who: str, said: str, subject: str) -> State:
    proof = place.sign_review(subject, said, who, keys[who])
    return place.answer_review(subject, said, who, proof, "because").state


def trusted(place: Workspace) -> dict[str, int]:
    """Return how many rows each trusted table has, once its bytes are verified."""
    return {
        name: len(data.read_verified(place.root / name / f"{name}.parquet"))
        for name in ("reference", "golden")
    }


def test_a_yes_replaces_both(place: Workspace, keys: dict[str, Path], honest: Rows) -> None:
    """As a commit in the service's name, the earlier ones kept; questions asked before are void."""
    given = {"reference": moved(honest, 1200, 5, 6.0), "golden": moved(honest, 300, 6, 6.0)}
    asked = place.reanchor(reason="the tariff changed", **given)
    assert asked.subject == ANCHOR
    assert "income, by" in asked.names["golden farthest from the very first"]
    assert "0 of the 300" in asked.names["champion's training data holds"]
    assert trusted(place) == {"reference": 1500, "golden": 2000}
    assert place.show_review("update:0001").dead is None
    assert say(place, keys, "ann", "approve", ANCHOR) is State.APPROVED
    assert trusted(place) == {"reference": 1200, "golden": 300}
    kept = place.root / "anchors" / "0001" / "before"
    assert len(data.read_verified(kept / "golden" / "golden.parquet")) == 2000
    assert git.run(place.root, "status", "--porcelain").strip() == ""
    assert git.run(place.root, "log", "-1", "--format=%an %cn").strip() == "sluicegate sluicegate"
    assert "manifest.json changed" in place.show_review("update:0001").dead
    with pytest.raises(Conflict, match="The policy, golden set"):
        place.renew_review("update:0001")
    (golden,) = [m for m in place.status().to_dict()["anchored"] if m["table"] == "golden"]
    assert golden["subject"] == ANCHOR
    # back where it was, the distance is from the very first, not from the last
    again = place.reanchor(reason="it changed back", golden=moved(honest, 300, 8, 0.0))
    assert again.names["golden farthest from the very first"] == "no column clearly moved"


def test_a_no_changes_nothing(place: Workspace, keys: dict[str, Path], honest: Rows) -> None:
    place.reanchor(reason="why not", golden=moved(honest, 100, 5, 6.0))
    assert say(place, keys, "ann", "reject", ANCHOR) is State.REJECTED
    assert trusted(place) == {"reference": 1500, "golden": 2000}
    assert place.status().to_dict()["anchored"] == []


def test_a_kill_in_the_middle(
    place: Workspace, keys: dict[str, Path], honest: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was in place already is taken back; the same answer again finishes it."""
    place.reanchor(reason="moved", reference=moved(honest, 1200, 5, 6.0))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reanchor, "artifact", killed)
        with pytest.raises(KeyboardInterrupt):
            say(place, keys, "ann", "approve", ANCHOR)
    assert trusted(place) == {"reference": 1500, "golden": 2000}
    assert say(place, keys, "ann", "approve", ANCHOR) is State.APPROVED
    assert trusted(place) == {"reference": 1200, "golden": 2000}
    dvc.checkout(place.root, [place.root / "reference" / "reference.parquet"])
    assert trusted(place)["reference"] == 1200


def test_what_cannot_be_trusted(place: Workspace, honest: Rows) -> None:
    """Too few rows, labels that nobody knows, columns that are missing, no table, no reason."""
    good = moved(honest, 100, 5, 0.0)
    for given, why in (
        ({"golden": good.head(20)}, "20 rows"),
        ({"golden": good.assign(**{LABEL: "perhaps"})}, "'accepted' cannot be read"),
        ({"reference": good.drop(columns="debt")}, "'debt'"),
        ({"reference": good.assign(**{LABEL: None})}, "without a label"),
        ({}, "No table was given"),
    ):
        with pytest.raises(Misused, match=why):
            place.reanchor(reason="because", **given)
    with pytest.raises(Misused, match="needs a reason"):
        place.reanchor(reason="", golden=good)
    assert not (place.root / "anchors").exists()
