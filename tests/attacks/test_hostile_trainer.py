"""A hostile train.py in a real retrain: every reach fails, the canaries stand, the champion serves on."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sluicegate import Workspace
from sluicegate.core import CannotDecide, Conflict, Misused
from sluicegate.flows.train import read_isolation, train
from sluicegate.stores import confine, isolation, pipeline, watch
from sluicegate.stores.isolation import NOT_ISOLATED
from sluicegate.stores.probing import cell_for, probe
from sluicegate.stores.settings import Trainer, fill

pytestmark = pytest.mark.slow

HONEST = (Path(__file__).parents[2] / "train.py").read_text()
WALLS = ("bubblewrap", "landlock", "user")


def require_wall(by: str) -> None:
    """Skip where this machine lacks a wall; bubblewrap is installed wherever the tests run."""
    held, why = probe(by, Path(tempfile.gettempdir()), Trainer())
    if by == "bubblewrap":
        assert all(held.values()), (held, why)
        assert held
    if not held or not all(held.values()):
        pytest.skip(f"{by} does not stand here: {why or held}")


@pytest.fixture(params=WALLS)
def wall(request: pytest.FixtureRequest) -> str:
    """Each wall that this machine has."""
    require_wall(request.param)
    return str(request.param)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Somebody on this machine who would hear the trainer."""
    with closing(socket.socket()) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.listen()
        heard.setblocking(False)
        yield heard


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """Another process of the same user with a secret in its environment."""
    process = subprocess.Popen(["sleep", "600"], env={"TOKEN": "bystander-secret"})
    yield process
    process.kill()
    process.wait()


REACHES = """
import ctypes, json, os, signal, socket, sqlite3, subprocess
from pathlib import Path
root, port, bystander = Path({root!r}), {port}, {bystander}
got = {{}}

def reach(name):
    def run(attempt):
        try:
            got[name] = str(attempt())
        except BaseException as error:
            pass
    return run

@reach("reads the key")
def _(): return len((root / ".sluicegate/keys/service.pem").read_bytes())
@reach("reads the secret")
def _(): return len((root / ".sluicegate/keys/secret").read_bytes())
@reach("reads the golden set")
def _(): return [str(p) for p in (root / "golden", *Path("golden").glob("*")) for p in p.iterdir()]
@reach("reads the held-out rows")
def _(): return Path("build/recent.parquet").stat()
@reach("moves the alias")
def _():
    with sqlite3.connect(next((root / ".sluicegate").rglob("*.db"))) as store:
        return store.execute("update registered_model_aliases set version = 99").rowcount
@reach("edits the ledger")
def _(): return [p.write_text("forged") for p in (root / "ledger").iterdir()][0]
@reach("writes a git hook")
def _(): return (root / ".git/hooks/post-commit").write_text("#!/bin/sh\\ntouch /tmp/owned\\n")
@reach("writes a cache object")
def _(): return next((root / ".dvc/cache").rglob("*/*/*")).write_text("forged")
@reach("writes into the environment")
def _(): return (Path(json.__file__).parents[1] / "evil.pth").write_text("import os")
@reach("reads a neighbour's environment")
def _():
    if b"bystander-secret" in Path(f"/proc/{{bystander}}/environ").read_bytes(): return "read"
    raise OSError
@reach("reads its parent's environment")
def _():
    told = Path(f"/proc/{{os.getppid()}}/environ").read_bytes()
    if b"SLUICEGATE_CANARY" in told: return "read"
    raise OSError
@reach("reads its own environment")
def _(): return os.environ["SLUICEGATE_CANARY"]
@reach("opens a socket")
def _(): return socket.create_connection(("127.0.0.1", port), 2)
@reach("opens a socket by IPv6")
def _(): return socket.create_connection(("::ffff:127.0.0.1", port), 2)
@reach("sees a way out")
def _():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    if routes: return routes
    raise OSError
@reach("speaks to the machine's host")
def _(): return socket.socket(40, socket.SOCK_STREAM)
@reach("opens an io_uring")
def _():
    made = ctypes.CDLL(None, use_errno=True).syscall(425, 4, ctypes.create_string_buffer(256))
    if made < 0: raise OSError
    return made
@reach("makes namespaces")
def _():
    if ctypes.CDLL(None).unshare(0x10000000): raise OSError
    return "made"
@reach("reads the keyring")
def _():
    if ctypes.CDLL(None).syscall(250, 0, -3, 1) < 0: raise OSError
    return "read"
@reach("traces a process")
def _():
    if ctypes.CDLL(None).ptrace(16, bystander, 0, 0): raise OSError
    return "traced"
@reach("gains rights by setuid")
def _():
    if subprocess.run(["su", "-c", "true"], stdin=subprocess.DEVNULL).returncode: raise OSError
    return "gained"
@reach("types into a terminal")
def _():
    import fcntl
    return fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), 0x5412, b"x")
@reach("inherits a file")
def _():
    held = [int(each) for each in os.listdir("/proc/self/fd") if int(each) > 2]
    open_ = [os.readlink(f"/proc/self/fd/{{each}}") for each in held if os.path.exists(f"/proc/self/fd/{{each}}")]
    open_ = [each for each in open_ if not each.startswith("/proc/")]
    if open_: return open_
    raise OSError
# a background process that outlives training and goes on trying
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import time
        while True:
            time.sleep(0.2)
            (Path({left!r}) if os.access({left!r}, os.W_OK) else Path("build")).joinpath("alive").write_text("x")
    os._exit(0)
# the last of all, since it would end the witness
@reach("ends a neighbour")
def _(): os.kill(bystander, signal.SIGKILL); return "sent"
Path("build/got.json").write_text(json.dumps(got))
print("GOT", json.dumps(got))
"""


