"""Statements and signatures: what they attest, and what they refuse."""

import base64
import copy
import json
from typing import Any

import pytest

from sluicegate.core import Artifact, Tampered
from sluicegate.evidence.keyring import Keyring, Span
from sluicegate.evidence.signing import new_key, public_key, sign, signer_of
from sluicegate.evidence.statement import PROMOTION, VERDICT, predicate_of, statement

SUBJECT = Artifact("batch.parquet", "a" * 64, "dvc://batches/0001")
KEY = signer_of(new_key(), "a test")
RING = Keyring((Span(public_key(KEY)),))


def signed() -> dict[str, Any]:
    """Return a signed statement."""
    return sign(statement([SUBJECT], VERDICT, {"outcome": "pass"}), KEY)


def test_a_statement_is_in_toto_v1() -> None:
    """The form is that of the in-toto attestation specification."""
    assert statement([SUBJECT], VERDICT, {"outcome": "pass"}) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {
                "name": "batch.parquet",
                "digest": {"sha256": "a" * 64},
                "uri": "dvc://batches/0001",
            }
        ],
        "predicateType": VERDICT,
        "predicate": {"outcome": "pass"},
    }


def test_a_statement_about_nothing_is_refused() -> None:
    """Without a subject nothing is attested."""
    with pytest.raises(ValueError, match="subject"):
        statement([], VERDICT, {})


def test_what_was_signed_is_what_is_read() -> None:
    """opened(sign(x)) == x, for text beyond ASCII too."""
    payload = statement([SUBJECT], VERDICT, {"reasons": ["naïve 文"]})
    assert RING.opened(sign(payload, KEY), "here") == payload


def other_key(_: dict[str, Any]) -> dict[str, Any]:
    return sign(statement([SUBJECT], VERDICT, {"outcome": "pass"}), signer_of(new_key(), "a test"))


def changed_payload(envelope: dict[str, Any]) -> dict[str, Any]:
    payload = json.loads(base64.b64decode(envelope["payload"]))
    payload["predicate"]["outcome"] = "reject"
    return envelope | {"payload": base64.b64encode(json.dumps(payload).encode()).decode()}


def without(key: str) -> Any:
    return lambda envelope: {k: v for k, v in envelope.items() if k != key}


FORGED = [
    pytest.param(other_key, id="another key"),
    pytest.param(changed_payload, id="a changed payload"),
    pytest.param(lambda e: e | {"payloadType": "text/plain"}, id="a foreign payload type"),
    pytest.param(lambda e: e | {"signatures": []}, id="no signature"),
    pytest.param(
        lambda e: e | {"signatures": [e["signatures"][0] | {"sig": "AAAA"}]},
        id="a broken signature",
    ),
    pytest.param(lambda e: e | {"payload": "%%%"}, id="a payload that is no base64"),
    pytest.param(without("payload"), id="no payload"),
    pytest.param(without("signatures"), id="no list of signatures"),
    pytest.param(lambda e: {}, id="an empty mapping"),
    pytest.param(lambda e: [], id="a list"),
    pytest.param(lambda e: None, id="null"),
    pytest.param(lambda e: e | {"signatures": "x"}, id="text for signatures"),
    pytest.param(lambda e: e | {"payload": 3}, id="a number for a payload"),
]


@pytest.mark.parametrize("forge", FORGED)
def test_what_our_key_did_not_sign_is_tampered_with(forge: Any) -> None:
    """Anything but an envelope of our own key over our own type is refused, naming the place."""
    with pytest.raises(Tampered, match="ledger/000001"):
        RING.opened(forge(copy.deepcopy(signed())), "ledger/000001.json")


def test_a_signature_over_a_foreign_type_is_refused_though_it_holds() -> None:
    """The payload type is signed too: an envelope made for something else is not ours."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope(b"{}", "application/vnd.else+json", {})
    envelope.sign(KEY)
    with pytest.raises(Tampered, match="not signed"):
        RING.opened(envelope.to_dict(), "here")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"_type": "x", "predicateType": VERDICT, "predicate": {}}, id="no statement"),
        pytest.param(statement([SUBJECT], PROMOTION, {}), id="another predicate"),
    ],
)
def test_a_statement_of_another_type_says_nothing_here(payload: dict[str, Any]) -> None:
    """A signed verdict put in a promotion's place promotes nobody."""
    with pytest.raises(Tampered, match="not a statement of type"):
        predicate_of(payload, VERDICT, "here")
