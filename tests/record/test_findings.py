"""Recorded findings and reasons, with what they quote where it is at hand."""

from pathlib import Path

from sluicegate.record.findings import in_full, read_findings
from sluicegate.stores import files
from sluicegate.stores.quoting import QUOTES


def test_reasons_quote_what_git_leaves_out(tmp_path: Path) -> None:
    """Two findings that read alike without their quotes each get their own back; erased, none does."""
    about = {
        "check": "triggers",
        "metric": "triggers.lift",
        "value": 9.0,
        "rows": [],
        "sources": [],
    }
    entry = about | {"detail": "…: 9 rows", "limit": 2.0, "outcome": "quarantine"}
    verdict = {"reasons": ["…: 9 rows (limit 2)", "…: 9 rows (limit 2)"], "outcome": "quarantine"}
    files.write_json(tmp_path / "findings.json", [entry, entry])
    assert in_full(tmp_path, verdict) == verdict
    files.write_json(tmp_path / QUOTES, {"0": "a = 1: 9 rows", "1": "b = 2: 9 rows"})
    assert in_full(tmp_path, verdict)["reasons"] == [
        "a = 1: 9 rows (limit 2)",
        "b = 2: 9 rows (limit 2)",
    ]
    assert [each.detail for each in read_findings(tmp_path)] == ["a = 1: 9 rows", "b = 2: 9 rows"]
