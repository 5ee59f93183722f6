"""keys_left: the ledger says when private keys were copied out of the workspace, and by which verb."""

from sluicegate.core import Artifact
from sluicegate.core.canonical import sha256_file
from sluicegate.record.context import Context
from sluicegate.stores.transaction import transaction

VERB = "keys-left"


def keys_left(context: Context, by: str) -> None:
    """Record that private keys are in a file outside, written by the verb `by`."""
    layout = context.layout
    service = Artifact("trust/service.json", sha256_file(layout.public_key))
    with transaction(context, by, f"Keys were copied by {by}", ("ledger",)) as t:
        t.append(VERB, [service], {"by": by})
