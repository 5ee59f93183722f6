"""Former champions that embody nothing of what is taken out."""

from collections.abc import Collection, Sequence

from sluicegate.core import CannotDecide, SluicegateError, Stage
from sluicegate.record.champion import Champion, read_promotion
from sluicegate.record.context import Context
from sluicegate.record.kept_models import kept_model
from sluicegate.record.subjects.incident import taken_back
from sluicegate.record.subjects.retirement import destroyed_models
from sluicegate.record.subjects.rollback import KEPT, proposal_state, proposals
from sluicegate.record.updates import read_update
from sluicegate.stores import record


def clean_versions(context: Context, tainted: Collection[str]) -> list[Champion]:
    """Return the former champions outside the `tainted` updates that still exist, the newest first.

    One whose approval was taken back is none, unless its reviewers said that they keep it; nor is one
    that any rollback spoke of, also of one that broke off before it withdrew it.
    """
    layout = context.layout
    disowned = {each for each in proposals(layout) if proposal_state(layout, each) != KEPT}
    out = {*tainted, *destroyed_models(layout), *disowned, *taken_back(layout)}
    return [
        read_promotion(layout, each)
        for each in reversed(record.updates(layout))
        if each not in out and read_update(layout, each)[0].stage is Stage.PROMOTED
    ]


class NothingClean(CannotDecide):
    """No former champion is clean and sound."""


def first_sound(context: Context, versions: Sequence[Champion]) -> Champion:
    """Return the first of `versions` whose files are those that were promoted; NothingClean for none."""
    faults = []
    for each in versions:
        try:
            kept_model(context, each.update, each.sha256)
        except SluicegateError as error:
            faults.append(str(error))
            context.tell(f"version {each.version} cannot serve: {error}")
        else:
            return each
    raise NothingClean(
        "No earlier champion is clean and intact"
        + (f" ({faults[0]})" if faults else "")
        + "; train one with `sluicegate update`."
    )
