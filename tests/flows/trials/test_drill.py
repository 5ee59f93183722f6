"""A drill: attacks on a real workspace's gates, of which nothing stays but the record."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from sluicegate import Workspace
from sluicegate.attacks.battery import BATTERY
from sluicegate.core import CannotDecide, Misused
from sluicegate.flows.trials import drill as drilling
from sluicegate.flows.trials.drill import Order, judged, no_bar, quick
from sluicegate.flows.trials.drilled import Drilled
from sluicegate.flows.trials.plan import QUICK, Plan, turns
from sluicegate.flows.trials.play import Played
from sluicegate.flows.trials.tally import attacked, honest, interval, rate, smallest
from sluicegate.flows.trials.windows import BATCH, GOLDEN, material, seen, window
from sluicegate.record.calibration import intake_policy
from sluicegate.record.context import Context, open_context
from sluicegate.record.drills import Attacked, Drill
from sluicegate.record.threats import open_threats, threats
from sluicegate.stores import files, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.reading import Table
from sluicegate.stores.settings import fill

Rows = Callable[..., pd.DataFrame]
TINY = Plan("quick", (0.5,), 1, 2, 2, 2, None)
TWO = ("flood", "gradient")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """As few windows as tell anything."""
    monkeypatch.setattr(drilling, "QUICK", TINY)


@pytest.fixture(scope="module")
def drilled(
    template: Path, tmp_path_factory: pytest.TempPathFactory, digest_of: Any, git: Any
) -> tuple[Workspace, Drilled, set[str]]:
    """A workspace after a tiny drill, what the drill said, and the files that it changed."""
    root = tmp_path_factory.mktemp("drilled") / "loans"
    shutil.copytree(template, root, symlinks=True)
    _floor(root, git, {"flood": 0.9, "mean": 1.0})
    before = digest_of(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drilling, "QUICK", TINY)
        told = Workspace.open(root).drill(attacks=TWO)
    after = digest_of(root)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    ours = {n for n in changed if not n.startswith((".git/", ".sluicegate/"))}
    return Workspace.open(root), told, ours


def test_a_drill_leaves_its_record_and_nothing_else(drilled: Any, git: Any) -> None:
    """drills/0001, threats.yaml and two ledger entries, all committed; no batch, no model, no policy."""
    workspace, told, changed = drilled
    made = {f"drills/0001/{name}" for name in (
        "drill.json", "results.json", "report.md", "catch.png", "trend.png",
    )}  # fmt: skip
    layout = Layout(workspace.root)
    entries = sorted(path.name for path in layout.ledger.glob("*.json"))
    assert changed == made | {"threats.yaml", *(f"ledger/{name}" for name in entries[-2:])}
    assert git(workspace.root, "status", "--porcelain") == ""
    assert [each.verb for each in record.backwards(layout)][:2] == ["commit", "drill"]
    assert workspace.status().to_dict()["batches"]["admitted"] == 0
    assert told.drill == "0001"


def test_a_drill_signs_what_it_says(drilled: Any) -> None:
    """Seeds, policy, version, gates and counts are in the statement, the windows bound to it."""
    workspace, told, _ = drilled
    layout = Layout(workspace.root)
    signed = record.read_statement(layout, workspace.root / "drills/0001/drill.json")
    said = signed["predicate"]
    apart = ("schema", "drill", "time", "started_by", "threats", "seconds")
    without = [
        {key: value for key, value in each.items() if key not in apart}
        for each in (said, told.to_dict())
    ]
    assert without[0] == without[1]
    assert said["policy"] == intake_policy(open_context(workspace.root)).digest
    assert {"contract", "drift", "sources", "triggers", "duplicates", "fairness"} <= set(
        said["gates"]
    )
    by_name = {each["attack"]: each for each in said["attacks"]}
    assert by_name["flood"]["caught"]["rate"] == 1.0
    assert [each["strength"] for each in by_name["flood"]["strengths"]] == [1.0, 0.5]
    assert said["adaptive"]["calls"] == 2
    assert "simulated" in said["windows_from"]
    windows = files.read_json(workspace.root / "drills/0001/results.json")["windows"]
    assert len(windows) == 2 + 2 * len(TWO)
    page = (workspace.root / "drills/0001/report.md").read_text()
    assert "AML.T0046" in page
    assert "catch.png" in page


@pytest.mark.parametrize(
    ("floors", "excused", "outcome"),
    [
        pytest.param({}, set(), None, id="no floor only reports"),
        pytest.param({"mean": 0.75}, set(), "pass", id="exactly at the floor holds"),
        pytest.param({"mean": 0.8}, set(), "reject", id="the mean is below"),
        pytest.param({"flips": 0.6}, set(), "reject", id="one attack is below"),
        pytest.param({"mean": 0.5, "sybils": 0.1}, set(), "pause", id="not played is not measured"),
        pytest.param({"sybils": 0.1, "mean": 0.5}, {"sybils"}, "pass", id="not applicable"),
    ],
)
def test_the_floor_is_judged_like_everything_else(
    floors: dict[str, float], excused: set[str], outcome: str | None
) -> None:
    """Below the floor is a reject; a floor that nothing answers does not hold."""
    results = [_attacked("flips", 5), _attacked("flood", 10)]
    verdict = judged(floors, results, 0.75, excused)
    assert (verdict and verdict.outcome.value) == outcome


def test_the_exit_code_says_whether_the_floor_held(drilled: Any) -> None:
    """0 held, 4 below it, 1 not measured; what gradient comes to is the gates' own business."""
    _, told, _ = drilled
    assert told.exit_code == (0 if told.mean == 1.0 else 4)
    assert told.to_dict()["outcome"] == ("pass" if told.mean == 1.0 else "reject")
    assert told.floors == {"flood": 0.9, "mean": 1.0}
    assert told.model_copy(update={"outcome": None}).exit_code == 0
    unplayed = judged({"slow": 0.1}, told.attacks, 1.0, set())
    assert unplayed is not None
    assert told.model_copy(update={"outcome": unplayed.outcome}).exit_code == 1


