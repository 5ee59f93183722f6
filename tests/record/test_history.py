"""History: what is kept of a batch's sources, and that nobody rewrites it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from backdoor_rows import stamped

from sluicegate import Workspace
from sluicegate.checks.statistics.disagreement import Tally
from sluicegate.checks.statistics.panel import Panel, Rowwise
from sluicegate.checks.statistics.patterns import Value
from sluicegate.checks.statistics.pulls import Pulled
from sluicegate.checks.trigger_memory import suspects
from sluicegate.core import SluicegateError
from sluicegate.record import source_history as history
from sluicegate.record.context import open_context
from sluicegate.stores.layout import Layout


def test_the_accused_are_left_out_and_the_rest_is_kept(tmp_path: Path) -> None:
    tally = Tally(
        ("ann", "bob"), np.array([3, 4]), np.array([0, 4]), np.array([0.5, 0.6]),
        np.full((2, 1, 7), -1.23456789),
    )  # fmt: skip
    layout = Layout(tmp_path)
    nothing = np.empty(0, dtype=np.int64)
    said = Rowwise(nothing, pd.Series([], dtype=object), np.empty(0), nothing, 2)
    history.keep(layout, "0001", Panel(tally, tally, tally, said), {"bob"})
    (kept,) = json.loads((layout.intake("0001") / history.SOURCES).read_text())
    assert (kept["source"], kept["rows"], np.shape(kept["pooled"])) == ("ann", 3, (1, 7))


def test_a_taken_in_batch_is_remembered_and_rewriting_it_is_noticed(
    workspace: Workspace, honest: Callable[..., pd.DataFrame], delivered: Callable[..., Path]
) -> None:
    assert workspace.intake(delivered(honest(300, 3))).outcome.value == "pass"
    context = open_context(workspace.root)
    (heard,) = history.earlier(context.layout, context.schema)
    assert heard.batch == "0001"
    assert heard.champion.rows.sum() > 0
    path = context.layout.intake("0001") / history.SOURCES
    path.write_text(path.read_text().replace('"against": 0', '"against": 9', 1))
    with pytest.raises(SluicegateError, match=r"0001/sources\.json"):
        history.earlier(context.layout, context.schema)


@pytest.mark.slow
def test_a_trigger_is_remembered_held_and_forgotten_when_released(
    workspace: Workspace, honest: Callable[..., pd.DataFrame], delivered: Callable[..., Path]
) -> None:
    """Two rows are nothing to a search, but their pattern was found before; a waiver clears it."""
    first = workspace.intake(delivered(stamped(honest(400, 3), 14), "one.parquet")).to_dict()
    assert len(first["quarantined"]["rows"]) == 14
    context = open_context(workspace.root)
    layout, schema = context.layout, context.schema
    path = layout.intake("0001") / history.PATTERNS
    (heard,) = history.earlier(layout, schema)
    assert any(one.pattern[0].equal == 44.321 for one in heard.pulled)

    assert history.earlier(layout, schema)[0].pulled == heard.pulled, "the same after every reading"

    again = stamped(honest(400, 4), 2)
    later = workspace.check(delivered(again, "two.parquet")).to_dict()
    (found,) = [f for f in later["findings"] if f["metric"] == "triggers.memory"][:1]
    assert (found["outcome"], found["rows"]) == ("quarantine", 2), found
    assert "income = 44.321" in found["detail"]
    assert "0001" in found["detail"]

    marked = np.flatnonzero(again["income"] == 44.321)
    released = history.released([heard], again.iloc[marked].reset_index(drop=True), schema)
    after = replace(heard, batch="0002", pulled=released)
    assert not any(key[0][0].equal == 44.321 for key in suspects([heard, after]))

    path.write_text(path.read_text().replace("44.321", "44.322"))
    with pytest.raises(SluicegateError, match=r"0001/patterns\.json"):
        history.earlier(layout, schema)


def test_an_infinite_number_in_a_pattern_is_kept(workspace: Workspace) -> None:
    """JSON has no infinity, and a batch that holds one is still taken in and remembered."""
    context = open_context(workspace.root)
    income = next(c for c in context.schema.features if c.name == "income")
    values = (Value(income, "income = inf", equal=np.inf), Value(income, "income < 1", low=1.0))
    one = Pulled(values, 1, None, 5, 4, 0.5, 0.25, released=False)
    context.layout.intake("0001").mkdir(parents=True)
    assert history.keep_patterns(context.layout, "0001", [one])
    (row,) = json.loads((context.layout.intake("0001") / history.PATTERNS).read_text())
    assert history._read(row, context.schema) == one
