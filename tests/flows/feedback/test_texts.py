"""A workspace of messages: from base texts to a promoted update, with a trigger set aside on the way."""

from pathlib import Path

import pytest
from texts import SPAM, messages

from sluicegate import Workspace


@pytest.mark.slow
def test_a_workspace_of_texts_learns_and_sets_a_trigger_aside(tmp_path: Path) -> None:
    """init takes the column as text, gaps and all; honest rows are learnt from, the poison is not."""
    base, golden = (
        messages(rows, seed).drop(columns="who") for rows, seed in ((1200, 1), (400, 2))
    )
    base.loc[:60, "text"] = None
    workspace = Workspace.init(
        tmp_path / "sms", data=base, golden=golden, label="label", source="who"
    )
    assert "text: text" in (workspace.root / "params.yaml").read_text()
    feedback = messages(500, 3)
    ham = [not set(SPAM) & set(text.lower().split()) for text in feedback["text"]]
    hit = feedback.index[ham][:10]
    feedback.loc[hit, "text"] += " quartz lemon"
    feedback.loc[hit, "label"] = "spam"
    told = workspace.update(feedback).to_dict()
    assert told["intake"]["outcome"] == "quarantine"
    assert told["intake"]["quarantined"]["rows"] == [int(row) for row in hit]
    assert any("quartz lemon" in finding["detail"] for finding in told["intake"]["findings"])
    assert told["retrain"]["update"]["stage"] == "promoted"
