"""Where each batch stands, from signed statements and the folders that hold it."""

from sluicegate.record.quarantine import lots
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.retirement import tombstones
from sluicegate.stores import data, record
from sluicegate.stores.layout import Layout


def batch_states(layout: Layout) -> dict[str, str]:
    """Return the state of every batch that was received."""
    admitted = set(data.admitted_batches(layout))
    gone = {batch for tomb in tombstones(layout) for batch in tomb.rows}
    states = {}
    for batch in record.received(layout):
        settled = state_of(layout, f"batch:{batch}")
        held = settled == "admitted" and batch not in admitted
        states[batch] = "quarantined" if held else settled
        if batch in gone - admitted and not lots(layout, batch):
            states[batch] = "retired"
    return states
