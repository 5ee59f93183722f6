"""trace: what embodies a batch, a source, a row or an update, from the signed record and the manifests.

Row to batch to data commit to model to promotion. A row that was set aside reached no model, one that
was released reached those that learnt from the batch it became, and a row that is held out was compared
on and never learnt. Rows that the caps or a later correction left out of training count as learnt.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from sluicegate.checks.learnt import carriers
from sluicegate.core import Conflict, Missing, Misused, ModelRef, Stage
from sluicegate.core.schema import HOLDOUT, ROW
from sluicegate.flows.champion import read_promotion
from sluicegate.flows.context import Context
from sluicegate.flows.quarantine import lots
from sluicegate.flows.subjects.retirement import destroyed_tables
from sluicegate.flows.triggers import kept_triggers
from sluicegate.flows.updates import read_update, run_of
from sluicegate.stores import data, files, git, record
from sluicegate.stores.layout import Layout, numbered

if TYPE_CHECKING:
    import pandas as pd

Rows = Mapping[str, frozenset[int]]
"""Row positions in the received file, by batch."""

WAYS = "batch:0003, source:NAME, row:0003/57, trigger:0003 or update:0003"
TO = "to"
"""The kind of cause that is everything learnt after an update: `to:0002` goes back to update:0002."""


@dataclass(frozen=True)
class Cause:
    """What is to be traced, as it is written on the command line."""

    kind: str
    name: str
    row: int | None = None

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.kind}:{self.name}" + ("" if self.row is None else f"/{self.row}")


@dataclass(frozen=True)
class Touched:
    """A batch that holds rows in question: which, and where they are now."""

    batch: str
    rows: tuple[int, ...]
    learnable: tuple[int, ...]
    held_out: tuple[int, ...]
    set_aside: int
    paused: int
    released_as: tuple[str, ...]

    @property
    def admitted(self) -> tuple[int, ...]:
        """Return the rows that are in the data now, learnt from or compared on."""
        return tuple(sorted((*self.learnable, *self.held_out)))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            "batch": self.batch,
            "rows": len(self.rows),
            "learnable": len(self.learnable),
            "held_out": len(self.held_out),
            "set_aside": self.set_aside,
            "paused": self.paused,
            "released_as": list(self.released_as),
        }


@dataclass(frozen=True)
class Embodied:
    """An update whose model learnt rows in question: how many, from which batches."""

    update: str
    stage: Stage
    version: int
    sha256: str
    run: str
    data_commit: str
    promoted: str | None
    learnt: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            "update": self.update,
            "stage": self.stage.value,
            "version": self.version,
            "sha256": self.sha256,
            "run": self.run,
            "data_commit": self.data_commit,
            "promoted": self.promoted,
            "learnt": dict(self.learnt),
        }


@dataclass(frozen=True)
class Trace:
    """Where a cause went: the batches that it touches and the updates that embody it."""

    because: str
    batches: tuple[Touched, ...]
    updates: tuple[Embodied, ...]

    @property
    def promoted(self) -> tuple[Embodied, ...]:
        """Return the updates that became champion at some time."""
        return tuple(each for each in self.updates if each.promoted)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `trace`."""
        return {
            "schema": 1,
            "because": self.because,
            "batches": [each.to_dict() for each in self.batches],
            "updates": [each.to_dict() for each in self.updates],
        }


def parse_cause(text: str) -> Cause:
    """Return the cause that `text` names; raises Misused.

    >>> str(parse_cause("row:0003/57")), str(parse_cause("source:c:17"))
    ('row:0003/57', 'source:c:17')
    """
    kind, _, name = text.partition(":")
    if kind == "source" and name:
        return Cause(kind, name)
    if kind in ("batch", "trigger", "update", TO) and _is_number(name):
        return Cause(kind, name)
    batch, _, row = name.partition("/")
    if kind == "row" and _is_number(batch) and _is_number(row):
        return Cause(kind, batch, int(row))
    raise Misused(f"{text!r} cannot be traced; write {WAYS}.")


def trace(context: Context, because: str) -> Trace:
    """Return where `because` went; raises Missing where nothing of that name was ever received."""
    layout = context.layout
    rows = concerned(context, parse_cause(because))
    became = dict(_released(layout))
    touched = (_touched(layout, batch, rows[batch], became) for batch in sorted(rows, key=int))
    return Trace(because, tuple(touched), tuple(embodying(layout, rows)))


