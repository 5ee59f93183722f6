"""reach: which stores a retirement empties, and which places keep something of what it named."""

from collections.abc import Sequence

from sluicegate.stores import objects
from sluicegate.stores.layout import Layout

GIT_HOLDS = (
    "git: names of sources, row positions, digests, and the figures of findings and verdicts of the rows' "
    "batches, in every commit and clone; their sentences, too, where a version before 0.2 wrote them"
)
OUT_OF_REACH = (
    "pages of runs in Prefect's database, until it forgets them",
    "earlier backups and clones, copies on serving hosts, and versions that a remote's storage keeps",
    "copies that a killed intake or release left in .sluicegate/scratch, .sluicegate/release-*, /tmp",
    "the user's files in inbox/, and the senders' own copies",
)


def emptied(layout: Layout, with_models: bool) -> list[str]:
    """Return the names of the stores that are emptied."""
    return [
        *objects.stores(layout.root),
        *(["MLflow: version, artifacts"] if with_models else []),
        "received files, models of bisect and plan, leftovers, build tables",
    ]


def left(pages: Sequence[str]) -> list[str]:
    """Return what stays, and where; `pages` in git may show values."""
    return [GIT_HOLDS, *(f"git: {each} may show values" for each in pages), *OUT_OF_REACH]
