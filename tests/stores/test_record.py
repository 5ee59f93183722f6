"""The record: whatever a process dies after, the same call again ends in the same state."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from interrupted import Point, disturbed

from sluicegate import Workspace
from sluicegate.core import Missing, Tampered
from sluicegate.flows.feedback.intake import Judgement, freeze, judge, settle
from sluicegate.flows.status import status
from sluicegate.record.context import Context, open_context
from sluicegate.record.updates import awaiting
from sluicegate.stores import effects, files, git, keys, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.transaction import tidy, transaction

ROOMS = ("intake", "batches", "quarantine", "ledger", "updates")


@pytest.fixture(scope="module")
def judged(
    template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    honest: Callable[..., pd.DataFrame],
) -> Judgement:
    """A batch with five rows to set aside, judged and not yet settled."""
    scratch = tmp_path_factory.mktemp("judged")
    frame = honest(300, 3)
    frame.loc[:4, "region"] = "west"
    frame.to_parquet(scratch / "batch.parquet", index=False)
    context = open_context(template)
    return judge(context, freeze(context, scratch / "batch.parquet", scratch))


def place(template: Path, root: Path) -> Context:
    """Return the context of a workspace of one's own."""
    shutil.copytree(template, root, symlinks=True)
    context = open_context(template)
    return replace(context, layout=Layout(root))


def carry_out(context: Context, judgement: Judgement) -> None:
    """Settle as intake does, under the lock and with the journal."""
    with transaction(context, "intake") as t:
        settle(t, context, judgement)


def test_an_update_that_is_being_written_is_not_there_yet(template: Path, tmp_path: Path) -> None:
    """Readers pass over it; where nobody is at work it is told, and reading it is refused."""
    context = place(template, tmp_path / "loans")
    layout = context.layout
    begun = layout.update("0001")
    with transaction(context, "update", rooms=["updates"]):
        (begun / "products").mkdir(parents=True)
        (begun / "comparison.json").write_text("{}")
        assert awaiting(layout) == []
        assert status(context).champion.update == "0000"
    begun.mkdir(exist_ok=True)
    with pytest.raises(Missing, match="no update:0001"):
        awaiting(layout)


@pytest.mark.slow
def test_a_killed_intake_is_no_duplicate_of_itself(
    template: Path, tmp_path: Path, judged: Judgement, honest: Callable[..., pd.DataFrame]
) -> None:
    """A receipt that was never committed does not make the next delivery of the bytes a duplicate."""
    context = place(template, tmp_path / "loans")
    names: list[str] = []
    whole = place(template, tmp_path / "whole")
    effects.observer = names.append
    try:
        carry_out(whole, judged)
    finally:
        effects.observer = None
    last = Point("after", len(names) - 1, names[-2])  # all is written, nothing committed
    assert disturbed(lambda: carry_out(context, judged), last) == ""
    told = Workspace.open(context.layout.root).intake(judged.frozen.path).to_dict()
    assert told["batch"]["duplicate_of"] is None
    assert told["batch"]["id"] == "0001"


def test_what_a_failing_deed_wrote_is_set_aside(template: Path, tmp_path: Path) -> None:
    """An exception under the lock leaves the rooms as they were and the files in leftovers."""
    context = place(template, tmp_path / "loans")
    layout = context.layout

    def fail() -> None:
        with transaction(context, "test"):
            files.write_json(layout.intake("0001") / "manifest.json", {})
            files.write_bytes(layout.ledger / "000001.json", b"{}")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert git.changed_paths(layout.root, ROOMS) == []
    assert not layout.intake("0001").exists()
    assert [path.name for path in (layout.home / "leftovers").rglob("*.json")] == ["manifest.json"]


def test_the_ledger_that_intake_writes_verifies_as_a_chain(
    template: Path, tmp_path: Path, judged: Judgement
) -> None:
    """Each entry names the digest of the one before; an entry taken out is told."""
    context = place(template, tmp_path / "loans")
    carry_out(context, judged)
    paths = record.entry_files(context.layout)
    entries = [*record.backwards(context.layout)]
    assert [entry.verb for entry in entries[::-1]] == [
        "init", "commit", "update", "commit", "intend", "commit", "promote", "calibrate", "intake",
        "commit",
    ]  # fmt: skip
    paths[2].unlink()
    with pytest.raises(Tampered, match="the entries between are gone"):
        list(record.working(context.layout).backwards())
    assert [*record.backwards(context.layout)] == entries, "git has all of them"


