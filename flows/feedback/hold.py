"""hold: take admitted batches out of training and set them aside whole, with the reason."""

from collections.abc import Sequence

from sluicegate.core import Artifact
from sluicegate.record.subjects.incident import HOLD
from sluicegate.stores import data, dvc, files
from sluicegate.stores.transaction import Transaction


def hold(t: Transaction, batches: Sequence[str], reason: str, incident: str | None = None) -> None:
    """Move `batches` from batches/ to quarantine/NNNN/held.

    A rejected candidate says that one of the new batches is bad, not which: all are held until they
    are released, or until the guilty one is found. Of a rollback `incident` says which.
    """
    layout = t.layout
    for batch in batches:
        source = layout.admitted(batch)
        target = layout.quarantine(batch) / "held"
        if not (source / data.MANIFEST).is_file():
            continue  # a rollback took it out while its update was being built
        manifest = files.read_json(source / data.MANIFEST)
        pointer = dvc.pointer(source / data.FEEDBACK)
        for path in (source / data.MANIFEST, pointer, source / data.FEEDBACK):
            if path.exists():
                files.move(path, target / path.name)
        files.write_json(target / "reason.json", {"reason": reason, "time": t.now()})
        subject = Artifact(f"quarantine/{batch}/held/{data.FEEDBACK}", manifest["sha256"])
        by = {"incident": incident} if incident else {}
        said = {"batch": batch, "reason": reason, **by}
        t.append(HOLD, [subject], said)
