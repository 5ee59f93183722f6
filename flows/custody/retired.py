"""What was destroyed: named as such, and held to be gone."""

from sluicegate.flows.custody.inspection import Inspection
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
    """Look whether what a tombstone names is certified, and is in no store of this machine again."""
    layout = found.context.layout
    remote = dvc.default_remote(layout.root)
    for number, told in tombstones(layout):
        found.count("tombstones")
        folder = layout.retirement(number)
        asked = read_retirement(layout, number)
        rows = {batch: sorted(each) for batch, each in told["rows"].items()}
        models = [each["update"] for each in told["models"]]
        decided = decision_in(layout, folder, f"retirement:{number}")
        if decided != APPROVED or rows != asked["rows"] or models != asked["models"]:
            found.blame(folder / TOMB, "is of something else than reviewers agreed to")
        what = f"{told['what']} (retirement:{number})"
        if not (folder / CERTIFICATE).is_file():
            found.doubt(
                folder, f"{what} is being destroyed; run the command that asked for it again"
            )
            continue
        lost = f"{len(told['tables'])} tables and {len(told['models'])} models"
        found.notes.append(f"{what} was destroyed: {lost}, not missing")
        for each in told["tables"]:
            for name, path in dvc.copies(layout.root, remote, each["md5"]).items():
                if path.is_file():
                    found.blame(path, f"was destroyed as {each['name']} and is in the {name} again")
        for each in told["models"]:
            for path in model_copies(layout, each["sha256"]):
                found.blame(path, "was destroyed and is here again")
        for name in told["received"]:
            if (layout.root / name).is_file():
                found.blame(layout.root / name, "was destroyed and is here again")
