"""The champion: what the latest signed promotion or reinstatement says it is, not what an alias says."""

from sluicegate.core import CannotDecide, Missing
from sluicegate.evidence.ledger import PROMOTE, REINSTATE, SUSPEND, Entry
from sluicegate.evidence.verifier import Champion, Verifier
from sluicegate.record.context import Context
from sluicegate.stores import record
from sluicegate.stores.layout import Layout
from sluicegate.stores.mlflow import open_registry

__all__ = ["Champion", "champion_of", "first_champion", "last_move", "mirror", "read_promotion"]
__all__ += ["serving_version", "suspended"]


def champion_of(layout: Layout) -> Champion:
    """Return the champion that the ledger's latest promotion or reinstatement names.

    Raises Missing before the first promotion, Tampered when the entry or its statement do not hold.
    """
    held = record.committed(layout)  # one commit: the next may come between two looks
    return held.champion(_last_move(held, layout))


def last_move(layout: Layout) -> Entry:
    """Return the ledger's latest committed promotion or reinstatement; raises Missing before the first."""
    return _last_move(record.committed(layout), layout)


def _last_move(held: Verifier, layout: Layout) -> Entry:
    entry = held.last(PROMOTE, REINSTATE)
    if entry is None:
        raise Missing(f"{layout.root} has no champion yet; run `sluicegate init` again.")
    return entry


def suspended(layout: Layout) -> Entry | None:
    """Return the entry since which nobody serves; None while the champion does."""
    entry = record.committed(layout).last(PROMOTE, REINSTATE, SUSPEND)
    return entry if entry and entry.verb == SUSPEND else None


def serving_version(layout: Layout) -> int | None:
    """Return the version that MLflow's alias `champion` has to name; None while nobody serves."""
    return None if suspended(layout) else champion_of(layout).version


def first_champion(layout: Layout) -> Champion:
    """Return the champion that init promoted."""
    return record.committed(layout).promotion("0000")


def read_promotion(layout: Layout, update: str) -> Champion:
    """Return the champion that `update` made, from its statement as it lies there, committed or not."""
    return record.working(layout).promotion(update)


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
