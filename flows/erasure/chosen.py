"""chosen: the rows or the model of a retirement."""

import hmac
from collections.abc import Sequence

from sluicegate.core import Conflict, Missing, Misused, Stage
from sluicegate.core.normalise import pseudonym
from sluicegate.core.schema import ROW
from sluicegate.record.causes import (
    Rows,
    as_recorded,
    concerned,
    parse_cause,
    rows_where,
    with_released,
)
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context
from sluicegate.record.quarantine import rows_of, taken
from sluicegate.record.subjects.retirement import destroyed_models, destroyed_rows
from sluicegate.record.updates import read_update, update_of_version
from sluicegate.stores import data, keys, record
from sluicegate.stores.layout import Layout

WAYS = "batch:0003, source:NAME, row:0003/57, subject:ID or model:2"


def named(context: Context, what: str) -> str:
    """Return `what` under its name in the record, which never contains a person's id."""
    kind, _, name = what.partition(":")
    if kind == "source":
        return str(as_recorded(context, parse_cause(what)))
    if kind != "subject":
        return what
    key = keys.derived_key(context.layout, "retired subjects")
    return f"subject:{hmac.new(key, name.encode(), 'sha256').hexdigest()[:16]}"


def rows_to_retire(context: Context, what: str) -> Rows:
    """Return the rows that `what` names and that are not destroyed yet; raises Missing for none."""
    kind, _, name = what.partition(":")
    if kind == "subject":
        found = _of_subject(context, name)
    elif kind in ("batch", "source", "row"):
        found = concerned(context, parse_cause(named(context, what)))
    else:
        raise Misused(f"Cannot retire {what!r}; write {WAYS}.")
    gone = {batch: rows - destroyed_rows(context.layout, batch) for batch, rows in found.items()}
    left = {batch: frozenset(rows) for batch, rows in gone.items() if rows}
    if not left:
        raise Missing(f"No row of {what} exists: none was received, or all were destroyed.")
    return left


def model_to_retire(layout: Layout, version: str) -> str:
    """Return the update whose model has this version; raises Missing, or Conflict for one in use."""
    update, model = update_of_version(layout, version)
    if update.id in destroyed_models(layout):
        raise Missing(f"model:{version} is already destroyed.")
    if champion_of(layout).version == model.version:
        raise Conflict(
            f"Version {version} serves, so it cannot be retired; replace it first with "
            "`sluicegate update`, or with `sluicegate rollback --to` an earlier update."
        )
    if update.stage in (Stage.AWAITING, Stage.APPROVED):
        raise Conflict(f"update:{update.id} awaits review; decide it first.")
    _require_alone(layout, update.id, model.sha256)
    return update.id


def set_aside(
    context: Context, batch: str, rows: Sequence[int] | None, sources: Sequence[str]
) -> Rows:
    """Return the chosen rows of `batch` in quarantine, without those that were let out.

    Raises Misused for a row or a source that is not there, Conflict for a row that was let out.
    """
    held, column = rows_of(context, batch), context.schema.source
    there = {int(row) for row in held[ROW]}
    chosen = there if rows is None else set(rows)
    if chosen - there:
        raise Misused(f"Row {min(chosen - there)} of batch:{batch} is not in quarantine.")
    if sources:
        by = held[column].astype(str) if column in held else held[ROW].map(lambda _: "")
        unknown = set(sources) - set(by)
        if unknown:
            raise Misused(f"{min(unknown)!r} has no quarantined rows in batch:{batch}.")
        chosen &= {int(row) for row in held.loc[by.isin(sources), ROW]}
    out = taken(context.layout, batch) & chosen
    if rows is not None and out:
        raise Conflict(f"Row {min(out)} of batch:{batch} is already released or requested.")
    if not chosen - out:
        raise Conflict(f"All such rows of batch:{batch} are already released or requested.")
    return {batch: frozenset(chosen - out)}


def _of_subject(context: Context, name: str) -> Rows:
    layout, schema = context.layout, context.schema
    if schema.id is None:
        raise Misused(
            "data.id in params.yaml is not set, so no row says whose it is; name the rows "
            "(row:0003/57), or the source that sent them (source:NAME)."
        )
    recorded = name
    if schema.id in schema.sensitive:
        recorded = pseudonym(name, keys.derived_key(layout, "pseudonym"))
    for trusted in (layout.reference, layout.golden):
        table = data.read_verified(trusted)
        if schema.id in table and (table[schema.id].astype(str) == recorded).any():
            raise Conflict(
                f"{trusted.name} has rows of this id, too; run `sluicegate reanchor` with a table "
                "without them first."
            )
    found = {b: rows_where(layout, b, schema.id, recorded) for b in record.received(layout)}
    return with_released(layout, {batch: rows for batch, rows in found.items() if rows})


def _require_alone(layout: Layout, update: str, sha256: str) -> None:
    for number in record.updates(layout):
        other = read_update(layout, number)[0].challenger
        if number != update and other is not None and other.sha256 == sha256:
            raise Conflict(f"update:{number} has the same model; it cannot be retired alone.")
