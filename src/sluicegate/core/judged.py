"""Judged: a finding beside the limit that it was held to, and the outcome."""

from typing import Annotated

from pydantic import PlainSerializer

from .document import Document
from .finding import Finding
from .verdict import Outcome


class Judged(Document):
    """A finding as a gate judged it: what findings.json records and what the verbs list.

    `limit` is None for a note. `written` is given where a calibration raised the limit: the one that
    params.yaml has. `rows` are zero-based positions in the received file.
    """

    check: str
    metric: str
    value: float | None
    rows: tuple[int, ...]
    sources: tuple[str, ...]
    detail: str
    limit: float | None
    written: float | None = None
    outcome: Outcome

    @property
    def finding(self) -> Finding:
        """Return what was measured."""
        return Finding(self.check, self.metric, self.value, self.rows, self.sources, self.detail)

    @property
    def passed(self) -> bool:
        """Tell whether it held no row and nothing back."""
        return self.outcome is Outcome.PASS

    def listed(self) -> dict[str, object]:
        """Return its JSON in the answer of a verb: rows are counted, not listed."""
        return self.to_dict() | {"rows": len(self.rows)}


Listed = Annotated[Judged, PlainSerializer(Judged.listed)]
"""A finding in the answer of a verb."""
