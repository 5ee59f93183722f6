"""ages: which service keys were retired or revoked, and whether the one that signs is old."""

from datetime import datetime, timedelta

from sluicegate.core import SluicegateError
from sluicegate.core.moment import moment
from sluicegate.evidence.keyring import Span, payload_of
from sluicegate.record.context import Context
from sluicegate.stores import files
from sluicegate.stores.keys import keyring
from sluicegate.stores.layout import Layout

LASTS, WARNS = timedelta(days=365), timedelta(days=30)
"""How long a key should sign, and how long before that it is told: nothing stops when it is older."""


def describe_keys(context: Context) -> list[str]:
    """Return a sentence for each revoked key, and one when the current key is old or soon will be."""
    layout = context.layout
    ring = keyring(layout)
    lines = [
        f"the service key {span.keyid[:12]} was revoked ({span.revoked}): what it signed after entry "
        f"{span.last} does not count"
        for span in ring.spans
        if span.revoked
    ]
    old = expiring(context)
    return [*lines, old] if old else lines


def expiring(context: Context) -> str | None:
    """Return a sentence when the key that signs now is, or soon will be, older than a year."""
    since = made(context.layout, keyring(context.layout).current)
    if since is None or context.clock() < since + LASTS - WARNS:
        return None
    until = (since + LASTS).date()
    return f"the service key has signed since {since.date()}; rotate it before {until}"


def made(layout: Layout, span: Span) -> datetime | None:
    """Return when a key signed its first entry, by that entry; None where it has none."""
    try:
        envelope = files.read_json(layout.ledger / f"{span.first:06d}.json")
        return moment(payload_of(envelope)["predicate"]["time"])
    except (SluicegateError, ValueError, KeyError, TypeError):
        return None
