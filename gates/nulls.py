"""nulls: what each metric is compared with when nothing is wrong, in one table.

A limit answers "how much is too much?", and the answer comes from one of three places.
"""

from enum import Enum

from sluicegate.gates.policy import matches


class Null(Enum):
    """Where the knowledge comes from of what a metric is worth when all is honest.

    OWNER: nowhere; the limit is a rule of the owner's (a cap, a contract) and is never moved.
    WINDOW: the batch's own bulk, by theory (-log10 of a p-value, log10 of an e-value, an excess
    beyond its standard errors). It holds from the first batch on.
    WORKSPACE: this workspace's own data, of which there may be none yet.
    """

    OWNER = "a rule of the owner's"
    WINDOW = "the batch's own bulk"
    WORKSPACE = "this workspace's data"


NULLS = (
    ("drift.*", Null.WORKSPACE),
    ("missingness.*", Null.WORKSPACE),
    ("novelty.*", Null.WORKSPACE),
    ("duplicates.share", Null.WORKSPACE),
    ("duplicates.contradicting", Null.WINDOW),
    ("sources.disagreement", Null.WINDOW),
    ("sources.disagreement_champion", Null.WINDOW),
    ("sources.memory", Null.WINDOW),
    ("sources.cohort", Null.WINDOW),
    ("sources.heterogeneity", Null.WINDOW),
    ("outliers.*", Null.WINDOW),
    ("echo.*", Null.WINDOW),
    ("triggers.lift", Null.WINDOW),
    ("triggers.memory", Null.WINDOW),
)


def null_of(metric: str) -> Null:
    """Return the null of a metric, or of a limit's pattern; what is not listed is the owner's rule.

    >>> null_of("drift.effect.original.*"), null_of("contract.warning")
    (<Null.WORKSPACE: "this workspace's data">, <Null.OWNER: "a rule of the owner's">)
    """
    return next((null for pattern, null in NULLS if matches(pattern, metric)), Null.OWNER)
