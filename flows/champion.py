"""The champion: what the latest signed promotion says it is, not what an alias says."""

from dataclasses import dataclass
from typing import Any

from sluicegate.core import Artifact, Missing, ModelRef, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.ledger import Entry
from sluicegate.evidence.statement import PROMOTION, predicate_of
from sluicegate.stores import record
from sluicegate.stores.layout import Layout

PROMOTE = "promote"


@dataclass(frozen=True)
class Champion:
    """The serving model, the update that made it, and the batches it learnt from."""

    version: int
    sha256: str
    update: str
    since: str
    batches: tuple[str, ...]
    data_commit: str

    @property
    def ref(self) -> ModelRef:
        """Return its version and digest."""
        return ModelRef(self.version, self.sha256)


def champion_of(layout: Layout) -> Champion:
    """Return the champion that the ledger's latest promotion names.

    Raises Missing before the first promotion, Tampered when the entry or its statement do not hold.
    """
    return _read_promotion(layout, last_promotion(layout).subjects[-1])


def last_promotion(layout: Layout) -> Entry:
    """Return the ledger's latest promotion; raises Missing before the first."""
    for entry in record.backwards(layout):
        if entry.verb == PROMOTE:
            return entry
    raise Missing(f"{layout.root} has no champion yet; run `sluicegate init` again.")


def first_champion(layout: Layout) -> Champion:
    """Return the champion that init promoted."""
    return read_promotion(layout, "0000")


def read_promotion(layout: Layout, update: str) -> Champion:
    """Return the champion that `update` made, from its signed statement."""
    where = f"updates/{update}/promotion.json"
    payload = record.read_statement(layout, layout.root / where)
    said: dict[str, Any] = predicate_of(payload, PROMOTION, where)
    return Champion(
        version=said["version"],
        sha256=payload["subject"][0]["digest"]["sha256"],
        update=said["update"],
        since=said["time"],
        batches=tuple(said["batches"]),
        data_commit=said["data_commit"],
    )


def _read_promotion(layout: Layout, statement: Artifact) -> Champion:
    path = layout.root / statement.name
    if not path.is_file() or sha256_file(path) != statement.sha256:
        raise Tampered(f"{statement.name} is not the promotion that the ledger names; restore it.")
    return read_promotion(layout, path.parent.name)
