"""The recorded findings of a batch."""

from pathlib import Path
from typing import Any

from sluicegate.core import Judged, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import VERDICT, predicate_of
from sluicegate.stores import files, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.quoting import QUOTES


def findings_of(layout: Layout, batch: str) -> list[Judged]:
    """Return what was measured of a batch when it was received; raises Tampered."""
    where = f"intake/{batch}/verdict.json"
    predicate = predicate_of(record.read_statement(layout, layout.root / where), VERDICT, where)
    path = layout.intake(batch) / "findings.json"
    if not path.is_file() or sha256_file(path) != predicate["findings"]:
        raise Tampered(f"intake/{batch}/findings.json does not match {where}; restore it.")
    return read_findings(path.parent)


def read_findings(folder: Path) -> list[Judged]:
    """Return the findings recorded in `folder`; they prove nothing until their digest is checked.

    What they quote of rows is among them where it is at hand and was not erased.
    """
    path, quotes = folder / "findings.json", folder / QUOTES
    found = [Judged.read(each, str(path)) for each in files.read_json(path)]
    for at, detail in (files.read_json(quotes) if quotes.is_file() else {}).items():
        found[int(at)] = found[int(at)].model_copy(update={"detail": detail})
    return found


def in_full(folder: Path, verdict: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded verdict with its reasons in full; what git keeps of it quotes no cell."""
    path, quotes = folder / "findings.json", folder / QUOTES
    reasons, recorded = list(verdict["reasons"]), files.read_json(path)
    for at, detail in (files.read_json(quotes) if quotes.is_file() else {}).items():
        bare = recorded[int(at)]["detail"]
        place = next((i for i, each in enumerate(reasons) if bare and bare in each), None)
        if place is not None:
            reasons[place] = reasons[place].replace(bare, detail)
    return verdict | {"reasons": reasons}
