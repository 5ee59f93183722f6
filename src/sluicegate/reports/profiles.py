"""profiles: how much of a card leaves the house. What is not on a profile's list does not.

Too much detail helps an attacker (NCSC, Machine learning principles, 1.3): who knows a limit stays
below it, who knows a source imitates it, and who learns what was set aside learns what was not. A
partner can verify and rebuild; the public learns what the model is for, how good it is and whom to ask.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from sluicegate.core import Misused
from sluicegate.reports.data_card import DataCard
from sluicegate.reports.model_card import ModelCard

PEOPLE = ("creator", "owner", "contact", "use", "limitations", "retention", "destruction")
ABOUT_DATA = ("owner", "contact", "sensitivity", "retention", "destruction")
Card = DataCard | ModelCard
LEAST_NAME = 3
"""Shorter names of sources are words of any text: `a` is in most sentences."""


class Profile(Enum):
    """For whom a card is: the team, somebody under contract, everybody."""

    INTERNAL = "internal"
    PARTNER = "partner"
    PUBLIC = "public"


COMMON = ("schema", "card", "profile", "subject", "model", "missing")
PUBLIC = {
    "data": (
        *COMMON,
        "received",
        "rows",
        "labels",
        "source_count",
        *(f"people.{name}" for name in (*PEOPLE, "sensitivity")),
    ),
    "model": (
        *COMMON,
        "version",
        "sha256",
        "stage",
        "promoted",
        "recorded",
        "serving",
        "task",
        "classes",
        "training.rows",
        "training.learnt_rows",
        "training.labels",
        *(f"training.people.{name}" for name in ABOUT_DATA),
        "golden.rows",
        "golden.labels",
        "golden.verified",
        "metrics",
        *(f"people.{name}" for name in PEOPLE),
    ),
}
PARTNER = {
    "data": (
        *PUBLIC["data"],
        "people.collection",
        "sha256",
        "state",
        "admitted",
        "set_aside",
        "held",
        "rolled_back",
        "destroyed",
        "columns",
        "measures",
    ),
    "model": (
        *PUBLIC["model"],
        "signature",
        "replaces",
        "training.data_commit",
        "training.tables",
        "golden",
        "features",
        "parameters",
        "trainer",
        "slices",
        "importances",
        "verdict.outcome",
        "files",
        "packages",
    ),
}


def exported(card: Card, profile: Profile) -> Card:
    """Return what `profile` lets out of an internal card, in the card's own order.

    Raises Misused where people wrote a source's name into a field that leaves the house.
    """
    if profile is Profile.INTERNAL:
        return card
    kept = (PUBLIC if profile is Profile.PUBLIC else PARTNER)[card.card]
    out = card.read(_kept(card.to_dict(), kept) | {"profile": profile.value}, card.subject)
    sources = (card.training if isinstance(card, ModelCard) else card).sources or {}
    _require_unnamed(out.people, sources, f"card.{card.card}", profile)
    if isinstance(out, ModelCard):
        _require_unnamed(out.training.people, sources, "card.data", profile)
    return out


def _kept(card: Mapping[str, Any], paths: tuple[str, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in card.items():
        inner = tuple(p.removeprefix(f"{name}.") for p in paths if p.startswith(f"{name}."))
        if name in paths:
            out[name] = value
        elif inner and isinstance(value, Mapping):
            out[name] = _kept(value, inner)
        elif inner:
            out[name] = None
    return out


def _require_unnamed(
    people: Mapping[str, str | None], sources: Mapping[str, int], where: str, profile: Profile
) -> None:
    for field, text in people.items():
        for word in _words(text or ""):
            if len(word) >= LEAST_NAME and word in sources:
                raise Misused(
                    f"params.yaml: {where}.{field} names the source {word}, but a {profile.value} "
                    "card must not; remove the name."
                )


def _words(text: str) -> Iterator[str]:
    yield from re.findall(r"[\w.@+-]*\w", text)
