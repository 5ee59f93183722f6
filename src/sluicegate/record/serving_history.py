"""served: which model served from when until when, as the ledger's moves of the champion say."""

from collections.abc import Iterable

from sluicegate.core.document import Document
from sluicegate.evidence.ledger import PROMOTE, REINSTATE, SUSPEND, Entry
from sluicegate.stores import record
from sluicegate.stores.layout import Layout


class Move(Document):
    """A move of the champion: its verb, the incident that made it, and whom it lets serve, if any."""

    verb: str
    update: str | None
    incident: str | None


class Service(Document):
    """A time in which the model of one update served; `until` and `ended` are None while it does."""

    update: str
    version: int
    since: str
    began: Move
    until: str | None
    ended: Move | None


def services(layout: Layout) -> list[Service]:
    """Return who served from when until when, the first champion first."""
    moves = [e for e in record.backwards(layout) if e.verb in (PROMOTE, REINSTATE, SUSPEND)][::-1]
    return services_of(moves)


def services_of(moves: Iterable[Entry]) -> list[Service]:
    """Return who served from when until when by `moves`, the first one first."""
    done: list[Service] = []
    serving: Entry | None = None
    for move in moves:
        if "succession" in move.details:
            continue  # new keys say again who the champion is; nobody served more or less for it
        if serving is not None:
            done.append(_service(serving, move))
        serving = None if move.verb == SUSPEND else move
    return done if serving is None else [*done, _service(serving, None)]


def _service(began: Entry, ended: Entry | None) -> Service:
    return Service(
        update=began.details["update"],
        version=began.details["version"],
        since=_time(began),
        began=_move(began),
        until=_time(ended) if ended else None,
        ended=_move(ended) if ended else None,
    )


def _time(move: Entry) -> str:
    """Return when a move was said, as its statement has it: the entry may be a second younger."""
    return str(move.details.get("time", move.time))


def _move(entry: Entry) -> Move:
    update, incident = entry.details.get("update"), entry.details.get("incident")
    return Move(verb=entry.verb, update=update, incident=incident)
