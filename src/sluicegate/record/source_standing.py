"""standing: who is trusted by the policy, and who has become known by the record.

Derived anew from the committed record each time: what a source did cannot be forgotten or made up
by editing a state, and taking a batch out takes back what it earned.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sluicegate.core import Judged, Outcome
from sluicegate.core.moment import moment
from sluicegate.core.standing import Standing
from sluicegate.stores import data
from sluicegate.stores.layout import Layout, numbered
from sluicegate.stores.settings import Sources

# How much a source sent is capped, not held against it; see checks/sources.py and checks/tiers.py.
NO_ACCUSATION = ("sources.share", "sources.tier.", "sources.missing", "origins.", "oracle.")


def standing(layout: Layout, sources: Sources, now: str | None = None) -> Standing:
    """Return the standing of all sources at the time `now`, by default that of the last receipt.

    A source is known once `known_after` admitted batches held rows of it without an accusation
    since, the first of them `known_days` ago. Where deliveries are signed only signed ones count.
    """
    batches = numbered(layout.root / "intake")
    listed = [b for b in batches if (layout.intake(b) / data.MANIFEST).is_file()]
    receipts = [_receipt(layout, batch) for batch in listed]
    end = now or max((r.received for r in receipts), key=moment, default=None)
    if end is None:
        return Standing(frozenset(sources.trusted))
    since: dict[str, list[str]] = {}
    for receipt in receipts:
        for source in receipt.accused:
            since.pop(source, None)
        if receipt.signed or not sources.signed:
            for source in receipt.admitted:
                since.setdefault(source, []).append(receipt.received)
    eldest = moment(end) - timedelta(days=sources.known_days)
    known = {
        source
        for source, times in since.items()
        if source and len(times) >= sources.known_after and moment(times[0]) <= eldest
    }
    return Standing(frozenset(sources.trusted), frozenset(known))


def accused_in(findings: Iterable[Judged]) -> dict[str, str]:
    """Return the sources that judged findings speak against, each with the gravest outcome.

    >>> named = Judged(check="sources", metric="sources.disagreement", value=9.0, rows=(), sources=("c17",),
    ...                detail="", limit=3.0, outcome=Outcome.QUARANTINE)
    >>> share = named.model_copy(update={"metric": "sources.share", "sources": ("big",)})
    >>> accused_in([named, share])
    {'c17': 'quarantine'}
    """
    accused: dict[str, Outcome] = {}
    for entry in findings:
        if entry.passed or entry.metric.startswith(NO_ACCUSATION):
            continue
        for source in entry.sources:
            gravest = max(accused.get(source, entry.outcome), entry.outcome, key=_severity)
            accused[source] = gravest
    return {source: outcome.value for source, outcome in sorted(accused.items())}


@dataclass(frozen=True)
class _Receipt:
    """What one receipt says of sources: whose rows are in training, whom it speaks against."""

    received: str
    signed: bool
    admitted: tuple[str, ...]
    accused: tuple[str, ...]


def _receipt(layout: Layout, batch: str) -> _Receipt:
    """Return a receipt; what paused and was let in by reviewers was no accusation, in their judgement."""
    manifest = data.read_manifest(layout.intake(batch))
    place = layout.admitted(batch)
    inside = data.read_manifest(place).sources if (place / data.MANIFEST).is_file() else {}
    lifted = manifest.state == "paused" and bool(inside)
    accused = [s for s, out in manifest.accused.items() if not (lifted and out == "pause")]
    signed = manifest.feed is not None
    return _Receipt(manifest.received, signed, tuple(inside), tuple(accused))


def _severity(outcome: Outcome) -> int:
    return outcome.severity
