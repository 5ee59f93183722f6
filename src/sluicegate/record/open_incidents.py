"""unfinished: the rollbacks that are not over, whatever is left to do about them."""

from collections.abc import Iterator
from datetime import timedelta

from sluicegate.core.moment import moment
from sluicegate.evidence.statement import WITHDRAWAL
from sluicegate.record.champion import read_promotion
from sluicegate.record.context import Context
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.incident import Incident, incidents, is_closed, read_incident
from sluicegate.record.subjects.kind import PROPOSED, stated
from sluicegate.stores import record
from sluicegate.stores.layout import Layout
from sluicegate.stores.reports import Report, read_reports

COUNTERSIGN_WITHIN = timedelta(days=1)


def incomplete(context: Context) -> dict[str, list[str]]:
    """Return what is left to do about each incident, by its number; none that is over."""
    layout, late = context.layout, set(overdue(context))
    left: dict[str, list[str]] = {}
    for number in incidents(layout):
        opened = read_incident(layout, number)
        todo = [
            f"{each.loader} still serves version {each.version}"
            for each in still_serving(layout, opened)
        ]
        if not is_closed(layout, number):
            todo.insert(0, "its rollback was interrupted: run the same command again")
        elif number in late:
            todo.insert(0, f"nobody countersigned it within a day of {opened.time}")
        if todo:
            left[number] = todo
    return left


def overdue(context: Context) -> list[str]:
    """Return the incidents that nobody countersigned within a day, or that are not finished."""
    layout, late = context.layout, []
    for number in incidents(layout):
        opened = moment(read_incident(layout, number).time)
        waits = not is_closed(layout, number) or state_of(layout, f"incident:{number}") == PROPOSED
        if waits and context.clock() > opened + COUNTERSIGN_WITHIN:
            late.append(number)
    return late


def withdrawn(layout: Layout, incident: str) -> Iterator[str]:
    """Yield the digest of each champion that an incident took back."""
    for number in record.updates(layout):
        path = layout.update(number) / "withdrawal.json"
        if path.is_file() and stated(layout, path, WITHDRAWAL)["incident"] == incident:
            yield read_promotion(layout, number).sha256


def still_serving(layout: Layout, opened: Incident) -> Iterator[Report]:
    """Yield the loaders that say they still answer with a model that was taken back."""
    taken = {each.sha256 for each in opened.trace.updates}
    taken |= set(withdrawn(layout, opened.incident))
    return (each for each in read_reports(layout.serving) if each.sha256 in taken)
