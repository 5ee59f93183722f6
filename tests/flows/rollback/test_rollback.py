"""rollback: a cause goes out of serving, data and models; the rest stays, and people hear of it."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import SOURCE, rows
from findings import judged
from reviewing import policy, trust_them

from sluicegate import Workspace, load_champion
from sluicegate.core import CannotDecide, Conflict, Missing, Misused, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.core.schema import ROW
from sluicegate.flows.rollback import reinstate
from sluicegate.record.causes import cause_of
from sluicegate.reports import incident_causes as let_through
from sluicegate.stores import data, dvc, files, git, record
from sluicegate.stores.mlflow import open_registry
from sluicegate.stores.reports import Report
from sluicegate.stores.settings import fill
from sluicegate.workspace import diagnose

pytestmark = pytest.mark.slow

MALLORY = "mallory"
HONEST, MIXED, LATER = "0001", "0002", "0003"


@pytest.fixture(scope="module")
def poisoned_template(
    template: Path, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A workspace whose second batch holds rows of mallory, whom nobody suspects."""
    root = tmp_path_factory.mktemp("poisoned") / "loans"
    shutil.copytree(template, root, symlinks=True)
    place = Workspace.open(root)
    trust_them(place, keys)
    policy(place, when="always", required=1)
    frames = rows(300, seed=11), joined(rows(300, seed=16)), rows(300, seed=13)
    for number, frame in enumerate(frames, 1):
        place.update(frame)
        subject = f"update:{number:04d}"
        proof = place.sign_review(subject, "approve", "ann", keys["ann"])
        place.answer_review(subject, "approve", "ann", proof)
        assert place.status().champion.update == f"{number:04d}"
    return root


@pytest.fixture
def place(poisoned_template: Path, tmp_path: Path) -> Workspace:
    root = tmp_path / "loans"
    shutil.copytree(poisoned_template, root, symlinks=True)
    return Workspace.open(root)


