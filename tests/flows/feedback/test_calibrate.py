"""calibrate on a real workspace: what it is made of, how it is pinned, and what does not calibrate."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sluicegate import Workspace
from sluicegate.core import Tampered
from sluicegate.flows.feedback.calibrate import calibrate, is_stale, try_calibration
from sluicegate.flows.feedback.eligible import eligible, history
from sluicegate.flows.feedback.quarantine import hold
from sluicegate.flows.rollback.rollback import Order, rollback
from sluicegate.record.calibration import intake_policy, read_calibration
from sluicegate.record.causes import Cause
from sluicegate.record.context import Context, open_context
from sluicegate.stores import record
from sluicegate.stores.layout import Layout
from sluicegate.stores.transaction import transaction

DAY = timedelta(days=1)
FEW = 25


def fewer(context: Context) -> Context:
    """Return the context with as few windows as calibrate."""
    checks = context.settings.checks.model_copy(update={"calibration_windows": FEW})
    return replace(context, settings=context.settings.model_copy(update={"checks": checks}))


@pytest.fixture(scope="module")
def fed(line: Workspace, honest: Any, poisoned: Any) -> Path:
    """A workspace with an honest batch, one with an accused source, and one that paused."""
    line.intake(honest(300, 21))
    told = line.intake(poisoned(honest(300, 24), "c07", 40)).to_dict()
    assert told["quarantined"]["sources"] == ["c07"]
    assert line.intake(honest(20, 23)).outcome.value == "pause"
    return line.root


@pytest.fixture
def root(fed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(fed, tmp_path / "w", symlinks=True)
    return tmp_path / "w"


def later(root: Path, days: float) -> Context:
    """Return the workspace's context in some days."""
    return fewer(open_context(root, lambda: datetime.now(UTC) + days * DAY))


@pytest.mark.slow
def test_init_calibrates_and_pins_it_in_every_verdict(fed: Path, run_cli: Any) -> None:
    """status tells what it is made of, and the verdict's policy is that of the calibrated limits."""
    context = open_context(fed)
    found = read_calibration(context.layout)
    assert found is not None
    assert (found.drawn, found.history, found.batches, found.rows) == (60, 0, (), 1000)
    assert {each.state for each in found.limits} == {"calibrated", "calibrating", "by theory"}
    _, status, _ = run_cli("status", "-C", fed)
    assert status["calibration"] == found.told
    policy = intake_policy(context)
    assert policy.calibration is not None
    assert policy.digest != context.settings.policy("intake").digest
    _, shown, _ = run_cli("show", "batch:0001", "-C", fed)
    assert shown["verdict"]["policy"] == policy.digest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param(13, [], id="young and unreviewed batches do not calibrate"),
        pytest.param(15, ["0001", "0002"], id="aged ones do, paused ones do not"),
    ],
)
def test_which_batches_calibrate(fed: Path, days: float, expected: list[str]) -> None:
    """Age counts from the receipt."""
    assert [each.batch for each in eligible(later(fed, days))] == expected


def test_a_source_accused_later_taints_what_it_sent_before(fed: Path) -> None:
    """Its rows do not calibrate, and its batches do not tell what is usual."""
    context = later(fed, 15)
    told = {each.batch: each.tainted for each in eligible(context)}
    assert told == dict.fromkeys(("0001", "0002"), frozenset({"c07"}))
    assert history(context.layout, eligible(context)) == []


def test_a_batch_on_hold_does_not_calibrate(root: Path) -> None:
    """Neither would one that a rollback has taken out."""
    context = later(root, 15)
    with transaction(context, "hold") as t:
        hold(t, ["0001"], "doubted")
    assert [each.batch for each in eligible(context)] == ["0002"]


