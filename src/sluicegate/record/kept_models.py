"""keep: sign a model that is about to be promoted and keep it, content-addressed, through DVC."""

import tempfile
from pathlib import Path

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_json
from sluicegate.evidence.model_signature import signed_files
from sluicegate.record.context import Context
from sluicegate.stores import dvc, files, keys, models
from sluicegate.stores.layout import Layout
from sluicegate.stores.model_copies import copy_verified

SIGNATURE = "model.sig"


def bring_back(layout: Layout, update: str, sha256: str) -> bool:
    """Bring the model of `update` back from DVC where it is gone; tell whether it was.

    Raises Tampered for an archive that does not hold exactly the files that were signed.
    """
    if (layout.models / sha256).is_dir():
        return False
    name = f"updates/{update}/{SIGNATURE}"
    signed = signed_files(files.read_json(layout.root / name), keys.public_model_key(layout), name)
    if sha256_json(signed) != sha256:
        raise Tampered(f"{name} signs a different model; restore it from git.")
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
