"""restore: a workspace from its clone, its DVC remote and a backup, verified before it is used."""

import contextlib
import hashlib
import json
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluicegate.core import Conflict, Missing, ModelRef, Tampered
from sluicegate.core.document import Result
from sluicegate.evidence.keyring import Keyring
from sluicegate.evidence.signing import public_key, public_pem, signer_of
from sluicegate.evidence.statement import BACKUP, predicate_of
from sluicegate.evidence.verifier import subjects_of
from sluicegate.flows.custody.backup import ABOUT, DATABASE, ROOMS, About, pointed
from sluicegate.record.champion import champion_of, read_promotion
from sluicegate.record.context import Context
from sluicegate.record.kept_models import bring_back
from sluicegate.stores import dvc, files, git, keys, models, record
from sluicegate.stores.layout import Layout, numbered

URIS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


class Restored(Result):
    """What was restored: how many models and tables, whether the keys, and which old keys were left out."""

    champion: ModelRef
    models: int
    tables: int
    keys: bool
    old_keys: tuple[str, ...]


def restore(context: Context, archive: Path) -> Restored:
    """Restore from `archive`, git and DVC what the context's clone lacks; existing keys stay.

    Raises Conflict where the workspace still has its state, Tampered for an archive that the service
    did not sign or for a clone that is older than it. A second call finishes an interrupted restore.
    """
    layout = context.layout
    begun = layout.home / "restoring"
    if (layout.home / "mlflow").exists() and not begun.exists():
        raise Conflict(f"{layout.home} already holds a workspace's state; move it aside first.")
    layout.home.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.home) as scratch:
        about = unpack(layout, archive, Path(scratch))
        _require_not_older(layout, about)
        dropped = _drop_old_keys(layout, Path(scratch) / "keys")
        _readdress(Path(scratch) / DATABASE, about.root, str(layout.root))
        begun.touch()
        _move_in(Path(scratch), layout.home)
    data = [path for path in pointed(layout) if path.parent.name != "models"]
    dvc.checkout(layout.root, data)
    back = [each for each in _promoted(layout) if bring_back(layout, *each)]
    champion = champion_of(layout)
    models.load(layout.models / champion.sha256, champion.sha256, context.schema)
    begun.unlink()
    return Restored(
        champion=champion.ref,
        models=len(back),
        tables=sum(path.suffix == ".parquet" for path in data),
        keys=layout.may_sign and layout.secret.is_file(),
        old_keys=tuple(dropped),
    )


def unpack(layout: Layout, archive: Path, target: Path) -> About:
    """Verify `archive` against its signature, unpack it into `target` and return its description."""
    if not archive.is_file():
        raise Missing(f"{archive} does not exist; name a file that `sluicegate backup` wrote.")
    try:
        with tarfile.open(archive, "r:") as opened:
            member = opened.next()
            first = opened.extractfile(member) if member and member.name == ABOUT else None
            if first is None:
                raise Tampered(f"{archive} does not begin with {ABOUT}.")
            payload = _verified(layout, json.loads(first.read()))
            about = _about(payload)
            signed = {each.name: each.sha256 for each in subjects_of(payload, ABOUT)}
            signed.pop("ledger")
            for name in _unpacked(opened, target, signed):
                signed.pop(name)
    except (tarfile.TarError, ValueError) as error:
        raise Tampered(f"{archive} was not written by `sluicegate backup`.") from error
    if signed:
        raise Tampered(f"{archive} lacks {min(signed)}, a signed file.")
    return about


