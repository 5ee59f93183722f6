"""The ledger: every signature, number and link, and whoever holds one of its heads."""

import json
from collections.abc import Iterator
from pathlib import Path

from sluicegate.core import SluicegateError
from sluicegate.evidence.chain import Examined, Link, examine
from sluicegate.evidence.keyring import Keyring, payload_of
from sluicegate.evidence.ledger import PROMOTE
from sluicegate.evidence.statement import HEAD, predicate_of
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.stores import git, record
from sluicegate.stores.keys import keyring
from sluicegate.stores.seen import print_of_all

STRIDE = 200


def ledger(found: Inspection) -> None:
    """Look at the chain, from the entry that was verified before; and at who holds its heads."""
    layout = found.context.layout
    paths = record.entry_files(layout)
    ring = keyring(layout)
    start = _start(found, paths)
    fresh = [path for path in paths if int(path.stem) > start.sequence]
    found.head = start
    for place, each in enumerate(examine(_read(fresh), ring, start)):
        _keep(found, each)
        if place % STRIDE == 0:
            found.bar(place, len(fresh), "the ledger")
    if not paths:
        found.blame("ledger", "has no entry; restore it from git")
    for path in git.changed_paths(layout.root, ["ledger"]):
        found.blame(path, "differs from what git has committed")
    tags(found, ring, start)


def tags(found: Inspection, ring: Keyring, start: Link) -> None:
    """Look whether the ledger still holds every head that a tag of an update pins."""
    root = found.context.layout.root
    pinned = {name: _pinned(found, ring, name) for name in git.tags(root, "update/*")}
    for name, head in pinned.items():
        if head is None or head.sequence <= start.sequence:
            continue
        now = found.digests.get(head.sequence)
        if now is None:
            found.blame("ledger", f"ends before entry {head.sequence}, which the tag {name} pins")
        elif now != head.digest:
            found.blame(f"ledger/{head.sequence:06d}.json", f"is not what the tag {name} pins")
    for number in _promoted(found):
        if f"update/{number}" not in pinned:
            found.blame(f"tag update/{number}", "is gone, though that update was promoted")


def _promoted(found: Inspection) -> list[str]:
    folder = found.context.layout.root / "updates"
    return sorted(path.parent.name for path in folder.glob("*/promotion.json"))


def _pinned(found: Inspection, ring: Keyring, name: str) -> Link | None:
    """Return the head that a tag pins, once its signature holds and it is about that very commit."""
    try:
        read = git.read_tag(found.context.layout.root, name)
        envelope = json.loads(read[1].strip().splitlines()[-1]) if read else {}
        if read and ring.check(envelope):
            payload = payload_of(envelope)
            said = predicate_of(payload, HEAD, name)
            if said["commit"] == read[0] and said["title"] == name.replace("/", ":"):
                return Link(said["sequence"], payload["subject"][0]["digest"]["sha256"])
    except (ValueError, KeyError, TypeError, IndexError, SluicegateError):
        pass
    found.blame(f"tag {name}", "carries no head of the ledger signed by this workspace")
    return None


def _start(found: Inspection, paths: list[Path]) -> Link:
    """Return from where to look: from the beginning, unless nothing before was touched."""
    head = found.before.head
    old = [path for path in paths if int(path.stem) <= head.sequence]
    same = bool(old) and print_of_all(old) == found.before.ledger
    return head if same else Link()


def _read(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        yield f"ledger/{path.name}", path.read_bytes()


def _keep(found: Inspection, each: Examined) -> None:
    found.count("entries")
    if each.wrong:
        found.blame(each.where, each.wrong)
    found.head = each.link
    found.digests[each.link.sequence] = each.link.digest or ""
    if not each.counts:
        found.count("doubted", not each.wrong)
        if (
            not each.wrong
        ):  # history, frozen by the links: it vouches for no batch that is learnt from
            found.vouched.update(subject["digest"]["sha256"] for subject in each.subjects)
        return
    for subject in each.subjects:
        sha256 = subject["digest"]["sha256"]
        found.named[subject["name"]] = sha256
        found.vouched.add(sha256)
    if each.said["verb"] == PROMOTE:
        found.promoted = each.said["details"]["update"]
