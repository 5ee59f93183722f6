"""The worked example of CONTRIBUTING.md: its files are written and its commands are run, in a copy."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from document_tables import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.partition("## Add a check in ten minutes")[2].partition("\n## ")[0]
NAMED = re.compile(r"`([\w./-]+)`:\n|```(\w+)\n(.*?)```", re.DOTALL)
COPIED = ("checks", "flows", "gates", "src", "tests", "params.yaml", "pyproject.toml")


def steps() -> list[tuple[str, str, str]]:
    """Return (language, file named last before it, text) of each block of the example."""
    found, file = [], ""
    for name, language, text in NAMED.findall(EXAMPLE):
        file = name or file
        if language:
            found.append((language, file, text))
    return found


def patched(text: str, diff: str) -> str:
    """Return `text` with the added lines of `diff` after its only line of context."""
    (context,) = (line[1:] for line in diff.splitlines() if line.startswith(" "))
    added = [line[1:] for line in diff.splitlines() if line.startswith("+")]
    assert text.count(f"{context}\n") == 1, context
    return text.replace(f"{context}\n", "\n".join([context, *added, ""]))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with the files of the example in it."""
    root = tmp_path_factory.mktemp("contributing")
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, root / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, root / name)
    for language, file, text in steps():
        if language == "python":
            (root / file).write_text(text, encoding="utf-8")
        elif language == "diff":
            before = (root / file).read_text(encoding="utf-8")
            (root / file).write_text(patched(before, text), encoding="utf-8")
    return root


COMMANDS = [line for language, _, text in steps() if language == "sh" for line in text.splitlines()]


def test_the_example_is_whole() -> None:
    """A file, two places in one that is there, a limit, and commands."""
    assert [language for language, _, _ in steps()] == ["python", "diff", "diff", "diff", "sh"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_runs(copy: Path, command: str) -> None:
    """Each command succeeds on the files as the page writes them, and tests something."""
    python, *arguments = command.split()
    assert python == "python"
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pytest" not in arguments or " passed" in done.stdout


def test_the_example_keeps_our_style(copy: Path) -> None:
    """ruff finds nothing to say about the new check."""
    ruff = [sys.executable, "-m", "ruff", "check", "checks/empty.py"]
    done = subprocess.run(ruff, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
