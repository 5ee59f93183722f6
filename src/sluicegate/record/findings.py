"""The recorded findings of a batch."""

from typing import Any

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import VERDICT, predicate_of
from sluicegate.stores import files, record
from sluicegate.stores.layout import Layout


def findings_of(layout: Layout, batch: str) -> list[dict[str, Any]]:
    """Return what was measured of a batch when it was received; raises Tampered."""
    where = f"intake/{batch}/verdict.json"
    said = predicate_of(record.read_statement(layout, layout.root / where), VERDICT, where)
    path = layout.intake(batch) / "findings.json"
    if not path.is_file() or sha256_file(path) != said["findings"]:
        raise Tampered(f"intake/{batch}/findings.json is not what {where} names; restore it.")
    findings: list[dict[str, Any]] = files.read_json(path)
    return findings
