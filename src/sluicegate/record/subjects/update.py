"""An update that awaits review: may its challenger become the champion?"""

from sluicegate.core import Stage
from sluicegate.record.champion import champion_of
from sluicegate.record.subjects.batch import supplied_by
from sluicegate.record.subjects.kind import Kind, Supplied
from sluicegate.record.updates import read_update, recorded_at, started_by
from sluicegate.stores import record
from sluicegate.stores.layout import Layout


def _told(layout: Layout, number: str) -> tuple[str, str]:
    return recorded_at(layout, number), " ".join(read_update(layout, number)[1].reasons[:1])


def _supplied(layout: Layout, number: str) -> Supplied:
    learnt = set(champion_of(layout).batches)
    for batch in read_update(layout, number)[0].batches:
        if batch not in learnt:
            yield from supplied_by(layout, batch)


UPDATE = Kind(
    name="update",
    folder=Layout.update,
    numbers=record.updates,
    state=lambda layout, number: read_update(layout, number)[0].stage.value,
    waits=Stage.AWAITING.value,
    told=_told,
    supplied=_supplied,
    asked_by=started_by,
)
