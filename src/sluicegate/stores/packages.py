"""Packages: what is installed where the pipeline runs, and the lock files that a workspace keeps."""

from importlib.metadata import distributions
from pathlib import Path

from sluicegate.core import Artifact
from sluicegate.core.canonical import sha256_file

LOCK_FILES = (
    "uv.lock",
    "pylock.toml",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "conda-lock.yml",
    "requirements.txt",
)


def installed() -> dict[str, str]:
    """Return the version of every installed package by its name, which stages of dvc.yaml share."""
    found = {each.metadata["Name"]: each.version for each in distributions()}
    return dict(sorted((name, version) for name, version in found.items() if name))


def lock_files(tree: Path) -> list[Artifact]:
    """Return the lock files at the top of `tree`."""
    paths = (tree / name for name in LOCK_FILES)
    return [Artifact(path.name, sha256_file(path)) for path in paths if path.is_file()]
