"""anchors: ledger heads that are pinned where the service's key alone cannot change them.

The tag of an update, and a reviewer's SSH signature over a question, which names the ledger's head.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sluicegate.core import Artifact, SluicegateError, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.ledger import COMMIT, INTEND, PROMOTE
from sluicegate.gates.approval import NAMESPACE
from sluicegate.record.champion import read_promotion
from sluicegate.record.keys.survey import Head, Survey
from sluicegate.record.questions import cast, read_request
from sluicegate.record.subjects import KINDS
from sluicegate.record.updates import read_update
from sluicegate.stores import ssh, trust
from sluicegate.stores.layout import Layout

HEAD = "ledger head"
"""Under which name a question shows the head of the ledger."""


@dataclass(frozen=True)
class Anchor:
    """A pinned ledger entry, and what pins it."""

    entry: int
    by: str


def last_anchor(layout: Layout, found: Survey, before: int) -> Anchor:
    """Return the highest anchor below the entry `before`; entry 0 where there is none.

    Raises Tampered for a tag or an approval that pins a different ledger.
    """
    held = [each for each in anchors(layout, found) if each.entry < before]
    return max(held, key=lambda each: each.entry, default=Anchor(0, "nothing"))


def anchors(layout: Layout, found: Survey) -> Iterator[Anchor]:
    """Yield every anchor; raises Tampered for one that contradicts the ledger."""
    for tag in found.tags:
        if found.digest(tag.entry) != tag.digest:
            raise Tampered(f"The ledger's entry {tag.entry} does not match the tag {tag.tag}.")
        announced = _announces(layout, found, tag)
        yield Anchor(tag.entry + announced, f"the tag {tag.tag}")
    if not trust.has_reviewers(layout):
        return
    allowed = trust.allowed_signers(layout)
    for subject in (f"{kind.name}:{number}" for kind in KINDS for number in kind.numbers(layout)):
        yield from _approvals(layout, found, subject, allowed)


def _announces(layout: Layout, found: Survey, tag: Head) -> bool:
    """Tell whether the next entry is the very promotion that the pinned one announces."""
    if tag.entry >= len(found.entries):
        return False
    before = (each.entry for each in reversed(found.entries[: tag.entry]))
    intent = next(each for each in before if each.verb != COMMIT)
    move = found.entries[tag.entry].entry
    number = tag.tag.removeprefix("update/")
    if (intent.verb, move.verb) != (INTEND, PROMOTE):
        return False
    try:
        promoted, update = read_promotion(layout, number), read_update(layout, number)[0]
    except SluicegateError:
        return False
    details = {"update": number, "version": promoted.version}
    of_model = intent.subjects[0].sha256 == promoted.sha256
    learnt = (promoted.batches, promoted.data_commit) == (update.batches, update.data_commit)
    path = f"updates/{number}/promotion.json"
    named = Artifact(path, sha256_file(layout.root / path)) in move.subjects
    return intent.details == details and of_model and learnt and named


def _approvals(layout: Layout, found: Survey, subject: str, allowed: str) -> Iterator[Anchor]:
    try:
        request, _ = read_request(layout, subject)
        votes = [each for each in cast(layout, subject) if each.nonce == request.nonce]
    except SluicegateError:
        return  # nobody was asked, or that was not us
    digest = dict(request.names).get(HEAD, "").removeprefix("sha256:")
    for details in votes:
        who = details.reviewer
        try:
            text = request.text(details.decision, who)
            ssh.verify(text, details.signature, who, allowed, NAMESPACE)
        except SluicegateError:
            continue  # a key that is not listed any more pins nothing
        entry = found.number_of(digest)
        if entry is None:
            raise Tampered(f"The ledger that {who} saw for {subject} is not the one here.")
        yield Anchor(entry, f"{who}'s answer about {subject}")
