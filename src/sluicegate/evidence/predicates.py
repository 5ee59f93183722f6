"""Predicates: what the statements say that trust rests on, each as a type, read by every reader.

The keys that a predicate has on disk are the fields here, in the same order. Reviewers are asked by
`gates.approval.Request`, entries of the ledger are `evidence.ledger.Entry`, keys `evidence.keyring.Span`.
"""

from sluicegate.core import ModelRef, Stage, Verdict
from sluicegate.core.document import Document
from sluicegate.core.moment import Moment
from sluicegate.gates.approval import Decision


class Ballot(Document):
    """One answer to a question (VOTE): who gave it, and their SSH signature of the question's text.

    `person` and `key` are what the service made of it then; whoever verifies proves it anew.
    """

    subject: str
    nonce: str
    reviewer: str
    person: str
    key: str
    decision: Decision
    reason: str
    signature: str
    time: Moment


class Decided(Document):
    """What the answers about a subject came to (DECISION): its new state, and whose yes carried it."""

    subject: str
    state: str
    approved_by: tuple[str, ...]
    time: Moment


class Compared(Document):
    """An update as it was compared (UPDATE), as far as a promotion rests on it."""

    class About(Document):
        """The update: its number, its stage before anybody was asked, and the model that was trained."""

        id: str
        stage: Stage
        challenger: ModelRef | None

    update: About
    verdict: Verdict


class Promotion(Document):
    """An update became the champion (PROMOTION): its version, and what it learnt from at which commit."""

    update: str
    version: int
    previous: ModelRef | None = None
    batches: tuple[str, ...]
    data_commit: str
    policy: str | None = None
    time: Moment


class Reinstatement(Document):
    """A former champion serves again (REINSTATEMENT), for an incident or because keys changed.

    `since` is when it began to serve, where that was earlier.
    """

    incident: str | None = None
    succession: str | None = None
    because: str | None = None
    update: str
    version: int
    previous: ModelRef | None = None
    since: Moment | None = None
    time: Moment


class Withdrawal(Document):
    """An incident took an update back (WITHDRAWAL)."""

    update: str
    version: int
    incident: str
    because: str
    time: Moment


class Refusal(Document):
    """An update that awaited review was refused (REFUSAL), and why."""

    update: str
    reason: str
    time: Moment


class Head(Document):
    """An entry of the ledger that a git tag pins (HEAD): its number, the tag's commit and its title."""

    sequence: int
    commit: str
    title: str
