"""Data files with manifests: written once, read only after their bytes were verified."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from sluicegate.core import Artifact, Schema, Tampered, Task
from sluicegate.core.canonical import sha256_bytes, sha256_file
from sluicegate.core.document import Document
from sluicegate.core.schema import HOLDOUT, label_text

from . import dvc, files, git
from .effects import effect
from .layout import Layout, numbered

if TYPE_CHECKING:  # `status` reads manifests only, and pandas takes most of a second to import
    import pandas as pd

FEEDBACK = "feedback.parquet"
MANIFEST = "manifest.json"


class Manifest(Document):
    """What is known of a table, in git beside it; of a delivery, what was known at its receipt.

    `rows` counts by `sources` and by `labels`; `received` is a time in UTC. `accused` gives for each source
    that a finding named the outcome; a table that was never a delivery has neither state nor feed.
    """

    file: str
    sha256: str
    rows: int
    sources: Mapping[str, int]
    labels: Mapping[str, int] = Field(default_factory=dict)
    batch: str | None = None
    received: str = ""
    state: str = ""
    feed: dict[str, Any] | None = None
    accused: Mapping[str, str] = Field(default_factory=dict)
    verified: bool = False


def manifest_at(layout: Layout, commit_id: str, name: str) -> Manifest:
    """Return the manifest `name`, its path in the workspace, as it was in a commit."""
    return Manifest.read(json.loads(git.read_at(layout.root, commit_id, name)), name)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest in `folder`; raises Missing or Tampered."""
    path = folder / MANIFEST
    return Manifest.read(files.read_json(path), str(path))


@effect
def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write `frame` as parquet, whole or not at all."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    files.write_bytes(path, buffer.getvalue())


def write_with_manifest(
    path: Path, frame: pd.DataFrame, schema: Schema, about: Mapping[str, object]
) -> Artifact:
    """Write `frame` to `path` and what is known of it to the manifest beside it."""
    write_table(path, frame)
    sha256 = sha256_file(path)
    files.write_json(
        path.with_name(MANIFEST),
        {
            **about,
            "file": path.name,
            "sha256": sha256,
            "rows": len(frame),
            "sources": source_counts(frame, schema),
            "labels": label_counts(frame, schema),
        },
    )
    return Artifact(f"{path.parent.name}/{path.name}", sha256)


def stamp(path: Path) -> tuple[str, int, int]:
    """Return what tells that a verified file is still the one that was read."""
    result = path.stat()
    return read_manifest(path.parent).sha256, result.st_mtime_ns, result.st_size


def read_verified(path: Path) -> pd.DataFrame:
    """Return the table in `path` once its bytes have the SHA-256 that its manifest names.

    The manifest is in git; the table comes out of DVC, whose cache is trusted unseen. Raises Missing
    or Tampered naming the file.
    """
    manifest = read_manifest(path.parent)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise Tampered(f"{path} is missing; run `dvc checkout {path}.dvc`.") from error
    if manifest.file != path.name or sha256_bytes(data) != manifest.sha256:
        raise Tampered(
            f"{path} does not match {MANIFEST}; delete it and its cache object, "
            f"then run `dvc pull {path}.dvc`."
        )
    import pandas as pd

    return pd.read_parquet(io.BytesIO(data))


def read_trusted(layout: Layout, table: str) -> pd.DataFrame:
    """Return the verified `reference` or `golden` set of the policy that rules."""
    path = layout.root / table / f"{table}.parquet"
    return read_at(layout, path, layout.policy) if layout.policy else read_verified(path)


def read_at(layout: Layout, path: Path, commit_id: str) -> pd.DataFrame:
    """Return the verified table at `path` as it was in a commit.

    Raises Tampered for another table than the manifest of that commit names, CannotDecide for none.
    """
    import pandas as pd

    name = layout.named(path.with_name(MANIFEST))
    manifest = manifest_at(layout, commit_id, name)
    found = path.read_bytes() if path.is_file() else b""
    if sha256_bytes(found) != manifest.sha256:
        found = dvc.read_at(layout.root, path, commit_id)
    if sha256_bytes(found) != manifest.sha256:
        raise Tampered(f"{layout.named(path)} in {commit_id[:12]} does not match {name}.")
    return pd.read_parquet(io.BytesIO(found))


def admitted_batches(layout: Layout) -> list[str]:
    """Return the ids of the admitted batches: those with a manifest, never a glob over data."""
    folder = layout.root / "batches"
    return [batch for batch in numbered(folder) if (folder / batch / MANIFEST).is_file()]


def read_admitted(layout: Layout, batches: list[str], held_out: bool | None = None) -> pd.DataFrame:
    """Return the verified rows of `batches` with a `_batch` column.

    `held_out` picks the share that is never trained on (True) or the rest (False); None takes all.
    """
    import pandas as pd

    tables = []
    for batch in batches:
        table = read_verified(layout.admitted(batch) / FEEDBACK).assign(_batch=batch)
        tables.append(table if held_out is None else table[table[HOLDOUT] == held_out])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def read_admitted_at(layout: Layout, batch: str, commit_id: str) -> pd.DataFrame:
    """Return the verified admitted rows of `batch` as they were in a commit."""
    return read_at(layout, layout.admitted(batch) / FEEDBACK, commit_id)


def admitted_rows_of_sources(layout: Layout) -> dict[str, int]:
    """Return how many rows of each source were admitted, from the manifests."""
    rows: Counter[str] = Counter()
    for batch in admitted_batches(layout):
        rows.update(read_manifest(layout.admitted(batch)).sources)
    return dict(rows)


def materials(layout: Layout, batches: list[str]) -> list[Artifact]:
    """Return what a model is made of: the reference and the admitted batches, by their manifests."""
    tables = [layout.reference, *(layout.admitted(batch) / FEEDBACK for batch in batches)]
    return [
        Artifact(
            layout.named(table),
            read_manifest(table.parent).sha256,
        )
        for table in tables
    ]


def golden_artifact(layout: Layout) -> Artifact:
    """Return the golden set by its manifest."""
    manifest = read_manifest(layout.golden.parent)
    return Artifact("golden/golden.parquet", manifest.sha256)


def source_counts(frame: pd.DataFrame, schema: Schema) -> dict[str, int]:
    """Return the rows of each source, by its name."""
    if schema.source is None or schema.source not in frame:
        return {}
    counts = frame[schema.source].fillna("").astype(str).value_counts()
    return {str(name): int(count) for name, count in sorted(counts.items())}


def label_counts(frame: pd.DataFrame, schema: Schema) -> dict[str, int]:
    """Return the rows of each class, by its text; empty for regression."""
    if schema.task is Task.REGRESSION or schema.label not in frame:
        return {}
    counts = frame[schema.label].value_counts()
    return {label_text(name): int(count) for name, count in counts.items()}


def rows_by_source(frame: pd.DataFrame, source: str | None) -> dict[str, list[int]]:
    """Return the row positions of each source."""
    if source is None or source not in frame:
        return {}
    groups = frame.groupby(frame[source].fillna("").astype(str), sort=True).indices
    return {str(name): [int(row) for row in rows] for name, rows in groups.items()}
