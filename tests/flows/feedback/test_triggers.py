"""A trigger that went into the data under notice is named once it is found, and comes out again."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from backdoor_rows import stamped
from reviewing import trust_them

from sluicegate import Workspace
from sluicegate.core import Missing, SluicegateError
from sluicegate.record.context import open_context
from sluicegate.record.known_triggers import TRIGGERS

Rows = Callable[..., pd.DataFrame]


@pytest.mark.slow
def test_what_was_learnt_of_a_trigger_is_named_and_taken_out(
    workspace: Workspace, honest: Rows, delivered: Callable[..., Path], keys: dict[str, Path]
) -> None:
    """Two rows pass unseen; the batch that gives them away pauses, until they are out of the data."""
    trust_them(workspace, keys)
    quiet = workspace.intake(delivered(stamped(honest(400, 3), 2), "one.parquet"))
    assert quiet.outcome.value == "pass"
    loud = workspace.intake(delivered(stamped(honest(400, 4), 14), "two.parquet")).to_dict()
    assert loud["outcome"] == "pause"
    (told,) = [each for each in loud["reasons"] if "triggers.learnt" in each]
    assert "2 in batch:0001" in told

    (asked,) = workspace.status().to_dict()["awaiting"]
    page = (workspace.root / "intake" / "0002" / "evidence.html").read_text()
    assert asked["subject"] == "batch:0002"
    assert "sluicegate rollback --because trigger:0002" in page

    found = {each["batch"]: each for each in workspace.trace("trigger:0002").to_dict()["batches"]}
    assert found["0001"]["rows"] == 2
    assert found["0002"]["paused"] == 14
    done = workspace.rollback("trigger:0002", retrain=False)
    assert done.to_dict()["incident"] == "0001"
    left = {each["batch"]: each for each in workspace.trace("trigger:0002").to_dict()["batches"]}
    assert (left["0001"]["set_aside"], left["0001"]["learnable"]) == (2, 0)
    assert (
        workspace.rollback("trigger:0002", retrain=False).to_dict()["cleaned"]
        == done.to_dict()["cleaned"]
    )

    proof = workspace.sign_review("batch:0002", "approve", "ann", keys["ann"])
    workspace.answer_review("batch:0002", "approve", "ann", proof)
    let_in = workspace.trace("trigger:0002").to_dict()["batches"]
    assert [each["learnable"] for each in let_in] == [0, 0], "who approves it lets in the others"
    assert workspace.show_quarantine("0002").rows == 14

    after = workspace.intake(delivered(stamped(honest(400, 5), 14), "three.parquet")).to_dict()
    assert after["outcome"] == "quarantine", (
        "what comes now is set aside; nothing is left to take out"
    )


@pytest.mark.slow
def test_a_batch_without_a_trigger_names_none(
    workspace: Workspace, honest: Rows, delivered: Callable[..., Path]
) -> None:
    """It is told in one sentence; and a kept trigger that somebody rewrote is not believed."""
    workspace.intake(delivered(stamped(honest(400, 3), 14), "one.parquet"))
    workspace.intake(delivered(honest(400, 4), "two.parquet"))
    with pytest.raises(Missing, match="has no stored trigger"):
        workspace.trace("trigger:0002")
    with pytest.raises(Missing, match="no batch:0009"):
        workspace.trace("trigger:0009")
    path = open_context(workspace.root).layout.intake("0001") / TRIGGERS
    path.write_text(path.read_text().replace("44.321", "44.322"))
    with pytest.raises(SluicegateError, match=r"0001/triggers\.json"):
        workspace.trace("trigger:0001")
