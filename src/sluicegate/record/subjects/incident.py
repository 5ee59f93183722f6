"""An incident: something was rolled back. Reviewers countersign it, and with it the bar on a source."""

from collections.abc import Mapping
from typing import Any

from sluicegate.core import Missing, Tampered
from sluicegate.core.compared import Moved
from sluicegate.core.document import Document, Predicate
from sluicegate.evidence.ledger import Entry
from sluicegate.evidence.statement import INCIDENT, INCIDENT_CLOSED
from sluicegate.record.subjects.kind import PROPOSED, Kind, Supplied, decision_in, stated
from sluicegate.record.traced import Traced
from sluicegate.stores import data, git, record
from sluicegate.stores.layout import Layout, numbered

COUNTERSIGNED, CONTESTED = "countersigned", "contested"
OPEN, TAKE_OUT, HOLD = "open-incident", "take-out", "hold"
"""The entries of the ledger with which an incident begins, and takes out rows or a whole batch."""


class Served(Document):
    """A champion: the digest of its model, its version in MLflow, and since when it served."""

    sha256: str
    since: str
    update: str
    version: int


class TakenOut(Document):
    """How many rows of a batch a rollback took out of the data."""

    batch: str
    rows: int


class SliceDiffers(Document):
    """What two champions reach on the `rows` of a slice of the golden set, by one measure."""

    clean: float
    measure: str
    rows: int
    slice: str
    tainted: float


class Agreement(Document):
    """On which share of `rows` each champion answers as they are labelled."""

    clean: float
    rows: int
    tainted: float


class OnGolden(Document):
    """The figures of both champions on the golden set, by measure."""

    clean: Mapping[str, Any]
    tainted: Mapping[str, Any]


class Differs(Document):
    """What the champion that was taken back answered otherwise than the clean one.

    `fault` says why a model was not to be had; then nothing was measured. `changed` counts the answers
    per slice that were lost and gained, as a comparison does.
    """

    changed: tuple[Moved, ...] = ()
    fault: str | None = None
    golden: OnGolden | None = None
    slices: tuple[SliceDiffers, ...] = ()
    taken: Agreement | None = None


class Incident(Predicate):
    """Why an incident was opened, what it takes back and from where, before anything is moved.

    `withdraws` are the updates that stop being champion, `last_update` is the newest at that time.
    """

    incident: str
    because: str
    reason: str
    sources: tuple[str, ...]
    trace: Traced
    withdraws: tuple[str, ...] = ()
    champion: Served
    commit: str
    last_update: str
    started_by: str | None
    detected_by: str | None = None
    time: str


class Closed(Predicate):
    """What an incident came to; `account` is the SHA-256 of the account of it, `lots` of each table.

    `suspended` is the incident since which nobody serves.
    """

    incident: str
    champion: Served
    suspended: str | None
    cleaned: tuple[TakenOut, ...]
    lots: Mapping[str, str]
    differs: Differs | None
    predictions: str
    update: str | None
    time: str
    account: str | None = None


def read_incident(layout: Layout, number: str) -> Incident:
    """Return why an incident was opened, what it takes back and from where."""
    path = layout.incident(number) / "incident.json"
    if not path.is_file():
        raise Missing(f"There is no incident:{number}; `sluicegate status` lists the open ones.")
    return Incident.read(stated(layout, path, INCIDENT), str(path))


def incidents(layout: Layout) -> list[str]:
    """Return the numbers of all incidents, the oldest first.

    Raises Tampered where one is gone that git knows: with it would go the bar on its source.
    """
    folder, head = layout.root / "incidents", git.head(layout.root)
    found = [each for each in numbered(folder) if (folder / each / "incident.json").is_file()]
    ever = git.ever_added(layout.root, head, "incidents")
    opened = {name for name in ever if name.endswith("/incident.json")}
    gone = sorted(opened - {f"incidents/{each}/incident.json" for each in found})
    if gone:
        raise Tampered(f"{gone[0]} is missing; restore it from git.")
    return found


def read_closed(layout: Layout, number: str) -> Closed:
    """Return what an incident came to; raises Missing while its rollback is not finished."""
    path = layout.incident(number) / "closed.json"
    closed = Closed.read(stated(layout, path, INCIDENT_CLOSED), str(path))
    if closed.incident != number:
        raise Tampered(f"incidents/{number}/closed.json is for another one; restore it from git.")
    return closed


