"""receipts: from which delivery a batch came, as its signed verdict and its manifest say."""

from typing import Any

from sluicegate.record.causes import released
from sluicegate.record.manifests import manifest_of
from sluicegate.stores.layout import Layout


def receipts(layout: Layout, batches: list[str]) -> dict[str, dict[str, Any]]:
    """Return for each batch the file that was received, when, by which feed, and what it was part of.

    Raises Tampered for a manifest that is not the one that the signed verdict names.
    """
    parts = {new: batch for batch, became in released(layout) for new in became.values()}
    return {batch: _receipt(layout, batch, parts.get(batch)) for batch in batches}


def _receipt(layout: Layout, batch: str, part_of: str | None) -> dict[str, Any]:
    manifest = manifest_of(layout, batch)
    feed = manifest.feed
    return {
        "file": manifest.file,
        "sha256": manifest.sha256,
        "received": manifest.received,
        "feed": feed["name"] if feed else None,
        "released_from": part_of,
    }
