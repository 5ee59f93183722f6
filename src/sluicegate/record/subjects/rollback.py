"""A proposal to roll an update back that was promoted: shall its influence be taken out again?"""

from typing import Any

from sluicegate.core import Missing, Stage
from sluicegate.evidence.statement import ROLLBACK_PROPOSAL
from sluicegate.record.champion import Champion, read_promotion
from sluicegate.record.subjects.batch import supplied_by
from sluicegate.record.subjects.kind import PROPOSED, Kind, Supplied, decision_in, stated
from sluicegate.record.updates import read_update
from sluicegate.stores import record
from sluicegate.stores.layout import Layout

AGREED, KEPT = "agreed", "kept"


def read_proposal(layout: Layout, update: str) -> dict[str, Any]:
    """Return the proposal to roll `update` back; raises Missing where nobody made one."""
    return stated(layout, layout.rollback(update) / "proposal.json", ROLLBACK_PROPOSAL)


def proposals(layout: Layout) -> list[str]:
    """Return the updates that somebody proposed to roll back, whatever became of it."""
    named = record.updates(layout)
    return [each for each in named if (layout.rollback(each) / "proposal.json").is_file()]


def proposal_state(layout: Layout, update: str) -> str:
    """Return whether rolling `update` back is proposed, agreed on, was turned down, or was done."""
    if read_update(layout, update)[0].stage is Stage.ROLLED_BACK:
        return Stage.ROLLED_BACK.value
    return decision_in(layout, layout.rollback(update), f"rollback:{update}") or PROPOSED


def before(layout: Layout, update: str) -> Champion:
    """Return the champion that `update` took over from."""
    ref = read_update(layout, update)[0].champion
    for each in record.updates(layout):
        if (layout.update(each) / "promotion.json").is_file():
            promoted = read_promotion(layout, each)
            if promoted.ref == ref:
                return promoted
    raise Missing(f"update:{update} replaced no champion, so there is nothing to go back to.")


def _told(layout: Layout, update: str) -> tuple[str, str]:
    predicate = read_proposal(layout, update)
    return predicate["time"], predicate["reason"]


def _supplied(layout: Layout, update: str) -> Supplied:
    known = set(before(layout, update).batches)
    for batch in read_promotion(layout, update).batches:
        if batch not in known:
            yield from supplied_by(layout, batch)


ROLLBACK = Kind(
    name="rollback",
    folder=Layout.rollback,
    numbers=proposals,
    state=proposal_state,
    waits=PROPOSED,
    told=_told,
    supplied=_supplied,
    asked_by=lambda layout, update: None,
    since=lambda layout, update: before(layout, update).data_commit,
    lapses=False,
)