@pytest.mark.slow
def test_a_rollback_calibrates_without_what_it_takes_out(root: Path) -> None:
    """Limits that poison helped to set are set anew at once, not with the next retrain."""
    context = later(root, 15)
    calibrate(context)
    rollback(context, Order(Cause("batch", "0001"), "bought", False))
    made = read_calibration(context.layout)
    assert made is not None
    assert made.batches == ("0002",)
    assert not is_stale(context)


@pytest.mark.slow
def test_accepted_history_calibrates_with_sources(root: Path, git: Any) -> None:
    """The windows have sources then, what came before is compared, and one commit holds it all."""
    context = later(root, 15)
    commits = int(git(root, "rev-list", "--count", "HEAD"))
    result = calibrate(context)
    made = result.calibration
    assert (made.drawn, made.batches) == (FEW, ("0001", "0002"))
    windows = {each.metric: each.windows for each in made.limits}
    assert windows["sources.disagreement"] == windows["drift.effect.previous.*"] == FEW
    assert read_calibration(context.layout) == made
    assert int(git(root, "rev-list", "--count", "HEAD")) == commits + 1
    assert git(root, "status", "--porcelain") == ""
    last = next(each for each in record.backwards(context.layout) if each.verb != "commit")
    assert (last.verb, last.subjects[0].name) == ("calibrate", "calibration/calibration.json")
    assert not is_stale(context)
    with transaction(context, "hold") as t:
        hold(t, ["0002"], "doubted")
    assert is_stale(context)


@pytest.mark.slow
def test_a_dry_run_changes_nothing_and_is_the_same_twice(root: Path, git: Any) -> None:
    """The windows are drawn by the workspace's secret: foretold by nobody, and repeatable."""
    context = later(root, 0)
    head = git(root, "rev-parse", "HEAD")
    first, again = (try_calibration(context).to_dict() for _ in range(2))
    assert first | {"time": ""} == again | {"time": ""}
    assert git(root, "rev-parse", "HEAD") == head
    assert git(root, "status", "--porcelain") == ""


def edited(layout: Layout) -> None:
    """Widen a limit by hand."""
    told = json.loads(layout.calibration.read_text())
    told["limits"][0]["limit"] *= 2
    layout.calibration.write_text(json.dumps(told))


@pytest.mark.slow
def test_an_edit_that_is_in_no_commit_moves_no_limit(root: Path) -> None:
    """The working tree has no say: the limits are those of the commit."""
    layout = Layout(root)
    before = read_calibration(layout)
    edited(layout)
    assert read_calibration(layout) == before
    layout.calibration.unlink()
    assert read_calibration(layout) == before


def unsigned(layout: Layout) -> None:
    """Take the statement away."""
    layout.calibration.with_name("statement.json").unlink()


def put_back(layout: Layout) -> None:
    """Replace the calibration by an earlier one, which was signed in its time."""
    kept = [(p, p.read_bytes()) for p in layout.calibration.parent.iterdir()]
    calibrate(fewer(open_context(layout.root)))
    for path, content in kept:
        path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("deed", [edited, unsigned, put_back])
def test_a_tampered_calibration_is_refused(root: Path, honest: Any, git: Any, deed: Any) -> None:
    """Nothing is judged by it."""
    deed(Layout(root))
    git(root, "commit", "-qm", "an insider's commit", "--", "calibration")
    with pytest.raises(Tampered, match="restore calibration/ from git"):
        Workspace.open(root).check(honest(100, 5))


def test_without_a_calibration_limits_are_as_written(root: Path, git: Any) -> None:
    """A workspace of before, or one that lost it, is calibrating."""
    git(root, "rm", "-rq", Layout(root).calibration.parent.name)
    git(root, "commit", "-qm", "lost")
    context = open_context(root)
    policy = intake_policy(context)
    written = context.settings.policy("intake").limits
    assert [x.limit for x in policy.limits] == [x.limit for x in written]
    assert {x.metric for x in policy.limits if x.calibrating} >= {"drift.effect.original.*"}
    assert "calibrating" in Workspace.open(root).status().calibration
    assert is_stale(context)
