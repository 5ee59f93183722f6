"""Model signatures in the format of OpenSSF model-signing 1.x, whose own command verifies ours.

A Sigstore bundle v0.3 around a DSSE envelope of an in-toto statement that lists every file with its
SHA-256, signed with ECDSA over P-256: the format has no Ed25519. Nothing is on its list of ignored
paths. https://github.com/sigstore/model-transparency, predicate `signature/v1.0`.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field

from sluicegate.core import Tampered
from sluicegate.core.canonical import canonical_json
from sluicegate.core.document import Document

from .keyring import Envelope, pae
from .signing import Signer, public_pem, raw_signature
from .statement import PAYLOAD_TYPE, STATEMENT

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGNATURE = "https://model_signing/signature/v1.0"


class _Bundle(Document):
    media_type: str | None = Field(None, alias="mediaType")
    envelope: Envelope = Field(alias="dsseEnvelope")


class _Named(Document):
    name: str


class _Resource(_Named):
    digest: str


class _Resources(Document):
    resources: tuple[_Resource, ...]


class _Statement(Document):
    subject: tuple[_Named, ...] = Field(min_length=1)
    predicate: _Resources


def model_statement(name: str, files: Mapping[str, str]) -> dict[str, object]:
    """Return the in-toto statement over `files`, the SHA-256 of each by its relative path.

    Its subject is the SHA-256 over all digests in the order of the paths.
    """
    ordered = sorted(files, key=PurePosixPath)
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": _root_of(files[n] for n in ordered)}}],
        "predicateType": SIGNATURE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [
                {"name": each, "algorithm": "sha256", "digest": files[each]} for each in ordered
            ],
        },
    }


def sign_model(name: str, files: Mapping[str, str], signer: Signer) -> dict[str, object]:
    """Return the bundle signed by `signer`, whose key must be on the curve P-256."""
    payload = canonical_json(model_statement(name, files))
    signature = raw_signature(signer, pae(payload))
    return {
        "mediaType": BUNDLE,
        "verificationMaterial": {
            "publicKey": {"hint": _hint(public_pem(signer))},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }


def signed_files(bundle: Any, key: str, where: str) -> dict[str, str]:
    """Return the SHA-256 of every signed file by its path, once a signature by `key` (PEM) holds.

    Raises Tampered, naming `where`, for a signature by another key, for anything that is not such a
    bundle, and for a list that leaves files out or names any outside the model.
    """
    try:
        read = _Bundle.model_validate(bundle)
        payload = base64.b64decode(read.envelope.payload, validate=True)
        (result,) = read.envelope.signatures
        _verify(base64.b64decode(result.sig, validate=True), payload, key)
        files, name = _files(payload)
        statement = json.loads(payload)
    except InvalidSignature as error:
        raise Tampered(f"{where} is not signed by this model's key.") from error
    except (ValueError, binascii.Error) as error:
        raise Tampered(f"{where} is not a model signature.") from error
    if (read.media_type, read.envelope.payload_type) != (BUNDLE, PAYLOAD_TYPE):
        raise Tampered(f"{where} is a bundle of another type.")
    if statement != model_statement(name, files) or not all(map(_is_inside, files)):
        raise Tampered(f"{where} does not cover every file of the model.")
    return files


def listed_files(bundle: Any, where: str) -> dict[str, str]:
    """Return the SHA-256 of each file by its path, as a bundle lists them, its signature unread.

    To be held against a digest of the model that is known otherwise, whatever became of the key.
    Raises Tampered for what is no such bundle.
    """
    try:
        envelope = _Bundle.model_validate(bundle).envelope
        return _files(base64.b64decode(envelope.payload, validate=True))[0]
    except ValueError as error:
        raise Tampered(f"{where} is not a model signature.") from error


def _files(payload: bytes) -> tuple[dict[str, str], str]:
    """Return the digest of each file that a statement lists, and what it calls the model."""
    read = _Statement.model_validate_json(payload)
    return {each.name: each.digest for each in read.predicate.resources}, read.subject[0].name


def _verify(signature: bytes, payload: bytes, pem: str) -> None:
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 key")
    key.verify(signature, pae(payload), ec.ECDSA(hashes.SHA256()))


def _hint(pem: str) -> str:
    key = serialization.load_pem_public_key(pem.encode())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.PEM, form)).hexdigest()


def _root_of(digests: Any) -> str:
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    plain = bool(parts) and name == "/".join(parts) and name.isprintable()
    return plain and parts[0] != "/" and not any(part.startswith(".") for part in parts)
