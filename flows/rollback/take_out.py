"""take_out: move rows from the admitted data to quarantine in a new commit, without rewriting history.

If all rows of a batch go, the whole batch is held. Otherwise the rest stays in place, under the same
name, and later batches stay untouched. Removed rows remain recoverable in quarantine.
"""

from collections.abc import Sequence
from pathlib import Path

from sluicegate.core.schema import ROW
from sluicegate.flows.feedback.quarantine import hold, keep_rest, set_aside
from sluicegate.record.context import Context
from sluicegate.record.lineage import Touched
from sluicegate.record.questions import artifact
from sluicegate.record.subjects.incident import TAKE_OUT
from sluicegate.stores import data
from sluicegate.stores.transaction import Transaction


def take_out(
    t: Transaction, context: Context, touched: Sequence[Touched], incident: str, reason: str
) -> None:
    """Take the admitted rows of `touched` out of training."""
    layout = context.layout
    going = [each for each in touched if each.admitted]
    rows = {each.batch: data.read_manifest(layout.admitted(each.batch)).rows for each in going}
    whole = [each.batch for each in going if rows[each.batch] == len(each.admitted)]
    hold(t, whole, reason, incident)
    parts = [each for each in going if each.batch not in whole]
    tables = [path for each in parts for path in _split(context, each, incident, reason)]
    t.store(tables)
    for each in parts:
        left = artifact(layout, layout.admitted(each.batch) / data.FEEDBACK)
        gone = artifact(layout, layout.taken_out(each.batch, incident) / data.FEEDBACK)
        details = {"incident": incident, "batch": each.batch, "rows": list(each.admitted)}
        t.append(TAKE_OUT, [left, gone], details)


def _split(context: Context, touched: Touched, incident: str, reason: str) -> list[Path]:
    """Write the rows that go and those that stay, each with its manifest; return both tables."""
    layout, batch = context.layout, touched.batch
    stays = layout.admitted(batch) / data.FEEDBACK
    frame = data.read_verified(stays)
    out = frame[ROW].isin(touched.admitted)
    folder, about = layout.taken_out(batch, incident), {"batch": batch, "incident": incident}
    goes = set_aside(context, folder, frame[out], reason, **about)
    keep_rest(stays, frame[~out], context.schema, batch)
    return [stays, goes]
