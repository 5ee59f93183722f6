"""due: is there anything new to learn from?"""

from sluicegate.record.champion import champion_of
from sluicegate.record.context import POLICY_FILES
from sluicegate.record.updates import approved, awaiting, read_update
from sluicegate.stores import git, record
from sluicegate.stores.data import admitted_batches
from sluicegate.stores.layout import Layout

LEARNT: tuple[str, ...] = ("reference", "batches")


JUDGED_BY = ("golden", "trust", *POLICY_FILES)


def nothing_to_do(layout: Layout) -> str | None:
    """Return why a scheduled retrain would train nothing new, None when there is something to do."""
    waiting = awaiting(layout)
    if waiting:
        return f"update:{waiting[0]} awaits review; no training starts until it is decided."
    if approved(layout):
        return None  # its promotion broke off
    admitted = set(admitted_batches(layout))
    champion = champion_of(layout)
    tried = [(champion.data_commit, champion.batches, LEARNT)]
    for update in record.updates(layout)[-1:]:
        last = read_update(layout, update)[0]
        tried.append((last.data_commit, last.batches, (*LEARNT, *JUDGED_BY)))
    for commit, batches, paths in tried:
        # rows may also have left a batch that stays, and what was refused may pass by another policy
        if admitted == set(batches) and not git.changes(layout.root, commit, "HEAD", paths):
            return "No rows were admitted since the last update, so there is nothing new to learn."
    return None
