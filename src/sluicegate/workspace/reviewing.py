"""The verbs of reviewers: what is asked, and their signed answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.workspace.delivery import explained
from sluicegate.workspace.opened import Opened

if TYPE_CHECKING:
    from sluicegate.flows.decisions.review import Reviewed


class Reviewing(Opened):
    """The verbs of reviewers: what is asked, and their signed answers."""

    def reviews(self) -> list[str]:
        """Return the subjects that wait for a human's decision."""
        from sluicegate.record.subjects import waiting

        with explained():
            return waiting(self._fresh().layout)

    def show_review(self, subject: str) -> dict[str, Any]:
        """Return what is asked about `subject`, with the digests that an answer is bound to."""
        from sluicegate.review.question import show

        with explained():
            return show(self._fresh(), subject)

    def sign_review(self, subject: str, decision: str, reviewer: str, key: str | Path) -> str:
        """Return an SSH signature of the answer; works in a clone, and the key stays there."""
        from sluicegate.gates.approval import Decision
        from sluicegate.review.question import sign

        with explained():
            return sign(self._fresh(), subject, Decision(decision), reviewer, Path(key))

    def text_to_sign(self, subject: str, decision: str, reviewer: str) -> str:
        """Return the text that `reviewer` signs, for `ssh-keygen -Y sign -n sluicegate-approval`."""
        from sluicegate.gates.approval import Decision
        from sluicegate.review.question import text_to_sign

        with explained():
            return text_to_sign(self._fresh(), subject, Decision(decision), reviewer)

    def answer_review(
        self, subject: str, decision: str, reviewer: str, proof: str, reason: str = ""
    ) -> "Reviewed":
        """Record a proven answer, and promote, admit or refuse when the votes suffice."""
        from sluicegate.flows.decisions.review import answer
        from sluicegate.gates.approval import Decision

        with explained():
            return answer(self._fresh(), subject, Decision(decision), reviewer, reason, proof)

    def renew_review(self, subject: str) -> dict[str, Any]:
        """Ask again about `subject`, after the question expired or what it names changed."""
        from sluicegate.flows.decisions.review import renew

        with explained():
            return renew(self._fresh(), subject)
