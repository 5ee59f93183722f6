"""quarantine: what is set aside, why, and until when somebody has to look at it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sluicegate.core import Judged, Missing, Misused
from sluicegate.core.document import Document, Result
from sluicegate.core.moment import moment
from sluicegate.core.schema import ROW
from sluicegate.record.context import Context
from sluicegate.record.findings import findings_of
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.kind import PROPOSED
from sluicegate.record.subjects.release import RELEASED, read_release, releases
from sluicegate.record.subjects.retirement import Tombstone, destroyed_rows, tombstones
from sluicegate.stores import data, files
from sluicegate.stores.layout import Layout, numbered

if TYPE_CHECKING:
    import pandas as pd

MOST_SOURCES = 8


class Lot(Document):
    """The rows of a batch that are set aside."""

    subject: str
    rows: int
    whole: bool
    sources: list[str]
    reason: str
    since: str
    review_by: str
    overdue: bool
    asked: list[str]


class Let(Document):
    """An exception by which rows were let out, or are asked for."""

    subject: str
    batch: str
    rows: int
    state: str
    overdue: bool
    waives: list[str]
    reason: str
    review_by: str
    asked_by: str | None


class Destroyed(Document):
    """Rows that a retirement destroyed, by batch."""

    subject: str
    what: str
    rows: dict[str, int]
    state: str


class InQuarantine(Result):
    """What is set aside, and what was let out or destroyed."""

    quarantine: list[Lot]
    exceptions: list[Let]
    destroyed: list[Destroyed]


class Held(Document):
    """A row that is set aside, or was until it was released."""

    row: int
    source: str | None
    held_for: list[str]
    released: bool


class HeldRows(Lot):
    """The same of one batch, row by row."""

    form: Literal[1] = Field(alias="schema")
    held: list[Held]


def in_quarantine(context: Context) -> InQuarantine:
    """Return every batch with rows set aside, and the exceptions by which rows were let out again."""
    layout = context.layout
    return InQuarantine(
        quarantine=[_lot(context, batch) for batch in batches(layout)],
        exceptions=[_exception(context, number) for number in releases(layout)],
        destroyed=[_destroyed(layout, tomb) for tomb in tombstones(layout)],
    )


def show_quarantine(context: Context, batch: str) -> HeldRows:
    """Return the rows of `batch` that are set aside, each with its source and what it is held for."""
    frame, schema = rows_of(context, batch), context.schema
    out = _released(context.layout, batch)
    named = frame[schema.source] if schema.source in frame else [None] * len(frame)
    listed = [
        Held(
            row=int(row),
            source=None if source is None else str(source),
            held_for=why,
            released=int(row) in out,
        )
        for row, source, why in zip(frame[ROW], named, held_for(context, batch, frame), strict=True)
    ]
    return HeldRows(**dict(_lot(context, batch)), schema=1, held=listed)


def batches(layout: Layout) -> list[str]:
    """Return the batches that have rows in quarantine."""
    return [each for each in numbered(layout.root / "quarantine") if _manifests(layout, each)]


def lots(layout: Layout, batch: str) -> list[Path]:
    """Return the folders that hold rows of `batch`: set aside at intake, held whole, rolled back."""
    folder = layout.quarantine(batch)
    places = [folder, layout.held(batch), *sorted(folder.glob("incident-*"))]
    return [place for place in places if (place / data.MANIFEST).is_file()]


def lot_of(layout: Layout, incident: str, batch: str) -> Path | None:
    """Return the folder of what an incident took out of `batch`, its rows or all of it; None: gone."""
    places = (layout.taken_out(batch, incident), layout.held(batch))
    return next((each for each in places if (each / data.MANIFEST).is_file()), None)


def rows_of(context: Context, batch: str) -> "pd.DataFrame":
    """Return the verified rows of `batch` that are in quarantine, in the order of the delivery.

    Raises Missing where there are none.
    """
    import pandas as pd

    tables = [data.read_verified(lot / data.FEEDBACK) for lot in lots(context.layout, batch)]
    if not tables:
        gone = "; some were destroyed" if destroyed_rows(context.layout, batch) else ""
        raise Missing(
            f"batch:{batch} has no rows in quarantine{gone}; see `sluicegate quarantine list`."
        )
    return pd.concat(tables, ignore_index=True).sort_values(ROW).reset_index(drop=True)


def held_for(context: Context, batch: str, frame: "pd.DataFrame") -> list[list[str]]:
    """Return for each row of `frame` what stopped it at intake.

    What names neither rows nor sources stopped the batch as a whole, and so every row. What passed
    intake and was taken out later is held for what was written beside it then.
    """
    source = context.schema.source
    by = frame[source].astype(str) if source in frame else [""] * len(frame)
    found: list[list[str]] = [[] for _ in range(len(frame))]
    for each in stopping(context.layout, batch):
        rows, sources = set(each.rows), set(each.sources)
        for named, row, who in zip(found, frame[ROW], by, strict=True):
            touched = row in rows or who in sources or not (rows or sources)
            if touched and each.metric not in named:
                named.append(each.metric)
    if "_reason" in frame:
        for named, reason in zip(found, frame["_reason"], strict=True):
            if isinstance(reason, str) and (not named or reason.startswith("incident:")):
                named[:] = [reason]
    return found


def stopping(layout: Layout, batch: str) -> list[Judged]:
    """Return the findings by which rows of `batch`, or all of it, were stopped at intake."""
    return [each for each in findings_of(layout, batch) if not each.passed]


def overdue(context: Context, until: str) -> bool:
    """Tell whether the ISO date or time `until` is past."""
    now, day = context.clock().astimezone(UTC), len(until) == len("2026-12-24")
    return now.date() > date.fromisoformat(until) if day else now > moment(until)


def review_by(context: Context, since: str) -> str:
    """Return the date until which somebody has to look at what was set aside at `since`."""
    days = timedelta(days=context.settings.quarantine.review_days)
    return (moment(since) + days).date().isoformat()


def require_date(text: str) -> str:
    """Return an ISO date; raises Misused for anything else."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date().isoformat()
    except ValueError as error:
        raise Misused(f"{text!r} is not a date; write it like 2026-12-24.") from error


