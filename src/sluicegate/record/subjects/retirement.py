"""A retirement: may these rows, or this model, be destroyed in every store for good?"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from sluicegate.core import Tampered
from sluicegate.core.document import Document, Predicate
from sluicegate.evidence.statement import DESTRUCTION, RETIREMENT, TOMBSTONE
from sluicegate.record.subjects.kind import PROPOSED, Kind, Supplied, decision_in, stated
from sluicegate.stores import record
from sluicegate.stores.layout import Layout

APPROVED, RETIRED = "approved", "retired"
ORDER, TOMB, CERTIFICATE = "order.json", "tombstone.json", "certificate.json"


class Table(Document):
    """A table with rows in question: its name, its digests, which of its rows, how many others.

    `rows` and `learnable` are positions in the received file of `batch`; `learnable` are all that the
    table offers to learn from, so that a trace of its other rows stays exact without it.
    """

    name: str
    sha256: str
    md5: str
    batch: str
    rows: tuple[int, ...]
    learnable: tuple[int, ...]
    stays: int


class Model(Document):
    """A model in question: its update, its version and run in MLflow, and DVC's objects of it."""

    update: str
    version: int
    sha256: str
    run: str
    md5: tuple[str, ...]


class Learner(Document):
    """An update that learnt from what was destroyed, and stays."""

    update: str
    version: int


class Destroyed(Document):
    """A table that is in no store any more, or a page or what else quoted rows in question."""

    name: str
    sha256: str
    md5: str


class Retirement(Predicate):
    """What somebody wants retired, how, and why: `rows` by batch, `models` by update.

    With `archive`, a folder, one copy is kept there.
    """

    retirement: str
    what: str
    rows: Mapping[str, tuple[int, ...]]
    models: tuple[str, ...]
    archive: str | None
    sources: tuple[str, ...]
    reason: str
    asked_by: str | None
    time: str


class Tombstone(Predicate):
    """What left the workspace for good, by positions and digests; `pages` in git may show values.

    `quotes` are the pages, and whatever else quotes cells, that only DVC had.
    """

    retirement: str
    what: str
    archive: str | None
    rows: Mapping[str, tuple[int, ...]]
    tables: tuple[Table, ...]
    models: tuple[Model, ...]
    received: tuple[str, ...]
    descendants: tuple[Learner, ...]
    pages: tuple[str, ...]
    quotes: tuple[Destroyed, ...] = ()
    time: str

    @property
    def objects(self) -> tuple[Destroyed, ...]:
        """Return what DVC held of it: tables, pages and quotes."""
        return *(
            Destroyed(name=e.name, sha256=e.sha256, md5=e.md5) for e in self.tables
        ), *self.quotes


class Certificate(Predicate):
    """What was destroyed in which stores, and what was not reached."""

    retirement: str
    what: str
    archive: str | None
    destroyed: tuple[Destroyed, ...]
    received: tuple[str, ...]
    models: tuple[Model, ...]
    stores: tuple[str, ...]
    descendants: tuple[Learner, ...]
    left: tuple[str, ...]
    time: str


Said = TypeVar("Said", Retirement, Tombstone, Certificate)


def read_retirement(layout: Layout, number: str) -> Retirement:
    """Return what somebody wants retired."""
    return _read(layout, number, ORDER, RETIREMENT, Retirement)


def read_tombstone(layout: Layout, number: str) -> Tombstone:
    """Return what left the workspace for good."""
    return _read(layout, number, TOMB, TOMBSTONE, Tombstone)


def read_certificate(layout: Layout, number: str) -> Certificate:
    """Return what was destroyed where."""
    return _read(layout, number, CERTIFICATE, DESTRUCTION, Certificate)


def _read(layout: Layout, number: str, file: str, predicate_type: str, form: type[Said]) -> Said:
    path = layout.retirement(number) / file
    predicate = form.read(stated(layout, path, predicate_type), str(path))
    if predicate.retirement != number:
        raise Tampered(f"{path} is about retirement:{predicate.retirement}; restore it from git.")
    return predicate


def retirements(layout: Layout) -> list[str]:
    """Return the numbers of all retirements that were asked for."""
    return record.numbers(layout, "retired", ORDER)


def tombstones(layout: Layout) -> Iterator[Tombstone]:
    """Yield the tombstone of each retirement that was approved."""
    for number in retirements(layout):
        if (layout.retirement(number) / TOMB).is_file():
            yield read_tombstone(layout, number)


def destroyed_tables(layout: Layout) -> dict[str, Table]:
    """Return by SHA-256 the tables that were destroyed: which rows they had, and which were learnt."""
    return {table.sha256: table for tomb in tombstones(layout) for table in tomb.tables}


def destroyed_quotes(layout: Layout) -> dict[str, str]:
    """Return by SHA-256 the retirement that destroyed a page or what else quoted cells."""
    return {each.sha256: tomb.retirement for tomb in tombstones(layout) for each in tomb.quotes}


def destroyed_rows(layout: Layout, batch: str) -> set[int]:
    """Return the rows of `batch` that were destroyed."""
    return {row for tomb in tombstones(layout) for row in tomb.rows.get(batch, ())}


def destroyed_models(layout: Layout) -> dict[str, str]:
    """Return the updates whose model was destroyed, each with the number of its retirement."""
    return {each.update: tomb.retirement for tomb in tombstones(layout) for each in tomb.models}


def model_copies(layout: Layout, sha256: str) -> list[Path]:
    """Return where a model lies: to be loaded, as an archive, and as copies that killed deeds left."""
    found = [
        *layout.models.glob(f"*{sha256}*"),
        *layout.models.glob(f".back-*/*{sha256}*"),
        *(layout.root / "models").glob(f"*{sha256}*"),
        *(layout.home / "leftovers").rglob(f"*{sha256}*"),
    ]
    return sorted(path for path in found if path.suffix != ".dvc")


def _state(layout: Layout, number: str) -> str:
    folder = layout.retirement(number)
    if (folder / CERTIFICATE).is_file():
        read_certificate(layout, number)
        return RETIRED
    return decision_in(layout, folder, f"retirement:{number}") or PROPOSED


def _told(layout: Layout, number: str) -> tuple[str, str]:
    order = read_retirement(layout, number)
    return order.time, order.reason


def _supplied(layout: Layout, number: str) -> Supplied:
    # who sent something in does not decide that it can never be looked at again
    order = read_retirement(layout, number)
    yield order.what, order.sources


RETIREMENT_KIND = Kind(
    name="retirement",
    folder=Layout.retirement,
    numbers=retirements,
    state=_state,
    waits=PROPOSED,
    told=_told,
    supplied=_supplied,
    asked_by=lambda layout, number: read_retirement(layout, number).asked_by,
)
