"""incident_export: an incident for others: as a MITRE ATLAS case study, or redacted for the public.

Both come from the account that the record gave, with what reviewers said of it since as its lessons.
"""

from pydantic import ConfigDict, Field

from sluicegate.core import Conflict
from sluicegate.core.document import Document
from sluicegate.record.affected_predictions import UNREAD
from sluicegate.record.context import Context
from sluicegate.record.questions import cast
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.incident import is_closed, read_incident
from sluicegate.reports.incident import Account, read_account

POISONED = ("AML.TA0003", "AML.T0020")
"""Resource development: poison training data."""
ERODED = ("AML.TA0011", "AML.T0031")
"""Impact: erode AI model integrity."""


class Lesson(Document):
    """What a reviewer said of an incident."""

    by: str
    said: str


class FullIncident(Account):
    """The account of an incident, where it stands since, and what reviewers said of it."""

    state: str
    lessons: tuple[Lesson, ...]


class Technique(Document):
    """A step of an attack, by its tactic and technique in ATLAS."""

    tactic: str
    technique: str
    description: str


class Study(Document):
    """What happened, in the words of ATLAS; `incident_date` is a day."""

    name: str
    summary: str
    incident_date: str = Field(serialization_alias="incident-date")
    granularity: str = Field(serialization_alias="incident-date-granularity")
    procedure: tuple[Technique, ...]
    reporter: str
    target: str
    actor: str
    case_study_type: str = Field(serialization_alias="case-study-type")
    references: tuple[str, ...]


class CaseStudy(Document):
    """A case study in the form in which ATLAS takes contributions.

    https://github.com/mitre-atlas/atlas-data, dist/schemas/atlas_website_case_study_schema.json
    """

    study: Study


class Days(Document):
    """From which day until which a model served."""

    model_config = ConfigDict(populate_by_name=True)

    since: str = Field(alias="from")
    until: str


class PublicIncident(Document):
    """An incident without a source, a delivery, a person, a limit or a path; its times are days."""

    model: str
    what: str
    first: str
    rolled_back: str
    served: tuple[Days, ...]
    affected_predictions: str
    outcome: str
    reviewed: str


def export(
    context: Context, number: str, profile: str
) -> FullIncident | CaseStudy | PublicIncident:
    """Return an incident as `full`, `atlas` or `public`; raises Conflict while it is not closed."""
    layout, subject = context.layout, f"incident:{number}"
    read_incident(layout, number)
    if not is_closed(layout, number):
        raise Conflict(f"The rollback of {subject} is not finished; run it again first.")
    account, state = read_account(layout, number), state_of(layout, subject)
    if profile == "atlas":
        return _atlas(account)
    if profile == "public":
        return _public(account, state)
    votes = (vote for vote in cast(layout, subject) if vote.reason)
    lessons = tuple(Lesson(by=vote.person, said=vote.reason) for vote in votes)
    given = {name: getattr(account, name) for name in account.model_fields_set}
    return FullIncident(**given, state=state, lessons=lessons)


def _atlas(account: Account) -> CaseStudy:
    rows, batches = _size(account)
    admitted = f"{rows} rows of feedback in {batches} deliveries were admitted as training data."
    steps = [(POISONED, admitted)]
    for each in account.served:
        words = f"A model that learnt from them served from {each.since} to {each.until}."
        steps.append((ERODED, words))
    study = Study(
        name=f"Poisoned feedback in {account.model}",
        summary=f"{account.reason.rstrip('.')}. {_outcome(account)}",
        incident_date=account.timeline[0].time[:10],
        granularity="DATE",
        procedure=tuple(
            Technique(tactic=tactic, technique=technique, description=words)
            for (tactic, technique), words in steps
        ),
        reporter=account.detected_by,
        target=account.model,
        actor=", ".join(account.indicators.sources) or "unknown",
        case_study_type="incident",
        references=(),
    )
    return CaseStudy(study=study)


def _public(account: Account, state: str) -> PublicIncident:
    rows, batches = _size(account)
    predictions = account.affected_predictions
    days = sorted(each.time[:10] for each in account.timeline)
    return PublicIncident(
        model=account.model,
        what=f"{rows} rows of feedback in {batches} deliveries were removed from training.",
        first=days[0],
        rolled_back=days[-1],
        served=tuple(Days(since=each.since[:10], until=each.until[:10]) for each in account.served),
        # why not would name its path
        affected_predictions=f"their log {UNREAD}" if UNREAD in predictions else predictions,
        outcome=_outcome(account),
        reviewed=state,
    )


def _outcome(account: Account) -> str:
    if account.suspended:
        words = ["No clean version was left, so none has served since."]
    elif account.champion.before.version != account.champion.after.version:
        words = ["A version that had not learnt from them has served since."]
    elif account.still_embodied:
        words = ["Every version had learnt from them, and one of these keeps serving."]
    else:
        words = ["No model that learnt from them was serving."]
    if account.retrained:
        words.append("A model was retrained without them.")
    return " ".join(words)


def _size(account: Account) -> tuple[int, int]:
    return sum(each.rows for each in account.taken_out), len(account.taken_out)
