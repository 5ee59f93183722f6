"""A host on which only the packages for serving and verifying are installed."""

import sys

import pytest

from sluicegate.core.installed import LINE


def without_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make importing any package of the extra `line` fail, as where it is not installed."""
    for name in {*LINE, *(each for each in sys.modules if each.split(".")[0] in LINE)}:
        monkeypatch.setitem(sys.modules, name, None)
