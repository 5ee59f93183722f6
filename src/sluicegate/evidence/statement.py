"""Statements: in-toto Statement v1, the form in which everything is attested.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sluicegate.core import Artifact, Tampered
from sluicegate.core.document import Document

STATEMENT = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
Said = Document | Mapping[str, object]
PREDICATES = "https://sluicegate.dev/predicate/"

ENTRY = PREDICATES + "ledger-entry/v1"
VERDICT = PREDICATES + "verdict/v1"
UPDATE = PREDICATES + "update/v1"
REFUSAL = PREDICATES + "refusal/v1"
PROMOTION = PREDICATES + "promotion/v1"
REQUEST = PREDICATES + "review-request/v1"
VOTE = PREDICATES + "review-vote/v1"
DECISION = PREDICATES + "review-decision/v1"
RELEASE = PREDICATES + "release/v1"
ANCHOR = PREDICATES + "anchor/v1"
INCIDENT = PREDICATES + "incident/v1"
REINSTATEMENT = PREDICATES + "reinstatement/v1"
WITHDRAWAL = PREDICATES + "withdrawal/v1"
INCIDENT_CLOSED = PREDICATES + "incident-closed/v1"
RETIREMENT = PREDICATES + "retirement/v1"
TOMBSTONE = PREDICATES + "tombstone/v1"
DESTRUCTION = PREDICATES + "destruction/v1"
ROLLBACK_PROPOSAL = PREDICATES + "rollback-proposal/v1"
DRILL = PREDICATES + "drill/v1"
CALIBRATION = PREDICATES + "calibration/v1"
BACKUP = PREDICATES + "backup/v1"
KEYRING = PREDICATES + "keyring/v1"
POLICY = PREDICATES + "owned-policy/v1"
SECURITY_REVIEW = PREDICATES + "security-review/v1"
HEAD = PREDICATES + "ledger-head/v1"
BISECTION = PREDICATES + "bisection/v1"
VERIFIED = PREDICATES + "verified/v1"
REVOCATION = PREDICATES + "revocation/v1"


def written(said: Said) -> dict[str, Any]:
    """Return what a statement or an entry says, as JSON types."""
    return said.to_dict() if isinstance(said, Document) else dict(said)


def statement(
    subjects: Iterable[Artifact], predicate_type: str, predicate: Said
) -> dict[str, object]:
    """Return the in-toto statement that says `predicate` of `subjects`.

    Raises ValueError without a subject: a statement about nothing attests nothing.
    """
    described = [subject.to_dict() for subject in subjects]
    if not described:
        raise ValueError("A statement needs at least one subject.")
    return {
        "_type": STATEMENT,
        "subject": described,
        "predicateType": predicate_type,
        "predicate": written(predicate),
    }


def predicate_of(payload: Any, predicate_type: str, where: str) -> dict[str, Any]:
    """Return the predicate of a statement; raises Tampered when it is one of another type."""
    recorded = payload if isinstance(payload, dict) else {}
    predicate = recorded.get("predicate")
    if (recorded.get("_type"), recorded.get("predicateType")) != (
        STATEMENT,
        predicate_type,
    ) or not isinstance(predicate, dict):
        raise Tampered(f"{where} is not a statement of type {predicate_type}.")
    return predicate
