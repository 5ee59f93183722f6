"""Fault points: every side effect is one decorated function, so that tests can stop after any."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

observer: Callable[[str], None] | None = None
"""Called with the effect's name right after it happened; None outside crash tests."""


def effect(function: Callable[P, R]) -> Callable[P, R]:
    """Mark `function` as one side effect on a store."""

    @functools.wraps(function)
    def carried_out(*args: P.args, **kwargs: P.kwargs) -> R:
        result = function(*args, **kwargs)
        if observer is not None:
            observer(f"{function.__module__.rsplit('.', 1)[-1]}.{function.__name__}")
        return result

    return carried_out
