"""Artifact: whatever can be pinned."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Artifact:
    """A name, the SHA-256 of its bytes, and where they lie: an in-toto resource descriptor."""

    name: str
    sha256: str
    uri: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the in-toto ResourceDescriptor v1 of this artifact."""
        descriptor: dict[str, Any] = {"name": self.name, "digest": {"sha256": self.sha256}}
        return descriptor | ({"uri": self.uri} if self.uri else {})
