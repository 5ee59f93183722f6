"""Changed limits are tried on the history before anyone commits them."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from sluicegate import Workspace
from sluicegate.cli import main
from sluicegate.core import Misused
from sluicegate.flows.trials.policy_try import changes
from sluicegate.gates import Policy
from sluicegate.gates.policy import parse_limits
from sluicegate.stores.settings import fill

Frames = Callable[..., pd.DataFrame]


def policy(limits: dict[str, dict[str, float]], absent: tuple[str, ...] = ()) -> Policy:
    return Policy("intake", parse_limits(limits, "gates.intake"), absent)


CHANGES = [
    pytest.param({"a": {"pause": 2}}, (), ("a", 1, 2, True), id="a higher limit"),
    pytest.param({"a": {"pause": 0.5}}, (), ("a", 1, 0.5, False), id="a lower limit"),
    pytest.param({"b": {"pause": 1}}, (), ("a", 1, None, True), id="a limit that is gone"),
    pytest.param({"a": {"pause": 1}}, ("a",), ("a", 1, None, True), id="declared not applicable"),
    pytest.param(
        {"a": {"pause": 1, "reject": 3}}, (), ("a", None, 3, False), id="a further outcome"
    ),
]


@pytest.mark.parametrize(("limits", "absent", "first"), CHANGES)
def test_what_lets_more_pass_is_loosened(
    limits: dict[str, dict[str, float]], absent: tuple[str, ...], first: tuple[object, ...]
) -> None:
    """It comes first, and says from what to what."""
    found = changes(policy({"a": {"pause": 1}}), policy(limits, absent))[0]
    assert (found.metric, found.before, found.after, found.loosened) == first


SHARE = "gates.intake|sources.share"


def edited(workspace: Workspace, path: Path, key: str, value: object) -> Path:
    """Write the workspace's policy to `path`, with another `value` of one key."""
    path.write_text(fill((workspace.root / "params.yaml").read_text(), {key: value}))
    return path


@pytest.mark.slow
def test_a_trial_shows_what_would_have_stopped(
    workspace: Workspace,
    honest: Frames,
    poisoned: Frames,
    delivered: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Per batch: both outcomes, and the metric, value and limits that decide; nothing changes."""
    workspace.intake(delivered(honest(300, seed=11), "one.parquet"))
    workspace.intake(delivered(poisoned(honest(300, seed=12), "c07", 30), "two.parquet"))
    same = workspace.try_policy().to_dict()
    assert same["changes"] == []
    assert [b["before"] == b["after"] for b in same["batches"]] == [True, True]
    assert [b["remeasured"] for b in same["batches"]] == [False, False]

    strict = edited(workspace, tmp_path / "strict.yaml", SHARE, {"pause": 0.01})
    trial = workspace.try_policy(strict).to_dict()
    assert [b["after"] for b in trial["batches"]] == ["pause", "pause"]
    first = trial["batches"][0]["decides"][0]
    assert first["metric"] == "sources.share"
    assert (first["before"], first["after"], first["limit_after"]) == ("pass", "pause", 0.01)
    assert trial["stops"]["after"]["per_60"] == 60
    assert trial["stops"]["after"]["within_budget"] is False

    edited(workspace, workspace.root / "params.yaml", SHARE, {"pause": 0.9})
    assert main(["policy", "try", "-C", str(workspace.root)]) == 0
    assert "LOOSENED sources.share pause: 0.5 -> 0.9" in capsys.readouterr().out
    assert main(["policy", "try", "-C", str(workspace.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"][0]["loosened"] is True


@pytest.mark.slow
def test_changed_settings_of_checks_measure_again(
    workspace: Workspace, honest: Frames, delivered: Callable[..., Path], tmp_path: Path
) -> None:
    """Recorded numbers would say nothing about a check that measures otherwise now."""
    workspace.intake(delivered(honest(300, seed=11)))
    strict = edited(workspace, tmp_path / "p.yaml", "checks.min_rows", 1000)
    (batch,) = workspace.try_policy(strict).to_dict()["batches"]
    assert batch["remeasured"]
    assert batch["after"] == "pause"
    assert any(told["value"] is None for told in batch["decides"])


def test_a_file_that_is_no_policy_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    """In one sentence that names the key."""
    bad = edited(workspace, tmp_path / "p.yaml", SHARE, {"pass": 0.5})
    with pytest.raises(Misused, match=r"sources\.share"):
        workspace.try_policy(bad)
