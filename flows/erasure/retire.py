"""retire: destroy rows or a model in every store, once reviewers agree; the record keeps digests."""

from sluicegate.core.document import Result
from sluicegate.flows.erasure.carry_out import finish
from sluicegate.flows.erasure.order import Wanted, named, propose, standing_order
from sluicegate.record.context import Context
from sluicegate.record.subjects.kind import PROPOSED
from sluicegate.record.subjects.retirement import APPROVED, Certificate, read_certificate
from sluicegate.review.question import Asked, show
from sluicegate.stores import files
from sluicegate.stores.transaction import tidy


class Retired(Result):
    """The state of a retirement: the open question, or the certificate of its completion."""

    subject: str
    asked: Asked | None
    certificate: Certificate | None


def retire(context: Context, wanted: Wanted) -> Retired:
    """Ask the reviewers to retire something, or finish an approved retirement that was interrupted."""
    tidy(context.layout)
    what = named(context, wanted.what)
    number = standing_order(context.layout, what, APPROVED)
    if number is not None:
        layout = context.layout
        busy = f"A retrain is running in {layout.root}; run this again when it has finished."
        with files.locked(layout.home / "retrain.lock", busy, wait=False):
            finish(context, number)
        certificate = read_certificate(context.layout, number)
        return Retired(subject=f"retirement:{number}", asked=None, certificate=certificate)
    number = standing_order(context.layout, what, PROPOSED)
    subject = f"retirement:{number}" if number else propose(context, wanted)
    return Retired(subject=subject, asked=show(context, subject), certificate=None)
