"""History: what is kept of a batch's sources, and that nobody rewrites it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sluicegate import Workspace
from sluicegate.checks.disagreement import Tally
from sluicegate.checks.panel import Panel, Rowwise
from sluicegate.core import SluicegateError
from sluicegate.flows import history
from sluicegate.flows.context import open_context
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
    (heard,) = history.earlier(context.layout)
    assert heard.batch == "0001"
    assert heard.champion.rows.sum() > 0
    path = context.layout.intake("0001") / history.SOURCES
    path.write_text(path.read_text().replace('"against": 0', '"against": 9', 1))
    with pytest.raises(SluicegateError, match=r"0001/sources\.json"):
        history.earlier(context.layout)
