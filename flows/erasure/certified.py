"""certified: a completed retirement, read from its signed statements each time it is shown."""

from typing import Any

from sluicegate.core.document import Document
from sluicegate.evidence.statement import DECISION
from sluicegate.gates.approval import Decision
from sluicegate.record.questions import cast
from sluicegate.record.subjects.kind import stated
from sluicegate.record.subjects.retirement import (
    CERTIFICATE,
    Certificate,
    read_certificate,
    read_retirement,
)
from sluicegate.stores import files, keys, record
from sluicegate.stores.layout import Layout


class Approver(Document):
    """Who approved, with which key, when."""

    person: str
    key: str
    time: str


class SignedBy(Document):
    """The service key of a certificate: whether it is the current one, since when it is revoked, and
    whether what it signed then still counts."""

    key: str
    current: bool
    revoked: str | None
    believed: bool


class Certified(Document):
    """A verified certificate in `file`, who asked for it and approved, and whose key signed it."""

    file: str
    statement: dict[str, Any]
    reason: str
    asked_by: str | None
    approved_by: tuple[Approver, ...]
    signed_by: SignedBy

    @property
    def certificate(self) -> Certificate:
        """Return what the statement says."""
        return Certificate.read(self.statement["predicate"], self.file)


def certified(layout: Layout, number: str) -> Certified | None:
    """Return the verified certificate, who asked and approved, and whose key signed; None before that.

    Raises Tampered for a certificate that no key of the service signed.
    """
    folder = layout.retirement(number)
    path = folder / CERTIFICATE
    if not path.is_file():
        return None
    read_certificate(layout, number)
    order = read_retirement(layout, number)
    decision = stated(layout, folder / "decision.json", DECISION)
    ring = keys.keyring(layout)
    span = ring.signer_of(files.read_json(path)) or ring.current
    return Certified(
        file=layout.named(path),
        statement=record.read_statement(layout, path),
        reason=order.reason,
        asked_by=order.asked_by,
        approved_by=tuple(
            Approver(person=vote.person, key=vote.key, time=vote.time)
            for vote in cast(layout, f"retirement:{number}")
            if vote.person in decision["approved_by"] and vote.decision is Decision.APPROVE
        ),
        signed_by=SignedBy(
            key=span.keyid,
            current=span is ring.current,
            revoked=span.revoked,
            believed=not record.is_doubted(layout, path),
        ),
    )
