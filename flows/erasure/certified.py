"""certified: a retirement that was carried out, told from its signed statements each time it is shown."""

from typing import Any

from sluicegate.evidence.statement import DECISION
from sluicegate.gates.approval import Decision
from sluicegate.record.questions import cast
from sluicegate.record.subjects.kind import stated
from sluicegate.record.subjects.retirement import CERTIFICATE, read_certificate, read_retirement
from sluicegate.stores import files, keys, record
from sluicegate.stores.layout import Layout


def certified(layout: Layout, number: str) -> dict[str, Any] | None:
    """Return the verified certificate, who asked and approved, and whose key it is; None before it is.

    Raises Tampered for a certificate that no key of the service signed.
    """
    folder = layout.retirement(number)
    path = folder / CERTIFICATE
    if not path.is_file():
        return None
    read_certificate(layout, number)
    order, decision = (
        read_retirement(layout, number),
        stated(layout, folder / "decision.json", DECISION),
    )
    said_yes = [
        {"person": vote.person, "key": vote.key, "time": vote.time}
        for vote in cast(layout, f"retirement:{number}")
        if vote.person in decision["approved_by"] and vote.decision is Decision.APPROVE
    ]
    return {
        "file": layout.named(path),
        "statement": record.read_statement(layout, path),
        "reason": order["reason"],
        "asked_by": order["asked_by"],
        "approved_by": said_yes,
        "signed_by": _signed_by(layout, number),
    }


def _signed_by(layout: Layout, number: str) -> dict[str, Any]:
    """Return the key that a verified certificate is signed with, and whether it still counts."""
    path = layout.retirement(number) / CERTIFICATE
    ring = keys.keyring(layout)
    span = ring.signer_of(files.read_json(path)) or ring.current
    return {
        "key": span.keyid,
        "current": span is ring.current,
        "revoked": span.revoked,
        "believed": not record.is_doubted(layout, path),
    }
