"""taken_out: rows that rollbacks took out and no reviewer gave back, to be known when they come again."""

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import pandas as pd

from sluicegate.core import Tampered
from sluicegate.core.schema import ROW
from sluicegate.record.context import Context
from sluicegate.record.quarantine import lot_of
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.incident import (
    CONTESTED,
    cleaned,
    incidents,
    is_closed,
    read_closed,
)
from sluicegate.record.subjects.release import RELEASED, read_release, releases
from sluicegate.record.subjects.retirement import destroyed_rows
from sluicegate.stores.data import FEEDBACK, read_manifest, read_verified, stamp
from sluicegate.stores.layout import Layout


def taken_out(context: Context, by: Collection[str] | None = None) -> pd.DataFrame | None:
    """Return the rows that rollbacks took out and no reviewer gave back; None where there are none.

    Those of the incidents `by`, by default of all.

    Raises Tampered for rows that an incident says were taken out and that are neither in quarantine nor
    destroyed: nobody could tell who sends them again.
    """
    layout, schema = context.layout, context.schema
    lots = list(_lots(layout, incidents(layout) if by is None else sorted(by)))
    if not lots:
        return None
    stamped = tuple((b, path, stamp(path) if path.is_file() else None) for b, path in lots)
    rows, released = _rows_in(stamped, (*schema.feature_names, schema.label)), _let_out(layout)
    return rows[[each not in released for each in zip(rows["_batch"], rows[ROW], strict=True)]]


def _lots(layout: Layout, by: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield the batch and the table of what each rollback took out that reviewers did not contest."""
    for incident in by:
        if state_of(layout, f"incident:{incident}") == CONTESTED:
            continue
        named = read_closed(layout, incident).lots if is_closed(layout, incident) else {}
        for each in cleaned(layout, incident):
            batch = each.batch
            lot = lot_of(layout, incident, batch)
            kept = read_manifest(lot) if lot else None
            destroyed = len(destroyed_rows(layout, batch))
            digest, rows = (kept.sha256, kept.rows) if kept else ("", 0)
            other = not destroyed and digest != named.get(batch, digest)
            if other or rows + destroyed < each.rows:
                raise Tampered(
                    f"The rows that incident:{incident} removed from batch:{batch} are not in quarantine; "
                    "restore them from git."
                )
            if lot is not None:
                yield batch, lot / FEEDBACK


def _let_out(layout: Layout) -> set[tuple[str, int]]:
    """Return the batch and the row of all that reviewers released from quarantine."""
    listed = [
        read_release(layout, number)
        for number in releases(layout)
        if state_of(layout, f"release:{number}") == RELEASED
    ]
    return {(each["batch"], row) for each in listed for row in each["rows"]}


@lru_cache(maxsize=1)
def _rows_in(
    lots: tuple[tuple[str, Path, tuple[str, int, int] | None], ...], columns: tuple[str, ...]
) -> pd.DataFrame:
    """Return `columns` of the rows in `lots`, each row with its batch and its place there."""
    parts = [
        read_verified(path).filter([*columns, ROW]).assign(_batch=batch) for batch, path, _ in lots
    ]
    return pd.concat(parts, ignore_index=True)
