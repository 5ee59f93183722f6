"""patience: a store that is away for a moment is asked again, less and less often, and then given up."""

import errno
import time
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")

WAITS = (0.5, 2.0, 5.0)
"""Seconds before the second, third and fourth try."""

LASTING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}
)


def patiently(
    deed: Callable[[], R],
    away: tuple[type[Exception], ...],
    pause: Callable[[float], None] = time.sleep,
) -> R:
    """Return what `deed` returns, tried again after each of WAITS while it raises one of `away`.

    Raises the last try's error; a full or read-only disk does not pass and is raised at once. `deed`
    must be such that a second time changes nothing.
    """
    for wait in WAITS:
        try:
            return deed()
        except away as error:
            if isinstance(error, OSError) and error.errno in LASTING:
                raise
            pause(wait)
    return deed()
