"""The working tree: it matches the commit under inspection, whatever git's index says."""

from sluicegate.flows.custody.inspection import Inspection
from sluicegate.stores import git, record

ROOMS = tuple(
    sorted({name.split("/")[0] for name in (*record.ROOMS, *record.SELDOM, *record.PRODUCTS)})
)


def tree(found: Inspection) -> None:
    """Check every file of the record: later writes build on the working tree."""
    root = found.context.layout.root
    changed = dict.fromkeys(git.changed_paths(root, [r for r in ROOMS if (root / r).exists()]))
    for place, name in enumerate(found.files):
        if place % 200 == 0:
            found.bar(place, len(found.files), "the working tree")
        path = root / name
        same = path.is_file() and not path.is_symlink()
        if not found.is_known(name) and not (same and path.read_bytes() == found.files[name]):
            changed[name] = None
    for name in changed:
        if name.split("/")[0] in record.PRODUCTS:  # a `dvc repro` by hand makes them anew
            found.notes.append(f"{name} differs from the commit; nothing builds on it")
        else:
            found.blame(name, "differs from the commit")
