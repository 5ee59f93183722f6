"""Recorded findings and reasons, with what they quote where it is at hand and as it was signed."""

from collections.abc import Callable

import pandas as pd
import pytest
from backdoor_rows import stamped

from sluicegate import Workspace
from sluicegate.core import Tampered
from sluicegate.record.findings import findings_of, in_full
from sluicegate.stores import files, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.quoting import QUOTES

TRIGGER = "income = 44.321"


def test_reasons_quote_what_git_leaves_out(
    workspace: Workspace, honest: Callable[..., pd.DataFrame]
) -> None:
    """In full where it is at hand; without it where it was erased; refused where it was changed."""
    assert workspace.intake(stamped(honest(400, 4), 14)).outcome.value == "quarantine"
    layout = Layout(workspace.root)
    folder = layout.intake("0001")
    kept = record.read_statement(layout, folder / "verdict.json")["predicate"]["reasons"]
    assert TRIGGER not in str(kept)
    assert len(in_full(layout, "0001")["reasons"]) == len(kept)
    assert TRIGGER in str(in_full(layout, "0001")["reasons"])
    assert TRIGGER in " ".join(each.detail for each in findings_of(layout, "0001"))
    quotes = files.read_json(folder / QUOTES)
    assert all(quotes.values()), "only what quotes"
    (folder / QUOTES).unlink()
    assert in_full(layout, "0001")["reasons"] == kept
    assert TRIGGER not in " ".join(each.detail for each in findings_of(layout, "0001"))
    files.write_json(folder / QUOTES, dict.fromkeys(quotes, "all is well"))
    for read in (
        lambda: in_full(layout, "0001"),
        lambda: findings_of(layout, "0001"),
        lambda: workspace.show("batch:0001"),
        lambda: workspace.card("batch:0001"),
    ):
        with pytest.raises(Tampered, match=rf"intake/0001/{QUOTES} was changed"):
            read()
