"""hold: set a batch aside whole, with the reason: the one place that moves a table to quarantine."""

from collections.abc import Sequence
from pathlib import Path

from sluicegate.core import Artifact
from sluicegate.record.subjects.incident import HOLD
from sluicegate.stores import data, dvc, files
from sluicegate.stores.transaction import Transaction


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
