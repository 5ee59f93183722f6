"""A moment: when something happened. It is written in UTC, and compared as a time, never as text."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator


def moment(text: str) -> datetime:
    """Return the time that ISO 8601 `text` names, in UTC; one without an offset is taken for UTC.

    Raises ValueError for other text.

    >>> moment("2026-01-19T10:00:00-05:00") > moment("2026-01-19T14:00:00+00:00")
    True
    """
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def written(when: datetime) -> str:
    """Return `when` as ISO 8601 in UTC, with seconds."""
    return when.astimezone(UTC).isoformat(timespec="seconds")


def _checked(text: str) -> str:
    moment(text)
    return text


Moment = Annotated[str, AfterValidator(_checked)]
"""A time in a document: ISO 8601, kept as it was written."""
