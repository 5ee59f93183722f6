"""patience: asked again, less and less often, and given up at last."""

import errno

import pytest

from sluicegate.stores.patience import WAITS, patiently


def failing(*errors: Exception) -> "tuple[list[Exception], object]":
    left = list(errors)

    def deed() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return left, deed


def test_what_is_away_for_a_moment_is_asked_again() -> None:
    waited: list[float] = []
    _, deed = failing(ConnectionError(), ConnectionError())
    assert patiently(deed, (OSError,), waited.append) == "done"  # type: ignore[arg-type]
    assert waited == list(WAITS[:2])


def test_what_stays_away_is_given_up_with_its_own_error() -> None:
    waited: list[float] = []
    _, deed = failing(*[ConnectionError(f"{n}") for n in range(9)])
    with pytest.raises(ConnectionError, match=f"^{len(WAITS)}$"):
        patiently(deed, (OSError,), waited.append)  # type: ignore[arg-type]
    assert waited == list(WAITS)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_disk_does_not_pass(number: int) -> None:
    waited: list[float] = []
    _, deed = failing(OSError(number, "no"))
    with pytest.raises(OSError, match="no"):
        patiently(deed, (OSError,), waited.append)  # type: ignore[arg-type]
    assert waited == []