def is_closed(layout: Layout, number: str) -> bool:
    """Tell whether everything that an incident takes back was taken back.

    Raises Tampered where that is not signed: a rollback that broke off must not pass for done.
    """
    return (layout.incident(number) / "closed.json").is_file() and bool(read_closed(layout, number))


def taken_back(layout: Layout) -> dict[str, str]:
    """Return the updates that a rollback spoke of when it began, each with its incident.

    As its signed opening says, so that no withdrawal has to be believed, nor to have been written yet.
    """
    found: dict[str, str] = {}
    for number in incidents(layout):
        opened = read_incident(layout, number)
        named = [each.update for each in opened.trace.updates]
        found |= dict.fromkeys([*named, *opened.withdraws], number)
    return found


def since_opened(layout: Layout, number: str) -> list[Entry]:
    """Return the ledger's entries since an incident was opened, the oldest first."""
    found = []
    for entry in record.backwards(layout):
        if entry.verb == OPEN and entry.details["incident"] == number:
            break
        found.append(entry)
    return found[::-1]


def incident_in(entry: Entry) -> str | None:
    """Return the incident that took rows out by this entry, single ones or a whole batch; else None.

    Never by its reason, which may be what a reviewer wrote.
    """
    recorded: str | None = entry.details.get("incident") if entry.verb in (TAKE_OUT, HOLD) else None
    return recorded


def taken_out(layout: Layout, number: str, entry: Entry) -> TakenOut | None:
    """Return what an incident took out by this entry; else None."""
    if incident_in(entry) != number:
        return None
    batch = entry.details["batch"]
    if entry.verb == TAKE_OUT:
        return TakenOut(batch=batch, rows=len(entry.details["rows"]))
    return TakenOut(batch=batch, rows=data.read_manifest(layout.held(batch)).rows)


def cleaned(layout: Layout, number: str) -> tuple[TakenOut, ...]:
    """Return the batches that rows were taken out of in the course of an incident, and how many.

    As its end says; while it is under way, as the ledger does since it was opened.
    """
    if is_closed(layout, number):
        return read_closed(layout, number).cleaned
    gone = (taken_out(layout, number, entry) for entry in since_opened(layout, number))
    found = {each.batch: each for each in gone if each}
    return tuple(found[batch] for batch in sorted(found))


def cleaned_since(layout: Layout, batch: str) -> set[str]:
    """Return the incidents that took rows out since `batch` was received, by the order of the ledger."""
    found = set()
    for entry in record.backwards(layout):
        if entry.verb == "intake" and entry.details["batch"] == batch:
            break
        if number := incident_in(entry):
            found.add(number)
    return found


def cleaned_so_far(layout: Layout) -> dict[str, tuple[TakenOut, ...]]:
    """Return what each incident took out: another answer than before says that one began or went on."""
    return {number: cleaned(layout, number) for number in incidents(layout)}


def barred(layout: Layout) -> tuple[frozenset[str], frozenset[str]]:
    """Return the sources that reviewers barred, and those that wait for reviewers to say so."""
    named: dict[str, set[str]] = {COUNTERSIGNED: set(), PROPOSED: set()}
    for number in incidents(layout):
        sources = read_incident(layout, number).sources
        named.setdefault(_state(layout, number), set()).update(sources)
    return frozenset(named[COUNTERSIGNED]), frozenset(named[PROPOSED] - named[COUNTERSIGNED])


def _state(layout: Layout, number: str) -> str:
    return decision_in(layout, layout.incident(number), f"incident:{number}") or PROPOSED


def _numbers(layout: Layout) -> list[str]:
    """Return the incidents that were put to reviewers: one under way is not asked about yet."""
    return [each for each in incidents(layout) if is_closed(layout, each)]


def _told(layout: Layout, number: str) -> tuple[str, str]:
    opened = read_incident(layout, number)
    return opened.time, f"{opened.because} was rolled back: {opened.reason}"


def _supplied(layout: Layout, number: str) -> Supplied:
    # who is accused does not judge the accusation
    yield f"incident:{number}", read_incident(layout, number).sources


INCIDENT_KIND = Kind(
    name="incident",
    folder=Layout.incident,
    numbers=_numbers,
    state=_state,
    waits=PROPOSED,
    told=_told,
    supplied=_supplied,
    asked_by=lambda layout, number: read_incident(layout, number).started_by,
    since=lambda layout, number: read_incident(layout, number).commit,
    lapses=False,
)
