"""Prefect: one real server, MLflow UI and runner; what runs through them, and that nothing outlives them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from prefect_api import artifacts, ask, begin, eventually, final, run

from sluicegate import Workspace
from sluicegate.core import Conflict, Misused, Outcome
from sluicegate.flows.orchestration.embedded import answers, free_port, is_taken, running
from sluicegate.flows.orchestration.guard import descendants
from sluicegate.flows.orchestration.up import Services, services
from sluicegate.record.context import Context, open_context
from sluicegate.reports.markup import escaped
from sluicegate.stores import record

pytestmark = pytest.mark.slow
UP = (
    "import sys; from pathlib import Path; from sluicegate.record.context import open_context; "
    "from sluicegate.flows.orchestration.up import up; "
    "sys.exit(up(open_context(Path(sys.argv[1]), tell=lambda s: print(s, flush=True)),"
    " int(sys.argv[2]), int(sys.argv[3])))"
)
UPDATE = (
    "import json, sys; from pathlib import Path; from sluicegate.record.context import open_context; "
    "from sluicegate.flows.deployments import run_update; "
    "print(json.dumps(run_update(open_context(Path(sys.argv[1])), sys.argv[2]).to_dict()))"
)


def feedback(seed: int, count: int = 240) -> pd.DataFrame:
    """Return feedback that one person cannot have spoiled: the category decides the label."""
    frame = pd.DataFrame({"n": range(count)})
    mixed = (frame["n"] * 7919 + seed * 104729) % 1000
    frame["a"] = (mixed % 97) / 10
    frame["b"] = (mixed % 89) / 10
    frame["kind"] = mixed.mod(3).map({0: "x", 1: "y", 2: "z"})
    frame["d"] = (mixed % 83) / 10
    frame["label"] = (frame["a"] > frame["b"]).map({True: "yes", False: "no"})
    frame["contributor"] = [f"c{n % 30:02d}" for n in frame["n"]]
    return frame.drop(columns="n")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small workspace that the tests of this file pass on."""
    root = tmp_path_factory.mktemp("prefect") / "shop"
    Workspace.init(
        root,
        data=feedback(1, 600).drop(columns="contributor"),
        golden=feedback(2, 300).drop(columns="contributor"),
        label="label",
        source="contributor",
        trainer={"trees": 10},
    )
    return root


@pytest.fixture(scope="session")
def served(shop: Path) -> Iterator[Services]:
    """Everything that `sluicegate up` runs, for all tests of this file."""
    with services(open_context(shop), free_port(), free_port()) as started:
        yield started


