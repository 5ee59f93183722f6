"""Artifact: whatever can be pinned."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter

from .document import Document, read_by


@dataclass(frozen=True, order=True)
class Artifact:
    """A name, the SHA-256 of its bytes, and where they lie: an in-toto resource descriptor."""

    name: str
    sha256: str
    uri: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the in-toto ResourceDescriptor v1 of this artifact."""
        descriptor: dict[str, object] = {"name": self.name, "digest": {"sha256": self.sha256}}
        return descriptor | ({"uri": self.uri} if self.uri else {})


class _Digest(Document):
    sha256: str


class _Descriptor(Document):
    name: str
    digest: _Digest
    uri: str = ""


def _read(value: object) -> Artifact:
    if isinstance(value, Artifact):
        return value
    found = _Descriptor.model_validate(value)
    return Artifact(found.name, found.digest.sha256, found.uri)


Described = Annotated[Artifact, BeforeValidator(_read), PlainSerializer(Artifact.to_dict)]
"""An artifact in a document, as its descriptor."""
_SEVERAL = TypeAdapter(tuple[Described, ...])


def artifacts_in(value: object, where: str) -> tuple[Artifact, ...]:
    """Return the artifacts that a list of descriptors names; raises Tampered, naming `where`."""
    return read_by(_SEVERAL.validate_python, value, where)
