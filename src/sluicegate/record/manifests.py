"""manifests: what is known of a batch's receipt, once it is what the signed verdict names."""

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import VERDICT
from sluicegate.record.subjects.kind import stated
from sluicegate.stores import data
from sluicegate.stores.layout import Layout


def manifest_of(layout: Layout, batch: str) -> data.Manifest:
    """Return the manifest of the receipt of `batch`.

    Raises Tampered for one that is not the one that the signed verdict names.
    """
    path = layout.intake(batch) / data.MANIFEST
    predicate = stated(layout, path.with_name("verdict.json"), VERDICT)
    if "manifest" in predicate and sha256_file(path) != predicate["manifest"]:
        raise Tampered(f"intake/{batch}/{path.name} was changed; restore it from git.")
    return data.read_manifest(path.parent)
