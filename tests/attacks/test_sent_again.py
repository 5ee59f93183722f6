"""What a rollback took out is sent again, as other bytes, in another order, under other names."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import LABEL, SOURCE
from reviewing import policy, trust_them

from sluicegate import Workspace
from sluicegate.core import Misused, Tampered
from sluicegate.core.schema import ROW
from sluicegate.record.removed_rows import taken_out
from sluicegate.stores import data, files, git
from sluicegate.stores.settings import fill

Rows = Callable[..., pd.DataFrame]
Delivered = Callable[..., Path]
pytestmark = pytest.mark.slow

METRIC = "duplicates.taken_out"


@pytest.fixture
def place(
    workspace: Workspace, keys: dict[str, Path], honest: Rows, delivered: Delivered
) -> Workspace:
    """A workspace from which one batch was taken out, and another is still admitted."""
    trust_them(workspace, keys)
    policy(workspace, when="always", required=1)
    for number, seed in enumerate((11, 12), 1):
        path = delivered(honest(300, seed=seed), f"{number}.csv")
        assert workspace.intake(path).outcome.value == "pass"
    workspace.rollback("batch:0002", reason="found out", retrain=False)
    return workspace


def answer(place: Workspace, keys: dict[str, Path], subject: str, said: str) -> None:
    proof = place.sign_review(subject, said, "ann", keys["ann"])
    place.answer_review(subject, said, "ann", proof, "because")


def measured(place: Workspace, frame: pd.DataFrame) -> tuple[float, str]:
    (found,) = (each for each in place.check(frame).findings if each.metric == METRIC)
    return found.value or 0.0, found.outcome.value


def admitted(place: Workspace, batch: str) -> pd.DataFrame:
    return data.read_verified(place._context.layout.admitted(batch) / data.FEEDBACK)


def test_other_bytes_are_the_same_rows(
    place: Workspace, honest: Rows, delivered: Delivered
) -> None:
    """A byte more, another order, other names: the rows are set aside, honest ones beside them not."""
    path = delivered(honest(300, seed=12), "again.csv")
    path.write_bytes(path.read_bytes() + b"\n")
    assert place.intake(path).outcome.value == "quarantine"
    assert place.show_quarantine("0003").rows == 300
    renamed = honest(300, seed=12).tail(40).assign(**{SOURCE: lambda f: "x" + f[SOURCE]})
    mixed = pd.concat([honest(300, seed=13), renamed], ignore_index=True)
    mixed = mixed.sample(frac=1, random_state=1)
    said = place.intake(delivered(mixed, "mixed.csv"))
    assert said.outcome.value == "quarantine"
    repeated = set(np.flatnonzero(mixed.index >= 300))
    assert set(said.assessment.verdict.quarantined.rows) == repeated
    assert set(admitted(place, "0004")[ROW]) == set(range(340)) - repeated
    assert all(METRIC in each.held_for for each in place.show_quarantine("0004").held)


def test_the_right_label_and_other_rows_pass(place: Workspace, honest: Rows) -> None:
    """Who sends other rows, or what else is still admitted, repeats nothing."""
    assert measured(place, honest(300, seed=14)) == (0.0, "pass")
    assert measured(place, honest(300, seed=11).tail(200)) == (0.0, "pass")
    turned = honest(300, seed=12).assign(
        **{LABEL: lambda f: f[LABEL].map({"yes": "no", "no": "yes"})}
    )
    assert measured(place, turned) == (0.0, "pass")


def test_who_was_rolled_back_wrongly_may_send_again(
    place: Workspace, keys: dict[str, Path], honest: Rows
) -> None:
    """While nobody said so it is held up, and after a yes; after a no it is not."""
    assert measured(place, honest(300, seed=12).tail(100))[1] == "quarantine"
    answer(place, keys, "incident:0001", "reject")
    assert measured(place, honest(300, seed=12).tail(100)) == (0.0, "pass")


def test_a_release_waives_it_by_name(place: Workspace, keys: dict[str, Path], honest: Rows) -> None:
    """Rows from that quarantine are stopped for being themselves until somebody waives just that."""
    answer(place, keys, "incident:0001", "approve")
    assert METRIC in place.plan_release("0002", waive_unmeasured=True).stopped_by
    wanted = {"reason": "audited", "rows": tuple(range(100)), "waive_unmeasured": True}
    with pytest.raises(Misused, match=METRIC):
        place.release("0002", **wanted)
    subject = str(place.release("0002", **wanted, waives=(METRIC,)).subject)
    answer(place, keys, subject, "approve")
    assert set(admitted(place, "0003")[ROW]) == set(range(100))
    assert measured(place, honest(300, seed=12).head(100)) == (0.0, "pass")
    assert measured(place, honest(300, seed=12).tail(100))[1] == "quarantine"


def test_what_cannot_be_verified_stops_intake(place: Workspace, honest: Rows) -> None:
    """Nobody could tell who sends it again, whether it was changed, is gone, or was never pulled."""
    lot = place._context.layout.quarantine("0002") / "held"
    for name in (data.FEEDBACK, data.MANIFEST):
        path = lot / name
        content = path.read_bytes()
        files.remove(path)
        with pytest.raises(Tampered):
            place.check(honest(300, seed=14))
        path.write_bytes(content[:-9])
        with pytest.raises(Tampered):
            place.check(honest(300, seed=14))
        path.write_bytes(content)
    assert measured(place, honest(300, seed=14)) == (0.0, "pass")
    context, table = place._context, lot / data.FEEDBACK
    there = data.read_verified(table)
    about = {"batch": "0002", "received": context.now()}
    data.write_with_manifest(table, there.assign(income=there["income"] + 9), context.schema, about)
    with pytest.raises(Tampered, match="removed from batch:0002 are not in quarantine"):
        place.check(honest(300, seed=14))


def test_what_was_destroyed_is_passed_over(
    place: Workspace, keys: dict[str, Path], honest: Rows
) -> None:
    """After a retirement there is nothing left to compare with."""
    answer(place, keys, "incident:0001", "approve")
    subject = str(place.retire("batch:0002", reason="asked for").subject)
    answer(place, keys, subject, "approve")
    assert taken_out(place._context) is None
    assert measured(place, honest(300, seed=12).tail(100)) == (0.0, "pass")


def test_a_workspace_made_before_is_told(place: Workspace, honest: Rows) -> None:
    """Without the limit the finding is a note."""
    path = place.root / "params.yaml"
    path.write_text(fill(path.read_text(), {f"gates.intake|{METRIC}": None}))
    git.commit(place.root, ["params.yaml"], "no limit")
    value, outcome = measured(Workspace.open(place.root), honest(300, seed=12).tail(100))
    assert value > 0
    assert outcome == "pass"
