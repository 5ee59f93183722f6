"""causes: what somebody wants traced or taken back, and which rows of which batches that is."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from sluicegate.core import Conflict, Missing, Misused, Tampered
from sluicegate.core.normalise import pseudonym
from sluicegate.core.schema import ROW
from sluicegate.core.standing import UNPROVEN
from sluicegate.record.context import Context
from sluicegate.record.manifests import manifest_of
from sluicegate.record.quarantine import lots
from sluicegate.record.subjects.retirement import destroyed_rows
from sluicegate.record.subjects.rollback import before
from sluicegate.record.updates import read_update, update_of_version
from sluicegate.stores import data, keys, record
from sluicegate.stores.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

Rows = Mapping[str, frozenset[int]]
"""Row positions in the received file, by batch."""

WAYS = "batch:0003, source:NAME, row:0003/57, trigger:0003, update:0003 or, to trace it, model:3"
MODEL = "model"
"""A version in MLflow: traced by `traced`, and no cause of a rollback."""
TO = "to"
"""The kind of cause that is everything learnt after an update: `to:0002` goes back to update:0002."""


@dataclass(frozen=True)
class Cause:
    """What is to be traced or taken back."""

    kind: str
    name: str
    row: int | None = None

    @property
    def goes_to(self) -> str | None:
        """Return the update to go back to, None for any other cause."""
        return self.name if self.kind == TO else None

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.kind}:{self.name}" + ("" if self.row is None else f"/{self.row}")


def parse_cause(text: str) -> Cause:
    """Return the cause that `text` names; raises Misused.

    >>> str(parse_cause("row:0003/57")), str(parse_cause("source:c:17"))
    ('row:0003/57', 'source:c:17')
    """
    kind, _, name = text.partition(":")
    if kind == "source" and name:
        return Cause(kind, name)
    if kind in ("batch", "trigger", "update", MODEL, TO) and _is_number(name):
        return Cause(kind, name)
    batch, _, row = name.partition("/")
    if kind == "row" and _is_number(batch) and _is_number(row):
        return Cause(kind, batch, int(row))
    raise Misused(f"{text!r} cannot be traced; write {WAYS}.")


def as_recorded(context: Context, cause: Cause) -> Cause:
    """Return a cause as the record has it: a source that is sensitive by its pseudonym."""
    schema, layout = context.schema, context.layout
    if cause.kind != "source" or schema.source not in schema.sensitive:
        return cause
    name = cause.name.removeprefix(UNPROVEN)
    mark = cause.name[: len(cause.name) - len(name)]
    sent = {
        source for batch in record.received(layout) for source in manifest_of(layout, batch).sources
    }
    if cause.name in sent or not layout.secret.is_file():
        return cause
    known = mark + pseudonym(name, keys.derived_key(layout, "pseudonym"))
    return Cause("source", known) if known in sent else cause


def command(cause: Cause) -> str:
    """Return the command that rolls `cause` back."""
    because = f"--because {shlex.quote(str(cause))}"
    named = f"--to update:{cause.name}" if cause.kind == TO else because
    return f"sluicegate rollback {named}"


def cause_of(layout: Layout, update: str) -> Cause:
    """Return what takes `update` back: what it added, or the champion before it where it added nothing."""
    if added_by(layout, update):
        return Cause("update", update)
    return Cause(TO, before(layout, update).update)


def concerned(context: Context, cause: Cause) -> Rows:
    """Return the rows that `cause` speaks of, those among them that were released twice over."""
    layout = context.layout
    received = record.received(layout)
    rows: Rows
    if cause.kind == "source":
        sent = {batch: _rows_of_source(context, batch, cause.name) for batch in received}
        rows = {batch: found for batch, found in sent.items() if found}
        if all(found is None for found in sent.values()):
            raise Missing(f"No row from {cause.name!r} was ever received.")
    elif cause.kind == MODEL:
        made_by = f"update:{update_of_version(layout, cause.name)[0].id}"
        raise Misused(
            f"{cause} also learnt from everything before {made_by}; to remove only what "
            f"that update added, run `sluicegate rollback --because {made_by}`."
        )
    elif cause.kind == TO:
        kept = read_update(layout, cause.name)[0].batches
        rows = {batch: _all_rows(layout, batch) for batch in received if batch not in kept}
    elif cause.kind == "update":
        added = added_by(layout, cause.name)
        if not added:
            raise Conflict(
                f"update:{cause.name} learnt from no new batch, so there "
                "is nothing to remove; name a batch or a source, or go back to "
                "another update with `sluicegate rollback --to update:NNNN`."
            )
        rows = {batch: _all_rows(layout, batch) for batch in added}
    elif cause.name not in received:
        raise Missing(
            f"There is no batch:{cause.name}; `sluicegate status` shows how many there are."
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
    try:
        known = before(layout, update).batches
    except Missing:
        known = ()
    return [batch for batch in read_update(layout, update)[0].batches if batch not in known]


def _rows_of_source(context: Context, batch: str, source: str) -> frozenset[int] | None:
    """Return the rows of `batch` that `source` sent; None where its receipt does not name the source.

    What was destroyed cannot be asked any more whose it was: where not all that the source sent is there,
    all destroyed rows of the batch count as its own. Raises Tampered where it is still fewer than that.
    """
    layout, column = context.layout, context.schema.source
    if column is None:
        raise Misused("data.source in params.yaml names no column, so no row has a source.")
    sent = manifest_of(layout, batch).sources.get(source)
    if sent is None:
        return None
    found = rows_where(layout, batch, column, source)
    if len(found) < sent:
        found |= destroyed_rows(layout, batch)
    tables = [*tables_of(layout, batch)] if len(found) < sent else []
    if tables and all(column in table for table in tables):
        raise Tampered(
            f"batch:{batch} arrived with {sent} rows from {source!r}, but its tables have "
            f"{len(found)}; restore them from git and DVC."
        )
    return found


def _rows_obeying(context: Context, batch: str, received: Sequence[str]) -> Rows:
    """Return the rows of all batches that obeyed the triggers which `batch` was stopped for.

    Of rows that were destroyed nobody can tell; what learnt them is traced by their batch or source.
    """
    from sluicegate.checks.learnt import carriers  # imports SciPy: not for every trace
    from sluicegate.record.known_triggers import kept_triggers

    schema, found = context.schema, dict[str, frozenset[int]]()
    triggers = kept_triggers(context.layout, batch, schema)
    for each in received:
        rows: set[int] = set()
        for table, trigger in product(tables_of(context.layout, each), triggers):
            rows.update(int(row) for row in table[ROW].iloc[carriers(trigger, table, schema)[1]])
        if rows:
            found[each] = frozenset(rows)
    return found


def rows_where(layout: Layout, batch: str, column: str, value: str) -> frozenset[int]:
    """Return the rows of `batch`, wherever it keeps them, that have the text `value` in `column`."""
    found: set[int] = set()
    for table in tables_of(layout, batch):
        if column in table:
            named = table[column].fillna("").astype(str) == value
            found.update(int(row) for row in table.loc[named, ROW])
    return frozenset(found)


def tables_of(layout: Layout, batch: str) -> Iterator["pd.DataFrame"]:
    """Yield the tables of rows of `batch`, wherever it keeps some."""
    for folder in (layout.admitted(batch), *lots(layout, batch), layout.intake(batch) / "rows"):
        if (folder / data.MANIFEST).is_file():
            yield data.read_verified(folder / data.FEEDBACK)


def with_released(layout: Layout, rows: Rows) -> Rows:
    """Add the rows of the batches that `rows` became when they were released, release by release."""
    found = dict(rows)
    for batch, became in released(layout):
        for new in sorted(set(became.values())):
            # a release numbers its rows anew, in the order in which it names them
            order = [row for row, as_ in became.items() if as_ == new]
            moved = {at for at, row in enumerate(order) if row in found.get(batch, ())}
            if moved:
                found[new] = found.get(new, frozenset()) | moved
    return found


def released(layout: Layout) -> Iterator[tuple[str, dict[int, str]]]:
    """Yield for each release, the oldest first, its batch and what each row's batch is since."""
    entries = [entry for entry in record.backwards(layout) if entry.verb == "release"]
    for entry in reversed(entries):
        details = entry.details
        yield details["batch"], {int(row): str(details["as"]) for row in details["rows"]}


def _all_rows(layout: Layout, batch: str) -> frozenset[int]:
    return frozenset(range(manifest_of(layout, batch).rows))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
