"""survey: every table in any commit that contains the rows in question, and what learnt from them.

It searches git's whole history, since DVC keeps what a later commit removed.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from sluicegate.core import Missing
from sluicegate.core.canonical import sha256_bytes
from sluicegate.core.schema import HOLDOUT, ROW
from sluicegate.record.causes import Rows
from sluicegate.record.context import Context
from sluicegate.record.lineage import embodying
from sluicegate.record.subjects.incident import incidents, read_incident
from sluicegate.record.subjects.release import read_release, releases
from sluicegate.record.subjects.retirement import Destroyed, Model, Table, destroyed_models
from sluicegate.record.traced import Embodied
from sluicegate.record.updates import read_update, run_of
from sluicegate.stores import data, dvc, objects, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.quoting import PAGE, QUOTING

TABLE_ROOMS = ("batches", "intake", "quarantine", "releases")
ROOMS_OF_PAGES = ("updates", "incidents", "retired")


@dataclass(frozen=True)
class Survey:
    """What contains the rows or model to retire, what learnt from them, and what git keeps."""

    rows: Rows
    tables: tuple[Table, ...] = ()
    models: tuple[Model, ...] = ()
    received: tuple[str, ...] = ()
    descendants: tuple[Embodied, ...] = ()
    sources: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    quotes: tuple[Destroyed, ...] = ()

    @property
    def positions(self) -> dict[str, tuple[int, ...]]:
        """Return the rows in order, by batch."""
        return {batch: tuple(sorted(rows)) for batch, rows in self.rows.items()}


def survey(context: Context, rows: Rows) -> Survey:
    """Return all that contains or learnt from `rows`; raises CannotDecide for an unreachable store."""
    layout = context.layout
    tables, sources = [], set()
    for name, md5 in _pointed(layout, rows):
        found = _table(context, name, md5, rows)
        if found:
            tables.append(found[0])
            sources |= found[1]
    gone = destroyed_models(layout)
    learnt = tuple(each for each in embodying(layout, rows) if each.update not in gone)
    held = list(objects.ever_held(layout.root, sorted(set(_folders(layout, rows)))))
    return Survey(
        rows=rows,
        tables=tuple(tables),
        received=tuple(_received(layout, rows)),
        descendants=learnt,
        sources=tuple(sorted(sources)),
        pages=tuple(sorted({name for _, name in held if PurePosixPath(name).name in QUOTING})),
        quotes=tuple(_quotes(layout, rows)),
    )


def survey_model(context: Context, update: str) -> Survey:
    """Return the model of `update`, wherever it is kept."""
    layout = context.layout
    challenger = read_update(layout, update)[0].challenger
    if challenger is None:
        raise Missing(f"update:{update} has no model.")
    pointer = layout.named(dvc.pointer(layout.archive(challenger.sha256)))
    kept = sorted({md5 for _, md5 in objects.ever_pointed(layout.root, [pointer])})
    model = Model(
        update=update,
        version=challenger.version,
        sha256=challenger.sha256,
        run=run_of(layout, update),
        md5=tuple(kept),
    )
    return Survey({}, models=(model,))


def pointers_now(layout: Layout) -> dict[str, str]:
    """Return the MD5 of all that the tree points to, by the path of its pointer."""
    rooms = (*TABLE_ROOMS, "golden", "reference", "anchors", "models", *ROOMS_OF_PAGES)
    found = (path for room in rooms for path in sorted((layout.root / room).rglob("*.dvc")))
    return {layout.named(path): dvc.read_pointer(path).md5 for path in found}


def in_file(layout: Layout, name: str) -> tuple[str, Mapping[int, int]]:
    """Return the batch of the table or pointer `name`, and its rows' positions in the received file.

    A release numbers its rows anew, in the order in which it names them; elsewhere the mapping is
    empty, and the positions are what they are.
    """
    room, number = PurePosixPath(name).parts[:2]
    if room != "releases":
        return number, {}
    predicate = read_release(layout, number)
    return str(predicate["batch"]), dict(enumerate(predicate["rows"]))


def _pointed(layout: Layout, rows: Rows) -> Iterator[tuple[str, str]]:
    rooms = [f"{room}/{batch}" for batch in rows for room in TABLE_ROOMS[:3]]
    rooms += [f"releases/{n}" for n in releases(layout) if read_release(layout, n)["batch"] in rows]
    known = set()
    for name, md5 in objects.ever_pointed(layout.root, rooms):
        if md5 not in known and name.endswith(".parquet.dvc"):
            known.add(md5)
            yield name, md5


def _table(context: Context, name: str, md5: str, rows: Rows) -> tuple[Table, set[str]] | None:
    """Return what a pointer names, and whose rows it has, if rows in question are among them."""
    import pandas as pd

    content = objects.read(context.layout.root, md5)
    if content is None:
        return None
    batch, order = in_file(context.layout, name)
    frame = pd.read_parquet(io.BytesIO(content))
    at = frame[ROW].map(lambda row: order.get(int(row), int(row)) if order else int(row))
    gone = at.isin(rows.get(batch, ()))
    if not gone.any():
        return None
    out = frame[HOLDOUT].astype(bool) if HOLDOUT in frame else gone | True
    source = context.schema.source
    named = {str(x) for x in frame.loc[gone, source].dropna()} if source in frame else set()
    table = Table(
        name=name.removesuffix(".dvc"),
        sha256=sha256_bytes(content),
        md5=md5,
        batch=batch,
        rows=tuple(sorted(int(row) for row in at[gone])),
        learnable=tuple(sorted(int(row) for row in at[~out])),
        stays=int((~gone).sum()),
    )
    return table, named


def _received(layout: Layout, rows: Rows) -> Iterator[str]:
    """Yield the received files that hold rows in question; nothing reads one after its receipt."""
    for batch in rows:
        sha256 = data.read_manifest(layout.intake(batch)).sha256
        for path in sorted(layout.received.glob(f"{sha256}*")):
            yield layout.named(path)


def _quotes(layout: Layout, rows: Rows) -> Iterator[Destroyed]:
    """Yield the pages in DVC, and whatever else there quotes cells, that may show rows in question."""
    known = set[str]()
    for name, md5 in objects.ever_pointed(layout.root, sorted(set(_folders(layout, rows)))):
        path = PurePosixPath(name.removesuffix(".dvc"))
        if path.name not in QUOTING or md5 in known:
            continue
        known.add(md5)
        content = objects.read(layout.root, md5)
        if content is not None:
            yield Destroyed(name=str(path), sha256=sha256_bytes(content), md5=md5)


def _folders(layout: Layout, rows: Rows) -> Iterator[str]:
    """Yield where a page may show rows in question, or quote them: a few too many, none too few."""
    for batch in rows:
        yield f"intake/{batch}"
        for later in (each for each in record.received(layout) if int(each) > int(batch)):
            # a page shows a batch beside the one that was admitted before it
            yield f"intake/{later}/{PAGE}*"
            if data.read_manifest(layout.intake(later)).state == "admitted":
                break
    yield from (
        f"releases/{n}" for n in releases(layout) if read_release(layout, n)["batch"] in rows
    )
    for number in record.updates(layout):
        if set(rows).intersection(read_update(layout, number)[0].batches):
            yield f"updates/{number}"
    for number in incidents(layout):
        if set(rows).intersection(
            each.batch for each in read_incident(layout, number).trace.batches
        ):
            yield f"incidents/{number}"
