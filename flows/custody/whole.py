"""The whole: every file of the record is named by the ledger, and whatever it names is there."""

from sluicegate.core.canonical import sha256_bytes
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.stores import git, record

MOST_NAMED = 20


def whole(found: Inspection) -> None:
    """Name every committed file that no entry names, and the files that are the user's own.

    Where an earlier verification saw the file, it must be as it was, or be named by an entry since.
    """
    seen, unsigned = bool(found.before.head.sequence), 0
    for name, object_id in found.files.objects.items():
        if name in found.named or not record.is_named(name):
            continue  # what is named was held to it
        if seen:
            if not found.before.prints.get(name, "").startswith(f"{object_id} "):
                found.blame(name, "is not as it was verified before")
        elif not found.whole_from:
            unsigned += 1
        elif not (_made(name) or sha256_bytes(found.files[name]) == found.history.get(name)):
            found.blame(name, "is not in the ledger")
    for name, before in found.before.prints.items():
        committed = before.partition(" ")[0]
        if committed and name not in found.files.objects and name not in found.removed:
            found.blame(name, "is missing")
    if unsigned:
        found.notes.append(
            f"{unsigned} files were written by a version that did not sign them; the next command that "
            "writes does"
        )
    _own(found)


def _made(name: str) -> bool:
    """Tell whether a file lies where the pipeline makes some, where others may be the user's."""
    return name.split("/")[0] in record.PRODUCTS


def _own(found: Inspection) -> None:
    """Note what is committed beside the record."""
    every = git.objects(found.context.layout.root, found.context.commit, ["."])
    own = [n for n in every if not record.is_named(n) and not n.startswith("ledger/")]
    if own:
        more = f" and {len(own) - MOST_NAMED} more" if len(own) > MOST_NAMED else ""
        found.notes.append(
            f"{len(own)} files are no part of the record (your own, or the policy): "
            f"{', '.join(own[:MOST_NAMED])}{more}"
        )
