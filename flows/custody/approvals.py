"""Approvals: whatever needed people has their signatures, by keys that were trusted at that time."""

from sluicegate.core import SluicegateError
from sluicegate.core.moment import moment
from sluicegate.evidence.statement import DECISION, predicate_of
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.gates.approval import NAMESPACE, Decision, State, Vote, standing
from sluicegate.record.questions import cast, read_request
from sluicegate.record.subjects import KINDS
from sluicegate.record.subjects.kind import Kind
from sluicegate.stores import git, record, ssh, trust
from sluicegate.stores.settings import parse_settings

AGREED = frozenset({"approved", "admitted", "released", "anchored", "agreed", "countersigned"})
"""The states that only a sufficient number of people can give."""


def approvals(found: Inspection) -> None:
    """Look at every decision that let something through, and at every promotion that needed one."""
    layout = found.context.layout
    asked = [(kind, number) for kind in KINDS for number in kind.numbers(layout)]
    for place, (kind, number) in enumerate(asked):
        found.bar(place, len(asked), "the approvals")
        try:
            _look(found, kind, number)
        except SluicegateError as error:
            found.blame(f"{kind.name}:{number}", str(error))


def _look(found: Inspection, kind: Kind, number: str) -> None:
    layout, subject = found.context.layout, f"{kind.name}:{number}"
    path = kind.folder(layout, number) / "decision.json"
    if not path.is_file() or found.is_known(path):
        return
    said = predicate_of(record.read_statement(layout, path), DECISION, found.name(path))
    if said["state"] not in AGREED:
        return
    found.count("approvals")
    why = _why_not(found, subject, git.added_in(layout.root, found.name(path)))
    if why:
        found.blame(subject, why)


def _why_not(found: Inspection, subject: str, commit: str | None) -> str:
    """Return why the signatures kept beside a decision do not carry it, "" when they do."""
    layout = found.context.layout
    if commit is None:
        return "was decided, but the decision is in no commit"
    allowed = (git.find_at(layout.root, commit, trust.SIGNERS) or b"").decode()
    params = (git.find_at(layout.root, commit, "params.yaml") or b"").decode()
    required = parse_settings(params, f"params.yaml in {commit[:12]}").approval.required
    request, _ = read_request(layout, subject)
    votes, refused = [], []
    for said in cast(layout, subject):
        decision = Decision(said["decision"])
        if said["nonce"] != request.nonce:
            continue
        if request.has_expired(moment(said["time"])):
            refused.append(f"{said['reviewer']} answered after {request.expires}")
            continue
        text = request.text(decision, said["reviewer"])
        try:
            key = ssh.verify(text, said["signature"], said["reviewer"], allowed, NAMESPACE)
            votes.append(Vote(said["person"], key, decision))
        except SluicegateError as error:
            refused.append(str(error))
    if standing(votes, required).state is State.APPROVED:
        return ""
    told = f" ({refused[0]})" if refused else ""
    return f"was let through without the {required} approvals that it needs{told}"
