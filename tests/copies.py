"""Copies of workspaces that share nothing with the one they were copied from."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

from sluicegate.stores import git


def copied(source: Path, root: Path) -> Path:
    """Copy the workspace `source` to `root` and make it its own."""
    shutil.copytree(source, root, symlinks=True)
    make_its_own(root)
    return root


def make_its_own(root: Path) -> None:
    """Point a copy to its own remote and artifacts: both are written down as absolute paths."""
    config, before = root / ".dvc" / "config", made_at(root)
    config.write_text(config.read_text().replace(before, str(root)))
    git.commit(root, [".dvc/config"], "the remote of this copy")
    database = root / ".sluicegate" / "mlflow" / "mlflow.db"
    with contextlib.closing(sqlite3.connect(database)) as store, store:
        held = (("model_versions", "source"), ("runs", "artifact_uri"))
        for table, column in (*held, ("experiments", "artifact_location")):
            how = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
            store.execute(how, (before, str(root)))


def made_at(root: Path) -> str:
    """Return where the workspace was made whose remote and artifacts a copy still uses."""
    text = (root / ".dvc" / "config").read_text()
    return text.split("url = ")[1].splitlines()[0].removesuffix("/.sluicegate/remote")
