"""bisect: the planted batch and the planted source are found, and the innocent come back."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import LABEL, SOURCE, Cli, rows
from prefect_api import artifacts, run
from reviewing import only

from sluicegate import Workspace
from sluicegate.core import CannotDecide, Misused
from sluicegate.core.schema import ROW
from sluicegate.evidence.statement import BISECTION, predicate_of
from sluicegate.flows.orchestration.embedded import free_port
from sluicegate.flows.orchestration.up import services
from sluicegate.record.context import open_context
from sluicegate.stores import data, git, record
from sluicegate.stores.settings import fill

pytestmark = pytest.mark.slow

MALLORY = "mallory"
BATCHES = ("0001", "0002", "0003")
PLANTED = 420


class Killed(BaseException):
    """What a killed process looks like from inside."""


def niche(frame: pd.DataFrame, count: int, **where: object) -> pd.DataFrame:
    """Return `frame` with rows of mallory, who calls whoever is accepted in the north refused."""
    chosen = accepted(count, seed=99, region="north", **where)
    return pd.concat([frame, chosen.assign(**{SOURCE: MALLORY, LABEL: "no"})], ignore_index=True)


def accepted(count: int, seed: int, **where: object) -> pd.DataFrame:
    """Return rows that are accepted, with these values."""
    many = rows(12_000, seed=seed)
    wanted = many[LABEL] == "yes"
    for column, value in where.items():
        wanted &= many[column] == value
    return many[wanted].head(count)


def loosened(template: Path, root: Path, candidate: dict[str, Any]) -> Workspace:
    """Return a workspace in `root` whose gates let any batch in, and challengers by `candidate`."""
    shutil.copytree(template, root, symlinks=True)
    told = {
        **only("intake", {"checks.crashed": {"pause": 0}}),
        **only("candidate", candidate),
        "checks.calibration_windows": 0,
        "train.trees": 10,
    }
    params = root / "params.yaml"
    params.write_text(fill(params.read_text(), told))
    git.commit(root, ["params.yaml"], "policy")
    return Workspace.open(root)


@pytest.fixture(scope="module")
def planted(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose gates let anything in, with mallory in its second batch."""
    root = tmp_path_factory.mktemp("planted") / "loans"
    place = loosened(template, root, {"golden.loss.accuracy": {"reject": 0.04}})
    for number in (1, 2, 3):
        frame = rows(80, seed=10 + number, sources=3)
        assert place.intake(niche(frame, 300) if number == 2 else frame).outcome.value == "pass"
    update = place.retrain().to_dict()["update"]
    assert update["stage"] == "refused"
    assert data.admitted_batches(place._context.layout) == []
    return root