def concerned(context: Context, cause: Cause) -> Rows:
    """Return the rows that `cause` speaks of, those among them that were released twice over."""
    layout = context.layout
    received = record.received(layout)
    rows: Rows
    if cause.kind == "source":
        rows = {batch: _rows_of_source(context, batch, cause.name) for batch in received}
        rows = {batch: found for batch, found in rows.items() if found}
        if not rows:
            raise Missing(f"No row of {cause.name!r} was ever received and kept.")
    elif cause.kind == TO:
        kept = read_update(layout, cause.name)[0].batches
        rows = {batch: _all_rows(layout, batch) for batch in received if batch not in kept}
    elif cause.kind == "update":
        added = added_by(layout, cause.name)
        if not added:
            raise Conflict(
                f"update:{cause.name} learnt from no batch that the champion before it had not learnt "
                "from, so it brought nothing to take out; name a batch or a source, or go back to "
                "another update with `sluicegate rollback --to update:NNNN`."
            )
        rows = {batch: _all_rows(layout, batch) for batch in added}
    elif cause.name not in received:
        raise Missing(
            f"There is no batch:{cause.name}; `sluicegate status` tells how many there are."
        )
    elif cause.kind == "trigger":
        rows = _rows_obeying(context, cause.name, received)
    else:
        rows = {cause.name: _all_rows(layout, cause.name)}
        if cause.row is not None:
            if cause.row not in rows[cause.name]:
                raise Missing(
                    f"batch:{cause.name} has {len(rows[cause.name])} rows, counted from 0."
                )
            rows = {cause.name: frozenset({cause.row})}
    return with_released(layout, rows)


def added_by(layout: Layout, update: str) -> list[str]:
    """Return the batches that `update` learnt from and the champion before it did not."""
    told, _ = read_update(layout, update)
    before: tuple[str, ...] = ()
    for number in numbered(layout.root / "updates"):
        if (layout.update(number) / "promotion.json").is_file():
            promoted = read_promotion(layout, number)
            before = promoted.batches if promoted.ref == told.champion else before
    return [batch for batch in told.batches if batch not in before]


def embodying(layout: Layout, rows: Rows) -> Iterator[Embodied]:
    """Yield the updates whose challenger learnt any of `rows`, the oldest first."""
    seen: dict[tuple[str, str], int] = {}
    gone = destroyed_tables(layout)
    for number in numbered(layout.root / "updates"):
        update, _ = read_update(layout, number)
        if update.challenger is None:
            continue
        learnt: dict[str, int] = {}
        manifests = {f"batches/{b}/{data.MANIFEST}": b for b in update.batches if b in rows}
        for path, blob in git.blobs(layout.root, update.data_commit, list(manifests)).items():
            batch = manifests[path]
            if (batch, blob) not in seen:
                seen[batch, blob] = _learnt(layout, batch, update.data_commit, rows[batch], gone)
            learnt |= {batch: seen[batch, blob]} if seen[batch, blob] else {}
        if learnt:
            yield embodied(layout, number, update.challenger, learnt)


def _learnt(
    layout: Layout, batch: str, commit_id: str, rows: frozenset[int], gone: Mapping[str, Any]
) -> int:
    """Return how many of `rows` the table of `batch` in a commit offered to learn from.

    Of a table that was destroyed the tombstone says which it had.
    """
    about = f"batches/{batch}/{data.MANIFEST}"
    told = gone.get(json.loads(git.read_at(layout.root, commit_id, about))["sha256"])
    if told is not None:
        return len(rows.intersection(told["learnable"]))
    table = data.read_admitted_at(layout, batch, commit_id)
    return len(_of(table[~table[HOLDOUT].astype(bool)], rows))


def embodied(
    layout: Layout, number: str, challenger: ModelRef, learnt: Mapping[str, int]
) -> Embodied:
    """Return the update of this `number`, whose model is `challenger`, with what it `learnt`."""
    update, _ = read_update(layout, number)
    promoted = (layout.update(number) / "promotion.json").is_file()
    return Embodied(
        update=number,
        stage=update.stage,
        version=challenger.version,
        sha256=challenger.sha256,
        run=run_of(layout, number),
        data_commit=update.data_commit,
        promoted=read_promotion(layout, number).since if promoted else None,
        learnt=learnt,
    )


