"""sluicegate: continual learning from feedback, without being taken over by it.

>>> from sluicegate import Workspace
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .workspace import Workspace

__all__ = ["Workspace", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # `sluicegate --help` must not wait for pandas.
    if name == "Workspace":
        from .workspace import Workspace

        return Workspace
    raise AttributeError(f"module 'sluicegate' has no attribute {name!r}")
