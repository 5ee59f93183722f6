"""A commit as a mapping from path to bytes: git's objects, never the working tree."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from . import git

AT_ONCE, MOST_KEPT = 128, 1024
"""How many neighbours are read by one git, as they are asked for in their order; how many are kept."""


class Commit(Mapping[str, bytes]):
    """The plain files of one commit of the repository at `root`, each by its path below it.

    Listed are those below `rooms`, no links; every other can be had by its name.
    """

    def __init__(self, root: Path, commit_id: str | None, rooms: tuple[str, ...]) -> None:
        """Take the commit; None for a repository without any, which holds nothing."""
        self.root, self.id, self._rooms = root, commit_id, rooms
        self._read: dict[str, bytes | None] = {}

    @cached_property
    def objects(self) -> dict[str, str]:
        """The id of the object of each listed file."""
        return git.objects(self.root, self.id, self._rooms) if self.id else {}

    def __getitem__(self, path: str) -> bytes:
        """Return the bytes of the file `path`; raises KeyError where the commit has none."""
        if path not in self._read and self.id:
            if len(self._read) > MOST_KEPT:
                self._read.clear()
            self._read.update(git.contents(self.root, self.id, self._beside(path)))
        found = self._read.get(path)
        if found is None:
            raise KeyError(path)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.objects)

    def __len__(self) -> int:
        return len(self.objects)

    def _beside(self, path: str) -> list[str]:
        """Return what is read along with `path`: its neighbours, where it is listed."""
        place = self._places.get(path)
        if place is None:
            return [path]
        first = place // AT_ONCE * AT_ONCE
        return list(self._places)[first : first + AT_ONCE]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(sorted(self.objects))}
