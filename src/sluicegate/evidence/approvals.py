"""Approvals: whether the answers that are kept beside a decision carry it (rules 4 and 5 of verifier.py).

The workspace asks before it promotes or admits, a serving host before it answers with a model, and `verify`
about every decision of the past; each by its own reviewers: those of now, of its trust root, of that time.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sluicegate.core import Misused, SluicegateError, Stage
from sluicegate.core.moment import moment
from sluicegate.core.update import stage_after
from sluicegate.gates.approval import Decision, Request, Standing, State, Vote, standing

from .predicates import Ballot, Compared, Decided
from .statement import DECISION, REQUEST, UPDATE, VOTE
from .verifier import Broken, Champion, Statement, Verifier


class Reviewers(Protocol):
    """Whose answers count, and how many of them have to say yes."""

    @property
    def required(self) -> int:
        """How many people have to say yes."""
        ...

    def prove(self, request: Request, reviewer: str, decision: Decision, signature: str) -> Vote:
        """Return the vote that `signature` proves; raises SluicegateError, saying why, for none."""
        ...


@dataclass(frozen=True)
class Answers:
    """What the answers to one question come to, and why others do not count."""

    standing: Standing
    refused: tuple[str, ...]

    @property
    def tally(self) -> str:
        """Return how many of the required approvals hold, and the first reason why one does not."""
        why = f" ({self.refused[0]})" if self.refused else ""
        found = self.standing
        return f"{len(found.approved_by)} of {found.required} approvals{why}"


def question(asked: Statement, subject: str) -> Request:
    """Return what a verified statement asks about `subject`; raises Tampered for another question."""
    request = asked.predicate(REQUEST, Request)
    if request.subject != subject:
        raise Broken(asked.name, f"asks about {request.subject}")
    return request


def answers_to(request: Request, ballots: Iterable[Ballot], reviewers: Reviewers) -> Answers:
    """Return what those of `ballots` come to that answer this very question, in time and provenly."""
    votes: list[Vote] = []
    refused: list[str] = []
    for entry in (each for each in ballots if each.nonce == request.nonce):
        try:
            if request.has_expired(moment(entry.time)):
                raise Misused(f"the question had expired at {request.expires}")
            votes.append(reviewers.prove(request, entry.reviewer, entry.decision, entry.signature))
        except SluicegateError as error:
            refused.append(f"{entry.reviewer}: {error}")
    return Answers(standing(votes, reviewers.required), tuple(refused))


def require_decided(
    record: Verifier, folder: str, subject: str, states: Iterable[str], reviewers: Reviewers
) -> None:
    """Raise Tampered or Missing unless answers carry the decision in `folder` for one of `states`."""
    _require_carried(subject, _decided(record, folder, subject, states, reviewers)[1])


def _decided(
    record: Verifier, folder: str, subject: str, states: Iterable[str], reviewers: Reviewers
) -> tuple[Request, Answers]:
    """Return the question that a decision in `folder` answers, and what the answers it names come to."""
    decision = record.believed(f"{folder}/decision.json")
    predicate = decision.predicate(DECISION, Decided)
    read = dict(_named_by(record, decision, folder))
    asked = read.pop(f"{folder}/request.json", None)
    if asked is None:
        raise Broken(decision.name, "names no question")
    request = question(asked, subject)
    if predicate.subject != subject or predicate.state not in states:
        raise Broken(decision.name, f"is not an approval of {subject}")
    if request.has_expired(moment(predicate.time)):
        raise Broken(decision.name, f"was made after its question expired at {request.expires}")
    ballots = [each.predicate(VOTE, Ballot) for each in read.values()]
    return request, answers_to(request, ballots, reviewers)


def _require_carried(subject: str, answers: Answers) -> None:
    if answers.standing.state is not State.APPROVED:
        raise Broken(subject, f"passed with {answers.tally}")


def require_promotable(
    record: Verifier, promoted: Champion, always: bool, reviewers: Reviewers
) -> None:
    """Raise Tampered unless the gate, or where it paused enough reviewers, let this very model through.

    `always` is the rule that people are asked about what passes, too.
    """
    folder, subject = f"updates/{promoted.update}", f"update:{promoted.update}"
    compared = record.believed(f"{folder}/update.json")
    predicate = compared.predicate(UPDATE, Compared)
    trained = predicate.update.challenger
    if trained is None or (trained.version, trained.sha256) != (promoted.version, promoted.sha256):
        raise Broken(compared.name, "compares a different model from the promoted one")
    stage = stage_after(predicate.verdict)
    if stage is Stage.REFUSED:
        raise Broken(compared.name, f"says that {subject} was rejected")
    if stage is Stage.APPROVED and not always:
        return
    request, answers = _decided(record, folder, subject, ("approved",), reviewers)
    if (compared.name, f"sha256:{compared.sha256}") not in request.names:
        raise Broken(f"{folder}/request.json", "asks about a different comparison")
    asked = f"version {promoted.version}, sha256:{promoted.sha256}"
    if ("challenger", asked) not in request.names:
        raise Broken(f"{folder}/request.json", "asks about a different model from the promoted one")
    _require_carried(subject, answers)


def _named_by(
    record: Verifier, decision: Statement, folder: str
) -> Sequence[tuple[str, Statement]]:
    """Return the question and the answers that a decision names, each with the digest that it names."""
    inside = re.compile(rf"{re.escape(folder)}/(request|reviews/[0-9]+)\.json")
    read = []
    for named in decision.subjects:
        if inside.fullmatch(named.name) is None:
            raise Broken(decision.name, f"names {named.name}, which is not an answer to it")
        found = record.believed(named.name)
        if found.sha256 != named.sha256:
            raise Broken(named.name, f"does not match {decision.name}")
        read.append((named.name, found))
    return read
