"""sluicegate: continual learning from feedback, without being taken over by it.

>>> from sluicegate import Workspace, load_champion
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .serving import ServedChampion, ServingEvent, ServingWarning, load_champion
    from .workspace import Workspace

__all__ = [
    "ServedChampion",
    "ServingEvent",
    "ServingWarning",
    "Workspace",
    "__version__",
    "load_champion",
]
__version__ = "0.2.0.dev0"


def __getattr__(name: str) -> Any:
    # `sluicegate --help` must not wait for pandas.
    if name == "Workspace":
        from .workspace import Workspace

        return Workspace
    if name in __all__:
        from . import serving

        return getattr(serving, name)
    raise AttributeError(f"module 'sluicegate' has no attribute {name!r}")
