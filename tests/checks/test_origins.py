"""Origins and tiers: where labels come from, and from whom, as shares of the batch."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sluicegate.checks.origins import Origins
from sluicegate.checks.statistics.profile import profile
from sluicegate.checks.tiers import Tiers
from sluicegate.core import Column, Feedback, Kind, Outcome, Schema, Task
from sluicegate.core.standing import Standing
from sluicegate.gates import Policy, decide
from sluicegate.gates.policy import parse_limits
from sluicegate.stores import defaults

ROOT = Path(__file__).parents[2]
SCHEMA = Schema(
    Task.CLASSIFICATION,
    "y",
    (Column("x", Kind.NUMERIC),),
    (0, 1),
    source="who",
    label_origin="from",
)


def subject(frame: pd.DataFrame) -> Feedback:
    """Return the batch with one trusted and one known source."""
    standing = Standing(frozenset({"lab"}), frozenset({"ann"}))
    return Feedback(SCHEMA, frame, None, (), frame, None, {}, standing)


def test_origins_are_counted() -> None:
    """Rows are named where a label is no person's and no outcome's."""
    said = ["human", "outcome", "model", "synthetic", "guess", None, "model", "human"]
    frame = pd.DataFrame({"x": 1.0, "y": 1, "who": "ann", "from": said})
    found = {f.metric: (f.value, f.rows) for f in Origins()(subject(frame))}
    assert found == {
        "origins.share.human": (0.25, ()),
        "origins.share.outcome": (0.125, ()),
        "origins.share.model": (0.25, (2, 6)),
        "origins.share.synthetic": (0.125, (3,)),
    }


def test_an_origin_nobody_knows_is_the_contracts() -> None:
    """What init writes refuses a value outside the four, and a missing one."""
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1], "who": "ann", "from": "human"})
    mine = [e for e in profile(frame, SCHEMA).expectations if e.kwargs.get("column") == "from"]
    assert [(e.type, e.severity) for e in mine] == [
        ("expect_column_values_to_not_be_null", "warning"),
        ("expect_column_values_to_be_in_set", "warning"),
    ]
    assert mine[1].kwargs["value_set"] == ["human", "outcome", "model", "synthetic"]


@pytest.mark.parametrize("check", [Origins(), Tiers()], ids=["origins", "tiers"])
def test_an_empty_batch_is_not_measured(check: Origins | Tiers) -> None:
    """No rows, no shares."""
    frame = pd.DataFrame({"x": [], "y": [], "who": [], "from": []})
    assert {f.value for f in check(subject(frame))} == {None}


def test_tiers_are_counted() -> None:
    """A claimed name and no name are nobody's."""
    who = ["lab", "ann", "ann", "bob", "?lab", None, "", "zoe"]
    found = Tiers()(subject(pd.DataFrame({"x": 1.0, "y": 1, "who": who, "from": "human"})))
    assert [(f.metric.split(".")[-1], f.value, f.rows) for f in found] == [
        ("trusted", 0.125, ()),
        ("known", 0.25, ()),
        ("new", 0.25, (3, 7)),
        ("anonymous", 0.375, (4, 5, 6)),
    ]
    assert not any(f.sources for f in found)


def test_model_made_labels_are_set_aside_by_default() -> None:
    """The limits that init writes: one model-made row is set aside, the rest goes on."""
    gates: Any = defaults.values(defaults.versions()[-1])["gates"]
    limits = parse_limits(
        {m: x for m, x in gates["intake"].items() if m.startswith("origins.")}, ""
    )
    frame = pd.DataFrame({"x": 1.0, "y": 1, "who": "ann", "from": ["human"] * 9 + ["model"]})
    verdict = decide(Policy("intake", limits), "b", Origins()(subject(frame)), {})
    assert verdict.outcome is Outcome.QUARANTINE
    assert verdict.quarantined.rows == (9,)