def test_what_is_drawn_at_random_is_foretold_by_nobody(tmp_path: Path) -> None:
    """The same in one workspace always, another in every other one, whatever the code says."""
    here, there = Layout(tmp_path / "here"), Layout(tmp_path / "there")
    for layout in (here, there):
        keys.make_keys(layout)
    assert keys.derived_key(here, "held out") == keys.derived_key(here, "held out")
    drawn = {keys.derived_key(place, why) for place in (here, there) for why in ("a", "b")}
    assert len(drawn) == 4
    assert keys.random_seed(here, "a") != keys.random_seed(there, "a")


def killed_while_writing(context: Context) -> None:
    """Leave what a process leaves that dies after it wrote and before it committed."""

    def deed() -> None:
        with transaction(context, "review"):
            files.write_json(context.layout.update("0000") / "refusal.json", {})
            os.kill(os.getpid(), signal.SIGKILL)

    assert disturbed(deed, Point("after", 0, "")) == ""


def test_what_a_killed_deed_wrote_is_read_by_nobody(template: Path, tmp_path: Path) -> None:
    """Not by who only asks, either: a decision that was never committed must not be acted upon."""
    context = place(template, tmp_path / "loans")
    layout = context.layout
    killed_while_writing(context)
    assert Workspace.open(layout.root).show("update:0000")["update"]["stage"] == "promoted"
    assert git.changed_paths(layout.root, ROOMS) == []
    assert not (layout.home / "journal.json").exists()


def test_a_deed_at_work_is_left_alone(template: Path, tmp_path: Path) -> None:
    """Whoever asks meanwhile puts nothing aside."""
    context = place(template, tmp_path / "loans")
    layout = context.layout
    with transaction(context, "review"):
        files.write_json(layout.update("0000") / "note.json", {})
        tidy(layout)
        assert (layout.update("0000") / "note.json").is_file()
        (layout.update("0000") / "note.json").unlink()


@pytest.mark.parametrize(
    "journal",
    [
        pytest.param(b"", id="zero bytes"),
        pytest.param(b'{"deed": "int', id="truncated"),
        pytest.param(b"[]", id="no mapping"),
        pytest.param(b'{"paths": ["../elsewhere"]}', id="tampered to leave"),
        pytest.param(b'{"paths": ["."]}', id="tampered to take all"),
        pytest.param(b'{"paths": []}', id="tampered to take nothing"),
    ],
)
def test_a_damaged_journal(template: Path, tmp_path: Path, journal: bytes) -> None:
    """What was left half done is put aside all the same, and nothing of the user's is."""
    context = place(template, tmp_path / "loans")
    layout = context.layout
    killed_while_writing(context)
    (layout.root / "notes.txt").write_text("mine")
    (layout.root / "train.py").write_text("mine")
    (layout.home / "journal.json").write_bytes(journal)
    tidy(layout)
    assert git.changed_paths(layout.root, ["."]) == ["train.py", "notes.txt"]
    assert (layout.root / "train.py").read_text() == "mine"


def test_only_what_is_put_aside_is_passed_over(template: Path, tmp_path: Path) -> None:
    """A reader may lose the last entries of a killed deed meanwhile; a link to nowhere or a gap it told."""
    layout = place(template, tmp_path / "loans").layout
    *_, before, last = record.entry_files(layout)
    reading = record.working(layout)
    assert f"{reading.numbers[-1]:06d}" == last.stem
    last.rename(tmp_path / "last")
    assert next(reading.backwards()).where == f"ledger/{before.name}"
    last.symlink_to(tmp_path / "nowhere")
    with pytest.raises(Tampered, match="not a plain file"):
        next(record.working(layout).backwards())
    last.unlink()
    (tmp_path / "last").rename(last)
    walk = record.working(layout).backwards()
    next(walk)
    before.unlink()
    with pytest.raises(Missing):
        next(walk)
    assert next(record.backwards(layout)).sequence == int(last.stem), "git has them all"