def _lot(context: Context, batch: str) -> Lot:
    layout = context.layout
    result = _manifests(layout, batch)
    held = layout.held(batch) / "reason.json"
    whole = files.read_json(held) if held.is_file() else {}
    since = whole.get("time") or min((each.received for each in result), key=moment)
    why = [each.metric for each in stopping(layout, batch)]
    sources = {source for each in result for source in each.sources}
    until = review_by(context, since)
    out = _released(layout, batch) - destroyed_rows(layout, batch)
    left = sum(each.rows for each in result) - len(out)
    return Lot(
        subject=f"batch:{batch}",
        rows=left,
        whole=bool(whole),
        sources=sorted(sources),
        reason=whole.get("reason") or "; ".join(dict.fromkeys(why)),
        since=since,
        review_by=until,
        overdue=bool(left) and overdue(context, until),
        asked=[f"release:{each}" for each in _of(layout, batch, PROPOSED)],
    )


def _exception(context: Context, number: str) -> Let:
    subject, predicate = f"release:{number}", read_release(context.layout, number)
    state = state_of(context.layout, subject)
    late = state == RELEASED and overdue(context, predicate["review_by"])
    rows = len(predicate["rows"])
    return Let(**predicate | {"subject": subject, "rows": rows, "state": state, "overdue": late})


def _destroyed(layout: Layout, tomb: Tombstone) -> Destroyed:
    subject = f"retirement:{tomb.retirement}"
    rows = {batch: len(each) for batch, each in tomb.rows.items()}
    return Destroyed(subject=subject, what=tomb.what, rows=rows, state=state_of(layout, subject))


def _released(layout: Layout, batch: str) -> set[int]:
    return {
        row for each in _of(layout, batch, RELEASED) for row in read_release(layout, each)["rows"]
    }


def _of(layout: Layout, batch: str, state: str) -> Sequence[str]:
    return [
        each
        for each in releases(layout)
        if read_release(layout, each)["batch"] == batch
        and state_of(layout, f"release:{each}") == state
    ]


def taken(layout: Layout, batch: str) -> set[int]:
    """Return the rows of `batch` that were released, or that somebody asks to release."""
    asked = _of(layout, batch, PROPOSED)
    return _released(layout, batch).union(*(read_release(layout, each)["rows"] for each in asked))


def _manifests(layout: Layout, batch: str) -> list[data.Manifest]:
    return [data.read_manifest(lot) for lot in lots(layout, batch)]
