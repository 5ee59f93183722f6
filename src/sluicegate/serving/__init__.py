"""Serving: a host that answers with the champion verifies it itself, by a trust root of its own.

Needs no workspace, Prefect, MLflow or DVC; `load_champion` is the way in.
"""

from .events import ServingEvent, ServingWarning
from .loader import ServedChampion, load_champion

__all__ = ["ServedChampion", "ServingEvent", "ServingWarning", "load_champion"]
