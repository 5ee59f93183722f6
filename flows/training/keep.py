"""keep: sign a model that is about to be promoted and keep it, content-addressed, through DVC."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from sluicegate.core import Missing, Tampered
from sluicegate.core.canonical import sha256_json
from sluicegate.evidence.model_signature import sign_model, signed_files
from sluicegate.flows.context import Context
from sluicegate.stores import dvc, files, keys, models
from sluicegate.stores.layout import Layout
from sluicegate.stores.model_copies import copy_verified, pack

SIGNATURE = "model.sig"


def keep(context: Context, update: str, sha256: str) -> None:
    """Sign the model and push its archive to the DVC remote; call inside a writing block.

    The pointer and updates/NNNN/model.sig are what the block commits. Raises Tampered for a model that
    is not the one that was compared.
    """
    layout, archive = context.layout, context.layout.archive(sha256)
    folder = layout.models / sha256
    if not folder.is_dir():
        raise Missing(
            f"The model {sha256[:12]} is not in {layout.models}; run `sluicegate restore`."
        )
    listed = models.manifest(folder)
    if sha256_json(listed) != sha256:
        raise Tampered(f"The model {sha256[:12]} in {layout.models} was changed; retrain.")
    signature = layout.update(update) / SIGNATURE
    if not _holds(signature, listed, keys.public_model_key(layout)):
        bundle = sign_model(context.settings.model, listed, keys.model_signer(layout))
        files.write_json(signature, bundle)
    if not dvc.pointer(archive).is_file():
        pack(folder, archive, listed)
        dvc.add(layout.root, [archive])
        dvc.push(layout.root, [archive])
        archive.unlink()


def bring_back(layout: Layout, update: str, sha256: str) -> bool:
    """Bring the model of `update` back from DVC where it is gone; tell whether it was.

    Raises Tampered for an archive that does not hold exactly the files that were signed.
    """
    if (layout.models / sha256).is_dir():
        return False
    name = f"updates/{update}/{SIGNATURE}"
    signed = signed_files(files.read_json(layout.root / name), keys.public_model_key(layout), name)
    if sha256_json(signed) != sha256:
        raise Tampered(f"{name} signs another model than was promoted; restore it from git.")
    archive = layout.archive(sha256)
    layout.models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.models, prefix=".back-") as scratch:
        dvc.checkout(layout.root, [archive])
        copy_verified(archive, Path(scratch) / sha256, signed)
        (Path(scratch) / sha256).rename(layout.models / sha256)
    archive.unlink()
    return True


def kept_model(context: Context, update: str, sha256: str) -> models.Model:
    """Return the verified model of `update`, from DVC where it is gone; raises Missing or Tampered."""
    layout = context.layout
    bring_back(layout, update, sha256)
    return models.load(layout.models / sha256, sha256, context.schema)


def _holds(signature: Path, listed: Mapping[str, str], key: str) -> bool:
    """Tell whether these files are signed already: every signature differs, and a tag names the first."""
    try:
        return signed_files(files.read_json(signature), key, signature.name) == listed
    except (Missing, Tampered):
        return False
