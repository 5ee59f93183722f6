"""The ledger: an append-only chain of signed entries, each naming the digest of the one before.

The chain shows an entry that was edited, dropped from the middle or reordered (see verifier.py). It does
not by itself show a truncated end: whoever holds a later digest (a git tag, an approval) sees that.
"""

from typing import Any

from pydantic import Field

from sluicegate.core import Artifact
from sluicegate.core.canonical import sha256_json
from sluicegate.core.document import Document

from .signing import Signer, sign
from .statement import ENTRY, statement

INTEND, PROMOTE, REINSTATE, SUSPEND = "intend", "promote", "reinstate", "suspend"
"""The kinds of entries that say who is to serve, and who serves."""
COMMIT, REMOVED = "commit", "removed"
"""The kind of entry that names every file that a commit changes, and its list of those that it removes."""


class Entry(Document):
    """One line of the ledger: who did what to which subject, when and why.

    `previous` is the SHA-256 of the canonical JSON of the envelope before, None for the first.
    """

    sequence: int
    previous: str | None
    time: str
    who: str
    verb: str
    details: dict[str, Any]
    subjects: tuple[Artifact, ...] = Field((), exclude=True)

    def to_statement(self) -> dict[str, object]:
        """Return the in-toto statement of this entry."""
        return statement(self.subjects, ENTRY, self.to_dict())


def envelope_digest(envelope: Any) -> str:
    """Return the digest by which the next entry names this one."""
    return sha256_json(envelope)


def sign_entry(entry: Entry, signer: Signer) -> dict[str, object]:
    """Return the signed envelope of `entry`."""
    return sign(entry.to_statement(), signer)