def test_a_dry_run_says_what_would_be_played(
    workspace: Workspace, run_cli: Any, digest_of: Any
) -> None:
    """The attacks, the gates and where windows come from; not a file is touched."""
    before = digest_of(workspace.root)
    code, told, _ = run_cli("drill", "-C", workspace.root, "--dry-run", "--full")
    assert code == 0
    assert digest_of(workspace.root) == before
    assert told["kind"] == "full"
    assert told["adaptive_calls"] == 200
    assert told["attacks"] == [attack.name for attack in BATTERY]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--attack", "nonsense"], "no attack 'nonsense'", id="an unknown attack"),
    ],
)
def test_misuse_is_one_sentence(
    workspace: Workspace, run_cli: Any, arguments: list[str], words: str
) -> None:
    """A usage error names what is wrong and the mend."""
    code, told, _ = run_cli("drill", "-C", workspace.root, *arguments)
    assert code == 2
    assert words in told["error"]


def test_an_uncommitted_policy_is_not_drilled(workspace: Workspace, run_cli: Any) -> None:
    """The statement names the policy, so the policy must be one that can be shown later."""
    params = workspace.root / "params.yaml"
    params.write_text(params.read_text() + "\n# changed\n")
    code, told, _ = run_cli("drill", "-C", workspace.root)
    assert code == 2
    assert "uncommitted" in told["error"]


@pytest.mark.slow
def test_the_same_seed_plays_the_same(workspace: Workspace) -> None:
    """Windows, attacks and verdicts depend on the seed alone."""
    context = open_context(workspace.root)
    policy = context.settings.policy("intake")
    plan = replace(TINY, strengths=(), honest=1, calls=1)
    one, same = (quick(context, policy, ("spread",), 3, no_bar, plan) for _ in range(2))
    assert one.played == same.played
    assert one.adaptive == same.adaptive
    drawn_from = material(context)
    windows = [window(drawn_from, np.random.default_rng([seed, 0])).frame for seed in (3, 3, 4)]
    assert windows[0].equals(windows[1])
    assert not windows[0].equals(windows[2])


def test_a_policy_that_stops_everything_catches_nothing(workspace: Workspace) -> None:
    """An attacked window counts as caught only for what the same window without the attack lacks."""
    context = open_context(workspace.root)
    policy = context.settings.policy("intake")
    limits = tuple(replace(x, limit=-1.0) for x in policy.limits if x.metric == "sources.share")
    paranoid = replace(policy, limits=limits)
    plan = replace(TINY, strengths=(), honest=1, calls=0)
    told = quick(context, paranoid, ("flips",), 0, no_bar, plan)
    assert told.mean == 0.0
    assert told.honest.false_stops.rate == 1.0


