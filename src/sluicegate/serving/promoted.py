"""The promoted model, from its signed record alone: which one, and the digest of every file of it."""

import re
from dataclasses import dataclass
from typing import Any

from sluicegate.core import CannotDecide, Tampered
from sluicegate.core.canonical import sha256_json
from sluicegate.evidence.ledger import REINSTATE, SUSPEND, Entry
from sluicegate.evidence.model_signature import signed_files
from sluicegate.evidence.statement import PROMOTION, REINSTATEMENT
from sluicegate.stores.trust_root import TrustRoot

from .approvals import require_approved
from .shelf import Shelf, Statement

PLACE = re.compile(r"updates/([0-9]{4,})/promotion\.json")
AGAIN = re.compile(r"(incidents|successions)/[0-9]{4,}/reinstatement\.json")
NUMBER = re.compile(r"[0-9]{4,}")


class NobodyServes(CannotDecide):
    """A rollback found no clean version, and the policy says that nobody serves then."""

    def __init__(self, entry: Entry) -> None:
        """Say since which entry, and because of which incident."""
        about = entry.details.get("incident")
        super().__init__(
            f"Nobody serves since incident:{about} (the ledger's entry {entry.sequence}), for no version "
            "is clean of it; train and promote another one."
        )


@dataclass(frozen=True)
class Promoted:
    """A verified promotion: the ledger's number of it, the model, and its files by path.

    `reinstatement` is the statement by which a former champion serves again, where one does.
    """

    sequence: int
    update: str
    version: int
    sha256: str
    since: str
    files: dict[str, str]
    reinstatement: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what a loader remembers and reports of it."""
        names = ("sequence", "update", "version", "sha256", "since")
        return {name: getattr(self, name) for name in names}


def read_promoted(shelf: Shelf, move: Entry) -> Promoted:
    """Return the model that `move`, the latest promotion or reinstatement on `shelf`, names.

    Only once its statement, approvals and signature hold.
    Raises Tampered or Missing, naming the file that is wrong, NobodyServes after a suspension.
    """
    try:
        return _read(shelf, move)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Tampered(f"The record in {shelf.path} has not the form that it should.") from error


def _read(shelf: Shelf, entry: Entry) -> Promoted:
    if entry.verb == SUSPEND:
        raise NobodyServes(entry)
    named = entry.subjects[-1]
    if entry.verb == REINSTATE:
        statement = shelf.statement(_placed(AGAIN, named.name, entry))
        said = statement.predicate(REINSTATEMENT, named.name)
        update = said["update"]
        if NUMBER.fullmatch(update) is None:
            raise Tampered(f"{named.name} names no update.")
        former = shelf.statement(f"updates/{update}/promotion.json")
    else:
        statement = former = shelf.statement(_placed(PLACE, named.name, entry))
        update = named.name.split("/")[1]
    promotion = former.predicate(PROMOTION, f"updates/{update}/promotion.json")
    about, sha256 = _model_in(statement)
    if statement.sha256 != named.sha256 or promotion["update"] != update:
        raise Tampered(f"{named.name} is not the promotion that the ledger names.")
    if (about, sha256) != _model_in(former):
        raise Tampered(f"{named.name} reinstates another model than update:{update} made.")
    if about != f"model:{shelf.root.model}":
        raise Tampered(f"{named.name} promotes a model of another name.")
    require_approved(shelf, update, promotion["version"], sha256)
    files = _signed(shelf, f"updates/{update}/model.sig", shelf.root)
    if sha256_json(files) != sha256:
        raise Tampered(f"updates/{update}/model.sig signs another model than was promoted.")
    about_move = statement.payload["predicate"]
    since = about_move.get("since", about_move["time"])
    again = named.name if entry.verb == REINSTATE else None
    return Promoted(entry.sequence, update, promotion["version"], sha256, since, files, again)


def _placed(form: re.Pattern[str], name: str, entry: Entry) -> str:
    if form.fullmatch(name) is None:
        raise Tampered(f"The ledger's entry {entry.sequence} names no promotion.")
    return name


def _model_in(statement: Statement) -> tuple[str, str]:
    about = statement.payload["subject"][0]
    return about["name"], about["digest"]["sha256"]


def _signed(shelf: Shelf, name: str, root: TrustRoot) -> dict[str, str]:
    bundle = shelf.json(name)
    for key in root.model_keys[:-1]:
        try:
            return signed_files(bundle, key, name)
        except Tampered:
            continue
    return signed_files(bundle, root.model_keys[-1], name)
