"""Former champions that embody nothing of what is taken out."""

from collections.abc import Collection

from sluicegate.core import Stage
from sluicegate.record.champion import Champion, read_promotion
from sluicegate.record.context import Context
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
