"""keys_left: the ledger says when private keys were copied out of the workspace, and by which verb."""

from sluicegate.core import Artifact
from sluicegate.core.canonical import sha256_file
from sluicegate.record.context import Context
from sluicegate.stores import git, record

VERB = "keys-left"


def keys_left(context: Context, by: str) -> None:
    """Record that private keys are in a file outside, written by the verb `by`."""
    layout = context.layout
    service = Artifact("trust/service.json", sha256_file(layout.public_key))
    with record.writing(layout, by, ("ledger",)):
        record.append(layout, VERB, [service], {"by": by}, context.now())
        git.commit(layout.root, ["ledger"], f"Keys were copied by {by}")
