"""The promoted model, from its signed record alone: which one, and the digest of every file of it."""

import re
from dataclasses import dataclass
from typing import Any

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_json
from sluicegate.evidence.model_signature import signed_files
from sluicegate.evidence.statement import PROMOTION
from sluicegate.stores.trust_root import TrustRoot

from .approvals import require_approved
from .shelf import Shelf

PLACE = re.compile(r"updates/([0-9]{4,})/promotion\.json")


@dataclass(frozen=True)
class Promoted:
    """A verified promotion: the ledger's number of it, the model, and its files by path."""

    sequence: int
    update: str
    version: int
    sha256: str
    since: str
    files: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return what a loader remembers and reports of it."""
        names = ("sequence", "update", "version", "sha256", "since")
        return {name: getattr(self, name) for name in names}


def read_promoted(shelf: Shelf) -> Promoted:
    """Return the latest promotion on `shelf` once its statement, approvals and signature hold.

    Raises Tampered or Missing, naming the file that is wrong.
    """
    try:
        return _read(shelf)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Tampered(f"The record in {shelf.path} has not the form that it should.") from error


def _read(shelf: Shelf) -> Promoted:
    entry = shelf.last_promotion()
    named = entry.subjects[-1]
    place = PLACE.fullmatch(named.name)
    if place is None:
        raise Tampered(f"The ledger's entry {entry.sequence} names no promotion.")
    statement, update = shelf.statement(named.name), place[1]
    said = statement.predicate(PROMOTION, named.name)
    sha256 = statement.payload["subject"][0]["digest"]["sha256"]
    if statement.sha256 != named.sha256 or said["update"] != update:
        raise Tampered(f"{named.name} is not the promotion that the ledger names.")
    if statement.payload["subject"][0]["name"] != f"model:{shelf.root.model}":
        raise Tampered(f"{named.name} promotes a model of another name.")
    require_approved(shelf, update, said["version"], sha256)
    files = _signed(shelf, f"updates/{update}/model.sig", shelf.root)
    if sha256_json(files) != sha256:
        raise Tampered(f"updates/{update}/model.sig signs another model than was promoted.")
    return Promoted(entry.sequence, update, said["version"], sha256, said["time"], files)


def _signed(shelf: Shelf, name: str, root: TrustRoot) -> dict[str, str]:
    bundle = shelf.json(name)
    for key in root.model_keys[:-1]:
        try:
            return signed_files(bundle, key, name)
        except Tampered:
            continue
    return signed_files(bundle, root.model_keys[-1], name)