@pytest.mark.slow
def test_windows_are_honest_rows_that_the_checks_do_not_see_elsewhere(
    workspace: Workspace, honest: Rows
) -> None:
    """Golden rows of a window are left out of the golden set, admitted ones out of the reference."""
    workspace.intake(honest(300, 7))
    context = open_context(workspace.root)
    drawn_from = material(context)
    assert drawn_from.rows == 300
    made = window(drawn_from, np.random.default_rng(1))
    assert len(made.frame) == 300
    table = Table(made.frame, {})
    subject = seen(context, table, drawn_from, made.taken, None)
    golden = int((made.taken.get_level_values(BATCH) == GOLDEN).sum())
    assert 0 < golden < 300
    assert len(subject.golden) == 2000 - golden == len(subject.golden_scores)
    previous = next(each for each in subject.references if each.name == "previous")
    pairs = pd.MultiIndex.from_frame(previous.frame[["_batch", "_row"]])
    assert not pairs.isin(made.taken).any()
    assert len(previous.frame) == len(previous.predicted)


def test_too_little_to_draw_from_is_said(workspace: Workspace, monkeypatch: Any) -> None:
    """Windows too small to be measured would be caught for that alone."""
    context = open_context(workspace.root)
    checks = context.settings.checks.model_copy(update={"min_rows": 1600})
    settings = context.settings.model_copy(update={"checks": checks})
    with pytest.raises(CannotDecide, match="too few"):
        material(replace(context, settings=settings))


def test_a_slow_attacker_is_played_as_a_campaign() -> None:
    """Boiling frogs show over batches only; all other attacks are one window."""
    planned = [turn for turn in turns(QUICK, BATTERY, 600) if turn.attack]
    assert {turn.attack.name for turn in planned if turn.campaign} == {"slow"}
    backdoors = {turn.strength for turn in planned if turn.attack.name == "backdoor"}
    assert backdoors == {1.0, 2.0, 4.0}  # half of six rows is no smaller backdoor


def _window(share: float, caught: bool, number: int = 0) -> Played:
    poison = round(1000 * share)
    return Played(
        attack="flips", strength=1.0 if share == 0.1 else share / 0.1, round=number, rows=1000,
        poison=poison, outcome="pause" if caught else "pass", caught=caught, by=(), named=10, hit=5,
        held=0, honest_held=0,
    )  # fmt: skip


def _attacked(name: str, hits: int | None) -> Attacked:
    """Return an attack of which so many of ten windows were caught, or none was played."""
    caught = rate(hits or 0, 0 if hits is None else 10)
    return Attacked(attack=name, atlas="AML.T0020", share=0.1, caught=caught)


@pytest.mark.parametrize(
    ("caught_at", "share", "at_most"),
    [
        pytest.param((0.1, 0.05, 0.025), 0.025, True, id="all caught: the least share or less"),
        pytest.param((), None, False, id="none caught: not reached"),
        pytest.param((0.1, 0.05), 0.0435, False, id="between two strengths"),
    ],
)
def test_the_least_poison_that_is_seen(
    caught_at: tuple[float, ...], share: float | None, at_most: bool
) -> None:
    """Where a monotone power curve crosses 80 %, or that it does not."""
    played = [_window(each, each in caught_at, n) for each in (0.1, 0.05, 0.025) for n in range(10)]
    told = smallest(played)
    assert told is not None
    assert told.share == (None if share is None else pytest.approx(share, rel=0.01))
    assert told.at_most is at_most
    assert smallest(played[:10]) is None


def test_the_tally_counts_rows_and_windows() -> None:
    """Precision and recall are of rows, rates of windows, by strength."""
    played = [_window(0.1, True), _window(0.1, False, 1), _window(0.05, True)]
    told = attacked(BATTERY[0], played)
    assert (told.caught.hits, told.caught.of) == (1, 2)
    usual = told.strengths[0]
    assert (usual.precision, usual.recall) == (0.5, 0.05)
    assert usual.outcomes["pause"] == 1
    assert interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


@pytest.mark.parametrize(
    ("stopped", "windows", "said"),
    [(0, 5, "open"), (0, 400, "within"), (9, 10, "beyond")],
)
def test_false_stops_are_held_against_the_budget(stopped: int, windows: int, said: str) -> None:
    """Only an interval wholly on one side of the budget says so."""
    played = [_window(0.0, number < stopped, number) for number in range(windows)]
    assert honest(played, 1 / 60).against_budget == said


