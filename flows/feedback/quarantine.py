"""quarantine: the one place that sets rows and batches aside, each with its reason, and moves them back."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sluicegate.core import Artifact, Schema
from sluicegate.record.context import Context
from sluicegate.record.subjects.incident import HOLD
from sluicegate.stores import data, dvc, files
from sluicegate.stores.transaction import Transaction


def set_aside(
    context: Context,
    folder: Path,
    frame: pd.DataFrame,
    reasons: "str | pd.Series[str]",
    **about: str,
) -> Path:
    """Write rows to a folder of quarantine, each with its reason; return the table's path.

    `about` goes into the manifest beside the table.
    """
    path = folder / data.FEEDBACK
    about["received"] = context.now()
    data.write_with_manifest(path, frame.assign(_reason=reasons), context.schema, about)
    return path


def keep_rest(table: Path, rest: pd.DataFrame, schema: Schema, batch: str) -> None:
    """Leave only the rows `rest` in an admitted `table`; its receipt stays what it was."""
    received = data.read_manifest(table.parent).received
    # Without its pointer the table counts as changed, so that a kill from here on brings it back.
    files.remove(dvc.pointer(table))
    data.write_with_manifest(table, rest, schema, {"batch": batch, "received": received})


def hold(t: Transaction, batches: Sequence[str], reason: str, incident: str | None = None) -> None:
    """Move admitted `batches` to quarantine/NNNN/held, out of training.

    A rejected candidate says that one of the new batches is bad, not which: all are held until they
    are released, or until the guilty one is found. Of a rollback `incident` says which.
    """
    for batch in batches:
        source = t.layout.admitted(batch)
        if (source / data.MANIFEST).is_file():  # else a rollback took it out meanwhile
            hold_from(t, source, batch, reason, incident)


def hold_from(
    t: Transaction, source: Path, batch: str, reason: str, incident: str | None = None
) -> None:
    """Move the table of `batch` from the folder `source` to quarantine/NNNN/held."""
    target = t.layout.held(batch)
    sha256 = data.read_manifest(source).sha256
    for name in (data.MANIFEST, dvc.pointer(source / data.FEEDBACK).name, data.FEEDBACK):
        if (source / name).exists():
            files.move(source / name, target / name)
    files.write_json(target / "reason.json", {"reason": reason, "time": t.now()})
    subject = Artifact(t.layout.named(target / data.FEEDBACK), sha256)
    by = {"incident": incident} if incident else {}
    t.append(HOLD, [subject], {"batch": batch, "reason": reason, **by})


def readmit(t: Transaction, batches: Sequence[str]) -> None:
    """Move held `batches` back to where they were admitted; raises Tampered where a table differs."""
    for batch in batches:
        source, target = t.layout.held(batch), t.layout.admitted(batch)
        data.read_verified(source / data.FEEDBACK)
        # the table last: until its pointer lies beside it, a kill brings both back
        for path in (dvc.pointer(source / data.FEEDBACK), source / data.MANIFEST):
            files.move(path, target / path.name)
        files.move(source / data.FEEDBACK, target / data.FEEDBACK)
        files.remove(source / "reason.json")
