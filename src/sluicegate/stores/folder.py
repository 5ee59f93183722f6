"""A folder as a mapping from path to bytes: a workspace, a clone of one or an export as it lies there.

Nothing in it is trusted: a file is opened once, is no link, and is read whole before anything is made
of it.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from sluicegate.core import Missing, Tampered
from sluicegate.evidence.verifier import ENTRIES

from .model_copies import opened

MOST_BYTES = 50_000_000
ENTRIES_BEFORE = "entries"
"""In the journal: the last entry of the ledger that was there before the deed under way."""
JOURNAL = ".sluicegate/journal.json"


class Folder(Mapping[str, bytes]):
    """The files below `path`. Listed are the entries of the ledger; every other can be had by its name.

    Where it is `settled`, those entries are left out that a workspace is still writing, or died over: they
    may yet be put aside. Else it is the view of whoever writes. A file is read once: `seen` holds what
    each was then.
    """

    def __init__(self, path: Path, settled: bool = False) -> None:
        """Take the folder."""
        self.path, self._settled = path, settled
        self.seen: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> bytes:
        """Return the bytes of the file `name`; raises KeyError, or Tampered for what is no plain file."""
        if name in self.seen:
            return self.seen[name]
        try:
            with opened(self.path / name, name) as file:
                data = file.read(MOST_BYTES + 1)
        except Missing as error:
            if os.path.lexists(self.path / name):
                raise Tampered(f"{name} is not a plain file.") from error
            raise KeyError(name) from error
        if len(data) > MOST_BYTES:
            raise Tampered(f"{name} is too large for a statement.")
        self.seen[name] = data
        return data

    def __iter__(self) -> Iterator[str]:
        folder = self.path / "ledger"
        names = [f"ledger/{each.name}" for each in folder.iterdir()] if folder.is_dir() else []
        found = [name for name in names if ENTRIES.fullmatch(name)]
        journal = (
            self._journal() if self._settled else None
        )  # after the listing: an end may go, not come
        return (name for name in found if not comes_after(journal, int(name[7:-5])))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _journal(self) -> object:
        try:
            return json.loads(self[JOURNAL])
        except (KeyError, Tampered, ValueError, RecursionError):
            return None


def comes_after(journal: object, sequence: int) -> bool:
    """Tell whether the entry `sequence` was written by the deed of `journal`."""
    before = journal.get(ENTRIES_BEFORE) if isinstance(journal, dict) else None
    return isinstance(before, int) and sequence > before
