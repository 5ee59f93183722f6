"""Approvals, verified far from the workspace: by the reviewers and the rules of the trust root.

What cannot be seen from here is who had a hand in the update (`approval.separate_duties`); promotion
looks at that.
"""

import re
from typing import Any

from sluicegate.core import Misused, Stage, Tampered, Verdict
from sluicegate.core.moment import moment
from sluicegate.core.update import stage_after
from sluicegate.evidence.statement import DECISION, REQUEST, UPDATE, VOTE
from sluicegate.gates.approval import NAMESPACE, Decision, Request, State, Vote, standing
from sluicegate.stores import ssh

from .shelf import Shelf, Statement


def require_approved(shelf: Shelf, update: str, version: int, sha256: str) -> None:
    """Raise Tampered unless the model of `update` was let through by the gate or enough reviewers.

    The first champion, which nobody had to approve, is the one that the trust root names.
    """
    root, folder = shelf.root, f"updates/{update}"
    if sha256 == root.first:
        return
    compared = shelf.statement(f"{folder}/update.json")
    said = compared.predicate(UPDATE, f"{folder}/update.json")
    if said["update"]["challenger"] != {"version": version, "sha256": sha256}:
        raise Tampered(f"{folder}/update.json compared another model than was promoted.")
    stage = stage_after(Verdict.from_dict(said["verdict"]))
    if stage is Stage.REFUSED:
        raise Tampered(f"{folder}/update.json says that update:{update} was rejected.")
    if stage is Stage.APPROVED and root.approval.when != "always":
        return
    request, votes = _answers(shelf, folder, compared)
    if ("challenger", f"version {version}, sha256:{sha256}") not in request.names:
        raise Tampered(f"{folder}/request.json asked about another model than was promoted.")
    found = standing(votes, root.approval.required)
    if found.state is not State.APPROVED:
        raise Tampered(
            f"update:{update} was promoted on {len(found.approved_by)} of {found.required} approvals "
            "by reviewers of the trust root."
        )


def _answers(shelf: Shelf, folder: str, compared: Statement) -> tuple[Request, list[Vote]]:
    """Return what was asked and the answers to it that hold, all of those that the decision names."""
    place = f"{folder}/decision.json"
    decided = shelf.statement(place)
    told = decided.predicate(DECISION, place)
    inside = re.compile(rf"{re.escape(folder)}/(request|reviews/[0-9]+)\.json")
    read: dict[str, Statement] = {}
    for each in decided.payload["subject"]:
        name = each["name"]
        if not inside.fullmatch(name):
            raise Tampered(f"{place} names {name}, which is no answer to it.")
        read[name] = shelf.statement(name)
        if read[name].sha256 != each["digest"]["sha256"]:
            raise Tampered(f"{name} is not what {place} names.")
    request = _request(read.pop(f"{folder}/request.json", None), folder)
    if (f"{folder}/update.json", f"sha256:{compared.sha256}") not in request.names:
        raise Tampered(f"{folder}/request.json asked about another comparison.")
    if told["state"] != "approved" or request.has_expired(moment(told["time"])):
        raise Tampered(f"{place} is no approval, or came after {request.expires}.")
    said = [each.predicate(VOTE, name) for name, each in read.items()]
    return request, [vote for each in said for vote in _vote(shelf, request, each)]


def _request(statement: Statement | None, folder: str) -> Request:
    if statement is None:
        raise Tampered(f"{folder}/decision.json names no question.")
    said = statement.predicate(REQUEST, f"{folder}/request.json")
    if said["subject"] != f"update:{folder.removeprefix('updates/')}":
        raise Tampered(f"{folder}/request.json asks about {said['subject']}.")
    names = tuple((label, value) for label, value in said["names"])
    return Request(said["subject"], said["question"], names, said["nonce"], said["expires"])


def _vote(shelf: Shelf, request: Request, said: dict[str, Any]) -> list[Vote]:
    """Return the vote, none when it answers another question or a reviewer's signature fails."""
    if said["nonce"] != request.nonce:
        return []
    root, reviewer, decision = shelf.root, said["reviewer"], Decision(said["decision"])
    text = request.text(decision, reviewer)
    try:
        key = ssh.verify(text, said["signature"], reviewer, root.allowed_signers, NAMESPACE)
    except Misused:
        return []
    return [Vote(root.person_of(reviewer), key, decision)]
