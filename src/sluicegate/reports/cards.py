"""Cards: what is known of a batch or of an update's model, for those who are to rely on it.

Everything is read from the record when it is asked for. What only people know comes from `card` in
params.yaml, and nothing is typed twice. NCSC, Machine learning principles, 2.3 and 1.3.
"""

from collections.abc import Callable

from sluicegate.core import Misused
from sluicegate.record.context import Context
from sluicegate.reports.data_card import data_card
from sluicegate.reports.model_card import model_card
from sluicegate.reports.profiles import Card, Profile, exported

KINDS: dict[str, Callable[[Context, str], Card]] = {"batch": data_card, "update": model_card}


def card(context: Context, subject: str, profile: Profile = Profile.INTERNAL) -> Card:
    """Return the card of `batch:NNNN` or `update:NNNN` as `profile` lets it out.

    Raises Misused for another subject, and where a public card would name a source.
    """
    kind, _, number = subject.partition(":")
    if kind not in KINDS or not (number.isascii() and number.isdigit()):
        raise Misused(f"{subject!r} has no card; write batch:0003 or update:0007.")
    return exported(KINDS[kind](context, number), profile)
