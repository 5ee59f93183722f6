"""incident_export: an incident for others: as a MITRE ATLAS case study, or redacted for the public.

Both come from the account that the record gave, with what reviewers said of it since as its lessons.
"""

from collections.abc import Mapping
from typing import Any

from sluicegate.core import Conflict
from sluicegate.record.affected_predictions import UNREAD
from sluicegate.record.context import Context
from sluicegate.record.questions import cast
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.incident import is_closed, read_incident
from sluicegate.reports.incident import read_account

POISONED = ("AML.TA0003", "AML.T0020")
"""Resource development: poison training data."""
ERODED = ("AML.TA0011", "AML.T0031")
"""Impact: erode AI model integrity."""


def export(context: Context, number: str, profile: str) -> dict[str, Any]:
    """Return an incident as `full`, `atlas` or `public`; raises Conflict while it is not closed.

    The public one names no source, no delivery, no person, no limit and no path.
    """
    read_incident(context.layout, number)
    if not is_closed(context.layout, number):
        raise Conflict(f"The rollback of incident:{number} is not finished; run it again first.")
    result = read_account(context.layout, number)
    result |= {
        "state": state_of(context.layout, f"incident:{number}"),
        "lessons": [
            {"by": vote.person, "said": vote.reason}
            for vote in cast(context.layout, f"incident:{number}")
            if vote.reason
        ],
    }
    if profile == "atlas":
        return _atlas(result)
    return _public(result) if profile == "public" else result


def _atlas(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a case study in the form in which ATLAS takes contributions.

    https://github.com/mitre-atlas/atlas-data, dist/schemas/atlas_website_case_study_schema.json
    """
    rows, batches = _size(told)
    steps = [
        (
            POISONED,
            f"{rows} rows of feedback in {batches} deliveries were admitted as training data.",
        )
    ]
    for each in told["served"]:
        words = f"A model that learnt from them served from {each['from']} to {each['until']}."
        steps.append((ERODED, words))
    return {
        "study": {
            "name": f"Poisoned feedback in {told['model']}",
            "summary": f"{told['reason'].rstrip('.')}. {_outcome(told)}",
            "incident-date": told["timeline"][0]["time"][:10],
            "incident-date-granularity": "DATE",
            "procedure": [
                {"tactic": tactic, "technique": technique, "description": words}
                for (tactic, technique), words in steps
            ],
            "reporter": told["detected_by"],
            "target": told["model"],
            "actor": ", ".join(told["indicators"]["sources"]) or "unknown",
            "case-study-type": "incident",
            "references": [],
        }
    }


def _public(told: Mapping[str, Any]) -> dict[str, Any]:
    rows, batches = _size(told)
    predictions = told["affected_predictions"]
    days = sorted(each["time"][:10] for each in told["timeline"])
    return {
        "model": told["model"],
        "what": f"{rows} rows of feedback in {batches} deliveries were removed from training.",
        "first": days[0],
        "rolled_back": days[-1],
        "served": [
            {"from": each["from"][:10], "until": each["until"][:10]} for each in told["served"]
        ],
        # why not would name its path
        "affected_predictions": f"their log {UNREAD}" if UNREAD in predictions else predictions,
        "outcome": _outcome(told),
        "reviewed": told["state"],
    }


def _outcome(told: Mapping[str, Any]) -> str:
    if told["suspended"]:
        words = ["No clean version was left, so none has served since."]
    elif told["champion"]["before"]["version"] != told["champion"]["after"]["version"]:
        words = ["A version that had not learnt from them has served since."]
    elif told.get("still_embodied"):
        words = ["Every version had learnt from them, and one of these keeps serving."]
    else:
        words = ["No model that learnt from them was serving."]
    if told["retrained"]:
        words.append("A model was retrained without them.")
    return " ".join(words)


def _size(told: Mapping[str, Any]) -> tuple[int, int]:
    taken = told["taken_out"]
    return sum(each["rows"] for each in taken), len(taken)
