"""Times: rows that claim to come from the future, or from long before anything is known."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from sluicegate.core import Feedback, Finding


@dataclass(frozen=True)
class Times:
    """Rows whose time cannot be true.

    `times.future` counts the rows later than `now` by more than `ahead`, which allows for clocks and
    time zones that are off; `times.old` those more than `behind` before both `now` and the earliest
    time that a reference knows. A row decides by its time what is recent, what is a correction and
    how long a source is known (NCSC *Machine learning principles* 4.1), so a false one is set aside.
    A row without a time is neither. Without the column nothing is measured.

    >>> from sluicegate.core import Schema, Task
    >>> schema = Schema(Task.REGRESSION, "y", (), time="at")
    >>> at = pd.to_datetime(["2026-05-01", "2026-07-01", "1970-01-01", None], utc=True)
    >>> frame = pd.DataFrame({"at": at, "y": 0.0})
    >>> check = Times(now=datetime(2026, 6, 1, tzinfo=UTC))
    >>> for found in check(Feedback(schema, frame, None, (), frame, None, {})):
    ...     print(found.metric, found.value, found.rows)
    times.future 1.0 (1,)
    times.old 1.0 (2,)
    """

    now: datetime
    ahead: timedelta = timedelta(days=1)
    behind: timedelta = timedelta(days=3650)
    name: str = "times"

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure both metrics; rows are those whose time is counted."""
        name = subject.schema.time
        if name is None or name not in subject.frame:
            why = "The batch has no time column; send it, or declare times.* not applicable."
            return tuple(
                Finding(self.name, f"times.{metric}", None, detail=why)
                for metric in ("future", "old")
            )
        times = subject.frame[name]
        latest, earliest = pd.Timestamp(self.now + self.ahead), self._earliest(subject, name)
        return (
            self._counted("future", (times > latest).to_numpy(), f"after {latest:%Y-%m-%d %H:%M}"),
            self._counted("old", (times < earliest).to_numpy(), f"before {earliest:%Y-%m-%d}"),
        )

    def _earliest(self, subject: Feedback, name: str) -> pd.Timestamp:
        known = [
            reference.frame[name] for reference in subject.references if name in reference.frame
        ]
        starts = [times.min() for times in known if times.notna().any()]
        first = min([pd.Timestamp(self.now.astimezone(UTC)), *starts])
        # Farther back than pandas reaches, nothing is old.
        return pd.Timestamp(max(pd.Timestamp.min.tz_localize("UTC"), first - self.behind))

    def _counted(self, metric: str, beyond: npt.NDArray[np.bool_], when: str) -> Finding:
        rows = tuple(np.flatnonzero(beyond).tolist())
        detail = f"{len(rows)} rows claim to be from {when} UTC." if rows else ""
        return Finding(self.name, f"times.{metric}", float(len(rows)), rows, detail=detail)