def policy(root: Path, trainer: dict[str, Any]) -> None:
    """Write this trainer into the policy."""
    text = (root / "params.yaml").read_text()
    values = {f"trainer.{name}": value for name, value in trainer.items()}
    (root / "params.yaml").write_text(fill(text, values))


def settle(workspace: Workspace, script: str, git: Callable[..., str], **trainer: Any) -> None:
    """Commit this train.py, and a policy that names walls or budgets."""
    root = workspace.root
    (root / "train.py").write_text(script)
    policy(root, trainer)
    git(root, "commit", "-qam", "trainer")


def reaching(workspace: Workspace, port: int, bystander: int, left: Path) -> str:
    """Return the hostile part of a train.py."""
    return REACHES.format(root=str(workspace.root), port=port, bystander=bystander, left=str(left))


def test_a_hostile_trainer_reaches_nothing(
    workspace: Workspace,
    wall: str,
    git: Callable[..., str],
    listening: socket.socket,
    bystander: "subprocess.Popen[bytes]",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It tries all, then trains honestly: nothing was reached, and its model is judged like any other."""
    monkeypatch.setenv("SLUICEGATE_CANARY", "secret")
    port = listening.getsockname()[1]
    outside = tmp_path / "outside"
    outside.mkdir()
    spy = "import sys; got and sys.exit('reached ' + json.dumps(got))\n"
    script = reaching(workspace, port, bystander.pid, outside) + spy + HONEST
    settle(workspace, script, git, by=[wall], isolation="require")
    root, before = workspace.root, workspace.status()
    kept = {path: path.read_bytes() for path in (root / "ledger").iterdir()}
    key = (root / ".sluicegate/keys/service.pem").read_bytes()

    done = Workspace.open(root).retrain()

    comparison = json.loads((root / "updates" / done.update.id / "comparison.json").read_text())
    assert comparison["isolation"]["by"] == wall
    assert comparison["isolation"]["isolated"]
    assert (root / ".sluicegate/keys/service.pem").read_bytes() == key
    assert all(path.read_bytes() == data for path, data in kept.items())
    assert not (root / ".git/hooks/post-commit").exists()
    assert not list(outside.iterdir())
    with pytest.raises(BlockingIOError):
        listening.accept()
    assert bystander.poll() is None
    after = Workspace.open(root).status()
    assert after.champion.ref.version in (
        before.champion.ref.version,
        done.update.challenger.version,
    )  # type: ignore[union-attr]
    assert (
        f"trainer isolated by {wall}"
        in (root / "updates" / done.update.id / "report.md").read_text()
    )


def test_without_a_wall_the_same_trainer_reaches_much(
    workspace: Workspace,
    listening: socket.socket,
    bystander: "subprocess.Popen[bytes]",
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The canaries are real: with isolation off they are reached, and the record says so."""
    root, reach = workspace.root, tmp_path / "outside"
    reach.mkdir()
    script = reaching(workspace, listening.getsockname()[1], bystander.pid, reach)
    harmless = re.sub(r'(?s)@reach\("(moves|edits|writes|gains)[^@]*(?=@reach)', "", script)
    stage(root, harmless, isolation="off")
    train(root, ["python", "train.py"])
    got = json.loads(capfd.readouterr().out.partition("GOT ")[2])
    assert {"reads the key", "reads a neighbour's environment", "opens a socket"} <= set(got)
    assert read_isolation(root).told == NOT_ISOLATED
    assert not watch.descendants() or bystander.pid not in watch.descendants()


def stage(root: Path, script: str, **trainer: Any) -> None:
    """Make `root` ready for its train stage alone."""
    (root / "train.py").write_text(script + "\nPath('build/model').mkdir(exist_ok=True)\n")
    (root / "build").mkdir(exist_ok=True)
    pd.DataFrame({"x": [1]}).to_parquet(root / "build/train.parquet")
    policy(root, trainer)


HEAD = "from pathlib import Path\nimport os\nPath('build/model').mkdir()\n"
LEFT = [
    pytest.param("os.symlink('/etc/passwd', 'build/model/x')", "not a plain file", id="a link to a file"),
    pytest.param("os.symlink('/', 'build/model/x')", "not a plain file", id="a link to a folder"),
    pytest.param("os.rmdir('build/model'); os.symlink('/tmp', 'build/model')", "not a plain file", id="the folder is a link"),
    pytest.param("os.mkfifo('build/model/x')", "not a plain file", id="a pipe"),
    pytest.param("Path('build/y').write_text(''); os.link('build/y', 'build/model/x')", "not a plain file", id="a second name"),
    pytest.param("[Path(f'build/model/{n}').touch() for n in range(10_010)]", "more than 10000 files", id="many files"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "said"), LEFT)
def test_what_the_trainer_leaves_must_be_plain_files(
    workspace: Workspace, script: str, said: str
) -> None:
    """Links, pipes and crowds of files are not taken over, and what was there stays."""
    stage(workspace.root, HEAD + script)
    with pytest.raises(CannotDecide, match=said):
        train(workspace.root, ["python", "train.py"])
    assert not (workspace.root / "build/model").exists()


GREEDY = [
    pytest.param("x = [bytearray(b'x' * 10**7) for _ in range(60)]\nimport time; time.sleep(20)", {"max_memory": 300_000_000}, "max_memory|MemoryError|code", id="memory"),
    pytest.param("import subprocess, time\n[subprocess.Popen([sys.executable, '-S', '-c', 'x = b\"x\" * 10**8; import time; time.sleep(20)']) for _ in range(4)]\ntime.sleep(20)", {"max_memory": 300_000_000}, "max_memory", id="memory of many processes"),
    pytest.param("import time\nf = open('build/x', 'wb')\nwhile True: f.write(b'x' * 10**6); f.flush(); os.fsync(f.fileno())", {"max_bytes": 30_000_000}, "max_bytes|File too large|code", id="one large file"),
    pytest.param("import time\nfor n in range(40): Path(f'/tmp/{n}' if os.access('/tmp', os.W_OK) else f'build/{n}').write_bytes(b'x' * 2_000_000)\ntime.sleep(20)", {"max_bytes": 30_000_000}, "max_bytes", id="many files"),
    pytest.param("import time\nfor n in range(12):\n  if os.fork() == 0: time.sleep(20)\ntime.sleep(20)", {"max_processes": 8}, "max_processes", id="processes"),
    pytest.param("import time; time.sleep(60)", {"max_seconds": 1}, "max_seconds", id="time"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "limits", "said"), GREEDY)
def test_a_greedy_trainer_is_ended(
    workspace: Workspace, wall: str, script: str, limits: dict[str, int], said: str
) -> None:
    """Memory, disk, processes and time end at the policy's budgets; nothing stays behind."""
    stage(workspace.root, "import sys\n" + HEAD + script, by=[wall], **limits)
    with pytest.raises((CannotDecide, SystemExit)) as ended:
        train(workspace.root, ["python", "train.py"])
    assert isinstance(ended.value, SystemExit) or re.search(said, str(ended.value))
    assert not watch.descendants()
    assert not list(Path(tempfile.gettempdir()).glob("sluicegate-trainer-*/build/x"))


def test_the_trainer_sees_its_deps_and_nothing_else(workspace: Workspace, wall: str) -> None:
    """What dvc.yaml names as deps, copied: writing to them changes nothing."""
    root = workspace.root
    stage(
        root,
        HEAD + "names = sorted(str(p) for p in Path().rglob('*') if p.is_file())\n"
        "Path('build/model/seen').write_text(' '.join(names))\n"
        "Path('params.yaml').write_text('mine')\nPath('build/train.parquet').write_text('mine')",
        by=[wall],
    )
    params = (root / "params.yaml").read_bytes()
    train(root, ["python", "train.py"])
    assert (root / "build/model/seen").read_text() == "build/train.parquet params.yaml train.py"
    assert (root / "params.yaml").read_bytes() == params
    assert len(pd.read_parquet(root / "build/train.parquet")) == 1


def test_a_module_that_is_no_dep_is_named_with_the_line_to_add(
    workspace: Workspace, git: Callable[..., str]
) -> None:
    """It lies beside train.py, but is not shown to it; listed, it is."""
    root = workspace.root
    (root / "rates.py").write_text("RATE = 1\n")
    git(root, "add", "rates.py")
    settle(workspace, "import rates\n" + (root / "train.py").read_text(), git)
    with pytest.raises(
        CannotDecide, match=r"add `- rates\.py` to stages\.train\.deps in dvc\.yaml"
    ):
        workspace.retrain()
    text = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(
        text.replace("      - train.py\n", "      - train.py\n      - rates.py\n")
    )
    git(root, "commit", "-qam", "the module")
    assert workspace.retrain().update.stage.value == "promoted"


def test_where_no_wall_stands_require_refuses_and_prefer_says_so(workspace: Workspace) -> None:
    """`require` trains nothing; `prefer` trains and records the sentence that every page shows."""
    root = workspace.root
    stage(root, HEAD, isolation="require", by=[])
    with pytest.raises(Conflict, match="require, but this host has no wall"):
        train(root, ["python", "train.py"])
    assert not (root / "build/model").exists()
    stage(root, HEAD, isolation="prefer")
    train(root, ["python", "train.py"])
    assert read_isolation(root).told == NOT_ISOLATED


def test_a_wall_that_leaks_is_not_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A bwrap that only pretends is found out by the canary, though it is installed."""
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "bwrap").write_text(
        '#!/bin/bash\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n'
    )
    (fake / "bwrap").chmod(0o755)
    monkeypatch.setattr(isolation, "BWRAP", str(fake / "bwrap"))
    held, why = probe("bubblewrap", workspace.root, Trainer())
    assert why == ""
    assert not held["keys"]
    assert not held["network"]


PIPELINES = [
    pytest.param("cmd: python -m sluicegate.flows.train python train.py", "cmd: python train.py", "stages.train.cmd", id="the wall is dropped"),
    pytest.param("train python train.py", "train python train.py; touch /tmp/owned", "stages.train.cmd", id="a second command"),
    pytest.param("train python train.py", "train python train.py $(touch /tmp/owned)", "stages.train.cmd", id="a substitution"),
    pytest.param("train python train.py", "train ${model}", "stages.train.cmd", id="a variable"),
    pytest.param("cmd: python -m sluicegate.flows.assemble", "cmd: python evil.py", "stages.assemble.cmd", id="our own stage is another"),
    pytest.param("cmd: python -m sluicegate.flows.compare", "cmd: [python evil.py]", "stages.compare.cmd", id="a list of commands"),
    pytest.param("    cmd: python -m sluicegate.flows.compare", "    wdir: evil\n    cmd: python -m sluicegate.flows.compare", "wdir", id="another folder"),
    pytest.param("    cmd: python -m sluicegate.flows.train", "    frozen: true\n    cmd: python -m sluicegate.flows.train", "frozen", id="a stage that does not run"),
    pytest.param("      - build/model:\n", "      - ../../.sluicegate/keys:\n", "within the workspace", id="an output elsewhere"),
    pytest.param("      - train.py\n", "      - /etc/passwd\n", "within the workspace", id="an input elsewhere"),
    pytest.param("      - train.py\n", "      - .dvc/config\n", "within the workspace", id="an input of ours"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), PIPELINES)
def test_dvc_yaml_cannot_drop_the_wall(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Whoever edits dvc.yaml runs nothing unwalled: retrain refuses it by name."""
    text = (Path(__file__).parents[2] / "dvc.yaml").read_text()
    (tmp_path / "dvc.yaml").write_text(text)
    pipeline.require_ours(tmp_path)
    assert old in text
    (tmp_path / "dvc.yaml").write_text(text.replace(old, new))
    with pytest.raises(Misused, match=re.escape(said)):
        pipeline.require_ours(tmp_path)


def test_a_link_in_the_way_of_an_output_is_refused(tmp_path: Path) -> None:
    """A committed link would have our own stages write elsewhere."""
    shutil.copy(Path(__file__).parents[2] / "dvc.yaml", tmp_path)
    (tmp_path / "build").symlink_to("/tmp")
    with pytest.raises(Misused, match="is a symbolic link"):
        pipeline.require_ours(tmp_path)


def test_a_module_in_the_workspace_is_not_taken_for_a_library(workspace: Workspace) -> None:
    """A committed pandas.py would run with the keys in reach, if we took modules from where we stand."""
    from sluicegate.stores.environment import scrubbed

    (workspace.root / "pandas.py").write_text("raise SystemExit('owned')\n")
    command = [sys.executable, "-m", "sluicegate.flows.assemble"]
    subprocess.run(command, cwd=workspace.root, env=scrubbed(), check=True, capture_output=True)


def test_the_cell_is_gone_afterwards(workspace: Workspace) -> None:
    """What the trainer saw does not stay."""
    with cell_for(workspace.root, Trainer(), None) as cell:
        assert cell.folder.stat().st_mode & 0o077 == 0
    assert not cell.folder.exists()


def test_the_filter_knows_both_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is well formed where we cannot run it."""
    for machine in confine.MACHINES:
        monkeypatch.setattr(confine.platform, "machine", lambda machine=machine: machine)
        steps = list(confine._program(True))
        assert all(len(step) == 8 for step in steps)
        assert len(steps) < 4096


def test_modes_of_files_stay_where_landlock_does_not_hold_them(tmp_path: Path) -> None:
    """Landlock lets an owner open a key to all; the filter says that it was done and does nothing."""
    key = tmp_path / "key"
    key.write_text("secret")
    key.chmod(0o600)
    (tmp_path / "tmp").mkdir()
    cell = isolation.Cell(tmp_path, (), Trainer())
    script = f"import os; os.chmod({str(key)!r}, 0o666); os.chown({str(key)!r}, 1, 1); print('did')"
    command = isolation._confined(cell, [sys.executable, "-S", "-c", script])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "did\n", done.stderr
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.stat().st_uid == os.getuid()


def test_a_wall_behind_which_keys_can_be_opened_to_all_is_not_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary changes a mode and empties a file as well: no content needs to be read for that."""
    (tmp_path / ".sluicegate/keys").mkdir(parents=True)
    monkeypatch.setattr("sluicegate.stores.probing.walled", lambda by, cell, command: command)
    held, why = probe("landlock", tmp_path, Trainer())
    assert why == ""
    assert not held["writes"]
    assert not list((tmp_path / ".sluicegate/keys").glob(".canary-*"))
