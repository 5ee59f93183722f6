"""carry_out: remove the rows from the tree in one commit, then from every store, then certify it.

Each step checks the record and the stores for what is left to do, so that the same command finishes
an interrupted retirement. Nothing is deleted before the tombstone is committed.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from sluicegate.core import Artifact, CannotDecide, Conflict, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.core.schema import ROW
from sluicegate.evidence.statement import DESTRUCTION, TOMBSTONE
from sluicegate.flows.erasure.archived import archive, require_sound
from sluicegate.flows.erasure.order import ordered, require_decided
from sluicegate.flows.erasure.shown import emptied, left
from sluicegate.flows.erasure.survey import Survey, in_file, pointers_now
from sluicegate.record.causes import with_released
from sluicegate.record.context import Context
from sluicegate.record.questions import artifact
from sluicegate.record.subjects.retirement import (
    APPROVED,
    CERTIFICATE,
    TOMB,
    Certificate,
    Learner,
    Model,
    Tombstone,
    model_copies,
    read_retirement,
    read_tombstone,
)
from sluicegate.record.updates import run_of
from sluicegate.review.votes import decided
from sluicegate.stores import data, dvc, files, objects, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.mlflow import open_registry
from sluicegate.stores.quoting import QUOTING
from sluicegate.stores.transaction import Transaction, transaction

_RECEIVED = re.compile(r"\.?([0-9a-f]{64})(\..*)?")


def accept(context: Context, number: str, people: Sequence[str]) -> str:
    """Destroy what reviewers approved, in every store."""
    with decided(context, f"retirement:{number}", APPROVED, people) as t:
        found = ordered(context, number)
        _require_same(context, number, found)
        if read_retirement(context.layout, number).archive:
            require_sound(context, found.models)
        _bury(t, context, number, found)
    return finish(context, number)


def finish(context: Context, number: str) -> str:
    """Delete in every store what the tombstone names, and certify it; raises CannotDecide."""
    layout = context.layout
    tomb = read_tombstone(layout, number)
    busy = f"Another retirement is running in {layout.root}; wait for it to finish."
    training = f"A bisect or plan is running in {layout.root}; run this again when it has finished."
    with (
        files.locked(layout.home / "retire.lock", busy, wait=False),
        files.locked(layout.home / "trained.lock", training, wait=False),
    ):
        with transaction(context, "retire") as t:
            live = set(pointers_now(layout).values())
            _destroy_leftovers(t)
        doomed = [each for each in tomb.objects if each.md5 not in live]
        if tomb.archive:
            archive(context, Path(tomb.archive), tomb, doomed)
        for each in doomed:
            objects.destroy(layout.root, each.md5)
        for name in tomb.received:
            files.remove(layout.root / name)
        for model in tomb.models:
            _destroy_model(context, model)
        _destroy_logged(context, tomb)
        files.remove_tree(layout.home / "trained")  # what bisect and plan kept; made again if asked
        for path in _scratch(context):
            files.remove(path)
        still = list(_still_here(context, tomb))
        if still:
            raise CannotDecide(f"{still[0]} still contains what was to be destroyed; delete it.")
        _certify(context, tomb)
    return "archived and destroyed everywhere else" if tomb.archive else "destroyed"


def _require_same(context: Context, number: str, found: Survey) -> None:
    """Raise Conflict where rows went on since the question was asked, or something waits again."""
    if dict(with_released(context.layout, found.rows)) != dict(found.rows):
        raise Conflict(f"Rows of retirement:{number} moved since the request; request it again.")
    require_decided(context.layout, found)


def _bury(t: Transaction, context: Context, number: str, found: Survey) -> None:
    """Take the rows out of every table in the tree, and put up the tombstone."""
    layout = context.layout
    now = pointers_now(layout)
    for model in found.models:
        files.remove(dvc.pointer(layout.archive(model.sha256)))
    kept = []
    for pointer in [name for name, md5 in now.items() if md5 in {t.md5 for t in found.tables}]:
        rest = _without(context, layout.root / pointer.removesuffix(".dvc"), found)
        kept += [rest] if rest else []
    for pointer in [name for name, md5 in now.items() if md5 in {q.md5 for q in found.quotes}]:
        files.remove(layout.root / pointer)
        files.remove(layout.root / pointer.removesuffix(".dvc"))
    t.store(kept)
    order = read_retirement(layout, number)
    tomb = Tombstone(
        retirement=number,
        what=order.what,
        archive=order.archive,
        rows=found.positions,
        tables=found.tables,
        models=found.models,
        received=found.received,
        descendants=tuple(Learner(update=e.update, version=e.version) for e in found.descendants),
        pages=found.pages,
        **({"quotes": found.quotes} if found.quotes else {}),
        time=context.now(),
    )
    gone = [Artifact(each.name, each.sha256) for each in found.tables]
    gone += [Artifact(name, Path(name).name.partition(".")[0]) for name in found.received]
    gone += [Artifact(f"model:{context.settings.model}", each.sha256) for each in found.models]
    made = t.state(layout.retirement(number) / TOMB, gone, TOMBSTONE, tomb.to_dict())
    stays = [artifact(layout, each) for each in kept]
    about = {"retirement": number, "what": order.what}
    t.append("retire", [*_as_gone(gone), *stays, made], about)


def _as_gone(tables: Sequence[Artifact]) -> list[Artifact]:
    """Return what the ledger calls them: under its own name a path is what the ledger named last."""
    return [Artifact(f"destroyed:{each.name}", each.sha256) for each in tables]


def _without(context: Context, table: Path, found: Survey) -> Path | None:
    """Write `table` without the rows that go; return it, or None where none is left."""
    layout = context.layout
    batch, order = in_file(layout, layout.named(table))
    frame = data.read_verified(table)
    at = frame[ROW].map(lambda row: order.get(int(row), int(row)))
    stays = frame[~at.isin(found.rows[batch])]
    manifest = files.read_json(table.with_name(data.MANIFEST))
    # Without its pointer the table counts as changed, so that a kill from here on brings both back.
    files.remove(dvc.pointer(table))
    if stays.empty:
        files.remove(table.with_name(data.MANIFEST))
        files.remove(table)
        return None
    kept = {"file", "sha256", "rows", "sources", "labels"}
    about = {name: value for name, value in manifest.items() if name not in kept}
    data.write_with_manifest(table, stays, context.schema, about)
    return table


def _destroy_model(context: Context, model: Model) -> None:
    """Delete a model in DVC, in MLflow with its version and run, and where models are loaded from."""
    layout, settings = context.layout, context.settings
    for md5 in model.md5:
        objects.destroy(layout.root, md5)
    registry = open_registry(layout, settings.model, settings.mlflow.tracking_uri)
    registry.destroy(model.run)
    for path in model_copies(layout, model.sha256):
        if path.is_dir():
            files.remove_tree(path)
        else:
            files.remove(path)


def _destroy_logged(context: Context, tomb: Tombstone) -> None:
    """Delete the evidence pages that lie beside the runs of updates in MLflow, too."""
    layout, settings = context.layout, context.settings
    named = (PurePosixPath(name).parts for name in (*tomb.pages, *(e.name for e in tomb.quotes)))
    for update in sorted({parts[1] for parts in named if parts[0] == "updates"}):
        registry = open_registry(layout, settings.model, settings.mlflow.tracking_uri)
        registry.drop_page(run_of(layout, update))


def _scratch(context: Context) -> Iterator[Path]:
    """Yield what broken-off transactions and stages left of tables, pages and quotes; nothing reads it."""
    layout = context.layout
    for folder in (layout.home / "leftovers", layout.work, layout.root / "build"):
        for name in ("*.parquet", *QUOTING):
            yield from sorted(folder.rglob(name))


def _still_here(context: Context, tomb: Tombstone) -> Iterator[str]:
    """Yield what is left in the workspace: files with the content of a table, models by their names."""
    layout = context.layout
    for each in tomb.models:
        yield from (layout.named(path) for path in model_copies(layout, each.sha256))
    doomed = {each.sha256 for each in tomb.objects}
    doomed |= {Path(name).name.partition(".")[0] for name in tomb.received}
    for folder in sorted(layout.root.iterdir()):
        if folder.name in (".git", "inbox"):
            continue
        for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
            try:
                same = path.is_file() and not path.is_symlink() and sha256_file(path) in doomed
            except FileNotFoundError:
                continue  # intake goes on meanwhile
            if same:
                yield layout.named(path)


def _certify(context: Context, tomb: Tombstone) -> None:
    layout, number = context.layout, tomb.retirement
    certificate = Certificate(
        retirement=number,
        what=tomb.what,
        archive=tomb.archive,
        destroyed=tomb.objects,
        received=tomb.received,
        models=tomb.models,
        stores=tuple(emptied(layout, bool(tomb.models))),
        descendants=tomb.descendants,
        left=tuple(left(tomb.pages)),
        time=context.now(),
    )
    gone = [Artifact(each.name, each.sha256) for each in tomb.tables]
    buried = artifact(layout, layout.retirement(number) / TOMB)
    with transaction(context, "retire") as t:
        path = layout.retirement(number) / CERTIFICATE
        if path.is_file():
            return
        made = t.state(path, [*gone, buried], DESTRUCTION, certificate.to_dict())
        about = {"retirement": number, "what": tomb.what}
        t.append("destroy", [*_as_gone(gone), made], about)
        t.commits_as(f"retirement:{number} carried out")


def _destroy_leftovers(t: Transaction) -> None:
    """Destroy the objects and received files that only killed transactions know.

    The same transaction, repeated, makes the same objects and names them in its commit.
    """
    layout = t.layout
    found = dict(_digests_in(layout.home / "leftovers"))
    orphans = set(found.values()) - set(pointers_now(layout).values())
    gone = {
        md5 for md5 in orphans if not objects.ever_named(layout.root, md5, "*.dvc", "*dvc.lock")
    }
    for md5 in sorted(gone):
        objects.destroy(layout.root, md5)
    for path in [path for path, md5 in found.items() if md5 in gone]:
        files.remove(path)
    for path in _without_receipt(layout):
        files.remove(path)


def _digests_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the MD5 of what each pointer in `folder` names, and of what may have got no pointer."""
    for path in sorted(each for each in folder.rglob("*") if not each.is_symlink()):
        if path.suffix == ".dvc":
            try:
                yield path, dvc.read_pointer(path).md5
            except Tampered:
                continue
        elif path.suffix in (".parquet", ".tar") or path.name in QUOTING:
            with path.open("rb") as file:
                yield path, hashlib.file_digest(file, "md5").hexdigest()  # as DVC names it


def _without_receipt(layout: Layout) -> Iterator[Path]:
    """Yield the received files, half of one too, that no receipt in any commit names."""
    received = record.received(layout)
    known = {data.read_manifest(layout.intake(each)).sha256 for each in received}
    for path in sorted(layout.received.glob("*")):
        named = _RECEIVED.fullmatch(path.name)
        if named is None or named[1] in known:
            continue
        if not objects.ever_named(layout.root, named[1], "*manifest.json"):
            yield path
