"""Models: every copy matches its signed promotion, and MLflow's alias matches the latest one."""

from importlib.util import find_spec
from pathlib import Path

from sluicegate.core import SluicegateError
from sluicegate.core.canonical import sha256_json
from sluicegate.evidence.verifier import Broken
from sluicegate.flows.custody.inspection import Inspection
from sluicegate.flows.custody.tables import pointed_at
from sluicegate.record.champion import Champion, serving_version
from sluicegate.record.subjects.retirement import destroyed_models
from sluicegate.stores import dvc, keys, models
from sluicegate.stores.layout import Layout
from sluicegate.stores.mlflow import Registry, open_registry
from sluicegate.stores.model_copies import listed


def promoted_models(found: Inspection) -> None:
    """Check the models of all promotions, and which one MLflow calls the champion."""
    context, layout = found.context, found.context.layout
    gone = destroyed_models(layout)
    every = (name.split("/")[1] for name in found.below("updates/", "/promotion.json"))
    promoted = [number for number in every if number not in gone]
    try:
        registry, serving = _registry(found), serving_version(layout)
    except SluicegateError as error:
        found.doubt("mlflow", str(error))
        return
    for place, number in enumerate(promoted):
        found.bar(place, len(promoted), "the models")
        try:
            _look(found, registry, found.held.promotion(number))
        except Broken as error:
            found.blame(error.where, error.says)
        except SluicegateError as error:
            found.blame(f"updates/{number}/promotion.json", str(error))
    alias = registry.alias("champion") if registry else serving
    if alias != serving:
        pointed = "names no version" if alias is None else f"points to version {alias}"
        due = "no model is served" if serving is None else f"version {serving} serves"
        found.blame(
            f"alias champion of {context.settings.model}",
            f"{pointed}, but the signed record says that {due}",
        )


def _registry(found: Inspection) -> Registry | None:
    """Return MLflow's registry, None where this machine has none: only the archives are here then."""
    layout, settings = found.context.layout, found.context.settings
    if find_spec("mlflow") and (settings.mlflow.tracking_uri or not _is_bare(layout)):
        return open_registry(layout, settings.model, settings.mlflow.tracking_uri)
    found.notes.append("MLflow's registry is not on this machine; it was not checked")
    return None


def _is_bare(layout: Layout) -> bool:
    """Tell whether this is a clone: git brings neither keys nor kept copies."""
    return not layout.may_sign and not layout.models.exists()


def _look(found: Inspection, registry: Registry | None, promoted: Champion) -> None:
    layout = found.context.layout
    _archive(found, promoted)
    if not _is_bare(layout):
        kept = layout.models / promoted.sha256
        _compare(found, f"update:{promoted.update}'s model", kept, promoted.sha256)
    if registry is None:
        return
    version = f"version {promoted.version} of {registry.model}"
    try:
        place = registry.model_dir(promoted.version)
    except SluicegateError as error:
        found.blame(version, str(error))
        return
    if place is None:
        found.notes.append(f"the artifacts of {version} are not on this machine; not checked")
        return
    _compare(found, version, place, promoted.sha256)


def _archive(found: Inspection, promoted: Champion) -> None:
    """Hold what DVC keeps of a promoted model, and its signature, to its promotion."""
    layout, archive = found.context.layout, found.context.layout.archive(promoted.sha256)
    found.held.signed_model(promoted, (keys.public_model_key(layout),))
    md5 = pointed_at(found, found.name(dvc.pointer(archive)))
    if md5 is None:
        return
    copies = dvc.copies(layout.root, dvc.default_remote(layout.root), md5)
    there = {name: path for name, path in copies.items() if path.is_file()}
    if not there:
        found.blame(archive, "is missing from both the cache and the remote")
    for name, path in there.items():
        if not found.is_known(path):
            found.count("objects")
            _hold(found, archive, name, path, promoted.sha256)


def _hold(found: Inspection, archive: Path, name: str, path: Path, sha256: str) -> None:
    try:
        same = sha256_json(listed(path)) == sha256
    except SluicegateError:
        same = False
    if not same:
        sentence = f"{found.name(path)}, its copy in the {name}, does not match the promoted model"
        found.blame(archive, sentence)


def _compare(found: Inspection, what: str, place: Path, sha256: str) -> None:
    """Hold a model directory to the digest of its promotion; read anew only when it was touched."""
    if not place.is_dir():
        found.blame(what, f"is missing from {found.name(place)}")
        return
    files = sorted(path for path in place.rglob("*") if not path.is_dir() or path.is_symlink())
    links = [path for path in files if path.is_symlink()]
    if links:
        found.blame(links[0], f"in {what} is a symbolic link")
        return
    known = [found.is_known(path) for path in [place, *files]]  # each is to be remembered
    if all(known):
        return
    found.count("models")
    if models.digest(place) != sha256:
        found.blame(
            what, f"in {found.name(place)} does not match the promoted model ({sha256[:12]})"
        )
