"""What the tests of the runbooks share: copies of the workspace, the command line, digests of trees."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluicegate import Workspace, cli

Deliver = Callable[..., Path]
Cli = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture(scope="module")
def line(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace that the tests of one module pass on, each a batch further."""
    root = tmp_path_factory.mktemp("line") / "loans"
    shutil.copytree(template, root, symlinks=True)
    return Workspace.open(root)


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
