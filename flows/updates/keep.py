"""Sign a model before its promotion, and keep it in DVC under its digest."""

from collections.abc import Mapping
from pathlib import Path

from sluicegate.core import Missing, Tampered
from sluicegate.core.canonical import sha256_json
from sluicegate.evidence.model_signature import sign_model, signed_files
from sluicegate.record.context import Context
from sluicegate.record.kept_models import SIGNATURE
from sluicegate.stores import dvc, files, keys, models
from sluicegate.stores.model_copies import pack
from sluicegate.stores.transaction import Transaction


def keep(t: Transaction, context: Context, update: str, sha256: str) -> None:
    """Sign the model and push its archive to the DVC remote.

    The transaction commits the pointer and updates/NNNN/model.sig. Raises Tampered for a model that
    is not the compared one.
    """
    layout, archive = context.layout, context.layout.archive(sha256)
    folder = layout.models / sha256
    if not folder.is_dir():
        raise Missing(
            f"The model {sha256[:12]} is not in {layout.models}; run `sluicegate backup --restore FILE`."
        )
    listed = models.manifest(folder)
    if sha256_json(listed) != sha256:
        raise Tampered(f"The model {sha256[:12]} in {layout.models} has changed; retrain.")
    signature = layout.update(update) / SIGNATURE
    if not _holds(signature, listed, keys.public_model_key(layout)):
        bundle = sign_model(context.settings.model, listed, keys.model_signer(layout))
        files.write_json(signature, bundle)
    if not dvc.pointer(archive).is_file():
        pack(folder, archive, listed)
        t.store([archive])
        archive.unlink()


def _holds(signature: Path, listed: Mapping[str, str], key: str) -> bool:
    """Tell whether these files are signed already: every signature differs, and a tag names the first."""
    try:
        return signed_files(files.read_json(signature), key, signature.name) == listed
    except (Missing, Tampered):
        return False
