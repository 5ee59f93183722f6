"""leftovers: what killed transactions left in the stores, and no commit ever named."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from sluicegate.core import Tampered
from sluicegate.flows.erasure.survey import pointers_now
from sluicegate.stores import data, dvc, files, objects, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.quoting import QUOTING
from sluicegate.stores.transaction import Transaction

_RECEIVED = re.compile(r"\.?([0-9a-f]{64})(\..*)?")


def destroy_leftovers(t: Transaction) -> None:
    """Destroy the objects and received files that only killed transactions know.

    The same transaction, repeated, makes the same objects and names them in its commit.
    """
    layout = t.layout
    left = dict(_left(layout.home / "leftovers"))
    orphans = set(left.values()) - set(pointers_now(layout).values())
    gone = {
        md5 for md5 in orphans if not objects.ever_named(layout.root, md5, "*.dvc", "*dvc.lock")
    }
    for md5 in sorted(gone):
        objects.destroy(layout.root, md5)
    for path in [path for path, md5 in left.items() if md5 in gone]:
        files.remove(path)
    for path in _without_receipt(layout):
        files.remove(path)


def _left(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the MD5 of what each pointer in `folder` names, and of what may have got no pointer."""
    for path in sorted(each for each in folder.rglob("*") if not each.is_symlink()):
        if path.suffix == ".dvc":
            try:
                yield path, dvc.read_pointer(path).md5
            except Tampered:
                continue
        elif path.suffix in (".parquet", ".tar") or path.name in QUOTING:
            with path.open("rb") as file:
                yield path, hashlib.file_digest(file, "md5").hexdigest()  # as DVC names it


def _without_receipt(layout: Layout) -> Iterator[Path]:
    """Yield the received files, half of one too, that no receipt in any commit names."""
    received = record.received(layout)
    known = {data.read_manifest(layout.intake(each)).sha256 for each in received}
    for path in sorted(layout.received.glob("*")):
        named = _RECEIVED.fullmatch(path.name)
        if named is None or named[1] in known:
            continue
        if not objects.ever_named(layout.root, named[1], "*manifest.json"):
            yield path