def _verified(layout: Layout, envelope: Any) -> dict[str, Any]:
    """Return what the service signed of a backup, also before its key was rotated.

    With a key that was retired only up to the entries of its time; with one that was revoked never, for
    whoever stole it makes such an archive, and no tag or approval covers one.
    """
    ring = keys.keyring(layout)
    span = ring.signer_of(envelope) or ring.current
    if span.revoked:
        raise Tampered(
            f"The key {span.keyid[:12]} that signed the backup was revoked: {span.revoked}; "
            "use a newer backup."
        )
    payload: dict[str, Any] = Keyring((span,)).opened(envelope, ABOUT)
    if span is not ring.current:
        every, last = record.committed(layout).backwards(), span.last or 0
        past = {each.digest for each in every if each.entry.sequence <= last}
        if _about(payload).ledger not in past:
            raise Tampered("The key that signed the backup was retired before the backup was made.")
    return payload


def _about(payload: Mapping[str, Any]) -> About:
    return About.read(predicate_of(payload, BACKUP, ABOUT), ABOUT)


def _drop_old_keys(layout: Layout, folder: Path) -> list[str]:
    """Remove those of the unpacked private keys that sign no more; return their names.

    The clone's record says who signs now, and a key that was retired or revoked stays away.
    """
    current = keys.keyring(layout)
    dropped = []
    for path in sorted(folder.rglob("*.pem")):
        signer = signer_of(path.read_bytes(), path.name)
        is_service = public_key(signer).keyid == current.current.keyid
        is_model = current.model_key in (None, public_pem(signer))
        if not (is_service if path.name == layout.service_key.name else is_model):
            path.unlink()
            dropped.append(path.relative_to(folder).as_posix())
    return dropped


def _unpacked(opened: tarfile.TarFile, target: Path, signed: dict[str, str]) -> list[str]:
    names = []
    for member in opened:
        name, content = member.name, opened.extractfile(member) if member.isreg() else None
        if name == ABOUT:
            continue
        inside = name.split("/")[0] in (*ROOMS, "keys", "models") and ".." not in name.split("/")
        if content is None or name not in signed or name in names or not inside:
            raise Tampered(f"The backup holds {name}, which is unsigned.")
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with (target / name).open("xb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        with (target / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != signed[name]:
                raise Tampered(f"{name} in the backup does not match its signed digest.")
        (target / name).chmod(0o600 if name.startswith("keys/") else 0o644)
        names.append(name)
    return names


def _require_not_older(layout: Layout, about: About) -> None:
    """Raise Tampered unless the clone's ledger holds, and holds the entry that the backup ended with."""
    changed = git.changed_paths(layout.root, record.ROOMS)
    if changed:
        raise Tampered(
            f"{changed[0]} differs from git; run `git -C {layout.root} checkout -- .` first."
        )
    if about.ledger not in {each.digest for each in record.committed(layout).backwards()}:
        raise Tampered(
            f"The ledger in {layout.root} is older than the backup of {about.time}; "
            "clone the remote that was last pushed to."
        )


def _move_in(scratch: Path, home: Path) -> None:
    """Move what was unpacked to its place; keys that are there stay."""
    for path in sorted(each for each in scratch.rglob("*") if each.is_file()):
        place = home / path.relative_to(scratch)
        if not place.exists():
            files.move(path, place)
    if (home / "keys").is_dir():
        (home / "keys").chmod(0o700)


def _readdress(database: Path, before: str, after: str) -> None:
    """Let MLflow's own store name its artifacts where they are now."""
    if not database.is_file() or before == after:
        return
    with contextlib.closing(sqlite3.connect(database)) as store, store:
        for table, column in URIS:
            known = {row[1] for row in store.execute(f"PRAGMA table_info({table})")}
            if column in known:
                store.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?, ?)",  # noqa: S608 - our names
                    (f"{before}/.sluicegate/", f"{after}/.sluicegate/"),
                )


def _promoted(layout: Layout) -> list[tuple[str, str]]:
    folder = layout.root / "updates"
    made = [each for each in numbered(folder) if (folder / each / "promotion.json").is_file()]
    sound = [e for e in made if not record.is_doubted(layout, folder / e / "promotion.json")]
    return [(each, read_promotion(layout, each).sha256) for each in sound]