def test_update_through_prefect(shop: Path, served: Services, tmp_path: Path) -> None:
    """`update` finds the running server, prints nothing but its result, and shows both summaries."""
    batch = tmp_path / "first.parquet"
    feedback(3).to_parquet(batch, index=False)
    done = subprocess.run(
        [sys.executable, "-c", UPDATE, str(shop), str(batch)],
        capture_output=True, text=True, check=True, env=environment(),
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["intake"]["batch"]["id"] == "0001"
    assert told["intake"]["batch"]["path"] == str(batch)
    assert told["retrain"] is not None
    shown = artifacts(served)
    assert shown["batch-0001"]["type"] == "markdown"
    assert "# batch:0001" in shown["batch-0001"]["data"]
    assert shown["batch-0001-findings"]["type"] == "table"
    assert "# update:0001" in shown["update-0001"]["data"]
    (seen,) = [r for r in ask(served, "/flow_runs/filter") if r["name"] == "update first.parquet"]
    outcome = Outcome(told["retrain"]["outcome"])
    named = {Outcome.PAUSE: "Paused", Outcome.REJECT: "Rejected"}.get(outcome, "Completed")
    assert (seen["state_type"], seen["state_name"]) == ("COMPLETED", named)
    tasks = eventually(lambda: ask(served, "/task_runs/filter", {"limit": 50}))
    assert {"freeze", "measure and decide"} <= {each["name"] for each in tasks}


def test_bisect_and_plan_through_prefect(shop: Path, served: Services) -> None:
    """The forms ask what the command line asks; reports are artifacts, and no history is no failure."""
    forms = {d["name"]: d["parameter_openapi_schema"] for d in ask(served, "/deployments/filter")}
    asked = {"update", "example", "slice", "limit", "repeat", "most", "give_back"}
    assert set(forms["bisect"]["properties"]) == {"workspace", *asked}
    assert set(forms["plan"]["properties"]) == {"workspace", "most"}
    nothing = run(served, "bisect")
    assert (nothing["type"], nothing["message"][:14]) == ("FAILED", "Name one thing")
    found = run(served, "bisect", slice="kind=x", limit=1.0)
    assert (found["type"], found["name"]) == ("COMPLETED", "Completed")
    assert "nothing to find" in found["message"]
    (folder,) = (shop / ".sluicegate" / "bisect").iterdir()
    assert artifacts(served)[f"bisect-{folder.name}"]["data"] == (folder / "report.md").read_text()
    planned = run(served, "plan", most=4)
    assert (planned["type"], planned["name"]) == ("COMPLETED", "Undecided")
    assert planned["message"].startswith("Not enough history")


def test_a_dropped_file_is_taken_exactly_once(shop: Path, served: Services) -> None:
    """The inbox deployment takes it; the next turn finds nothing new; a text file fails the run once."""
    feedback(4).to_parquet(shop / "inbox" / "dropped.parquet", index=False)
    first = run(served, "inbox")
    assert first["type"] == "COMPLETED"
    assert "dropped.parquet: batch:" in first["message"]
    again = run(served, "inbox")
    assert again["message"] == "Nothing new in the inbox."
    (shop / "inbox" / "note.txt").write_text("x")
    assert "give a .parquet, .csv or .jsonl file" in run(served, "inbox")["message"]
    assert run(served, "inbox")["type"] == "COMPLETED"


def test_a_retrain_without_anything_new_is_skipped(served: Services) -> None:
    """After an update with the same batches, or while one waits, the run says why it did nothing."""
    run(served, "retrain")
    state = run(served, "retrain")
    assert (state["type"], state["name"]) == ("COMPLETED", "Skipped")


def test_an_error_fails_the_run_with_its_sentence(served: Services) -> None:
    """No traceback: what is wrong and the mend."""
    state = run(served, "intake", path="/no/such.parquet")
    assert state["type"] == "FAILED"
    assert state["message"].startswith("/no/such.parquet does not exist; ")


def test_a_rejected_batch_is_a_completed_run(served: Services, tmp_path: Path) -> None:
    """A "no" is an answer, not a crash."""
    batch = tmp_path / "table.csv"
    batch.write_text("nothing,of,ours\n1,2,3\n")
    state = run(served, "intake", path=str(batch))
    assert (state["type"], state["name"]) == ("COMPLETED", "Rejected")


def test_the_runner_serves_no_other_workspace(served: Services, tmp_path: Path) -> None:
    """A workspace brings its own train.py: whoever reaches the API must not choose one."""
    state = run(served, "retrain", workspace=str(tmp_path))
    assert state["type"] == "FAILED"
    assert "serves" in state["message"]


def test_schedules_make_runs(served: Services) -> None:
    """The cron lines of params.yaml are at work (with SQLAlchemy 2.1 Prefect's scheduler fails)."""
    query = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    names = eventually(lambda: ask(served, "/flow_runs/filter", query), 90)
    assert len(names) > 1


def test_it_runs_once_for_a_workspace(shop: Path, served: Services) -> None:
    """The second `up` names the addresses of the first."""
    told = running(open_context(shop).layout)
    assert told is not None
    assert told["prefect"] == served.prefect
    assert answers(f"{served.mlflow}/health")
    with pytest.raises(Conflict, match=served.prefect_ui), services(open_context(shop)):
        pass


@pytest.mark.parametrize("deed", ["intake", "retrain", "rollback"])
def test_a_run_that_is_killed_while_it_writes_is_run_again(
    shop: Path, served: Services, tmp_path: Path, deed: str
) -> None:
    """Prefect says that it crashed; the same deployment finishes what it began, once."""
    place, path = Workspace.open(shop), tmp_path / "killed.parquet"
    if deed == "intake":
        feedback(9).to_parquet(path, index=False)
    elif not record.received(place._context.layout):
        place.intake(feedback(9))
    before = record.received(place._context.layout)
    newest = before[-1] if before else "0000"
    asked = {
        "intake": {"path": str(path)},
        "retrain": {},
        "rollback": {"because": f"batch:{newest}", "reason": "a test"},
    }[deed]
    begun = begin(served, deed, **asked)
    eventually((shop / ".sluicegate" / "journal.json").exists, pause=0.001)
    os.kill(holder_of(shop / ".sluicegate" / "lock"), signal.SIGKILL)
    assert final(served, begun)["type"] == "CRASHED"
    assert run(served, deed, **asked)["type"] == "COMPLETED"
    received = record.received(place._context.layout)
    assert received == ([*before, f"{int(newest) + 1:04d}"] if deed == "intake" else before)
    seen = Workspace.open(shop).verify(full=True)
    assert seen.exit_code == 0, (seen.wrong, seen.undecided)


def holder_of(lock: Path) -> int:
    """Return the process that has the workspace's lock: the runner's child that carries out the run."""
    for opened in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if opened.readlink() == lock:
                return int(opened.parts[2])
    raise AssertionError(f"nobody holds {lock}")


@pytest.fixture
def other(shop: Path, tmp_path: Path) -> Context:
    """A copy of the workspace that nothing runs for."""
    root = tmp_path / "other"
    shutil.copytree(shop, root, symlinks=True, ignore=shutil.ignore_patterns("up.*", "prefect"))
    return open_context(root)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 0, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 0, id="SIGTERM"),
        pytest.param(signal.SIGKILL, -9, id="killed"),
    ],
)
def test_nothing_outlives_up(other: Context, number: int, code: int) -> None:
    """However it ends: every process, its port, and (unless killed) up.json are gone."""
    ports = [free_port(), free_port()]
    command = [sys.executable, "-c", UP, str(other.layout.root), *map(str, ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        children = eventually(lambda: descendants(process.pid))
        assert len(children) >= 6
        process.send_signal(number)
        assert process.wait(60) == code
    eventually(lambda: not [pid for pid in children if alive(pid)], 40)
    assert not any(is_taken(port) for port in ports)
    assert running(other.layout) is None
    assert (other.layout.home / "up.json").exists() is (number == signal.SIGKILL)


def test_up_stops_when_a_service_dies(other: Context) -> None:
    """It says which one and where its log is, and ends with a failure."""
    command = [sys.executable, "-c", UP, str(other.layout.root), str(free_port()), str(free_port())]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        children = descendants(process.pid)
        (server,) = [
            pid
            for pid in children
            if b"prefect\0server" in command_of(pid) and b"guard" not in command_of(pid)
        ]
        os.kill(server, signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "prefect exited with code" in said
    eventually(lambda: not [pid for pid in children if alive(pid)], 40)


def test_a_given_port_that_is_taken(other: Context, served: Services) -> None:
    """A default gives way, a choice of the user's does not."""
    taken = int(served.prefect_ui.rpartition(":")[2])
    with pytest.raises(Misused, match="--prefect-port"), services(other, prefect_port=taken):
        pass


@pytest.mark.parametrize(
    "text",
    [
        "<img src=https://example.org/x>", "[pay](https://example.org)", "![](http://a.b/c)", "www.example.org",
        "a|b", "`code`", "a\nb", "&lt;script&gt;", "<script>alert(1)</script>",
    ],
)  # fmt: skip
def test_what_contributors_write_is_shown_and_never_at_work(text: str) -> None:
    """Neither HTML nor a link, an image or a table's edge comes out of a name."""
    shown = escaped(text)
    assert not set(shown) & set("<>[]|`\n")
    assert "://" not in shown
    assert "www." not in shown


def environment() -> dict[str, str]:
    """Return an environment without the Prefect of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


def alive(pid: int) -> bool:
    """Tell whether the process is more than a zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def command_of(pid: int) -> bytes:
    """Return the command line of a process, empty when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def test_rollback_through_prefect(shop: Path, served: Services) -> None:
    """The form takes a cause; what was done is on the run's page, and asks reviewers."""
    batch = Workspace.open(shop).intake(feedback(77)).to_dict()["batch"]["id"]
    cause = f"batch:{batch}"
    unknown = run(served, "rollback", because="batch:0099", retrain=False)
    assert (unknown["type"], "no batch:0099" in unknown["message"]) == ("FAILED", True)
    state = run(served, "rollback", because=cause, reason="bought", retrain=False)
    assert (state["type"], state["name"]) == ("COMPLETED", "RolledBack")
    opened = sorted(folder.name for folder in (shop / "incidents").iterdir())
    pages = artifacts(served)
    assert f"{cause} was rolled back: bought" in pages[f"incident-{opened[-1]}"]["data"]
    asked = [each["subject"] for each in Workspace.open(shop).status().to_dict()["awaiting"]]
    assert f"incident:{opened[-1]}" in asked
    again = run(served, "rollback", because=cause, reason="bought", retrain=False)
    assert again["name"] == "RolledBack"
    assert sorted(folder.name for folder in (shop / "incidents").iterdir()) == opened
