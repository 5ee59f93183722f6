"""The policy's files as the commit has them that they are pinned to; the working tree is not asked."""

from functools import lru_cache
from pathlib import Path

from sluicegate.core import Artifact, Missing
from sluicegate.core.canonical import sha256_bytes

from . import git
from .layout import Layout


def read(layout: Layout, name: str) -> bytes:
    """Return the bytes of the policy's file `name`; raises Missing.

    Only before the first commit, and in the linked worktree of a stage, it is the file that lies there.
    """
    path = layout.root / name
    if layout.policy:
        content = _at(layout.root, layout.policy, name)
    else:
        content = path.read_bytes() if path.is_file() else None
    if content is None:
        raise Missing(f"{name} is not in the commit {(layout.policy or '')[:12]}; commit it first.")
    return content


def artifact(layout: Layout, name: str) -> Artifact:
    """Return the policy's file `name` with its digest; raises Missing."""
    return Artifact(name, sha256_bytes(read(layout, name)))


@lru_cache(maxsize=64)
def _at(root: Path, commit_id: str, name: str) -> bytes | None:
    return git.find_at(root, commit_id, name)
