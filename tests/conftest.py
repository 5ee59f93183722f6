"""One real workspace per session, copied for each test: real DVC, git, MLflow and Great Expectations."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # numpy reads it on import, and each worker has a core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from live_questions import Asked
from reviewing import policy, trust_them

from sluicegate import Workspace, cli
from sluicegate.flows.orchestration.embedded import free_port
from sluicegate.flows.orchestration.up import services
from sluicegate.record.context import open_context

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

Cli = Callable[..., tuple[int, dict[str, Any], str]]
LABEL, SOURCE = "accepted", "contributor"

# The user's own git settings must not decide what a test sees.
os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
os.environ["GIT_CONFIG_NOSYSTEM"] = "1"
for role in ("AUTHOR", "COMMITTER"):
    for part in ("NAME", "EMAIL", "DATE"):
        os.environ.pop(f"GIT_{role}_{part}", None)
os.environ.pop("EMAIL", None)


def rows(count: int, seed: int, sources: int = 40) -> pd.DataFrame:
    """Return honest feedback: numbers, a category, a boolean, a time, missing values and sources."""
    rng = np.random.default_rng(seed)
    income, debt = rng.normal(50, 10, count), rng.normal(20, 5, count)
    region = rng.choice(["north", "south", "east"], count)
    member = rng.random(count) < 0.4
    score = (income - 50) / 5 - (debt - 20) / 4 + np.where(member, 0.8, -0.5)
    accepted = np.where(score + rng.normal(0, 0.7, count) > 0, "yes", "no")
    frame = pd.DataFrame(
        {
            "income": income.round(2),
            "debt": debt.round(2),
            "region": region,
            "member": member,
            "opened": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(rng.integers(0, 86_400 * 200, count), unit="s"),
            LABEL: accepted,
            SOURCE: [f"c{number:02d}" for number in rng.integers(0, sources, count)],
        }
    )
    frame.loc[rng.random(count) < 0.05, "debt"] = np.nan
    return frame


def flipped(frame: pd.DataFrame, source: str, count: int) -> pd.DataFrame:
    """Return `frame` with `count` further rows of `source` whose labels are the wrong way round."""
    poison = frame.sample(count, random_state=1).assign(
        **{SOURCE: source, LABEL: lambda f: f[LABEL].map({"yes": "no", "no": "yes"})}
    )
    return pd.concat([frame, poison], ignore_index=True)


@pytest.hookimpl(trylast=True)  # slow ones are left out before
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put one file that uses the template first, then those that do not: nobody waits while it is made."""
    users = {each.path for each in items if "template" in getattr(each, "fixturenames", ())}
    first = next((each.path for each in items if each.path in users), None)
    items.sort(key=lambda each: (each.path != first, each.path in users))


@pytest.fixture(scope="session")
def honest() -> Callable[..., pd.DataFrame]:
    """The function that makes honest feedback: `honest(count, seed, sources=40)`."""
    return rows


@pytest.fixture(scope="session")
def poisoned() -> Callable[..., pd.DataFrame]:
    """The function that adds rows with flipped labels: `poisoned(frame, source, count)`."""
    return flipped


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that is never changed; processes that run tests side by side make it once."""
    root = tmp_path_factory.mktemp("template") / "loans"
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return _made(root)
    shared = tmp_path_factory.getbasetemp().parent / "template"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (shared / "made").exists():
            _made(shared / "loans")
            (shared / "made").touch()
    return _copy(shared / "loans", root)


def _made(root: Path) -> Path:
    Workspace.init(
        root,
        data=rows(1500, seed=1).drop(columns=SOURCE),
        golden=rows(2000, seed=2).drop(columns=SOURCE),
        label=LABEL,
        source=SOURCE,
        slices=("region",),
        trainer={"trees": 30},
    )
    return root


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """SSH keys of three people."""
    folder = tmp_path_factory.mktemp("keys")
    made = {}
    for name in ("ann", "bob", "eve"):
        made[name] = folder / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made[name])]
        subprocess.run(command, check=True)
    return made


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `sluicegate ... --json`; its exit code, the one JSON document it printed, and its stderr."""

    def call(*arguments: object) -> tuple[int, dict[str, Any], str]:
        capsys.readouterr()
        code = cli.main([*map(str, arguments), "--json"])
        out, said = capsys.readouterr()
        return code, json.loads(out), said

    return call


@pytest.fixture(scope="session")
def git() -> Callable[..., str]:
    """Run git in a folder as a user would."""

    def run(root: Path, *arguments: str) -> str:
        named = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
        return subprocess.run(
            ["git", "-C", str(root), *named, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    return run


@pytest.fixture
def workspace(template: Path, tmp_path: Path) -> Workspace:
    """A workspace of one's own."""
    return Workspace.open(_copy(template, tmp_path / "loans"))


@pytest.fixture
def delivered(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a frame where a user would and returns its path."""

    def deliver(frame: pd.DataFrame, name: str = "batch.parquet") -> Path:
        path = tmp_path / name
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        elif path.suffix == ".jsonl":
            frame.to_json(path, orient="records", lines=True, date_format="iso")
        else:
            frame.to_parquet(path, index=False)
        return path

    return deliver


def _copy(template: Path, root: Path) -> Path:
    shutil.copytree(template, root, symlinks=True)
    return root


Deliver = Callable[..., Path]
Rows = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def line(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace that the tests of one module pass on, each a batch further."""
    root = tmp_path_factory.mktemp("line") / "loans"
    shutil.copytree(template, root, symlinks=True)
    return Workspace.open(root)


@pytest.fixture(scope="session")
def digest_of() -> Callable[[Path], dict[str, str]]:
    """The SHA-256 of every file below a folder, git's own index and logs left out."""

    def digest(root: Path) -> dict[str, str]:
        return {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*"))
            if path.is_file() and path.name != "index"
        }

    return digest


@pytest.fixture(scope="session")
def paused_template(
    template: Path, honest: Rows, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A workspace in which update:0001 and batch:0002 wait."""
    root = tmp_path_factory.mktemp("paused") / "loans"
    shutil.copytree(template, root, symlinks=True)
    place = Workspace.open(root)
    policy(place, when="always", required=1)
    place.intake(honest(300, seed=11))
    assert place.retrain().to_dict()["update"]["stage"] == "awaiting"
    assert place.intake(honest(20, seed=12)).outcome.value == "pause"
    trust_them(place, keys)
    return root


@pytest.fixture(scope="module")
def asked(
    paused_template: Path, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    """Questions put without Prefect, served from then on."""
    root = tmp_path_factory.mktemp("asked") / "loans"
    shutil.copytree(paused_template, root, symlinks=True)
    with services(open_context(root), free_port(), free_port()) as started:
        yield Asked(Workspace.open(root), started, keys)


@pytest.fixture(scope="module")
def needs_two(
    template: Path, honest: Rows, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    """A served workspace in which batch:0001 waits for two people."""
    root = tmp_path_factory.mktemp("two") / "loans"
    shutil.copytree(template, root, symlinks=True)
    place = Workspace.open(root)
    policy(place, required=2, separate_duties=False)
    trust_them(place, keys)
    assert place.intake(honest(20, seed=12)).outcome.value == "pause"
    with services(open_context(root), free_port(), free_port()) as started:
        yield Asked(place, started, keys)
