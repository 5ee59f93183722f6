"""Keyring: which key of the service speaks for which entries of the ledger.

A key counts from the entry that brought it to the one that retired it. Of a retired key only those
statements count that its successor names by digest, so that whoever gets hold of an old key, however
it is dated, can add nothing. A revoked key counts up to the entry before the one it is doubted from.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sluicegate.core import Tampered

from .statement import KEYRING, PAYLOAD_TYPE, predicate_of

PLACE = "trust/keyring.json"
"""Where a workspace keeps its keyring; not there before the first rotation."""


@dataclass(frozen=True)
class Span:
    """One key, the first and last entry it counts for, and the statements that its successor names.

    `head` is the digest of the last entry, and `revoked` why the key is not to be believed any more;
    `doubted` are then the statements that it signed later: history, on which nothing may rest.
    """

    key: Mapping[str, Any]
    first: int = 1
    last: int | None = None
    head: str | None = None
    statements: Mapping[str, str] | None = None
    revoked: str | None = None
    doubted: Mapping[str, str] | None = None

    @property
    def keyid(self) -> str:
        """Return the name of the key."""
        return str(self.key["keyid"])

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        entries = {name: getattr(self, name) for name in self.__dataclass_fields__}
        held = {"statements": dict(self.statements or {}), "doubted": dict(self.doubted or {})}
        return entries | {"key": dict(self.key)} | held


SPANS = TypeAdapter(tuple[Span, ...])


@dataclass(frozen=True)
class Keyring:
    """The keys in the order in which they followed each other; the last one signs now.

    `model_key` is the public key that signs models now (PEM), None in a ring that does not say.
    """

    spans: tuple[Span, ...]
    model_key: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the predicate of a keyring."""
        return {"keys": [span.to_dict() for span in self.spans], "model_key": self.model_key}

    @property
    def current(self) -> Span:
        """Return the key that signs now."""
        return self.spans[-1]

    def at(self, sequence: int) -> Span | None:
        """Return whose entry this has to be; None for one that a revoked key signed too late.

        >>> old, new = Span({"keyid": "a"}, 1, 4), Span({"keyid": "b"}, 7)
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

    def signer_of(self, envelope: Any) -> Span | None:
        """Return the span of the key that an envelope says it is signed with."""
        try:
            return self._by_id.get(str(envelope["signatures"][0]["keyid"]))
        except (KeyError, TypeError, IndexError):
            return None

    def check(self, envelope: Any, sequence: int | None = None) -> bool:
        """Tell whether a known key signed `envelope`, and the right one for an entry of `sequence`.

        The same answer as securesystemslib's, several times as fast: a ledger has many entries.
        """
        span = self.signer_of(envelope) if sequence is None else self.at(sequence)
        try:
            (result,) = envelope["signatures"]
            payload = base64.b64decode(envelope["payload"], validate=True)
            if span is None or result["keyid"] != span.keyid:
                return False
            if envelope["payloadType"] != PAYLOAD_TYPE:
                return False
            self._keys[span.keyid].verify(
                base64.b64decode(result["sig"], validate=True), pae(payload)
            )
        except Exception:  # noqa: BLE001 - what cannot be read is not signed
            return False
        return True

    @cached_property
    def _keys(self) -> dict[str, Any]:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        return {
            span.keyid: load_pem_public_key(span.key["keyval"]["public"].encode())
            if "BEGIN" in span.key["keyval"]["public"]
            else _raw_ed25519(span.key["keyval"]["public"])
            for span in self.spans
        }


def pae(payload: bytes) -> bytes:
    """Return what DSSE signs of a statement's payload."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def payload_of(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statement in an envelope whose signature was checked."""
    payload: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return payload


@dataclass(frozen=True)
class Trust:
    """Whose word counts: that of the keys in one of the `rings`, which `whose` calls by what they are."""

    rings: tuple[Keyring, ...]
    whose: str

    def ring_of(self, envelope: Any) -> Keyring | None:
        """Return the ring whose key an envelope says it is signed with."""
        return next((ring for ring in self.rings if ring.signer_of(envelope)), None)


def read_trust(text: bytes | None, pinned: Sequence[Mapping[str, Any]], whose: str) -> Trust:
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
            predicate = predicate_of(payload_of(envelope), KEYRING, PLACE)
            try:
                spans = SPANS.validate_python(predicate.get("keys"))
            except ValidationError as error:
                raise Tampered(f"{PLACE} is not a valid keyring.") from error
            if not spans or dict(spans[-1].key) != dict(key):
                raise Tampered(f"{PLACE} does not end with the key that signed it.")
            return Trust((Keyring(spans, predicate.get("model_key")),), whose)
    raise Tampered(f"{PLACE} is not signed by {whose}.")


def _raw_ed25519(public: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
