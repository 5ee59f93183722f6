"""Copies of models: hashed while they are copied, so that what was hashed is what is loaded.

A promoted model is one archive to DVC, the same bytes for the same files wherever it is made.
"""

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, BinaryIO

from sluicegate.core import Missing, Tampered

from .effects import effect

CHUNK = 1 << 20


def opened(path: Path, name: str) -> BinaryIO:
    """Open a plain file to read it; raises Missing, or Tampered for a link, pipe or device."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Missing(f"{name} is missing.") from error
    except OSError as error:
        raise Tampered(f"{name} is not a plain file.") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Tampered(f"{name} is not a plain file.")
    return os.fdopen(handle, "rb")


@effect
def pack(folder: Path, target: Path, names: Iterable[str]) -> None:
    """Write the files `names` of `folder` as an archive without times, owners or modes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted(names):
                member = tarfile.TarInfo(name)
                member.size = (folder / name).stat().st_size
                with opened(folder / name, name) as file:
                    archive.addfile(member, file)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def listed(source: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in an archive; raises Tampered for one that we did not pack."""
    found: dict[str, str] = {}
    with opened(source, source.name) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isreg() else None
                    if content is None or member.name in found:
                        raise Tampered(f"{source.name} has {member.name} twice, or not as a file.")
                    found[member.name] = _digest(content)
        except (tarfile.TarError, EOFError) as error:
            raise Tampered(f"{source.name} is no archive of a model.") from error
    return found


def _digest(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def copy_verified(source: Path, target: Path, files: Mapping[str, str]) -> None:
    """Copy the model in the folder or archive `source` to the new folder `target`.

    Raises Tampered, naming the file, unless `source` holds exactly `files`, with these SHA-256.
    """
    target.mkdir(parents=True, mode=0o700)
    if source.is_dir() and not source.is_symlink():
        _require_same(source, _names(source), files)
        for name in files:
            with opened(source / name, f"{source.name[:12]}/{name}") as file:
                _copy(file, target / name, files[name], name)
    else:
        with opened(source, source.name) as file:
            _unpack(file, source, target, files)


def require_verified(folder: Path, files: Mapping[str, str]) -> None:
    """Raise Tampered unless the folder `folder`, a copy of ours, holds exactly `files`."""
    _require_same(folder, _names(folder), files)
    for name, sha256 in files.items():
        with opened(folder / name, name) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:  # type: ignore[arg-type]
                raise Tampered(f"{name} of the model {folder.name[:12]} was changed.")


def _unpack(file: IO[bytes], source: Path, target: Path, files: Mapping[str, str]) -> None:
    seen: list[str] = []
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or member.name not in files or member.name in seen:
                    raise Tampered(f"{source.name} contains {member.name}, which was not signed.")
                seen.append(member.name)
                _copy(content, target / member.name, files[member.name], member.name)
    except (tarfile.TarError, EOFError) as error:
        raise Tampered(f"{source.name} is no archive of a model.") from error
    _require_same(source, seen, files)


def _copy(source: IO[bytes], target: Path, expected: str, name: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != expected:
        raise Tampered(f"{name} of the model is not the one that was signed ({expected[:12]}).")


def _names(folder: Path) -> list[str]:
    """Return all that lies below `folder`, links and empty folders included, plain folders left out."""
    found = []
    for place, folders, names in os.walk(folder):
        here = Path(place)
        links = [each for each in folders if (here / each).is_symlink()]
        found += [(here / each).relative_to(folder).as_posix() for each in (*names, *links)]
        if not folders and not names:
            found.append(here.relative_to(folder).as_posix())
    return found


def _require_same(source: Path, names: Iterable[str], files: Mapping[str, str]) -> None:
    extra, lost = sorted(set(names) - set(files)), sorted(set(files) - set(names))
    if extra:
        raise Tampered(f"The model {source.name[:12]} contains {extra[0]}, which was not signed.")
    if lost:
        raise Tampered(f"The model {source.name[:12]} lacks {lost[0]}, which was signed.")
