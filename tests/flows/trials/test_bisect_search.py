"""The search of a bisect: right for every place of one guilty part, honest where there is none."""

from collections.abc import Callable

import pytest

from sluicegate.flows.trials.search import (
    BASE_FAILS,
    FOUND,
    PASSES,
    TOO_MANY,
    Searched,
    questions,
    search,
)

Kept = tuple[int, ...]


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 33])
def test_one_guilty_part_is_found_wherever_it_is(count: int) -> None:
    """In no more questions than `questions` says: a dry run tells the truth."""
    for guilty in range(count):
        asked: set[Kept] = set()

        def fails(kept: Kept, guilty: int = guilty, asked: set[Kept] = asked) -> bool:
            asked.add(kept)
            return guilty in kept

        assert search(range(count), fails, 3) == Searched((guilty,), FOUND)
        assert len(asked) <= questions(count)


@pytest.mark.parametrize(
    ("fails", "most", "found"),
    [
        pytest.param(lambda kept: False, 3, Searched((), PASSES), id="nothing to find"),
        pytest.param(lambda kept: True, 3, Searched((), BASE_FAILS), id="the base fails already"),
        pytest.param(
            lambda kept: bool({1, 4} & set(kept)), 3, Searched((1, 4), FOUND), id="two guilty"
        ),
        pytest.param(
            lambda kept: bool({1, 4} & set(kept)), 1, Searched((1,), TOO_MANY), id="more than asked"
        ),
        pytest.param(
            lambda kept: {1, 4} <= set(kept), 3, Searched((4,), FOUND), id="two only together"
        ),
        pytest.param(
            lambda kept: (2 in kept and 3 not in kept) or 5 in kept,
            3,
            Searched((2, 5), FOUND),
            id="one masks the other",
        ),
        pytest.param(
            lambda kept: len(kept) >= 4, 3, Searched((3, 4, 5), FOUND), id="a little from everybody"
        ),
    ],
)
def test_without_what_was_found_the_test_passes(
    fails: Callable[[Kept], bool], most: int, found: Searched
) -> None:
    """Monotone or not: FOUND means that it was seen to pass."""
    parts = range(6)
    result = search(parts, fails, most)
    if result.ended == FOUND:
        assert not fails(tuple(each for each in parts if each not in result.guilty))
        assert set(result.guilty) <= set(parts)
    assert result.ended == found.ended
    if found.guilty != (2, 5):  # where one masks another, either order of taking out is right
        assert result.guilty == found.guilty
