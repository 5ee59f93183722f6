"""Standing: which tier a source is in, which decides how much it may contribute."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

UNPROVEN = "?"
"""What a name begins with that was claimed where only a signature would have proved it."""


class Tier(Enum):
    """How far a source's name goes (NCSC principle 2.1: limit what one contributor can do)."""

    TRUSTED = "trusted"
    KNOWN = "known"
    NEW = "new"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Standing:
    """The sources that the policy trusts, and those that the record has made known.

    `barred` are those that were rolled back and that reviewers barred, `in_question` those that wait
    for reviewers to say so.

    >>> standing = Standing(frozenset({"lab"}), frozenset({"ann"}))
    >>> [standing.tier(name).value for name in ("lab", "ann", "bob", "?lab", "")]
    ['trusted', 'known', 'new', 'anonymous', 'anonymous']
    """

    trusted: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    barred: frozenset[str] = frozenset()
    in_question: frozenset[str] = frozenset()

    def tier(self, source: str) -> Tier:
        """Return the tier of the source named `source`; the empty string is nobody's name."""
        if not source or source.startswith(UNPROVEN):
            return Tier.ANONYMOUS
        if source in self.trusted:
            return Tier.TRUSTED
        return Tier.KNOWN if source in self.known else Tier.NEW

    def tiers(self, sources: Iterable[str]) -> list[str]:
        """Return the tier of each of `sources`, by its name."""
        return [self.tier(source).value for source in sources]


def unproven(source: str) -> str:
    """Return the name under which the claim to be `source` is kept.

    >>> unproven("c17"), unproven("?c17")
    ('?c17', '?c17')
    """
    return source if source.startswith(UNPROVEN) else UNPROVEN + source
