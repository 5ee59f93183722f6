"""Signatures: DSSE envelopes over statements, by an Ed25519 service key.

https://github.com/secure-systems-lab/dsse/blob/master/envelope.md, by securesystemslib. Whoever can
sign is a `Signer`: a key in a file here, and any signer of securesystemslib (PKCS#11, the KMS of the
clouds, Sigstore) has the same two members. See docs/adr/0014-keys-follow-each-other.md.
"""

from typing import Protocol

from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, Key, Signature

from sluicegate.core import Misused
from sluicegate.core.canonical import canonical_json
from sluicegate.core.document import Document

from .statement import PAYLOAD_TYPE


class Signer(Protocol):
    """Whoever holds a private key and signs bytes with it; the key itself is never asked for."""

    @property
    def public_key(self) -> Key:
        """Return the public half."""
        ...

    def sign(self, payload: bytes) -> Signature:
        """Return the signature of `payload`."""
        ...


def new_key() -> bytes:
    """Return a new Ed25519 private key as unencrypted PKCS#8 PEM."""
    private: bytes = CryptoSigner.generate_ed25519().private_bytes
    return private


def new_model_key() -> bytes:
    """Return a new P-256 private key as PKCS#8 PEM: OpenSSF model signing has no Ed25519."""
    private: bytes = CryptoSigner.generate_ecdsa().private_bytes
    return private


def signer_of(private_pem: bytes, where: str) -> Signer:
    """Return the signer with the key in `private_pem`, which came from `where`; else Misused."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        made: Signer = CryptoSigner(load_pem_private_key(private_pem, password=None))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Misused(f"{where} is not an unencrypted PEM private key; restore it.") from error
    return made


class PublicKey(Document):
    """A public key as TUF writes it, with its `keyid`."""

    class Value(Document):
        """The key itself, as PEM or, of an older ring, in hexadecimal."""

        public: str

    keyid: str
    keytype: str
    scheme: str
    keyval: Value


def public_key(signer: Signer) -> PublicKey:
    """Return the public half."""
    key = signer.public_key
    return PublicKey.read({"keyid": key.keyid, **key.to_dict()}, "the public key")


def public_pem(signer: Signer) -> str:
    """Return the public half as PEM."""
    return str(signer.public_key.keyval["public"])


def raw_signature(signer: Signer, payload: bytes) -> bytes:
    """Return the bytes of a signature of `payload`: DER for P-256."""
    return bytes.fromhex(signer.sign(payload).signature)


def sign(payload: dict[str, object], signer: Signer) -> dict[str, object]:
    """Return the DSSE envelope of `payload`'s canonical JSON."""
    envelope = Envelope(canonical_json(payload), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    signed: dict[str, object] = envelope.to_dict()
    return signed
