"""The champion: what the latest signed promotion or reinstatement says it is, not what an alias says."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sluicegate.core import Artifact, CannotDecide, Missing, ModelRef, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.ledger import PROMOTE, REINSTATE, SUSPEND, Entry
from sluicegate.evidence.statement import PROMOTION, REINSTATEMENT, predicate_of
from sluicegate.record.context import Context
from sluicegate.stores import record
from sluicegate.stores.layout import Layout
from sluicegate.stores.mlflow import open_registry


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
    """Return the champion that the ledger's latest promotion or reinstatement names.

    Raises Missing before the first promotion, Tampered when the entry or its statement do not hold.
    """
    move = last_move(layout)
    path = _named(layout, move.subjects[-1])
    return (
        _reinstated(layout, path)
        if move.verb == REINSTATE
        else read_promotion(layout, path.parent.name)
    )


def last_move(layout: Layout) -> Entry:
    """Return the ledger's latest committed promotion or reinstatement; raises Missing before the first."""
    for entry in record.committed(layout):
        if entry.verb in (PROMOTE, REINSTATE):
            return entry
    raise Missing(f"{layout.root} has no champion yet; run `sluicegate init` again.")


def suspended(layout: Layout) -> Entry | None:
    """Return the entry since which nobody serves; None while the champion does."""
    for entry in record.committed(layout):
        if entry.verb == SUSPEND:
            return entry
        if entry.verb in (PROMOTE, REINSTATE):
            return None
    return None


def serving_version(layout: Layout) -> int | None:
    """Return the version that MLflow's alias `champion` has to name; None while nobody serves."""
    return None if suspended(layout) else champion_of(layout).version


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


def _reinstated(layout: Layout, path: Path) -> Champion:
    """Return the former champion that serves again, from the statement and its own promotion."""
    payload = record.read_statement(layout, path)
    said = predicate_of(payload, REINSTATEMENT, str(path))
    former = read_promotion(layout, said["update"])
    if payload["subject"][0]["digest"]["sha256"] != former.sha256:
        raise Tampered(f"{path} reinstates another model than update:{former.update} made.")
    return replace(former, since=said.get("since", said["time"]))


def _named(layout: Layout, statement: Artifact) -> Path:
    path = layout.root / statement.name
    if not path.is_file() or sha256_file(path) != statement.sha256:
        raise Tampered(f"{statement.name} is not the statement that the ledger names; restore it.")
    return path


def mirror(context: Context) -> int | None:
    """Have MLflow's alias say who the champion is, and return the version that it named instead.

    None where it named the champion, or nobody. While nobody serves there is no such alias. That it
    cannot follow is told, and stops nothing.

    Whoever verifies goes by the signed record, and `doctor` says so until the alias follows.
    """
    settings = context.settings
    try:
        registry = open_registry(context.layout, settings.model, settings.mlflow.tracking_uri)
        return registry.mirror(serving_version(context.layout))
    except CannotDecide as error:
        context.tell(str(error))
        return None
