"""The recorded findings of a batch."""

from typing import Any

from sluicegate.core import Judged, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import VERDICT
from sluicegate.record.subjects.kind import stated
from sluicegate.stores import files
from sluicegate.stores.layout import Layout
from sluicegate.stores.quoting import QUOTES


def findings_of(layout: Layout, batch: str) -> list[Judged]:
    """Return what was measured of a batch when it was received; raises Tampered.

    What findings quote of rows is among them where it is at hand and was not erased.
    """
    _, found, quotes = _recorded(layout, batch)
    return [
        each if at not in quotes else each.model_copy(update={"detail": quotes[at]})
        for at, each in enumerate(found)
    ]


def in_full(layout: Layout, batch: str) -> dict[str, Any]:
    """Return the verdict of a batch with its reasons in full: what git keeps of them quotes no cell."""
    verdict, found, quotes = _recorded(layout, batch)
    reasons = list(verdict["reasons"])
    for at, detail in quotes.items():
        bare = found[at].detail
        place = next((i for i, each in enumerate(reasons) if bare and bare in each), None)
        if place is not None:
            reasons[place] = reasons[place].replace(bare, detail)
    return verdict | {"reasons": reasons}


def _recorded(layout: Layout, batch: str) -> tuple[dict[str, Any], list[Judged], dict[int, str]]:
    """Return verdict and findings as git keeps them, and in full those that quote cells, by their place."""
    names = ("verdict.json", "findings.json", QUOTES)
    where, path, quotes = (layout.intake(batch) / name for name in names)
    verdict = stated(layout, where, VERDICT)
    recorded = files.read_json(path)
    full = files.read_json(quotes) if quotes.is_file() else {}
    for file, signed in ((path, verdict["findings"]), (quotes, verdict.get("quotes"))):
        if file.is_file() and sha256_file(file) != signed:
            raise Tampered(f"{layout.named(file)} was changed; restore it.")
    found = [Judged.read(each, str(path)) for each in recorded]
    return verdict, found, {int(at): str(detail) for at, detail in full.items()}
