"""approval: what a reviewer is asked and signs, and when the votes suffice. Pure, like the gate.

The signed text is for people: what is seen is what is signed. NCSC Machine learning principles 4.2:
changes that matter are authorised by somebody, on evidence that can be shown later.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from sluicegate.core.document import Document
from sluicegate.core.moment import Moment, moment
from sluicegate.core.visible import visible

NAMESPACE = "sluicegate-approval"


class Decision(Enum):
    """What a reviewer says; a withdrawal takes that reviewer's approval back for good."""

    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"


class Request(Document):
    """One question to the reviewers; `names` are the (label, value) pairs that an answer is bound to.

    `nonce` makes every request another text; `expires` is ISO 8601 with an offset.
    """

    subject: str
    question: str
    names: tuple[tuple[str, str], ...]
    nonce: str
    expires: Moment

    def text(self, decision: Decision, reviewer: str) -> str:
        """Return the text that `reviewer` signs; every value stays on its own line."""
        lines = [
            ("question", self.question),
            ("subject", self.subject),
            ("decision", decision.value),
            ("reviewer", reviewer),
            *self.names,
            ("nonce", self.nonce),
            ("expires", self.expires),
        ]
        sentences = [f"{visible(label)}: {visible(value)}" for label, value in lines]
        return "\n".join(["sluicegate approval, version 1", *sentences, ""])

    def has_expired(self, now: datetime) -> bool:
        """Tell whether nobody may answer any more."""
        return now >= moment(self.expires)


@dataclass(frozen=True)
class Vote:
    """A verified answer: who by the trust files, and the fingerprint of the key that signed."""

    person: str
    key: str
    decision: Decision


class State(Enum):
    """Where a request stands."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Standing:
    """What the votes come to."""

    state: State
    approved_by: tuple[str, ...]
    required: int


def standing(votes: Iterable[Vote], required: int) -> Standing:
    """Return what `votes` come to when `required` people have to say yes.

    One no is a no. One person with two keys is one, and so are two names with one key. Who withdrew
    does not count again for the same request: an old signature must not bring the approval back.

    Raises ValueError when nobody would have to say yes.
    """
    if required < 1:
        raise ValueError("At least one reviewer must be required.")
    cast = tuple(votes)
    gone = {vote.person for vote in cast if vote.decision is Decision.WITHDRAW}
    gone_keys = {vote.key for vote in cast if vote.decision is Decision.WITHDRAW}
    counted = [vote for vote in cast if vote.person not in gone and vote.key not in gone_keys]
    people: dict[str, str] = {}
    for vote in counted:
        if vote.decision is Decision.APPROVE and vote.key not in people.values():
            people.setdefault(vote.person, vote.key)
    state = State.APPROVED if len(people) >= required else State.OPEN
    if any(vote.decision is Decision.REJECT for vote in counted):
        state = State.REJECTED
    return Standing(state, tuple(sorted(people)), required)
