"""overtaken: no update is promoted that learnt what was taken back while it was made or waited."""

from sluicegate.core import Conflict, Update
from sluicegate.record.causes import command, parse_cause
from sluicegate.record.context import Context
from sluicegate.record.lineage import Trace, trace
from sluicegate.record.subjects.incident import incidents, is_closed, read_incident
from sluicegate.stores import data, git


def require_rolled_back(context: Context) -> None:
    """Raise Conflict while a rollback that was begun has left its rows in the data."""
    for number, found in _broken_off(context).items():
        raise Conflict(
            f"incident:{number} is not finished and its rows are still in the data; "
            f"run `{command(found.because)}` again."
        )


def require_standing(context: Context, update: Update) -> None:
    """Raise Conflict where `update` learnt rows that were taken out since, or are about to be."""
    for number, found in _broken_off(context).items():
        if update.id in {each.update for each in found.updates}:
            raise Conflict(f"update:{update.id} learnt from rows that incident:{number} removed.")
    root = context.layout.root
    tables = {f"batches/{batch}/{data.MANIFEST}": batch for batch in update.batches}
    then, now = (git.blobs(root, at, list(tables)) for at in (update.data_commit, "HEAD"))
    moved = [batch for path, batch in tables.items() if then.get(path) != now.get(path)]
    if moved:
        raise Conflict(
            f"Rows of batch:{moved[0]} left the data after update:{update.id} learnt them; "
            "run `sluicegate update` again."
        )


def _broken_off(context: Context) -> dict[str, Trace]:
    """Return the incidents that are not closed and whose rows are admitted, with what they trace."""
    layout, found = context.layout, dict[str, Trace]()
    for number in incidents(layout):
        if not is_closed(layout, number):
            traced = trace(context, parse_cause(read_incident(layout, number).because))
            if any(each.admitted for each in traced.batches):
                found[number] = traced
    return found
