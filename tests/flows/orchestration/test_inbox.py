"""The inbox: each file is taken once, nothing in it is touched, and no file blocks another."""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sluicegate import Workspace
from sluicegate.flows.orchestration.inbox import dropped, inbox
from sluicegate.record.context import Context, open_context
from sluicegate.record.results import IntakeResult
from sluicegate.stores import files, git


def feedback(seed: int, count: int = 120) -> pd.DataFrame:
    """Return feedback that fits the shared workspace's columns."""
    rng = np.random.default_rng(seed)
    income, debt = rng.normal(50, 10, count), rng.normal(20, 5, count)
    member = rng.random(count) < 0.4
    score = (income - 50) / 5 - (debt - 20) / 4 + np.where(member, 0.8, -0.5)
    return pd.DataFrame(
        {
            "income": income.round(2),
            "debt": debt.round(2),
            "region": rng.choice(["north", "south", "east"], count),
            "member": member,
            "opened": pd.Timestamp("2026-03-01")
            + pd.to_timedelta(rng.integers(0, 10**6, count), unit="s"),
            "accepted": np.where(score + rng.normal(0, 0.7, count) > 0, "yes", "no"),
            "contributor": [f"c{number:02d}" for number in rng.integers(0, 40, count)],
        }
    )


def drop(context: Context, name: str, seed: int = 0, age: float = 60) -> Path:
    """Put a file into the inbox as if it had been there for `age` seconds."""
    path = context.layout.inbox / name
    if path.suffix == ".parquet":
        feedback(seed).to_parquet(path, index=False)
    else:
        path.write_text("x")
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def told(taken: list[tuple[str, IntakeResult | str]]) -> dict[str, str]:
    """Return the batch or the sentence of each file."""
    return {
        name: got if isinstance(got, str) else str(got.assessment.batch.id) for name, got in taken
    }


@pytest.fixture
def context(workspace: Workspace) -> Context:
    """The context of a workspace of one's own."""
    return open_context(workspace.root)


def test_each_file_is_taken_exactly_once(context: Context) -> None:
    """Oldest first; a second turn takes nothing; a lost memory costs reading, not a second batch."""
    drop(context, "newer.parquet", seed=2, age=50)
    drop(context, "older.parquet", seed=1, age=60)
    assert told(inbox(context)) == {"older.parquet": "0001", "newer.parquet": "0002"}
    assert inbox(context) == []
    (context.layout.home / "inbox.json").unlink()
    again = inbox(context)
    assert [got.duplicate_of for _, got in again if isinstance(got, IntakeResult)] == [
        "0001",
        "0002",
    ]
    assert sorted(p.name for p in (context.layout.root / "intake").iterdir()) == ["0001", "0002"]


def test_nothing_in_the_inbox_is_touched(context: Context) -> None:
    """Names, bytes and times stay, and a bad file blocks no other and is told once until it changes."""
    drop(context, "a.txt", age=90)
    drop(context, "good.parquet", seed=3, age=80)
    (context.layout.inbox / "link.csv").symlink_to("/etc/passwd")
    before = {
        p.name: (p.lstat().st_mtime_ns, p.lstat().st_size) for p in context.layout.inbox.iterdir()
    }
    taken = told(inbox(context, sleep=lambda _: None))
    assert taken["good.parquet"] == "0001"
    assert "give a .parquet, .csv or .jsonl file" in taken["a.txt"]
    assert "symbolic link" in taken["link.csv"]
    after = {
        p.name: (p.lstat().st_mtime_ns, p.lstat().st_size) for p in context.layout.inbox.iterdir()
    }
    assert after == before
    assert inbox(context) == []
    drop(context, "a.txt", age=10)
    assert list(told(inbox(context))) == ["a.txt"]


def test_what_is_wrong_with_the_workspace_is_no_fault_of_the_file(context: Context) -> None:
    """A file that met an uncommitted policy is taken at the next turn."""
    drop(context, "good.parquet", seed=4)
    params = context.layout.params
    text = params.read_text()
    params.write_text(text + "# a remark\n")
    assert "uncommitted" in told(inbox(context))["good.parquet"]
    params.write_text(text)
    assert told(inbox(context)) == {"good.parquet": "0001"}


@pytest.mark.slow
def test_a_file_that_keeps_failing_is_left_out_for_longer_and_longer(context: Context) -> None:
    """After the second failure one turn is left out, after the third three."""
    drop(context, "good.parquet", seed=5)
    config = context.layout.root / ".dvc" / "config"
    config.write_text("[core]\n    remote = gone\n['remote \"gone\"']\n    url = /dev/null/gone\n")
    git.commit(context.layout.root, [".dvc/config"], "a remote that is away")
    turns = [len(inbox(context)) for _ in range(5)]
    assert turns == [1, 1, 0, 1, 0]


@pytest.mark.parametrize(
    "name", [".hidden.parquet", "half.parquet.tmp", "half.parquet.part", "batch.parquet~"]
)
def test_temporary_names_are_ignored(context: Context, name: str) -> None:
    """Files are renamed in: these names are not final."""
    (context.layout.inbox / name).write_bytes(b"x")
    (context.layout.inbox / "folder.parquet").mkdir()
    assert dropped(context.layout.inbox) == []


@pytest.mark.slow
def test_a_file_that_grows_waits_for_the_next_turn(context: Context) -> None:
    """Touched within two seconds and changed while watched: not finished."""
    path = drop(context, "growing.parquet", seed=6, age=0)
    whole = path.read_bytes()
    path.write_bytes(whole[:500])
    waited: list[float] = []

    def meanwhile(seconds: float) -> None:
        waited.append(seconds)
        path.write_bytes(whole)

    assert inbox(context, sleep=meanwhile) == []
    assert 0 < waited[0] <= 2
    assert told(inbox(context)) == {"growing.parquet": "0001"}


def test_two_turns_at_once_do_not_take_one_file_twice(context: Context) -> None:
    """Whoever comes second leaves the inbox to the first and says so."""
    drop(context, "good.parquet", seed=7)
    said: list[str] = []
    second = open_context(context.layout.root, tell=said.append)
    with files.locked(context.layout.home / "inbox.lock", "busy"):
        assert inbox(second) == []
    assert "Another process" in said[0]


@pytest.mark.parametrize("memory", ["", "{", "[]", '{"good.parquet": 1}', '{"good.parquet": {}}'])
def test_a_damaged_memory_is_forgotten(context: Context, memory: str) -> None:
    """Intake's own record decides what was received."""
    drop(context, "link.txt")
    (context.layout.home / "inbox.json").write_text(memory)
    assert len(inbox(context)) == 1
