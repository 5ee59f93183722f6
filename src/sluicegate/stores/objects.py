"""What DVC holds by digest, in the cache and in every configured remote: looked for, and destroyed."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sluicegate.core import CannotDecide, Tampered

from . import dvc, git
from .effects import effect


def ever_held(root: Path, rooms: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each object, with its path, that any commit of any branch or tag has below `rooms`."""
    if rooms:
        listed = git.run(root, "rev-list", "--all", "--objects", "--", *rooms).splitlines()
        yield from ((blob, name) for blob, _, name in (line.partition(" ") for line in listed))


def ever_pointed(root: Path, rooms: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the path and MD5 of each pointer that any commit of any branch or tag has below `rooms`."""
    for blob, name in ever_held(root, rooms):
        if name.endswith(".dvc"):
            text = git.run(root, "cat-file", "blob", blob)
            yield name, dvc.parse_pointer(text, root / name).md5


def ever_named(root: Path, digest: str, *names: str) -> bool:
    """Tell whether files called like `names` hold this digest in any commit of any branch or tag."""
    looked = ("log", "--all", "--full-history", "-m", "-1", "--format=%H", f"-S{digest}")
    return bool(git.run(root, *looked, "--", *names))


def stores(root: Path) -> list[str]:
    """Return the names of the places that DVC keeps content in."""
    listed: list[str] = []
    dvc.with_repo(root, lambda repo: listed.extend(name for name, _ in _places(repo)))
    return listed


def read(root: Path, md5: str) -> bytes | None:
    """Return the content of this MD5 from the first place that has it, None where none has.

    Raises Tampered for content of another MD5, CannotDecide for a place that cannot be reached.
    """
    found: list[bytes] = []

    def look(repo: Any) -> None:
        for name, place in _places(repo):
            with _Reaching(name):
                if not found and place.exists(md5):
                    found.append(place.fs.cat_file(place.oid_to_path(md5)))

    dvc.with_repo(root, look)
    if found and hashlib.md5(found[0], usedforsecurity=False).hexdigest() != md5:
        raise Tampered(f"DVC's object {md5} does not match its name; delete it.")
    return found[0] if found else None


@effect
def destroy(root: Path, md5: str) -> None:
    """Delete the content of this MD5 in every place; raises CannotDecide for one that still has it."""

    def delete(repo: Any) -> None:
        for name, place in _places(repo):
            with _Reaching(name):
                if place.exists(md5):
                    place.delete(md5)
                if place.exists(md5):
                    raise OSError(f"{md5} still exists")

    dvc.with_repo(root, delete, writes=True)


def _places(repo: Any) -> Iterator[tuple[str, Any]]:
    yield "DVC cache", repo.cache.local
    for name in repo.config["remote"]:
        yield f"DVC remote {name}", repo.cloud.get_remote_odb(name, "retire")


class _Reaching:
    """Turns whatever a file system raises into CannotDecide that names the place."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, CannotDecide):
            raise CannotDecide(
                f"The {self._name} failed ({type(error).__name__}: {error}); "
                "run the same command again when it is reachable."
            ) from error
