"""Approvals: whatever needed approval has signatures by keys that were trusted at the time."""

from dataclasses import replace

from sluicegate.core import SluicegateError
from sluicegate.evidence.approvals import require_decided, require_promotable
from sluicegate.evidence.predicates import Decided
from sluicegate.evidence.statement import DECISION
from sluicegate.evidence.verifier import Broken
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.record.subjects import kind_of
from sluicegate.stores import git, trust
from sluicegate.stores.settings import parse_settings
from sluicegate.stores.ssh import Reviewers

AGREED = frozenset({"approved", "admitted", "released", "anchored", "agreed", "countersigned"})
"""The states that only a sufficient number of people can give."""
PROMOTION, DECIDED = "/promotion.json", "/decision.json"
NOBODY = Reviewers("", {}, 1)


def approvals(found: Inspection) -> None:
    """Check every promotion, and every other decision that let something through."""
    promoted = found.below("updates/", PROMOTION)
    made = {name.removesuffix(PROMOTION) for name in promoted}
    decided = [name for name in found.below("", DECIDED) if name.removesuffix(DECIDED) not in made]
    for place, name in enumerate([*promoted, *decided]):
        found.bar(place, len(promoted) + len(decided), "the approvals")
        if found.is_known(name):
            continue
        try:
            if name in promoted:
                _promoted(found, name)
            else:
                _decided(found, name)
        except Broken as error:
            found.blame(error.where, error.says)
        except SluicegateError as error:
            found.blame(name, str(error))


def _promoted(found: Inspection, name: str) -> None:
    """Hold a promotion to the reviewers that there were when it was decided on, if it was."""
    champion = found.held.promotion(name.split("/")[1])
    decision = name.replace(PROMOTION, DECIDED)
    there = decision in found.files.objects
    found.count("approvals", int(there))
    if not champion.doubted:
        who = _reviewers(found, decision) if there else NOBODY
        require_promotable(found.held, champion, always=False, reviewers=who)


def _decided(found: Inspection, name: str) -> None:
    decision = found.held.statement(name)
    predicate = decision.predicate(DECISION, Decided)
    if predicate.state not in AGREED:
        return
    found.count("approvals")
    kind, number = kind_of(predicate.subject)
    folder = found.name(kind.folder(found.context.layout, number))
    if f"{folder}{DECIDED}" != name:
        raise Broken(name, f"is about {predicate.subject}")
    if not decision.doubted:
        require_decided(found.held, folder, predicate.subject, AGREED, _reviewers(found, name))


def _reviewers(found: Inspection, decision: str) -> Reviewers:
    """Return who could review when a decision was committed, and how many it took."""
    layout = found.context.layout
    commit = git.added_in(layout.root, decision)
    if commit is None:
        raise Broken(decision, "is in no git commit")
    params = (git.find_at(layout.root, commit, "params.yaml") or b"").decode()
    required = parse_settings(params, f"params.yaml in {commit[:12]}").approval.required
    return trust.reviewers(replace(layout, policy=commit), required)
