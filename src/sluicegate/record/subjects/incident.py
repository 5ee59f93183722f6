"""An incident: something was rolled back. Reviewers countersign it, and with it the bar on a source."""

from typing import Any

from sluicegate.core import Missing, Tampered
from sluicegate.evidence.ledger import Entry
from sluicegate.evidence.statement import INCIDENT, INCIDENT_CLOSED
from sluicegate.record.subjects.kind import PROPOSED, Kind, Supplied, decision_in, stated
from sluicegate.stores import data, git, record
from sluicegate.stores.layout import Layout, numbered

COUNTERSIGNED, CONTESTED = "countersigned", "contested"
OPEN, TAKE_OUT, HOLD = "open-incident", "take-out", "hold"
"""The entries of the ledger with which an incident begins, and takes out rows or a whole batch."""


def read_incident(layout: Layout, number: str) -> dict[str, Any]:
    """Return why an incident was opened, what it takes back and from where."""
    path = layout.incident(number) / "incident.json"
    if not path.is_file():
        raise Missing(f"There is no incident:{number}; `sluicegate status` lists the open ones.")
    return stated(layout, path, INCIDENT)


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


def read_closed(layout: Layout, number: str) -> dict[str, Any]:
    """Return what an incident came to; raises Missing while its rollback is not finished."""
    predicate = stated(layout, layout.incident(number) / "closed.json", INCIDENT_CLOSED)
    if predicate["incident"] != number:
        raise Tampered(f"incidents/{number}/closed.json is for another one; restore it from git.")
    return predicate


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
        predicate = read_incident(layout, number)
        named = [each["update"] for each in predicate["trace"]["updates"]]
        found |= dict.fromkeys([*named, *predicate.get("withdraws", ())], number)
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


def taken_out(layout: Layout, number: str, entry: Entry) -> tuple[str, int] | None:
    """Return the batch that an incident took rows out of by this entry, and how many; else None."""
    details = entry.details
    if incident_in(entry) != number:
        return None
    if entry.verb == TAKE_OUT:
        return details["batch"], len(details["rows"])
    manifest = data.read_manifest(layout.held(details["batch"]))
    return details["batch"], manifest.rows


def cleaned(layout: Layout, number: str) -> list[dict[str, Any]]:
    """Return the batches that rows were taken out of in the course of an incident, and how many.

    As its end says; while it is under way, as the ledger does since it was opened.
    """
    if is_closed(layout, number):
        recorded: list[dict[str, Any]] = read_closed(layout, number)["cleaned"]
        return recorded
    found = dict(filter(None, (taken_out(layout, number, e) for e in since_opened(layout, number))))
    return [{"batch": batch, "rows": rows} for batch, rows in sorted(found.items())]


def cleaned_since(layout: Layout, batch: str) -> set[str]:
    """Return the incidents that took rows out since `batch` was received, by the order of the ledger."""
    found = set()
    for entry in record.backwards(layout):
        if entry.verb == "intake" and entry.details["batch"] == batch:
            break
        if number := incident_in(entry):
            found.add(number)
    return found


def cleaned_so_far(layout: Layout) -> dict[str, list[dict[str, Any]]]:
    """Return what each incident took out: another answer than before says that one began or went on."""
    return {number: cleaned(layout, number) for number in incidents(layout)}


def barred(layout: Layout) -> tuple[frozenset[str], frozenset[str]]:
    """Return the sources that reviewers barred, and those that wait for reviewers to say so."""
    named: dict[str, set[str]] = {COUNTERSIGNED: set(), PROPOSED: set()}
    for number in incidents(layout):
        sources = read_incident(layout, number)["sources"]
        named.setdefault(_state(layout, number), set()).update(sources)
    return frozenset(named[COUNTERSIGNED]), frozenset(named[PROPOSED] - named[COUNTERSIGNED])


def _state(layout: Layout, number: str) -> str:
    return decision_in(layout, layout.incident(number), f"incident:{number}") or PROPOSED


def _numbers(layout: Layout) -> list[str]:
    """Return the incidents that were put to reviewers: one under way is not asked about yet."""
    return [each for each in incidents(layout) if is_closed(layout, each)]


def _told(layout: Layout, number: str) -> tuple[str, str]:
    predicate = read_incident(layout, number)
    return predicate["time"], f"{predicate['because']} was rolled back: {predicate['reason']}"


def _supplied(layout: Layout, number: str) -> Supplied:
    # who is accused does not judge the accusation
    yield f"incident:{number}", read_incident(layout, number)["sources"]


INCIDENT_KIND = Kind(
    name="incident",
    folder=Layout.incident,
    numbers=_numbers,
    state=_state,
    waits=PROPOSED,
    told=_told,
    supplied=_supplied,
    asked_by=lambda layout, number: read_incident(layout, number)["started_by"],
    since=lambda layout, number: read_incident(layout, number)["commit"],
    lapses=False,
)
