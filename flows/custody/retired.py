"""Destroyed data and models: each has a certificate, and no store has it again."""

from sluicegate.flows.custody.inspection import Inspection
from sluicegate.flows.custody.tables import pointed_at
from sluicegate.record.subjects.kind import decision_in
from sluicegate.record.subjects.retirement import (
    APPROVED,
    CERTIFICATE,
    TOMB,
    model_copies,
    read_retirement,
    tombstones,
)
from sluicegate.stores import dvc


def retired(found: Inspection) -> None:
    """Check that whatever a tombstone names is certified and back in no store of this machine."""
    layout = found.context.layout
    remote = dvc.default_remote(layout.root)
    tombs = list(tombstones(layout))
    # the same content may have been received anew; tables.py looks at whatever points to it
    live = {pointed_at(found, name) for name in found.below("", ".dvc")} if tombs else set()
    for tomb in tombs:
        found.count("tombstones")
        number = tomb.retirement
        folder, order = layout.retirement(number), read_retirement(layout, number)
        models = tuple(each.update for each in tomb.models)
        decided = decision_in(layout, folder, f"retirement:{number}")
        if decided != APPROVED or tomb.rows != order.rows or models != order.models:
            found.blame(folder / TOMB, "does not match what reviewers approved")
        what = f"{tomb.what} (retirement:{number})"
        if not (folder / CERTIFICATE).is_file():
            found.doubt(
                folder, f"{what} is only partly destroyed; run the same command again to finish"
            )
            continue
        lost = f"{len(tomb.tables)} tables and {len(tomb.models)} models"
        found.notes.append(f"{what} was destroyed as approved: {lost}")
        for table in (each for each in tomb.objects if each.md5 not in live):
            for name, path in dvc.copies(layout.root, remote, table.md5).items():
                if path.is_file():
                    found.blame(path, f"was destroyed as {table.name} but is back in the {name}")
        back = [path for each in tomb.models for path in model_copies(layout, each.sha256)]
        back += [path for name in tomb.received if (path := layout.root / name).is_file()]
        for path in back:
            found.blame(path, "was destroyed but is back")