def joined(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with three rows by mallory, of whom nobody thinks ill yet."""
    return frame.assign(**{SOURCE: [MALLORY] * 3 + list(frame[SOURCE][3:])})


def admitted(place: Workspace, batch: str) -> pd.DataFrame:
    return data.read_verified(place._context.layout.admitted(batch) / data.FEEDBACK)


def back(place: Workspace, because: str, retrain: bool = False) -> dict[str, Any]:
    return place.rollback(because, reason="found out", retrain=retrain).to_dict()


def at_rest(place: Workspace) -> None:
    """Nothing is left uncommitted, and every table is what its pointer and its manifest name."""
    assert git.run(place.root, "status", "--porcelain").strip() == ""
    for batch in data.admitted_batches(place._context.layout):
        admitted(place, batch)
        table = place._context.layout.admitted(batch) / data.FEEDBACK
        named = dvc.read_pointer(dvc.pointer(table)).md5
        assert hashlib.md5(table.read_bytes()).hexdigest() == named


def settled(place: Workspace) -> None:
    """What is true after any rollback: git and DVC have nothing to say, and every table verifies."""
    at_rest(place)
    clean = subprocess.run(
        ["dvc", "status", "--quiet", *map(str, place.root.glob("batches/*/*.dvc"))],
        cwd=place.root, check=False,
    )  # fmt: skip
    assert clean.returncode == 0


def test_a_batch_goes_out_of_serving_data_and_models(place: Workspace) -> None:
    """The newest version without it serves at once, a new one is trained, later batches stay."""
    before = place.status().champion
    told = back(place, f"batch:{MIXED}", retrain=True)
    assert told["tainted"] == {"batches": [MIXED], "updates": ["0002", "0003"], "versions": [3, 4]}
    assert told["champion"]["before"]["version"] == before.version
    assert told["cleaned"] == [{"batch": MIXED, "rows": 300}]
    moves = [e for e in record.backwards(place._context.layout) if e.verb == "reinstate"]
    assert [(e.details["update"], e.details["version"]) for e in moves] == [("0001", 2)]
    assert told["update"]["batches"] == [HONEST, LATER]
    assert (told["update"]["id"], told["update"]["stage"]) == ("0004", "awaiting")
    assert place.status().champion.update == "0001"
    assert place.show("update:0003")["update"]["stage"] == "rolled_back"
    assert place.show_quarantine(MIXED).rows == 300
    assert told["differs"]["taken"]["tainted"] > told["differs"]["taken"]["clean"]
    settled(place)
    again = back(place, f"batch:{MIXED}", retrain=True)
    commits = git.head(place.root)
    assert again["repeated"]
    assert again | {"seconds": 0, "repeated": False} == told | {"seconds": 0}
    assert git.head(place.root) == commits


def test_a_source_goes_and_its_batch_stays(place: Workspace, keys: dict[str, Path]) -> None:
    """Only its rows leave; it is in question until reviewers bar it, then it is set aside."""
    told = back(place, f"source:{MALLORY}")
    kept = admitted(place, MIXED)
    assert MALLORY not in set(kept[SOURCE])
    assert len(kept) == 297
    assert told["cleaned"] == [{"batch": MIXED, "rows": 3}]
    settled(place)
    card = place.card(f"batch:{MIXED}").to_dict()
    assert card["rolled_back"] == {"rows": 3, "incidents": ["0001"]}
    assert card["admitted"]["rows"] + card["rolled_back"]["rows"] == card["rows"]
    held = place.show_quarantine(MIXED).held
    assert {(each.source, each.held_for[0]) for each in held} == {
        (MALLORY, "incident:0001: source:mallory")
    }
    frame = joined(rows(300, seed=21))
    asked = place.check(frame).to_dict()
    assert asked["outcome"] == "pause"
    assert asked["suspects"]["sources"] == [MALLORY]
    proof = place.sign_review("incident:0001", "approve", "ann", keys["ann"])
    done = place.answer_review("incident:0001", "approve", "ann", proof).done
    assert done == "countersigned; barred: mallory"
    shut = place.check(frame).to_dict()
    assert (shut["outcome"], shut["quarantined"]["sources"]) == ("quarantine", [MALLORY])


def test_the_account_says_what_let_it_through(place: Workspace, keys: dict[str, Path]) -> None:
    """Only what reached the data is named, each with what speaks of the rows, and who approved it."""
    frame = joined(rows(300, seed=31))
    assert place.intake(frame.assign(income=frame["income"] * 4)).outcome.value == "pause"
    proof = place.sign_review("batch:0004", "reject", "ann", keys["ann"])
    place.answer_review("batch:0004", "reject", "ann", proof, "odd incomes")
    back(place, f"source:{MALLORY}")
    told = place.export_incident("0001").to_dict()
    subjects = [each["subject"] for each in told["let_through"]]
    assert subjects == [f"batch:{MIXED}", "update:0002", "update:0003"]
    assert told["let_through"][1]["approved_by"] == ["ann"]
    assert "approval.when is always" in told["let_through"][1]["reasons"][0]
    said = [each["what"] for each in told["timeline"]]
    assert f"batch:{MIXED} arrived with 3 such rows: 3 admitted" in said
    assert "batch:0004 was rejected by ann (odd incomes): no model learnt from it" in said
    assert said[-4:] == [
        f"source:{MALLORY} was rolled back: found out",
        "version 2 serves again",
        f"3 rows of batch:{MIXED} moved to quarantine",
        "the rollback was complete",
    ]
    page = (place.root / "incidents" / "0001" / "evidence.html").read_text()
    assert "Approved by ann." in page


@pytest.mark.parametrize(
    ("value", "limit", "beyond"), [(2.0, 0.0, True), (1.0, 1.0, False), (0.5, 1.0, False)]
)
def test_a_limit_of_nought_can_be_exceeded(value: float, limit: float, beyond: bool) -> None:
    """What is beyond its limit comes first, and exactly at a limit is within it."""
    finding = judged(value=value, limit=limit)
    assert let_through._distance(finding)[0] is beyond
    assert let_through._found_something(finding)


def test_who_is_rolled_back_wrongly_is_not_barred(place: Workspace, keys: dict[str, Path]) -> None:
    """A no lifts the bar; what was taken out can be released."""
    back(place, "source:c07")
    proof = place.sign_review("incident:0001", "reject", "ann", keys["ann"])
    assert "contested" in place.answer_review("incident:0001", "reject", "ann", proof).done
    assert place.check(rows(300, seed=21)).outcome.value == "pass"


def test_a_row(place: Workspace) -> None:
    """One row goes; an update that only compared on it does not embody it."""
    table = admitted(place, HONEST)
    learnt = int(table.loc[~table["_holdout"], ROW].iloc[0])
    held_out = int(table.loc[table["_holdout"], ROW].iloc[0])
    assert [each["update"] for each in place.trace(f"row:{HONEST}/{learnt}").to_dict()["updates"]] == [
        "0001", "0002", "0003",
    ]  # fmt: skip
    assert place.trace(f"row:{HONEST}/{held_out}").to_dict()["updates"] == []
    told = back(place, f"row:{HONEST}/{learnt}")
    assert learnt not in set(admitted(place, HONEST)[ROW])
    assert told["champion"]["after"]["update"] == "0000"
    settled(place)


def test_an_update(place: Workspace) -> None:
    """What it added goes, what was there before it and came after it stays; predictions are counted."""
    (place.root / "log.csv").write_text("version,time\n2,2026-11-01\n3,2026-11-02\n")
    params = place.root / "params.yaml"
    params.write_text(fill(params.read_text(), {"rollback.predictions": "log.csv"}))
    git.commit(place.root, ["params.yaml"], "predictions are logged")
    told = back(place, "update:0002")
    page = (place.root / "incidents" / "0001" / "incident.md").read_text()
    assert "affected predictions: 1 by version 3, from 2026-11-02T00:00:00+00:00" in page
    assert told["tainted"]["batches"] == [MIXED]
    assert data.admitted_batches(place._context.layout) == [HONEST, LATER]
    assert told["champion"]["after"]["update"] == "0001"


def test_back_to_an_update(place: Workspace, tmp_path: Path) -> None:
    """Data and champion are those of that update, as they are in a clone at its tag."""
    plan = place.plan_rollback("to:0001").to_dict()
    assert (plan["goes_to"], plan["withdraws"]) == ("0001", ["0002", "0003"])
    told = back(place, "to:0001", retrain=True)
    assert told["champion"]["after"]["update"] == place.status().champion.update == "0001"
    assert told["update"] is None  # nothing is trained: that state was asked for
    assert data.admitted_batches(place._context.layout) == [HONEST]
    assert place.show_quarantine(LATER).rows == 300
    settled(place)
    clone = tmp_path / "clone"
    git.run(tmp_path, "clone", "--quiet", str(place.root), str(clone))
    git.run(clone, "checkout", "--quiet", "update/0001")
    remote = ["dvc", "remote", "modify", "--local", "local", "url", dvc.default_remote(place.root)]
    for command in (remote, ["dvc", "pull", "--quiet", *map(str, clone.glob("batches/*/*.dvc"))]):
        subprocess.run(command, cwd=clone, check=True)
    pulled = {path.parent.name: sha256_file(path) for path in clone.rglob(data.FEEDBACK)}
    now = place._context.layout.admitted(HONEST) / data.FEEDBACK
    assert pulled == {HONEST: sha256_file(now)}
    commit = git.head(place.root)
    assert back(place, "to:0001", retrain=True)["incident"] == "0001"
    assert git.head(place.root) == commit


def test_an_update_that_added_nothing(place: Workspace, keys: dict[str, Path]) -> None:
    """It is taken back by going to the champion before; hosts that still hold it are named."""
    layout = place._context.layout
    policy(place, when="always", required=1, expires_days=9)
    assert place.retrain().to_dict()["update"]["id"] == "0004"
    proof = place.sign_review("update:0004", "approve", "ann", keys["ann"])
    place.answer_review("update:0004", "approve", "ann", proof)
    with pytest.raises(Conflict, match="--to update:NNNN"):
        back(place, "update:0004")
    assert str(cause_of(layout, "0004")) == "to:0003"
    champion = place.status().champion
    layout.serving.mkdir(parents=True, exist_ok=True)
    host = Report("host", "serving", champion.version, champion.sha256, "0004", "2026-11-28")
    (layout.serving / "host.json").write_text(json.dumps(asdict(host)))
    told = back(place, "to:0003")
    assert told["champion"]["after"]["update"] == "0003"
    assert [each["version"] for each in told["still_serving"]] == [champion.version]
    assert data.admitted_batches(layout) == [HONEST, MIXED, LATER]


def test_who_was_disowned_does_not_serve_again(place: Workspace, keys: dict[str, Path]) -> None:
    """Somebody took back the yes that made it champion, and nobody has said to keep it."""
    proof = place.sign_review("update:0001", "withdraw", "ann", keys["ann"])
    place.answer_review("update:0001", "withdraw", "ann", proof)
    with pytest.raises(Conflict, match="update:0001 is withdrawn"):
        back(place, "to:0001")
    assert back(place, f"batch:{MIXED}")["champion"]["after"]["update"] == "0000"


def test_a_champion_that_was_altered_keeps_no_rollback_from_its_end(place: Workspace) -> None:
    """What it did otherwise cannot be measured then, and the account says so."""
    layout = place._context.layout
    weights = next((layout.models / place.status().champion.sha256).glob("*.skops"))
    weights.write_bytes(b"other")
    told = back(place, f"batch:{MIXED}")
    assert (told["incident"], told["differs"]["taken"]) == ("0001", None)
    assert "Not measured: " in (layout.incident("0001") / "incident.md").read_text()
    assert place.reviews() == ["incident:0001"]


def test_a_manifest_that_was_rewritten_hides_nothing(place: Workspace) -> None:
    """A rollback goes by what the signed verdict names, and says which file is another."""
    path = place._context.layout.intake(MIXED) / data.MANIFEST
    path.write_text(path.read_text().replace(MALLORY, "nobody"))
    with pytest.raises(Tampered, match=f"intake/{MIXED}/manifest.json was changed"):
        back(place, f"source:{MALLORY}")


def test_rows_under_another_name_are_missed(place: Workspace) -> None:
    """The signed receipt says how many rows of whom came: a table that names fewer was rewritten."""
    context = place._context
    table = context.layout.admitted(MIXED) / data.FEEDBACK
    frame = data.read_verified(table).replace({SOURCE: {MALLORY: "nobody"}})
    about = {"batch": MIXED, "received": context.now()}
    data.write_with_manifest(table, frame, context.schema, about)
    with pytest.raises(Tampered, match="arrived with 3 rows from 'mallory', but its tables have 0"):
        back(place, f"source:{MALLORY}")


def test_a_withdrawal_that_was_deleted_brings_nobody_back(place: Workspace) -> None:
    """The signed opening of the incident says who was taken back, also who learnt nothing of it."""
    back(place, "to:0001")
    for each in ("0002", "0003"):
        git.run(place.root, "rm", "-q", f"updates/{each}/withdrawal.json")
    git.run(place.root, "commit", "-qm", "tidied up")
    with pytest.raises(Conflict, match="update:0003 is rolled back by incident:0001"):
        back(place, "to:0003")


def test_a_rollback_that_broke_off_lets_nobody_go_forward_again(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its incident names what embodies it, though nothing is withdrawn yet; the end tells the same."""
    with monkeypatch.context() as patch:
        patch.setattr("sluicegate.flows.rollback.rollback._clean", died)
        with pytest.raises(SystemExit):
            back(place, f"batch:{MIXED}")
    with pytest.raises(Conflict, match="update:0003 is rolled back by incident:0001"):
        back(place, "to:0003")
    with monkeypatch.context() as patch:
        patch.setattr("sluicegate.flows.rollback.rollback.close", died)
        with pytest.raises(SystemExit):
            back(place, f"batch:{MIXED}")
    taken = back(place, f"batch:{MIXED}")["differs"]["taken"]
    assert taken["rows"] > 200
    assert taken["tainted"] > taken["clean"]


def died(*_: object) -> None:
    raise SystemExit(9)


def test_nobody_goes_back_to_poison(place: Workspace) -> None:
    """What was rolled back is no place to go back to, nor is what never served."""
    back(place, f"batch:{MIXED}")
    with pytest.raises(Conflict, match="update:0003 is rolled_back"):
        back(place, "to:0003")


@pytest.mark.parametrize(
    ("because", "error", "said"),
    [
        ("batch:0009", Missing, "no batch:0009"),
        ("source:nobody", Missing, "'nobody'"),
        ("row:0001/999999", Missing, "300 rows"),
        ("row:0001", Misused, "cannot be traced"),
        ("everything", Misused, "cannot be traced"),
    ],
)
def test_what_cannot_be_traced(
    place: Workspace, because: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        back(place, because)
    assert not (place.root / "incidents").exists()


def test_a_rollback_at_night(place: Workspace, run_cli: Callable[..., Any]) -> None:
    """Nobody has to give a reason, and MLflow has not to answer: serving hosts go by the record."""
    database = place._context.layout.home / "mlflow" / "mlflow.db"
    database.rename(database.with_suffix(".away"))
    database.mkdir()
    code, told, _ = run_cli("rollback", "--because", "batch:0002", "--no-retrain", "-C", place.root)
    assert (code, told["champion"]["after"]["update"]) == (0, "0001")
    assert place.status().champion.update == "0001"
    database.rmdir()
    database.with_suffix(".away").rename(database)
    doctor = {each["name"]: each for each in diagnose(place.root)}
    assert "alias champion" in doctor["champion"]["says"]
    code, again, _ = run_cli("rollback", "--because", "batch:0002", "-C", place.root)
    assert (code, again["incident"]) == (0, "0001")
    assert {each["name"]: each for each in diagnose(place.root)}["champion"]["ok"]


def test_a_row_in_quarantine_has_no_effect(place: Workspace) -> None:
    """Nothing embodies it, so nothing moves and no incident opens."""
    back(place, f"row:{MIXED}/5")
    commit = git.head(place.root)
    told = back(place, f"row:{MIXED}/5") | {"seconds": 0}
    assert told["incident"] == "0001"
    assert git.head(place.root) == commit


def swap(place: Workspace) -> None:
    """Put the champion's weights into the former champion that update:0001 made."""
    layout = place._context.layout
    weights = next((layout.models / place.status().champion.sha256).glob("*.skops"))
    former = files.read_json(layout.root / "updates/0001/comparison.json")["challenger"]
    next((layout.models / former).glob("*.skops")).write_bytes(weights.read_bytes())


def test_a_version_that_was_swapped_does_not_serve(place: Workspace) -> None:
    """The next clean one does, and the plan says why."""
    swap(place)
    plan = place.plan_rollback(f"batch:{MIXED}").to_dict()
    assert [bool(each["fault"]) for each in plan["clean"]] == [True, False]
    assert plan["clean"][0]["golden"] == {"accuracy": None}
    assert 0.8 < plan["clean"][1]["golden"]["accuracy"] < 1
    assert back(place, f"batch:{MIXED}")["champion"]["after"]["update"] == "0000"


@pytest.mark.parametrize(
    ("declared", "committed", "stops"),
    [
        pytest.param("stop", True, True, id="stop"),
        pytest.param("serve_on", True, False, id="serve on"),
        pytest.param("serve_on", False, True, id="nobody committed it"),
    ],
)
def test_where_nothing_clean_is_left(
    place: Workspace, declared: str, committed: bool, stops: bool
) -> None:
    """The policy says whether nobody serves; either way the rows go, and everybody is told."""
    layout, serving = place._context.layout, place.status().champion
    for weights in layout.models.glob("*/*.skops"):
        if weights.parent.name != serving.sha256:
            weights.write_bytes(b"swapped")
    params = place.root / "params.yaml"
    params.write_text(fill(params.read_text(), {"rollback.without_clean": declared}))
    if committed:
        git.commit(place.root, ["params.yaml"], "what serves where nothing clean is left")
    told = back(place, f"batch:{MIXED}")
    assert told["suspended"] == ("0001" if stops else None)
    assert told["champion"]["after"]["version"] == serving.version
    assert data.admitted_batches(layout) == [HONEST, LATER]
    page = (place.root / "incidents" / "0001" / "incident.md").read_text()
    assert ("now none, because no version is clean" in page) is stops
    assert ("serving stopped" in page) is stops
    alias = open_registry(layout, place._context.settings.model).alias("champion")
    assert alias == (None if stops else serving.version)
    assert (place.status().suspended is not None) is stops
    if stops:
        other = back(place, f"batch:{LATER}")
        assert other["suspended"] == "0001", "an earlier incident is why nobody serves"
        page = (place.root / "incidents" / "0002" / "incident.md").read_text()
        assert "now none, since incident:0001" in page
    if committed:
        settled(place)


def test_a_busy_git_is_no_reason_to_stop_serving(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's editor holds the index for a moment: the same command goes on from there."""
    lock, first_sound = place.root / ".git" / "index.lock", reinstate.first_sound

    def sound(*given: Any) -> Any:
        lock.touch()
        return first_sound(*given)

    def told(_: str) -> None:
        lock.unlink(missing_ok=True)

    with monkeypatch.context() as patch:
        patch.setattr(reinstate, "first_sound", sound)
        with pytest.raises(CannotDecide, match=r"index\.lock"):
            back(Workspace.open(place.root, tell=told), f"batch:{MIXED}")
    lock.unlink(missing_ok=True)
    assert place.status().suspended is None
    assert back(place, f"batch:{MIXED}")["champion"]["after"]["update"] == "0001"


def test_the_last_former_champion_is_not_destroyed_unawares(place: Workspace) -> None:
    """While another could serve again nobody is warned; of what was rolled back nobody counts."""
    assert [place.plan_retirement(f"model:{n}").warning for n in (1, 2, 3)] == [None] * 3
    back(place, f"batch:{MIXED}")
    assert place.status().champion.version == 2
    assert place.plan_retirement("model:3").warning is None  # it was rolled back itself
    assert "nothing to go back to: version 1" in place.plan_retirement("model:1").warning


def test_a_version_that_was_swapped_is_nothing_to_go_back_to(place: Workspace) -> None:
    """Whoever destroys the other one is warned as if it were the last."""
    back(place, f"batch:{LATER}")
    swap(place)
    assert "nothing to go back to: version 1" in place.plan_retirement("model:1").warning
    assert place.plan_retirement("model:2").warning is None


def test_what_others_are_told(place: Workspace, keys: dict[str, Path]) -> None:
    """A case study for ATLAS, with what reviewers said; the public one names nobody."""
    back(place, f"source:{MALLORY}")
    story = place.root / "incidents" / "0001" / "account.json"
    told = story.read_bytes()
    story.write_bytes(told.replace(b"found out", b"no matter"))
    with pytest.raises(Tampered, match=r"account\.json was changed"):
        place.export_incident("0001")
    story.write_bytes(told)
    proof = place.sign_review("incident:0001", "approve", "ann", keys["ann"])
    place.answer_review("incident:0001", "approve", "ann", proof, "sign the feed")
    full = place.export_incident("0001").to_dict()
    assert (full["state"], full["lessons"]) == (
        "countersigned",
        [{"by": "ann", "said": "sign the feed"}],
    )
    study = place.export_incident("0001", "atlas").to_dict()["study"]
    assert [each["technique"] for each in study["procedure"]] == [
        "AML.T0020", "AML.T0031", "AML.T0031",
    ]  # fmt: skip
    assert (study["actor"], study["case-study-type"]) == (MALLORY, "incident")
    public = json.dumps(place.export_incident("0001", "public").to_dict())
    names = [MALLORY, "ann", "found out", str(place.root), "limit", "batch:"]
    assert [name for name in names if name in public] == []


def test_a_serving_host_follows(place: Workspace, tmp_path: Path) -> None:
    """It verifies the reinstatement itself; until it looked, the rollback is not complete."""
    pinned = tmp_path / "pinned.json"
    place.export_trust(pinned)
    served = load_champion(place.root, pinned, name="shop")
    assert served.update == "0003"
    told = back(place, f"batch:{MIXED}")
    assert [(each["loader"], each["version"]) for each in told["still_serving"]] == [("shop", 4)]
    assert place.status().to_dict()["incidents"] == {"0001": ["shop still serves version 4"]}
    assert served.refresh()
    assert served.update == "0001"
    assert place.status().to_dict()["incidents"] == {}
    assert back(place, f"batch:{MIXED}")["still_serving"] == []


def test_nobody_countersigned(place: Workspace) -> None:
    """After a day it is said wherever people look."""
    back(place, f"batch:{MIXED}")
    late = Workspace.open(place.root, clock=lambda: datetime.now(UTC) + timedelta(days=2))
    assert "nobody countersigned" in late.status().to_dict()["incidents"]["0001"][0]
