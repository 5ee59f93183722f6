"""standing: who is trusted by the policy, and who has become known by the record.

Derived anew from the committed record each time: what a source did cannot be forgotten or made up
by editing a state, and taking a batch out takes back what it earned.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sluicegate.core.moment import moment
from sluicegate.core.standing import Standing
from sluicegate.stores import data, files
from sluicegate.stores.layout import Layout, numbered
from sluicegate.stores.settings import Sources

# How much a source sent is capped, not held against it; see checks/sources.py and checks/tiers.py.
NO_ACCUSATION = ("sources.share", "sources.tier.", "sources.missing", "origins.", "oracle.")
STOPPED = ("quarantine", "pause", "reject")


def standing(layout: Layout, sources: Sources, now: str | None = None) -> Standing:
    """Return the standing of all sources at the time `now`, by default that of the last receipt.

    A source is known once `known_after` admitted batches held rows of it without an accusation
    since, the first of them `known_days` ago. Where deliveries are signed only signed ones count.
    """
    batches = numbered(layout.root / "intake")
    told = [b for b in batches if (layout.intake(b) / data.MANIFEST).is_file()]
    receipts = [_receipt(layout, batch) for batch in told]
    end = now or max((r["received"] for r in receipts), key=moment, default=None)
    if end is None:
        return Standing(frozenset(sources.trusted))
    since: dict[str, list[str]] = {}
    for receipt in receipts:
        for source in receipt["accused"]:
            since.pop(source, None)
        if receipt["feed"] or not sources.signed:
            for source in receipt["admitted"]:
                since.setdefault(source, []).append(receipt["received"])
    eldest = moment(end) - timedelta(days=sources.known_days)
    known = {
        source
        for source, times in since.items()
        if source and len(times) >= sources.known_after and moment(times[0]) <= eldest
    }
    return Standing(frozenset(sources.trusted), frozenset(known))


def accused_in(findings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the sources that judged findings speak against, each with the gravest outcome.

    >>> told = {"metric": "sources.disagreement", "outcome": "quarantine", "sources": ["c17"]}
    >>> accused_in([told, told | {"metric": "sources.share", "sources": ["big"]}])
    {'c17': 'quarantine'}
    """
    accused: dict[str, str] = {}
    for told in findings:
        if told["outcome"] not in STOPPED or told["metric"].startswith(NO_ACCUSATION):
            continue
        for source in told["sources"]:
            worst = max(
                STOPPED.index(accused.get(source, STOPPED[0])), STOPPED.index(told["outcome"])
            )
            accused[source] = STOPPED[worst]
    return dict(sorted(accused.items()))


def _receipt(layout: Layout, batch: str) -> dict[str, Any]:
    """Return what one receipt says of sources: whose rows are in training, whom it speaks against.

    What paused and was let in by reviewers was no accusation, in their judgement.
    """
    manifest = files.read_json(layout.intake(batch) / data.MANIFEST)
    admitted = layout.admitted(batch) / data.MANIFEST
    inside = files.read_json(admitted)["sources"] if admitted.is_file() else {}
    lifted = manifest["state"] == "paused" and bool(inside)
    return {
        "received": manifest["received"],
        "feed": manifest.get("feed"),
        "admitted": inside,
        "accused": [
            source
            for source, outcome in manifest.get("accused", {}).items()
            if not (lifted and outcome == "pause")
        ],
    }
