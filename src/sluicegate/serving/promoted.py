"""The promoted model, from its signed record alone: which one, and the digest of every file of it."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from sluicegate.core import CannotDecide
from sluicegate.core.document import Plain
from sluicegate.evidence.approvals import require_promotable
from sluicegate.evidence.ledger import REINSTATE, SUSPEND, Entry
from sluicegate.evidence.verifier import Broken

from .repository import Repository


class NobodyServes(CannotDecide):
    """A rollback found no clean version, and the policy says that nobody serves then."""

    def __init__(self, entry: Entry) -> None:
        """Say since which entry, and because of which incident."""
        about = entry.details.get("incident")
        super().__init__(
            f"No model has served since incident:{about} (ledger entry {entry.sequence}): no version "
            "is clean; train and promote another."
        )


@dataclass(frozen=True)
class Promoted(Plain):
    """A verified promotion: the ledger's number of it, the model, and its files by path.

    `reinstatement` is the statement by which a former champion serves again, where one does. Its JSON is
    what a loader remembers and reports of it.
    """

    sequence: int
    update: str
    version: int
    sha256: str
    since: str
    files: Annotated[dict[str, str], Field(exclude=True)]
    reinstatement: Annotated[str | None, Field(exclude=True)] = None


def read_promoted(repository: Repository, move: Entry) -> Promoted:
    """Return the model that `move`, the latest promotion or reinstatement on `repository`, names.

    Only once its statement, approvals and signature hold by the trust root. What cannot be seen from here
    is who had a hand in the update (`approval.separate_duties`); promotion looks at that. The first
    champion, which nobody had to approve, is the one that the trust root names.
    Raises Tampered or Missing, naming the file that is wrong, NobodyServes after a suspension.
    """
    if move.verb == SUSPEND:
        raise NobodyServes(move)
    record, root = repository.record, repository.root
    champion, said_in = record.champion(move), move.subjects[-1].name
    if champion.name != f"model:{root.model}":
        raise Broken(said_in, "promotes a model with another name")
    if champion.sha256 != root.first:
        require_promotable(record, champion, root.approval.when == "always", root.reviewers)
    return Promoted(
        move.sequence,
        champion.update,
        champion.version,
        champion.sha256,
        champion.since,
        record.signed_model(champion, root.model_keys),
        said_in if move.verb == REINSTATE else None,
    )
