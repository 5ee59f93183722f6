"""Data files: read only as the bytes that their manifests in git name."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.stores.data import read_verified


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A small table beside its manifest."""
    path = tmp_path / "feedback.parquet"
    pd.DataFrame({"y": ["no"] * 3}).to_parquet(path)
    told = {"file": path.name, "sha256": sha256_file(path), "rows": 3, "sources": {}}
    path.with_name("manifest.json").write_text(json.dumps(told))
    return path


def swapped(path: Path) -> None:
    pd.DataFrame({"y": ["yes"] * 3}).to_parquet(path)


def renamed(path: Path) -> None:
    told = json.loads(path.with_name("manifest.json").read_text())
    path.with_name("manifest.json").write_text(json.dumps(told | {"file": "other.parquet"}))


@pytest.mark.parametrize("deed", [swapped, renamed, Path.unlink])
def test_a_swapped_table_is_refused(table: Path, deed: Callable[[Path], None]) -> None:
    """DVC checks a tampered cache object out as up to date; we do not read it."""
    assert list(read_verified(table)["y"]) == ["no"] * 3
    deed(table)
    with pytest.raises(Tampered, match=r"feedback\.parquet"):
        read_verified(table)
