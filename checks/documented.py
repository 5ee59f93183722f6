"""documented: which required fields of the cards nobody has filled in.

NCSC, Machine learning principles, 2.3: every data set and model has an owner, a purpose and an end.
"""

from dataclasses import dataclass

from sluicegate.checks.candidate import Candidate
from sluicegate.core import Finding


@dataclass(frozen=True)
class Documented:
    """Counts the required fields that are `missing`; which ones are required is the policy's.

    >>> [found] = Documented(("model.owner",))(None)
    >>> found.metric, found.value, found.detail
    ('card.missing', 1.0, 'Nobody has filled in model.owner under card in params.yaml.')
    """

    missing: tuple[str, ...] = ()
    name: str = "card"

    def __call__(self, _: Candidate | None) -> tuple[Finding, ...]:
        """Return one finding, which names the fields."""
        named = ", ".join(self.missing)
        detail = f"The card in params.yaml lacks {named}." if named else ""
        return (
            Finding(self.name, f"{self.name}.missing", float(len(self.missing)), detail=detail),
        )
