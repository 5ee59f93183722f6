"""due: what is kept longer than its card's retention period allows."""

import calendar
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, timedelta

from sluicegate.core.document import Document, Result
from sluicegate.core.moment import moment
from sluicegate.record.champion import champion_of, read_promotion
from sluicegate.record.context import Context
from sluicegate.record.quarantine import lots
from sluicegate.record.subjects.retirement import destroyed_models
from sluicegate.stores import data, record

_PERIOD = re.compile(r"\b(\d{1,4}) (day|week|month|year)s?\b", re.IGNORECASE)


class Period(Document):
    """A card's text on retention, and whether it names a `period`."""

    retention: str | None
    period: bool


class Passed(Document):
    """A batch or a model, kept from `since` on, whose retention ended on the day `until`."""

    what: str
    since: str
    until: str


class Due(Result):
    """What the cards of data and model say on retention, and what is past it."""

    cards: Mapping[str, Period]
    due: tuple[Passed, ...]


def due(context: Context) -> Due:
    """Return the batches and models whose retention is over."""
    card = context.settings.card
    data_kept, model_kept = card.data.retention, card.model.retention
    passed = [*_batches(context, data_kept), *_models(context, model_kept)]
    today = context.clock().astimezone(UTC).date()
    return Due(
        cards={"data": _period(data_kept), "model": _period(model_kept)},
        due=tuple(each for each in passed if date.fromisoformat(each.until) < today),
    )


def _period(text: str | None) -> Period:
    return Period(retention=text, period=_found(text) is not None)


def until(since: str, text: str | None) -> str | None:
    """Return the last day of the first period that `text` names, counted from `since`.

    >>> until("2026-01-31T08:00:00+00:00", "1 month after receipt")
    '2026-02-28'
    >>> until("2026-01-31T08:00:00+00:00", "as long as needed") is None
    True
    """
    found = _found(text)
    if found is None:
        return None
    count, unit = found
    start = moment(since)
    if unit in ("day", "week"):
        return (start + timedelta(days=count * (7 if unit == "week" else 1))).date().isoformat()
    months = start.year * 12 + start.month - 1 + count * (12 if unit == "year" else 1)
    year, month = divmod(months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return start.date().replace(year=year, month=month + 1, day=day).isoformat()


def _found(text: str | None) -> tuple[int, str] | None:
    found = _PERIOD.search(text or "")
    return (int(found[1]), found[2].lower()) if found else None


def _batches(context: Context, text: str | None) -> Iterator[Passed]:
    layout = context.layout
    for batch in record.received(layout):
        manifest = data.read_manifest(layout.intake(batch))
        kept = any(layout.received.glob(f"{manifest.sha256}*")) or bool(lots(layout, batch))
        last = until(manifest.received, text)
        if last and (kept or (layout.admitted(batch) / data.MANIFEST).is_file()):
            yield Passed(what=f"batch:{batch}", since=manifest.received, until=last)


def _models(context: Context, text: str | None) -> Iterator[Passed]:
    layout = context.layout
    serving, gone = champion_of(layout).update, destroyed_models(layout)
    for number in record.updates(layout):
        if number == serving or number in gone:
            continue
        if (layout.update(number) / "promotion.json").is_file():
            promoted = read_promotion(layout, number)
            last = until(promoted.since, text)
            if last:
                what = f"model:{promoted.version}"
                yield Passed(what=what, since=promoted.since, until=last)
