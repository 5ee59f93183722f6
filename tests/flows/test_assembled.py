"""What a workspace learns from, from the delivery to the table that the trainer is given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sluicegate import Workspace
from sluicegate.core.schema import HOLDOUT
from sluicegate.flows.assemble import assemble
from sluicegate.record.context import open_context
from sluicegate.stores import data, files, git
from sluicegate.stores.settings import fill

Rows = Callable[..., pd.DataFrame]
pytestmark = pytest.mark.slow
PROBATION = 4


def assembled(place: Workspace) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Carry out the first stage of dvc.yaml; return the training table and what it was made of."""
    assemble(place.root)
    build = place.root / "build"
    return pd.read_parquet(build / "train.parquet"), files.read_json(build / "assembled.json")


def test_a_new_sources_first_rows_are_only_compared_on(workspace: Workspace, honest: Rows) -> None:
    """Its first four rows, across batches, and those after them are learnt."""
    params = workspace.root / "params.yaml"
    params.write_text(fill(params.read_text(), {"sources.probation_rows": PROBATION}))
    git.commit(workspace.root, ["params.yaml"], "probation")
    late = honest(400, seed=12).assign(contributor=lambda f: f["contributor"].replace("c05", "ada"))
    early = honest(400, seed=11)
    early.loc[early.index[:2], "contributor"] = "ada"
    for frame in (early, late):
        assert workspace.intake(frame).outcome.value == "pass"

    layout = open_context(workspace.root).layout
    tables = data.read_admitted(layout, ["0001", "0002"])
    of_ada = tables[tables["contributor"] == "ada"]
    assert (of_ada["_batch"] == "0001").sum() == 2
    on_probation = of_ada[HOLDOUT].head(PROBATION)
    assert on_probation.all()
    learnt = ~tables[HOLDOUT].astype(bool)
    assert learnt[of_ada.index[PROBATION:]].any(), "after its probation it is learnt from"
    train, told = assembled(workspace)
    reference = data.read_verified(layout.reference)
    assert len(train) == told["rows"] == len(reference) + learnt.sum() - told["capped"]
    held = of_ada[HOLDOUT].astype(bool).sum()
    assert held >= PROBATION
    key = ["income", "opened"]
    assert not train[key].merge(on_probation.to_frame().join(of_ada[key])[key], on=key).size


def test_a_later_label_of_the_same_case_takes_its_place(tmp_path: Path, honest: Rows) -> None:
    """A reversed outcome is admitted, no contradicting copy; the trainer sees the later one only."""

    def cases(count: int, seed: int, day: str) -> pd.DataFrame:
        return honest(count, seed=seed).assign(
            case=[f"{seed}-{at}" for at in range(count)], decided=pd.Timestamp(day, tz="UTC")
        )

    place = Workspace.init(
        tmp_path / "loans",
        data=cases(900, 1, "2026-01-01").drop(columns="contributor"),
        golden=cases(400, 2, "2026-01-01").drop(columns="contributor"),
        label="accepted", source="contributor", time="decided", id="case", trainer={"trees": 10},
    )  # fmt: skip
    first = cases(300, 3, "2026-06-01")
    assert place.intake(first).outcome.value == "pass"
    new = cases(300, 4, "2026-07-01")
    again = first.head(5).assign(decided=pd.Timestamp("2026-07-02", tz="UTC"))
    again["accepted"] = again["accepted"].map({"yes": "no", "no": "yes"})
    told = place.intake(pd.concat([new, again], ignore_index=True)).to_dict()
    assert told["outcome"] == "pass", told["reasons"]
    train, made = assembled(place)
    assert made["corrected"] == {"0001": [0, 1, 2, 3, 4]}
    key = ["income", "debt"]
    mine = train.merge(again[key], on=key)
    label = mine.merge(again[[*key, "accepted"]], on=key, suffixes=("", "_later"))
    assert 0 < len(label) <= len(again)
    assert (label["accepted"] == label["accepted_later"]).all()
