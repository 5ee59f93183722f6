"""What an update's pipeline reported: the findings, and how its trainer was isolated."""

from collections.abc import Mapping
from typing import Any

from sluicegate.core import Finding
from sluicegate.stores.isolation import NOT_ISOLATED


def findings_in(comparison: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of a comparison.json."""
    return [Finding.read(each, "comparison.json") for each in comparison["findings"]]


def describe_isolation(comparison: Mapping[str, Any]) -> str:
    """Return the sentence about the trainer of an update that was compared."""
    return str(comparison.get("isolation", {}).get("told", NOT_ISOLATED))