def test_a_threat_opens_with_a_miss_and_closes_when_it_is_caught() -> None:
    """The history is kept; what was not played stays as it was."""

    def drill(number: str, hits: int, name: str = "flips") -> Drill:
        return Drill.model_construct(
            drill=number, attacks=(_attacked(name, hits),), adaptive=None
        )  # fmt: skip

    drills = [drill("0001", 10), drill("0002", 5), drill("0003", 6), drill("0004", 10, "flood")]
    (row,) = threats(drills)
    assert (row.state, row.first_missed, row.last_missed) == ("open", "0002", "0003")
    (row,) = threats([*drills, drill("0005", 9)])
    assert (row.state, row.first_missed, row.last_missed) == ("closed", "0002", "0003")
    assert [each.drill for each in row.history] == ["0002", "0003", "0005"]


def test_open_threats_show_in_status_and_doctor(workspace: Workspace, run_cli: Any) -> None:
    """A file that somebody broke is named, not taken for none."""
    path = workspace.root / "threats.yaml"
    path.write_text(yaml.safe_dump([{"attack": "slice", "state": "open"}, {"state": "closed"}]))
    assert workspace.status().to_dict()["open_threats"] == ["slice"]
    _, told, _ = run_cli("doctor", "-C", workspace.root)
    (found,) = (each for each in told["diagnoses"] if each["name"] == "drill")
    assert "slice" in found["says"]
    path.write_text("a: [")
    with pytest.raises(Misused, match="git restore"):
        open_threats(workspace.root)


@pytest.mark.parametrize("bad", [2, {"mean": -1}, "often"])
def test_a_floor_is_a_share(workspace: Workspace, run_cli: Any, git: Any, bad: Any) -> None:
    """Anything else is refused with the key's name."""
    _floor(workspace.root, git, bad)
    code, told, _ = run_cli("drill", "-C", workspace.root)
    assert code == 2
    assert "drill" in told["error"]


def _floor(root: Path, git: Any, floor: Any) -> None:
    params = root / "params.yaml"
    params.write_text(fill(params.read_text(), {"drill.floor": floor}))
    git(root, "commit", "-qam", "floor")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "regression", "no source", "categories"])
def test_every_kind_of_workspace_can_be_drilled(tmp_path: Path, honest: Rows, kind: str) -> None:
    """The whole battery, once: what cannot be played says why, and nothing crashes."""
    base, label, source = honest(900, 1), "accepted", "contributor"
    rng = np.random.default_rng(0)
    if kind == "text":
        words = np.where(
            base["accepted"] == "yes", "please grant this loan now", "no money is left here"
        )
        base = pd.DataFrame(
            {"note": [f"{w} {rng.integers(10**6)}" for w in words], "accepted": base["accepted"]}
        )
    if kind == "regression":
        base, label = base.drop(columns=["accepted", source]), "income"
    if kind == "categories":
        base = base[["region", "accepted"]].assign(town=rng.choice(list("abcdef"), len(base)))
    place = Workspace.init(
        tmp_path / "w", data=base.drop(columns=source, errors="ignore"), label=label,
        source=None if kind == "no source" else source, trainer={"trees": 5},
    )  # fmt: skip
    context: Context = open_context(place.root)
    plan = replace(TINY, strengths=(), honest=1, campaign=2, calls=2)
    told = quick(context, context.settings.policy("intake"), (), 0, no_bar, plan)
    assert len(told.attacks) + len(told.not_applicable) == len(BATTERY)
    assert told.attacks
    assert (kind == "regression") or told.not_applicable
    assert told.adaptive is not None
    assert not (place.root / "drills").exists()


@pytest.mark.slow
def test_a_second_drill_shows_the_trend(workspace: Workspace, honest: Rows, tiny: None) -> None:
    """Drills count up; rows with their own sources are preferred once there are enough."""
    first = workspace.drill(attacks=TWO)
    for seed in range(3):
        workspace.intake(honest(200, 20 + seed))
    second = workspace.drill(attacks=TWO, seed=5)
    assert (first.drill, second.drill) == ("0001", "0002")
    assert "with their own sources" in second.windows_from
    assert second.seed == 5
    assert Order(full=True).plan.calls == 200
