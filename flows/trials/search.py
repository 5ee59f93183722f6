"""search: find the parts of an ordered list without which a test passes again.

Binary search over prefixes (like `git bisect`): with one guilty part it asks 2 + log2(n) times, plus
once to confirm. If several are guilty, it takes out the part that turns a passing prefix into a failing
one and searches the rest, so that no assumption of monotonicity stays unchecked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2
from typing import TypeVar

Part = TypeVar("Part")

FOUND, PASSES, BASE_FAILS, TOO_MANY = "found", "passes", "base fails", "too many"


@dataclass(frozen=True)
class Searched:
    """The result of a search: the guilty parts in the order in which it found them.

    `ended` is FOUND when the test passes without them; PASSES when it passed with everything, and
    BASE_FAILS when it fails with none of them (then nobody is guilty); TOO_MANY when it still fails
    without as many as may be named.
    """

    guilty: tuple[int, ...]
    ended: str


def search(parts: Sequence[Part], fails: Callable[[tuple[Part, ...]], bool], most: int) -> Searched:
    """Return the positions of at most `most` parts without which `fails` no longer holds.

    `fails` is asked about parts in their order; asking the same twice must be cheap. The ends come
    first: it has to fail with all parts and to pass with none.

    >>> search("abcdef", lambda kept: "d" in kept, 3)
    Searched(guilty=(3,), ended='found')
    >>> search("abcdef", lambda kept: "b" in kept or "e" in kept, 3)
    Searched(guilty=(1, 4), ended='found')
    """
    left = list(range(len(parts)))

    def failing(positions: Sequence[int]) -> bool:
        return fails(tuple(parts[at] for at in positions))

    if not failing(left):
        return Searched((), PASSES)
    if failing(()):
        return Searched((), BASE_FAILS)
    guilty: list[int] = []
    passing = 0  # the prefix that is known to pass; taking out what follows it leaves it as it is
    while failing(left):
        if len(guilty) == most:
            return Searched(tuple(guilty), TOO_MANY)
        broken = len(left)
        while broken - passing > 1:
            middle = (passing + broken) // 2
            if failing(left[:middle]):
                broken = middle
            else:
                passing = middle
        guilty.append(left.pop(broken - 1))
    return Searched(tuple(guilty), FOUND)


def questions(count: int) -> int:
    """Return how often `search` asks at most to find one guilty part among `count`.

    >>> [questions(n) for n in (1, 2, 8, 100)]
    [2, 4, 6, 10]
    """
    if count < 1:
        return 0
    return min(3 + ceil(log2(count)), 1 << count)
