"""doctor: names what is wrong and the mend, and one broken thing hides no other."""

import socket
import sys
from pathlib import Path

import pytest

from sluicegate import Workspace
from sluicegate.flows.doctor import _broken_pins, doctor
from sluicegate.record.context import open_context
from sluicegate.record.results import Diagnosis
from sluicegate.stores import git
from sluicegate.stores.mlflow import open_registry
from sluicegate.stores.settings import fill

NOBODY = "http://127.0.0.1:9"


def look(root: Path | None, name: str) -> Diagnosis:
    """Return the one diagnosis of that name."""
    (found,) = [each for each in doctor(root) if each.name == name]
    return found


def test_a_healthy_workspace(workspace: Workspace) -> None:
    """Nothing is wrong; what should be known is said with a mend."""
    found = doctor(workspace.root)
    assert [each for each in found if each.ok is False] == []
    known = {each.name: each for each in found if each.ok is None}
    assert look(workspace.root, "trainer").says.startswith("trainer isolated by ")
    assert "same disk" in known["data remote"].says
    assert all(each.mend for each in known.values())
    assert set(found[0].to_dict()) == {"name", "ok", "says", "mend"}


def test_without_a_workspace_the_machine_is_looked_at() -> None:
    """No directory, no workspace: python, libraries, git and Prefect."""
    assert {each.name for each in doctor(None)} >= {"python", "git", "prefect"}


def test_a_directory_that_is_no_workspace(tmp_path: Path) -> None:
    """It says so, beside what it found of the machine."""
    found = look(tmp_path, "workspace")
    assert found.ok is False
    assert "sluicegate init" in found.mend


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("fastapi<0.1", "Prefect's server does not start", id="fastapi too new"),
        pytest.param(
            "alibi-detect>=99; extra == 'alibi'",
            "without this bound",
            id="alibi too old",
            marks=pytest.mark.skipif(sys.version_info >= (3, 13), reason="no alibi-detect there"),
        ),
        pytest.param("no-such-thing-here>=1", "is not installed", id="a missing library"),
        pytest.param(
            "no-such-thing-here; extra == 'line'", "is not installed", id="a library of the line"
        ),
    ],
)
def test_a_broken_pin_is_named_with_its_reason(line: str, said: str) -> None:
    """The requirement, what is there, why it matters, and the command that mends it."""
    (found,) = _broken_pins([line])
    assert found.ok is False
    assert said in found.says
    assert found.mend.startswith("Run `pip install '")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("numpy>=1.20", id="a version that fits"),
        pytest.param("no-such-thing-here; extra == 'alibi'", id="an extra that was not chosen"),
        pytest.param("no-such-thing-here; python_version < '3'", id="for another Python"),
    ],
)
def test_what_fits_is_no_broken_pin(line: str) -> None:
    """Extras and markers are read as installers do."""
    assert list(_broken_pins([line])) == []


def test_servers_that_do_not_answer(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both that of PREFECT_API_URL and MLflow's are asked."""
    monkeypatch.setenv("PREFECT_API_URL", f"{NOBODY}/api")
    params = workspace.root / "params.yaml"
    params.write_text(fill(params.read_text(), {"mlflow.tracking_uri": NOBODY}))
    assert look(workspace.root, "policy").ok is False
    git.commit(workspace.root, ["params.yaml"], "MLflow is elsewhere")
    assert look(workspace.root, "prefect").ok is False
    assert look(workspace.root, "mlflow").ok is False


def test_a_port_in_use(workspace: Workspace) -> None:
    """A taken port is no fault, but it is said."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 5000))
        except OSError:
            pass  # somebody else's server serves as well
        else:
            taken.listen()
        assert "5000" in look(workspace.root, "ports").says


def test_a_key_that_others_can_read(workspace: Workspace) -> None:
    """The mode is wrong, and the mend is a chmod."""
    key = workspace.root / ".sluicegate" / "keys" / "secret"
    key.chmod(0o644)
    assert look(workspace.root, "keys").mend == f"Run `chmod 600 {key}`."


def test_an_alias_that_somebody_moved(workspace: Workspace) -> None:
    """The signed record is the truth, the alias its mirror."""
    context = open_context(workspace.root)
    open_registry(context.layout, context.settings.model).drop_alias("champion")
    found = look(workspace.root, "champion")
    assert found.ok is False
    assert "names no version" in found.says


def test_a_remote_that_is_not_there(workspace: Workspace) -> None:
    """A local remote on a disk that is not mounted."""
    (workspace.root / ".dvc" / "config").write_text(
        "[core]\n    remote = far\n['remote \"far\"']\n    url = /no/such/disk\n"
    )
    git.commit(workspace.root, [".dvc/config"], "another remote")
    found = look(workspace.root, "data remote")
    assert found.ok is False
    assert "/no/such/disk" in found.mend


def test_a_detached_head_hides_nothing_else(workspace: Workspace) -> None:
    """The look at the policy fails with its sentence; the others go on."""
    git.run(workspace.root, "checkout", "--quiet", "--detach")
    assert look(workspace.root, "policy").ok is False
    assert look(workspace.root, "champion").ok is True


def test_no_git_identity(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record then names the service, which a team should know."""
    for name in (
        "GIT_AUTHOR_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL",
        "EMAIL",
    ):
        monkeypatch.delenv(name, raising=False)
    git.run(workspace.root, "config", "user.useConfigOnly", "true")
    found = look(workspace.root, "git identity")
    assert found.ok is None
    assert "git config user.name" in found.mend


def test_a_trainer_without_a_wall_is_told(workspace: Workspace) -> None:
    """With the wall switched off, doctor says what follows, and how to mend it."""
    path = workspace.root / "params.yaml"
    path.write_text(fill(path.read_text(), {"trainer.isolation": "off"}))
    git.commit(workspace.root, ["params.yaml"], "no wall")
    found = look(workspace.root, "trainer")
    assert found.ok is None
    assert "trainer not isolated: it could sign for us" in found.says
    assert "bubblewrap" in found.mend
