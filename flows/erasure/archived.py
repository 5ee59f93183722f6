"""archived: the only remaining copy of what is destroyed everywhere else."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from sluicegate.core import CannotDecide, Missing, Tampered
from sluicegate.core.canonical import sha256_bytes, sha256_file, sha256_json
from sluicegate.record.context import Context
from sluicegate.record.subjects.retirement import Destroyed, Model, Tombstone
from sluicegate.stores import files, models, objects
from sluicegate.stores.mlflow import open_registry
from sluicegate.stores.model_copies import copy_verified, listed


def archive(context: Context, place: Path, tomb: Tombstone, doomed: Sequence[Destroyed]) -> None:
    """Archive what is to be destroyed, by SHA-256; raises CannotDecide for what no store has."""
    root = context.layout.root
    for each in doomed:
        target = place / f"{each.sha256}{PurePosixPath(each.name).suffix}"
        if not (target.is_file() and sha256_file(target) == each.sha256):
            content = objects.read(root, each.md5)
            if content is None or sha256_bytes(content) != each.sha256:
                raise CannotDecide(f"{each.name} is in no store and not in {place}.")
            files.write_bytes(target, content, 0o600)
    for name in tomb.received:
        target = place / Path(name).name
        if (root / name).is_file():
            files.copy_in(root / name, target)
        elif not target.is_file():
            raise CannotDecide(f"{name} is missing and not in {place}.")
    for model in tomb.models:
        _archive_model(context, model, place / model.sha256)


def require_sound(context: Context, found: Sequence[Model]) -> None:
    """Raise CannotDecide for a model that no store has as recorded."""
    for each in found:
        with _sound_copy(context, each):
            pass


def _archive_model(context: Context, model: Model, target: Path) -> None:
    if not target.is_dir():
        with _sound_copy(context, model) as copy:
            files.copy_tree(copy, target)
    if models.digest(target) != model.sha256:
        raise CannotDecide(f"{target} is not the recorded model; move it aside.")


@contextlib.contextmanager
def _sound_copy(context: Context, model: Model) -> Iterator[Path]:
    """Yield a copy of a model, made from the first place that has it as it was recorded."""
    folder, sha256 = context.layout.models, model.sha256
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".back-") as scratch:
        for place in _places(context, model, Path(scratch)):
            named = _files_in(place)
            if sha256_json(named) == sha256:
                copy_verified(place, Path(scratch) / sha256, named)
                yield Path(scratch) / sha256
                return
    raise CannotDecide(
        f"Neither {folder} nor DVC nor MLflow has the recorded model {sha256[:12]}, so sluicegate "
        "cannot archive it; restore it from a backup, or destroy it."
    )


def _places(context: Context, model: Model, scratch: Path) -> Iterator[Path]:
    """Yield where the model may be: to be loaded, as DVC's archive, as MLflow's artifacts."""
    layout, settings = context.layout, context.settings
    yield layout.models / model.sha256
    for md5 in model.md5:
        content = objects.read(layout.root, md5)
        if content is not None:
            files.write_bytes(scratch / f"{model.sha256}.tar", content)
            yield scratch / f"{model.sha256}.tar"
    registry = open_registry(layout, settings.model, settings.mlflow.tracking_uri)
    place = None
    with contextlib.suppress(CannotDecide):  # it has no such version any more
        place = registry.model_dir(model.version)
    if place is not None:
        yield place


def _files_in(place: Path) -> dict[str, str]:
    """Return the files of a model with their SHA-256, none of what is no model any more."""
    try:
        return listed(place) if place.is_file() else models.manifest(place)
    except (Missing, Tampered):
        return {}