@pytest.fixture(scope="module")
def misled(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose champion learnt mallory's rows, in the fifth of six batches."""
    root = tmp_path_factory.mktemp("misled") / "loans"
    place = loosened(template, root, {"golden.loss.accuracy": {"reject": 0.9}})
    for number in range(1, 7):
        frame = rows(80, seed=20 + number, sources=3)
        frame = niche(frame, PLANTED, member=True) if number == 5 else frame
        assert place.intake(frame).outcome.value == "pass"
        if number in (2, 6):
            assert place.retrain().to_dict()["update"]["stage"] == "promoted"
    return root


def sets(told: dict[str, Any]) -> list[tuple[tuple[str, ...], int, bool]]:
    return [(tuple(s["batches"]), len(s["without"]), s["failed"]) for s in told["steps"]]


def test_the_guilty_are_found(planted: Path, run_cli: Cli) -> None:
    """Killed on the way it goes on; nothing is registered; a second run trains nothing."""
    layout = Workspace.open(planted)._context.layout
    before = git.head(planted)

    def die(text: str) -> None:
        if text.startswith("set 4 ") and text.endswith(": train"):
            raise Killed

    planned = Workspace.open(planted).plan_bisect("0001").to_dict()
    with pytest.raises(Killed):
        Workspace.open(planted, tell=die).bisect("0001").to_dict()
    trained = len(list((layout.home / "trained").glob("[!.]*/trained.json")))
    assert trained == 3
    assert list(layout.work.glob("trained-*")) == []

    told = Workspace.open(planted).bisect("0001").to_dict()
    assert told["batches"] == {
        "suspects": list(BATCHES),
        "guilty": ["0002"],
        "innocent": ["0001", "0003"],
    }
    assert [(each["batch"], each["guilty"]) for each in told["sources"]] == [("0002", [MALLORY])]
    assert told["alone"] is True
    assert told["repeats_itself"] is True
    assert sets(told)[:2] == [(BATCHES, 0, True), ((), 0, False)]
    assert told["trainings"]["trained"] == told["trainings"]["sets"] - trained
    assert told["trainings"]["sets"] <= planned["trainings"]
    assert f"sluicegate rollback --because source:{MALLORY}" in told["mend"]
    assert MALLORY in (planted / told["report"]).read_text()
    assert git.head(planted) == before
    assert git.run(planted, "status", "--porcelain").strip() == ""

    code, again, _ = run_cli("bisect", "update:0001", "-C", planted)
    assert code == 0
    assert again["trainings"]["trained"] == 0
    assert sets(again) == sets(told)


@pytest.fixture
def searched(planted: Path, tmp_path: Path) -> Path:
    """A copy of the planted workspace, with the models of the search before."""
    Workspace.open(planted).bisect("0001").to_dict()  # trains nothing where the test above ran
    root = tmp_path / "loans"
    shutil.copytree(planted, root, symlinks=True)
    return root


def test_the_innocent_come_back(searched: Path, run_cli: Cli) -> None:
    """Signed and recorded, once; others' rows of the guilty batch are asked for, mallory's stay."""
    layout = Workspace.open(searched)._context.layout
    code, back, _ = run_cli("bisect", "update:0001", "--give-back", "-C", searched)
    assert code == 0
    assert back["given_back"]["batches"] == ["0001", "0003"]
    assert data.admitted_batches(layout) == ["0001", "0003"]
    assert len(data.read_admitted(layout, ["0001", "0003"])) == 160
    payload = record.read_statement(layout, layout.update("0001") / "bisection.json")
    assert predicate_of(payload, BISECTION, "bisection")["guilty"] == ["0002"]
    verbs = [entry.verb for entry in record.backwards(layout) if entry.verb != "commit"]
    assert verbs[:3] == ["ask", "ask-release", "give-back"]
    (asked,) = back["given_back"]["releases"]
    rest = data.read_verified(layout.root / "releases" / "0001" / "rows" / data.FEEDBACK)
    assert asked == "release:0001"
    assert len(rest) == 80
    assert MALLORY not in set(rest[SOURCE])
    assert ROW in rest

    once_more = Workspace.open(searched).bisect("0001", give_back=True).to_dict()["given_back"]
    assert once_more == {
        "batches": [],
        "kept": {"0001": "it is admitted", "0003": "it is admitted"},
        "releases": [],
    }
    assert git.run(searched, "status", "--porcelain").strip() == ""

    kept = list((layout.home / "trained").glob("*/model/MLmodel"))
    for each in kept:
        each.write_text(each.read_text() + "\n")
    assert not Workspace.open(searched).plan_bisect("0001").to_dict()["ends_kept"]
    assert sum(each.exists() for each in kept) == len(kept) - 2  # both ends were looked at


def test_the_innocent_come_back_through_prefect(searched: Path) -> None:
    """The form's `give_back`: the run is Found, its artifact the report, the ledger names who came back."""
    layout = Workspace.open(searched)._context.layout
    with services(open_context(searched), free_port(), free_port()) as served:
        wrong = run(served, "bisect", slice="region=north", give_back=True)
        assert wrong["type"] == "FAILED"
        assert "rejected update" in wrong["message"]
        assert data.admitted_batches(layout) == []
        state = run(served, "bisect", update="update:0001", give_back=True)
        shown = artifacts(served)
    assert (state["type"], state["name"]) == ("COMPLETED", "Found")
    assert f"In batch:0002, the cause is source:{MALLORY}" in state["message"]
    assert data.admitted_batches(layout) == ["0001", "0003"]
    assert len(data.read_admitted(layout, ["0001", "0003"])) == 160
    folders = [path.parent for path in layout.root.glob(f"quarantine/*/held/{data.MANIFEST}")]
    assert folders == [layout.held("0002")]
    assert MALLORY in set(data.read_verified(folders[0] / data.FEEDBACK)[SOURCE])
    (entry,) = [each for each in record.backwards(layout) if each.verb == "give-back"]
    assert entry.details == {"update": "0001", "batches": ["0001", "0003"]}
    evidence = record.read_statement(layout, layout.update("0001") / "bisection.json")
    assert predicate_of(evidence, BISECTION, "bisection")["innocent"] == ["0001", "0003"]
    (report,) = [each["data"] for key, each in shown.items() if key.startswith("bisect-")]
    assert "admitted again: batch:0001, batch:0003" in report
    assert "release:0001 waits for review" in report
    assert git.run(searched, "status", "--porcelain").strip() == ""


def test_what_a_champion_learnt_is_found_and_taken_out(misled: Path) -> None:
    """Asked by rows or by a slice, the same few trainings name mallory, who then goes, and the harm too."""
    place = Workspace.open(misled)
    asked = {"example": accepted(40, seed=98, region="north", member=True)}
    planned = place.plan_bisect(**asked).to_dict()
    told = place.bisect(**asked).to_dict()
    assert told["batches"]["guilty"] == ["0005"]
    assert [(each["batch"], each["guilty"]) for each in told["sources"]] == [("0005", [MALLORY])]
    # both ends, 3 halvings of 6 batches, those left, the guilty one alone; 2 halvings of 4 sources, those left
    assert told["trainings"]["trained"] <= planned["trainings"] == (2 + 3 + 1 + 1) + (2 + 1)
    assert not planned["ends_kept"]
    assert place.plan_bisect(**asked).to_dict()["ends_kept"]

    harmed = {
        "slice": "region=north",
        "limit": 0.165,
    }  # others: 0.14 at most; with her: 0.19 at least
    by_slice = place.bisect(**harmed).to_dict()
    assert by_slice["trainings"]["trained"] == 0
    assert sets(by_slice) == sets(told)
    assert [step["models"] for step in by_slice["steps"]] == [s["models"] for s in told["steps"]]

    (mend,) = by_slice["mend"]
    assert mend == f"sluicegate rollback --because source:{MALLORY}"
    done = place.rollback(f"source:{MALLORY}", reason="a bisect named it").to_dict()
    assert done["cleaned"] == [{"batch": "0005", "rows": PLANTED}]
    assert done["update"]["stage"] == "promoted"
    for what in (asked, harmed):
        after = place.bisect(**what).to_dict()
        assert (after["ended"], after["batches"]["guilty"], after["mend"]) == ("passes", [], [])


def test_what_the_base_already_answers_wrong_is_nobodys_fault(workspace: Workspace) -> None:
    """Before any feedback was learnt there is no batch to blame, and that is said."""
    frame = rows(20, seed=3).drop(columns=SOURCE)
    right = workspace.bisect(example=frame).to_dict()
    assert (right["ended"], right["batches"]["guilty"]) == ("passes", [])
    wrong = frame.assign(**{LABEL: frame[LABEL].map({"yes": "no", "no": "yes"})})
    told = workspace.bisect(example=wrong).to_dict()
    assert (told["ended"], told["mend"]) == ("base fails", [])
    assert told["trainings"]["trained"] == 0  # the same model
    assert workspace.bisect(slice="region=north").to_dict()["ended"] == "passes"
    assert workspace.bisect(slice="region=north", limit=0.0).to_dict()["ended"] == "base fails"


def test_what_cannot_be_asked_is_said(workspace: Workspace) -> None:
    """One sentence each, before anything is trained."""
    with pytest.raises(Misused, match="one thing that fails"):
        workspace.bisect().to_dict()
    with pytest.raises(Misused, match="one thing that fails"):
        workspace.bisect("0000", slice="region=north").to_dict()
    with pytest.raises(Misused, match="odd"):
        workspace.bisect(slice="region=north", repeat=2).to_dict()
    with pytest.raises(Misused, match="is not a slice"):
        workspace.bisect(slice="nowhere=north").to_dict()
    with pytest.raises(Misused, match="0 rows with region=west"):
        workspace.bisect(slice="region=west").to_dict()
    with pytest.raises(Misused, match="promoted"):
        workspace.bisect("0000").to_dict()
    with pytest.raises(Misused, match="is not an update"):
        workspace.bisect("../updates/0000").to_dict()
    with pytest.raises((Misused, CannotDecide), match="rejected update"):
        workspace.bisect(slice="region=north", give_back=True).to_dict()
