"""account: what an incident says that no rollback can do."""

import json
from pathlib import Path

import pytest

from sluicegate.reports.incident import _trusted
from sluicegate.stores.layout import Layout


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([], []),
        (["nobody"], []),
        (["eve"], ["The reference table holds 3 rows", "The golden table holds 1 row "]),
    ],
)
def test_trusted_rows_of_a_source_are_named(
    tmp_path: Path, sources: list[str], said: list[str]
) -> None:
    """They came in by a re-anchoring, and go out by another alone."""
    for table, rows in (("reference", 3), ("golden", 1)):
        (tmp_path / table).mkdir()
        counts = {"eve": rows, "ann": 5}
        manifest = {
            "file": f"{table}.parquet",
            "sha256": "0" * 64,
            "rows": rows + 5,
            "sources": counts,
        }
        (tmp_path / table / "manifest.json").write_text(json.dumps(manifest))
    told = list(_trusted(Layout(tmp_path), sources))
    assert [each[: len(words)] for each, words in zip(told, said, strict=True)] == said
