"""reach: which stores a retirement empties, and what goes on holding something of what it named."""

from collections.abc import Sequence

from sluicegate.stores import objects
from sluicegate.stores.layout import Layout

GIT_HOLDS = (
    "git: names of sources, row positions, digests, findings and verdicts of the rows' batches, in every "
    "commit and clone"
)
OUT_OF_REACH = (
    "backups and clones made before, copies on serving hosts, and versions that a remote's storage keeps",
    "copies that a killed intake or release left in .sluicegate/scratch, .sluicegate/release-* or /tmp",
    "files in inbox/ and at whoever sent them: they are the user's",
)


def emptied(layout: Layout, with_models: bool) -> list[str]:
    """Return the names of the stores that are emptied."""
    return [
        *objects.stores(layout.root),
        *(["MLflow: version, artifacts"] if with_models else []),
        "received files, models of bisect and plan, leftovers and build tables",
    ]


def left(pages: Sequence[str]) -> list[str]:
    """Return what stays, and where; `pages` in git may show values."""
    return [GIT_HOLDS, *(f"git: {each} may show values" for each in pages), *OUT_OF_REACH]
