"""The public API: its types, what importing it costs, and what is never used in it."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from absent import without_line

from sluicegate import Workspace
from sluicegate.cli import main
from sluicegate.core import Misused

ROOT = Path(__file__).parent.parent
ROOMS = [ROOT / "flows", ROOT / "checks", ROOT / "gates", ROOT / "src" / "sluicegate"]
HEAVY = ("prefect", "mlflow", "great_expectations", "alibi_detect", "dvc", "sklearn", "skops")
MODULES = sorted(
    path
    for room in ROOMS
    for path in room.rglob("*.py")
    # the links in src/sluicegate point to rooms already in the list
    if not any(parent.is_symlink() for parent in [path, *path.parents])
)


@pytest.mark.parametrize("module", ["sluicegate", "sluicegate.cli"])
def test_importing_is_light(module: str) -> None:
    """`import sluicegate` and the command line load no heavy library until one is used."""
    program = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize(
    "verb", [["check", "batch.csv", "-C", "shop"], ["init", "shop"], ["doctor"]]
)
def test_without_the_line_a_verb_says_what_to_install(
    verb: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence with the line that installs the rest, and the exit code of usage."""
    without_line(monkeypatch)
    assert main(verb + (["--data", "base.parquet"] if verb[0] == "init" else [])) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert 'pip install "sluicegate[line]"' in said


@pytest.mark.parametrize(
    "opened", [Workspace.open, lambda path: Workspace.init(path, data="b", label="y")]
)
def test_without_the_line_no_workspace_opens_for_writing(
    opened: Callable[[str], Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script hears the same sentence, before anything is made."""
    without_line(monkeypatch)
    with pytest.raises(Misused, match="Without dvc"):
        opened("shop")


FORBIDDEN = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "shelve", "joblib", "marshal"}
LOADERS = {"load_model", "load_detector", "read_pickle", "to_pickle", "load_checkpoint"}


def forbidden_names(tree: ast.AST) -> Iterator[str]:
    """Yield each import, attribute and argument in `tree` that could run code from a data file."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (n.name for n in names if n.name.split(".")[0] in FORBIDDEN)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                if module.split(".")[0] in FORBIDDEN:
                    yield module
                yield from (f"{module}.{n.name}" for n in names if n.name in LOADERS | FORBIDDEN)
            case ast.Attribute(attr=attr) if attr in LOADERS:
                yield ast.unparse(node)
            case ast.Attribute(value=ast.Name(id=name)) if name in FORBIDDEN:
                yield ast.unparse(node)
            case ast.keyword(arg="allow_pickle", value=value):
                if not (isinstance(value, ast.Constant) and value.value is False):
                    yield "allow_pickle"
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ) if name.split(".")[0] in FORBIDDEN:
                yield name
            case _:
                pass


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_unpickles(path: Path) -> None:
    """No module imports a pickle or calls a loader that may run what the file says."""
    assert not list(forbidden_names(ast.parse(path.read_text("utf-8"))))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        pytest.param("import pickle", True, id="pickle"),
        pytest.param("import joblib as j", True, id="joblib under another name"),
        pytest.param("from joblib import load", True, id="joblib.load"),
        pytest.param("from cloudpickle.cloudpickle import dumps", True, id="cloudpickle"),
        pytest.param("mlflow.sklearn.load_model(uri)", True, id="a loader of MLflow"),
        pytest.param("from mlflow.pyfunc import load_model", True, id="a loader by name"),
        pytest.param("np.load(path, allow_pickle=True)", True, id="numpy's pickles"),
        pytest.param("np.load(path, allow_pickle=flag)", True, id="numpy's pickles, perhaps"),
        pytest.param("np.load(path, allow_pickle=False)", False, id="numpy without pickles"),
        pytest.param("pd.read_pickle(path)", True, id="pandas' pickles"),
        pytest.param("importlib.import_module('dill')", True, id="dill at run time"),
        pytest.param("from sluicegate.stores import models", False, id="our own modules"),
        pytest.param("skops.io.load(path, trusted=[])", False, id="skops"),
    ],
)
def test_the_walk_sees_each_way_to_unpickle(code: str, found: bool) -> None:
    """The test above would notice."""
    assert bool(list(forbidden_names(ast.parse(code)))) is found


def test_every_room_is_walked() -> None:
    """The walk above covers all rooms."""
    for room in ROOMS:
        assert any(path.is_relative_to(room) for path in MODULES), room


PUBLIC = '''
"""What scripts of users lean on."""

from pathlib import Path

import pandas as pd

from sluicegate import Workspace
from sluicegate.core import Assessment, Finding, Outcome, Verdict
from sluicegate.gates import Limit, Policy, decide

frame = pd.DataFrame({"x": [1.0], "y": [1]})
workspace: Workspace = Workspace.init("shop", data=frame, label="y", source="who", golden=frame)
workspace = Workspace.open(Path("shop"))
checked: dict[str, object] = workspace.check(frame).to_dict()
admitted: dict[str, object] = workspace.intake("batch.parquet").to_dict()
retrained: dict[str, object] = workspace.retrain().to_dict()
workspace.status()

limits = (Limit("drift.*", 0.3, Outcome.PAUSE),)
findings = [Finding("drift", "drift.effect.x", 0.2, rows=(0,))]
verdict: Verdict = decide(Policy("intake", limits), "batch:0001", findings, {"c17": [0, 1]})
code: int = verdict.outcome.exit_code


def of(assessment: Assessment) -> Verdict:
    return assessment.verdict
'''


@pytest.mark.slow
def test_the_public_api_type_checks(tmp_path: Path) -> None:
    """A user's script with strict types passes mypy against the installed package."""
    script = tmp_path / "script.py"
    script.write_text(PUBLIC, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file="]
    options = ["--follow-imports=silent", f"--cache-dir={tmp_path / 'cache'}", str(script)]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
