"""A workspace and the defaults that it extends: newer ones, altered ones, and a workspace that extends none."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from reviewing import trust_them

from sluicegate import Workspace
from sluicegate.core import CannotDecide, Conflict, Misused
from sluicegate.evidence.statement import VERDICT, predicate_of
from sluicegate.flows.doctor import doctor
from sluicegate.gates.policy import RETIRED
from sluicegate.record import policy as owned
from sluicegate.record.attest import RESULT_FILE
from sluicegate.record.updates import materials_of
from sluicegate.stores import defaults, git, record
from sluicegate.stores.policy_text import whole_text
from sluicegate.stores.settings import fill, read_settings

Frames = Callable[..., pd.DataFrame]
Cli = Callable[..., tuple[int, dict[str, Any], str]]
NEWEST = defaults.versions()[-1]


def committed(place: Workspace, **texts: str) -> Workspace:
    """Commit other texts of params.yaml and dvc.yaml, and return the workspace opened anew."""
    for name, text in texts.items():
        (place.root / f"{name}.yaml").write_text(text)
        git.commit(place.root, [f"{name}.yaml"], "policy")
    return Workspace.open(place.root)


def params(place: Workspace) -> str:
    return (place.root / "params.yaml").read_text()


def changed(place: Workspace, values: dict[str, Any]) -> Workspace:
    return committed(place, params=fill(params(place), values))


def whole(place: Workspace, values: dict[str, Any] | None = None) -> Workspace:
    """Make it a workspace of old, which holds everything itself and whose pipeline names sections."""
    lines = whole_text(params(place)).splitlines()
    text = "\n".join(line for line in lines if not line.startswith(("extends", "rules")))
    stages = yaml.safe_load((place.root / "dvc.yaml").read_text())
    for name, section in (("assemble", "sources"), ("compare", "compare")):
        stages["stages"][name]["deps"].remove("params.yaml")
        stages["stages"][name]["params"] = ["data", section]
    return committed(place, params=fill(text, values or {}), dvc=yaml.safe_dump(stages))


def packaged(folder: Path, monkeypatch: pytest.MonkeyPatch, **versions: dict[str, Any]) -> None:
    """Install other defaults: `v3={key: value}` is the newest version with these values."""
    shutil.copytree(Path(str(defaults.FOLDER)), folder)
    text = defaults.text_of(NEWEST)
    for name, values in versions.items():
        (folder / f"sluicegate-{name.removeprefix('v')}.yaml").write_text(fill(text, values))
    monkeypatch.setattr(defaults, "FOLDER", folder)


def told(place: Workspace, name: str) -> list[Any]:
    return [each for each in doctor(place.root) if each.name == name]


def finding(place: Workspace, batch: pd.DataFrame, metric: str) -> dict[str, Any]:
    (found,) = [x for x in place.check(batch).to_dict()["findings"] if x["metric"] == metric]
    return found


@pytest.mark.slow
def test_every_verdict_carries_rules_and_pins_the_defaults(
    workspace: Workspace, honest: Frames
) -> None:
    """In the verdict on a batch and on an update, and where others look: the test result."""
    layout, pin = workspace._context.layout, defaults.pin(NEWEST)
    workspace.intake(honest(300, seed=11))
    folder = layout.intake("0001")
    said = predicate_of(record.read_statement(layout, folder / "verdict.json"), VERDICT, "")
    assert (said["rules"], said["defaults"]) == (1, pin.to_dict())
    result = record.read_statement(layout, folder / RESULT_FILE)["predicate"]
    assert pin.to_dict() in result["configuration"]
    assert materials_of(layout, "0000")[pin.name] == pin.sha256
    first = record.read_statement(layout, layout.update("0000") / "update.json")["predicate"]
    assert first["verdict"]["rules"] == 1
    assert workspace.explain("batch:0001").same
    assert workspace.explain("update:0000").same


def test_a_policy_that_extends_nothing_pins_nothing(workspace: Workspace, honest: Frames) -> None:
    """It goes on as ever, with the same policy to the digest."""
    batch = honest(300, seed=11)
    before = workspace.check(batch).assessment.verdict
    place = whole(workspace)
    assert place.check(batch).assessment.verdict == before
    assert place._context.settings.defaults is None
    place.intake(batch)
    layout = place._context.layout
    said = record.read_statement(layout, layout.intake("0001") / "verdict.json")["predicate"]
    assert "defaults" not in said
    assert place.explain("batch:0001").same


@pytest.mark.slow
def test_an_old_workspace_is_told_takes_the_defaults_on_and_goes_on(
    workspace: Workspace, honest: Frames, run_cli: Cli
) -> None:
    """One command: the same limits in a quarter of the lines; then it trains as before."""
    place = whole(workspace, {"approval.required": 2})
    before = read_settings(place.root / "params.yaml")
    (says,) = told(place, "defaults")
    assert says.ok is None
    assert "`sluicegate policy upgrade`" in says.mend
    code, foretold, _ = run_cli("policy", "upgrade", "--dry-run", "-C", place.root)
    assert (code, foretold["limits"], foretold["values"]) == (0, [], [])
    assert git.changed_paths(place.root, ["params.yaml", "dvc.yaml"]) == []
    assert run_cli("policy", "upgrade", "-C", place.root)[:2] == (0, foretold)
    after = read_settings(place.root / "params.yaml")
    assert after.extends == NEWEST
    gates: tuple[Any, ...] = ("intake", "candidate", "watch")
    assert [before.policy(g).digest for g in gates] == [after.policy(g).digest for g in gates]
    assert after.approval.required == 2
    assert len(params(place).splitlines()) < 40
    with pytest.raises(Conflict, match="has uncommitted changes"):
        place.upgrade_policy()
    place = committed(place, params=params(place), dvc=(place.root / "dvc.yaml").read_text())
    assert [each.ok for each in told(place, "defaults")] == [True]
    place.intake(honest(300, seed=11))
    assert place.retrain().to_dict()["update"]["stage"] in ("promoted", "awaiting")
    assert place.verify().exit_code == 0


def test_a_check_that_is_new_to_an_old_workspace_is_judged_after_the_upgrade(
    workspace: Workspace, honest: Frames
) -> None:
    """Before, it is a note: the workspace was made before it had a limit."""
    batch = honest(300, seed=11, sources=1)
    text = whole_text(params(workspace)).replace(f"extends: {NEWEST} # params.yaml\n", "")
    lines = [line for line in text.splitlines() if "sources.share:" not in line]
    place = committed(workspace, params="\n".join(lines) + "\n")
    assert finding(place, batch, "sources.share")["outcome"] == "pass"
    changes = place.upgrade_policy().limits
    assert [(x.metric, x.before, x.after, x.loosened) for x in changes] == [
        ("sources.share", None, 0.5, False)
    ]
    place = committed(place, params=params(place), dvc=(place.root / "dvc.yaml").read_text())
    assert finding(place, batch, "sources.share")["outcome"] == "pause"


def test_newer_defaults_are_told_and_taken_on_by_one_command(
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_cli: Cli,
    honest: Frames,
) -> None:
    """What they change in limits and in values; nothing changes by itself, and own lines stay."""
    batch = honest(300, seed=11)
    before = workspace.check(batch).assessment.verdict.policy
    newer = {
        "gates.intake|sources.share": {"pause": 0.4}, "gates.intake|drift.concept": ...,
        "gates.candidate|golden.loss.accuracy": {"reject": 0.01}, "reading.max_rows": 9,
    }  # fmt: skip
    packaged(tmp_path / "policies", monkeypatch, v3=newer)
    assert workspace.check(batch).assessment.verdict.policy == before
    code, diff, _ = run_cli("policy", "diff", "-C", workspace.root)
    assert code == 0
    assert (diff["defaults"]["extends"], diff["defaults"]["newest"]) == (NEWEST, "sluicegate/3")
    limits = [(x["metric"], x["before"], x["after"]) for x in diff["defaults"]["limits"]]
    assert limits == [("drift.concept", 0.5, None), ("sources.share", 0.5, 0.4)]
    (value,) = diff["defaults"]["values"]
    assert value == {"key": "reading.max_rows", "before": 5_000_000, "after": 9}
    (says,) = told(workspace, "defaults")
    assert "sluicegate/3" in says.says
    with pytest.raises(Misused, match="'sluicegate/4' is not in this version"):
        workspace.upgrade_policy("sluicegate/4")
    text = params(workspace)
    workspace.upgrade_policy()
    assert params(workspace) == text.replace(NEWEST, "sluicegate/3")
    assert git.changed_paths(workspace.root, ["."]) == ["params.yaml"]


@pytest.mark.slow
def test_altered_defaults_are_noticed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, honest: Frames,
    keys: dict[str, Path],
) -> None:  # fmt: skip
    """An owner signed them by digest: nothing is decided by others, and no record is replayed by others."""
    trust_them(workspace, keys)
    place = changed(workspace, {"policy.owners": ["ann"]})
    place.sign_policy("ann", keys["ann"])
    place.intake(honest(300, seed=11))
    packaged(tmp_path / "policies", monkeypatch, v2={"gates.intake|sources.share": {"pause": 9}})
    signed = owned.in_force(place._context.layout)
    assert signed
    assert owned.differing(place._context.layout, signed) == [NEWEST]
    with pytest.raises(CannotDecide, match=r"sluicegate/2 .* are not those that ann signed"):
        place.check(honest(300, seed=12))
    with pytest.raises(Conflict, match="sluicegate/2 differs from the policy that ann signed"):
        owned.require_signed(place._context.layout)
    for subject in ("batch:0001", "update:0000"):
        with pytest.raises(
            CannotDecide, match="defaults sluicegate/2 do not match those that judged it"
        ):
            place.explain(subject)
    wrong = place.verify().to_dict()["wrong"]
    assert [each["where"] for each in wrong] == [NEWEST, NEWEST]


def test_defaults_that_were_altered_are_noticed_without_owners(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`verify` holds them to what the last update was judged by."""
    packaged(tmp_path / "policies", monkeypatch, v2={"gates.intake|sources.share": {"pause": 9}})
    (wrong,) = workspace.verify().to_dict()["wrong"]
    assert (wrong["where"], "judged update:0000" in wrong["says"]) == (NEWEST, True)


