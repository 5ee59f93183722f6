"""Signatures: DSSE envelopes over statements, by an Ed25519 service key.

https://github.com/secure-systems-lab/dsse/blob/master/envelope.md, by securesystemslib.
"""

import json
from copy import deepcopy
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from sluicegate.core import Tampered
from sluicegate.core.canonical import canonical_json

from .statement import PAYLOAD_TYPE


def new_key() -> bytes:
    """Return a new Ed25519 private key as unencrypted PKCS#8 PEM."""
    private: bytes = CryptoSigner.generate_ed25519().private_bytes
    return private


def public_key(private_pem: bytes) -> dict[str, Any]:
    """Return the public half as a TUF key dictionary with its `keyid`."""
    key = _signer(private_pem).public_key
    return {"keyid": key.keyid, **key.to_dict()}


def sign(payload: dict[str, Any], private_pem: bytes) -> dict[str, Any]:
    """Return the DSSE envelope of `payload`'s canonical JSON."""
    envelope = Envelope(canonical_json(payload), PAYLOAD_TYPE, {})
    envelope.sign(_signer(private_pem))
    signed: dict[str, Any] = envelope.to_dict()
    return signed


def verify(envelope: dict[str, Any], public: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the payload of `envelope` once its signature is verified.

    Raises Tampered, naming `where`, for a wrong or missing signature, a foreign key or payload type,
    or an envelope that cannot be read.
    """
    key = SSlibKey.from_dict(public["keyid"], {k: v for k, v in public.items() if k != "keyid"})
    try:
        parsed = Envelope.from_dict(deepcopy(envelope))  # it empties what it reads
        parsed.verify([key], 1)
    except (VerificationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Tampered(f"{where} is not signed by this workspace's service key.") from error
    if parsed.payload_type != PAYLOAD_TYPE:
        raise Tampered(f"{where} has the payload type {parsed.payload_type!r}.")
    payload: dict[str, Any] = json.loads(parsed.payload)
    return payload


def _signer(private_pem: bytes) -> CryptoSigner:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return CryptoSigner(load_pem_private_key(private_pem, password=None))
