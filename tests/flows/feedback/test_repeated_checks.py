"""Oracle: checks of nearly the same rows are remembered outside git, counted and shown."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from sluicegate import Workspace
from sluicegate.flows.doctor import doctor
from sluicegate.stores.checked import MANY, insistent, newest
from sluicegate.stores.layout import Layout

Rows = Callable[..., pd.DataFrame]


def repeats(told: dict[str, Any]) -> tuple[float, str, str]:
    """Return the value, the outcome and the sentence of the finding."""
    (found,) = (f for f in told["findings"] if f["metric"] == "oracle.repeats")
    return found["value"], found["outcome"], found["detail"]


@pytest.mark.slow
def test_versions_of_one_file_are_counted(workspace: Workspace, honest: Rows) -> None:
    """Changed labels, names and rows do not hide it, the same bytes and other rows do not count."""
    layout, frame = Layout(workspace.root), honest(200, 31)
    labels = frame["accepted"].map({"yes": "no", "no": "yes"})
    assert repeats(workspace.check(frame).to_dict())[0] == 0
    assert repeats(workspace.check(frame).to_dict())[0] == 0
    versions = [frame.iloc[20:], frame.assign(contributor="x")]
    versions += [
        frame.assign(accepted=labels.where(frame.index < n, frame["accepted"])) for n in (9, 19)
    ]
    counted = [repeats(workspace.check(each).to_dict())[0] for each in versions]
    assert counted == [1, 2, 3, 4]
    assert repeats(workspace.check(honest(200, 32)).to_dict())[0] == 0
    value, outcome, detail = repeats(workspace.intake(frame.iloc[:190]).to_dict())
    assert (value, outcome) == (5, "pass")
    assert "5 other files with nearly the same rows were checked before, by" in detail
    calls = newest(layout)
    assert len(calls) == 7
    assert [call.rows for call in calls] == [200, 200, 180, 200, 200, 200, 200]
    assert insistent(layout, calls[-1].time) == {}
    assert repeats(workspace.check(frame.iloc[:185]).to_dict())[0] == MANY
    who = newest(layout)[-1].who
    assert workspace.status().to_dict()["insistent"] == {who: 1}
    assert any(found.name == "checks" and who in found.says for found in doctor(workspace.root))


def test_a_broken_line_is_left_out(workspace: Workspace, honest: Rows) -> None:
    """A process that was killed leaves half a line; a file that is no table leaves a whole one."""
    folder = Layout(workspace.root).home / "checks"
    folder.mkdir()
    (folder / "2026-01.jsonl").write_text('{"time": "2026-01-0\nnot json\n[]\n')
    empty = workspace.root.parent / "no.parquet"
    empty.write_bytes(b"")
    workspace.check(empty)
    (call,) = newest(Layout(workspace.root))
    assert (call.rows, call.outcome, call.sketch) == (0, "reject", ())
