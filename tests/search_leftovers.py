"""What is left of a row, by a value that no other row has: in every file of a folder, and in git."""

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

ODD = 41.987654
"""An income that no other row has."""


def holding(root: Path, value: float) -> list[str]:
    """Return the files below `root`, and the objects of git, that hold `value`."""
    return [*files_with(root, value), *_in_git(root, value)]


def files_with(root: Path, value: float) -> Iterator[str]:
    """Yield the files below `root` that hold `value`, in a table or as text."""
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        content = path.read_bytes()
        if content[:4] == b"PAR1":
            frame = pd.read_parquet(io.BytesIO(content))
            found = "income" in frame and (frame["income"].astype(float) == value).any()
        else:
            found = repr(value).encode() in content
        if found:
            yield path.relative_to(root).as_posix()


def _in_git(root: Path, value: float) -> Iterator[str]:
    command = ["git", "-C", str(root), "cat-file", "--batch-all-objects", "--batch"]
    if repr(value).encode() in subprocess.run(command, check=True, capture_output=True).stdout:
        yield "git"
