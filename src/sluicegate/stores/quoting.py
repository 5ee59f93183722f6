"""What quotes cells of rows: objects in DVC, for what git keeps nobody can erase.

Git has a pointer beside where the file lies in the tree, and a signed statement its SHA-256.
"""

import contextlib
from pathlib import Path

from sluicegate.core import CannotDecide

from . import dvc

PAGE = "evidence.html"
"""The evidence lies beside each request under this name."""
QUOTES, PATTERNS, TRIGGERS = "quotes.json", "patterns.json", "triggers.json"
"""Beside a batch's verdict: findings in full by their place in findings.json, and what is suspected."""
OF_BATCH = (QUOTES, PATTERNS, TRIGGERS)
QUOTING = (PAGE, *OF_BATCH)


def bring(root: Path, path: Path) -> bool:
    """Tell whether the file `path` is there, brought from the cache or the remote where only git is."""
    if not path.is_file() and dvc.pointer(path).is_file():
        with contextlib.suppress(CannotDecide):
            dvc.checkout(root, [path])
    return path.is_file()
