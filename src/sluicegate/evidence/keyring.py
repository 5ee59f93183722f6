"""Keyring: which key of the service speaks for which entries of the ledger.

A key counts from the entry that brought it to the one that retired it. Of a retired key only those
statements count that its successor names by digest, so that whoever gets hold of an old key, however
it is dated, can add nothing. A revoked key counts up to the entry before the one it is doubted from.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, ValidationError

from sluicegate.core import Tampered
from sluicegate.core.document import Document, Plain

from .signing import PublicKey
from .statement import KEYRING, PAYLOAD_TYPE, predicate_of

PLACE = "trust/keyring.json"
"""Where a workspace keeps its keyring; not there before the first rotation."""


class Envelope(Document):
    """A DSSE envelope around a statement."""

    class Signature(Document):
        """Whose signature it says it is, and the signature in base64."""

        keyid: str
        sig: str

    payload: str
    payload_type: str = Field(alias="payloadType")
    signatures: tuple[Signature, ...]


def _envelope(written: object) -> Envelope | None:
    try:
        return Envelope.model_validate(written)
    except ValidationError:
        return None


@dataclass(frozen=True)
class Span(Plain):
    """One key, the first and last entry it counts for, and the statements that its successor names.

    `head` is the digest of the last entry, and `revoked` why the key is not to be believed any more;
    `doubted` are then the statements that it signed later: history, on which nothing may rest.
    """

    key: PublicKey
    first: int = 1
    last: int | None = None
    head: str | None = None
    statements: Mapping[str, str] = field(default_factory=dict)
    revoked: str | None = None
    doubted: Mapping[str, str] = field(default_factory=dict)

    @property
    def keyid(self) -> str:
        """Return the name of the key."""
        return self.key.keyid


@dataclass(frozen=True)
class Keyring(Plain):
    """The keys in the order in which they followed each other; the last one signs now.

    `model_key` is the public key that signs models now (PEM), None in a ring that does not say.
    """

    spans: Annotated[tuple[Span, ...], Field(alias="keys", min_length=1)]
    model_key: str | None = None

    @property
    def current(self) -> Span:
        """Return the key that signs now."""
        return self.spans[-1]

    def at(self, sequence: int) -> Span | None:
        """Return whose entry this has to be; None for one that a revoked key signed too late.

        >>> value = PublicKey.Value(public="")
        >>> a, b = (PublicKey(keyid=x, keytype="", scheme="", keyval=value) for x in "ab")
        >>> old, new = Span(a, 1, 4), Span(b, 7)
        >>> [(s.keyid if (s := Keyring((old, new)).at(n)) else None) for n in (4, 5, 7)]
        ['a', None, 'b']
        """
        for span in self.spans:
            if span.first <= sequence and (span.last is None or sequence <= span.last):
                return span
        return None

    @cached_property
    def _by_id(self) -> dict[str, Span]:
        return {span.keyid: span for span in self.spans}

    def signer_of(self, envelope: object) -> Span | None:
        """Return the span of the key that an envelope says it is signed with."""
        read = _envelope(envelope)
        return self._by_id.get(read.signatures[0].keyid) if read and read.signatures else None

    def check(self, envelope: object, sequence: int | None = None) -> bool:
        """Tell whether a known key signed `envelope`, and the right one for an entry of `sequence`.

        The same answer as securesystemslib's, several times as fast: a ledger has many entries.
        """
        span = self.signer_of(envelope) if sequence is None else self.at(sequence)
        read = _envelope(envelope)
        if read is None or span is None or read.payload_type != PAYLOAD_TYPE:
            return False
        try:
            (result,) = read.signatures
            payload = base64.b64decode(read.payload, validate=True)
            if result.keyid != span.keyid:
                return False
            self._keys[span.keyid].verify(base64.b64decode(result.sig, validate=True), pae(payload))
        except Exception:  # noqa: BLE001 - what cannot be read is not signed
            return False
        return True

    def opened(self, envelope: object, where: str) -> Any:
        """Return the statement in `envelope`; raises Tampered, naming `where`, unless its key is here."""
        if not self.check(envelope):
            raise Tampered(f"{where} is not signed by this workspace's service key.")
        return payload_of(envelope)

    @cached_property
    def _keys(self) -> dict[str, Any]:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        return {
            span.keyid: load_pem_public_key(span.key.keyval.public.encode())
            if "BEGIN" in span.key.keyval.public
            else _raw_ed25519(span.key.keyval.public)
            for span in self.spans
        }


def pae(payload: bytes) -> bytes:
    """Return what DSSE signs of a statement's payload."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def payload_of(envelope: object) -> Any:
    """Return the statement in an envelope whose signature was checked."""
    return json.loads(base64.b64decode(Envelope.read(envelope, "the envelope").payload))


@dataclass(frozen=True)
class Trust:
    """Whose word counts: that of the keys in one of the `rings`, which `whose` calls by what they are."""

    rings: tuple[Keyring, ...]
    whose: str

    def ring_of(self, envelope: object) -> Keyring | None:
        """Return the ring whose key an envelope says it is signed with."""
        return next((ring for ring in self.rings if ring.signer_of(envelope)), None)


def read_trust(text: bytes | None, pinned: Sequence[PublicKey], whose: str) -> Trust:
    """Return whose word counts by the keyring in `text`, which has to end with a key that is `pinned`.

    Where there is no keyring (None), each pinned key stands for itself. Raises Tampered for a keyring
    that none of them signed, or that ends with another key than the one that signed it.
    """
    if text is None:
        return Trust(tuple(Keyring((Span(key),)) for key in pinned), whose)
    try:
        envelope = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Tampered(f"{PLACE} is not valid JSON.") from error
    for key in pinned:
        if Keyring((Span(key),)).check(envelope):
            ring = Keyring.read(predicate_of(payload_of(envelope), KEYRING, PLACE), PLACE)
            if ring.current.key != key:
                raise Tampered(f"{PLACE} does not end with the key that signed it.")
            return Trust((ring,), whose)
    raise Tampered(f"{PLACE} is not signed by {whose}.")


def _raw_ed25519(public: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