def _touched(
    layout: Layout, batch: str, rows: frozenset[int], became: Mapping[str, Mapping[int, str]]
) -> Touched:
    held_out: tuple[int, ...] = ()
    learnable: tuple[int, ...] = ()
    if (layout.admitted(batch) / data.MANIFEST).is_file():
        table = data.read_verified(layout.admitted(batch) / data.FEEDBACK)
        out = table[HOLDOUT].astype(bool)
        held_out, learnable = _of(table[out], rows), _of(table[~out], rows)
    aside = {row for lot in lots(layout, batch) for row in _of(_table(lot), rows)}
    waits = layout.intake(batch) / "rows"
    paused = len(_of(_table(waits), rows)) if (waits / data.MANIFEST).is_file() else 0
    inside = bool(held_out or learnable)
    as_ = {new for row, new in became.get(batch, {}).items() if row in rows}
    return Touched(
        batch=batch,
        rows=tuple(sorted(rows)),
        learnable=learnable,
        held_out=held_out,
        set_aside=len(aside),
        paused=0 if inside or aside else paused,
        released_as=tuple(sorted(as_, key=int)),
    )


def _rows_of_source(context: Context, batch: str, source: str) -> frozenset[int]:
    layout, column = context.layout, context.schema.source
    if column is None:
        raise Misused("data.source in params.yaml names no column, so no row has a source.")
    manifest = files.read_json(layout.intake(batch) / data.MANIFEST)
    if source not in manifest["sources"]:
        return frozenset()
    return rows_where(layout, batch, column, source)


def _rows_obeying(context: Context, batch: str, received: Sequence[str]) -> Rows:
    """Return the rows of all batches that obeyed the triggers which `batch` was stopped for."""
    schema, found = context.schema, dict[str, frozenset[int]]()
    triggers = kept_triggers(context.layout, batch, schema)
    for each in received:
        rows: set[int] = set()
        for table, trigger in product(_tables(context.layout, each), triggers):
            rows.update(int(row) for row in table[ROW].iloc[carriers(trigger, table, schema)[1]])
        if rows:
            found[each] = frozenset(rows)
    return found


def rows_where(layout: Layout, batch: str, column: str, value: str) -> frozenset[int]:
    """Return the rows of `batch`, wherever it keeps them, that have the text `value` in `column`."""
    found: set[int] = set()
    for table in _tables(layout, batch):
        if column in table:
            named = table[column].fillna("").astype(str) == value
            found.update(int(row) for row in table.loc[named, ROW])
    return frozenset(found)


def _tables(layout: Layout, batch: str) -> Iterator["pd.DataFrame"]:
    """Yield the tables of rows of `batch`, wherever it keeps some."""
    for folder in (layout.admitted(batch), *lots(layout, batch), layout.intake(batch) / "rows"):
        if (folder / data.MANIFEST).is_file():
            yield _table(folder)


def with_released(layout: Layout, rows: Rows) -> Rows:
    """Add the rows of the batches that `rows` became when they were released, release by release."""
    found = dict(rows)
    for batch, became in _released(layout):
        for new in sorted(set(became.values())):
            # a release numbers its rows anew, in the order in which it names them
            order = [row for row, as_ in became.items() if as_ == new]
            moved = {at for at, row in enumerate(order) if row in found.get(batch, ())}
            if moved:
                found[new] = found.get(new, frozenset()) | moved
    return found


def _released(layout: Layout) -> Iterator[tuple[str, dict[int, str]]]:
    """Yield for each release, the oldest first, its batch and what each row's batch is since."""
    entries = [entry for entry in record.backwards(layout) if entry.verb == "release"]
    for entry in reversed(entries):
        said = entry.details
        yield said["batch"], {int(row): str(said["as"]) for row in said["rows"]}


def _all_rows(layout: Layout, batch: str) -> frozenset[int]:
    return frozenset(range(int(files.read_json(layout.intake(batch) / data.MANIFEST)["rows"])))


def _table(folder: Any) -> "pd.DataFrame":
    return data.read_verified(folder / data.FEEDBACK)


def _of(table: "pd.DataFrame", rows: frozenset[int]) -> tuple[int, ...]:
    return tuple(sorted(int(row) for row in table[ROW] if row in rows))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
