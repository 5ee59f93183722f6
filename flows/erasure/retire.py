"""retire: rows or a model leave every store for good, once reviewers agree; the record keeps digests."""

from dataclasses import dataclass
from typing import Any

from sluicegate.flows.erasure.carry_out import finish
from sluicegate.flows.erasure.chosen import named
from sluicegate.flows.erasure.order import Wanted, propose, standing_order
from sluicegate.record.context import Context
from sluicegate.record.subjects.kind import PROPOSED
from sluicegate.record.subjects.retirement import APPROVED, read_certificate
from sluicegate.review.question import show
from sluicegate.stores import files
from sluicegate.stores.transaction import tidy


@dataclass(frozen=True)
class Retired:
    """Where a retirement stands: the question that waits, or the certificate of what was carried out."""

    subject: str
    asked: dict[str, Any] | None
    certificate: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `retire` and of `quarantine destroy`."""
        told = {"schema": 1, "subject": self.subject}
        return told | {"asked": self.asked, "certificate": self.certificate}


def retire(context: Context, wanted: Wanted) -> Retired:
    """Ask the reviewers to retire something, or finish what they agreed to and a kill broke off."""
    tidy(context.layout)
    what = named(context, wanted.what)
    number = standing_order(context.layout, what, APPROVED)
    if number is not None:
        layout = context.layout
        busy = f"A retrain is at work in {layout.root}; run this again when it has ended."
        with files.locked(layout.home / "retrain.lock", busy, wait=False):
            finish(context, number)
        certificate = read_certificate(context.layout, number)
        return Retired(f"retirement:{number}", None, certificate)
    number = standing_order(context.layout, what, PROPOSED)
    subject = f"retirement:{number}" if number else propose(context, wanted)
    return Retired(subject, show(context, subject), None)