def test_a_limit_that_is_switched_off_is_seen(
    workspace: Workspace, honest: Frames, run_cli: Cli
) -> None:
    """It stands in params.yaml, in the whole policy and among what lets more pass; it holds nobody."""
    batch = honest(300, seed=11, sources=1)
    assert finding(workspace, batch, "sources.share")["outcome"] == "pause"
    (workspace.root / "params.yaml").write_text(
        fill(params(workspace), {"gates.intake|sources.share": None})
    )
    (change,) = workspace.try_policy().changes
    assert (change.metric, change.before, change.after) == ("sources.share", 0.5, None)
    git.commit(workspace.root, ["params.yaml"], "no limit on sources.share")
    code, policy, _ = run_cli("policy", "show", "-C", workspace.root)
    (value,) = [x for x in policy["values"] if x["key"] == "gates.intake.sources.share"]
    assert (code, value["value"], value["origin"]) == (0, None, "params.yaml")
    assert value["default"] == {"pause": 0.5}
    place = Workspace.open(workspace.root)
    assert finding(place, batch, "sources.share")["limit"] is None


def test_the_whole_policy_is_printed_with_its_origins(
    workspace: Workspace, run_cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    """As YAML that says the same; in JSON each value with where it comes from."""
    from sluicegate.cli import main

    _, policy, _ = run_cli("policy", "show", "-C", workspace.root)
    assert (policy["extends"], policy["rules"]) == (NEWEST, 1)
    assert policy["sha256"] == defaults.pin(NEWEST).sha256
    origins = {each["key"]: each["origin"] for each in policy["values"]}
    assert (origins["model"], origins["checks.min_rows"]) == ("params.yaml", NEWEST)
    assert {each["gate"] for each in policy["limits"]} == {"intake", "candidate", "watch"}
    assert main(["policy", "show", "-C", str(workspace.root)]) == 0
    out = capsys.readouterr().out
    assert "  min_rows: 30 # fewer rows cannot be measured, and an unmeasured limit pauses\n" in out
    assert "model: loans # params.yaml\n" in out
    assert yaml.safe_load(out)["gates"]["intake"]["sources.share"] == {"pause": 0.5}


def test_a_metric_that_is_no_longer_measured_pauses_nothing_and_is_told(
    workspace: Workspace, honest: Frames, monkeypatch: pytest.MonkeyPatch, run_cli: Cli
) -> None:
    """By doctor and by the policy's diff; under rules that know it, it pauses as not measured."""
    batch = honest(300, seed=11)
    place = changed(workspace, {"gates.intake|drift.gone": {"pause": 0.1}})
    assert place.check(batch).outcome.value == "pause"
    assert told(place, "limits") == []
    monkeypatch.setitem(RETIRED, "drift.gone", 1)
    assert place.check(batch).outcome.value == "pass"
    (says,) = told(place, "limits")
    assert "gates.intake.drift.gone" in says.says
    assert says.mend.startswith("Delete the line")
    assert run_cli("policy", "diff", "-C", place.root)[1]["retired"] == ["intake.drift.gone"]


def test_rules_that_nobody_knows_decide_nothing(
    workspace: Workspace, honest: Frames, run_cli: Cli, delivered: Callable[..., Path]
) -> None:
    """Exit code 1, a sentence, and doctor says so, too."""
    place = changed(workspace, {"rules": 9})
    path = delivered(honest(300, seed=11))
    code, answer, _ = run_cli("check", path, "-C", place.root)
    assert code == 1
    assert "has rules 9" in answer["error"]
    assert [each.ok for each in told(place, "rules")] == [False]
