"""A delivery frozen at receipt, and what the gate said of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sluicegate.checks.statistics.panel import Panel
from sluicegate.checks.statistics.pulls import Pulled, Trigger
from sluicegate.core import Artifact, Finding, Verdict
from sluicegate.gates import Policy
from sluicegate.record.feeds import Feed
from sluicegate.stores.reading import Table


@dataclass(frozen=True)
class Frozen:
    """A received file that nobody changes any more: what was received, and its normal form."""

    origin: str
    artifact: Artifact
    table: Table | None
    path: Path
    unreadable: str = ""
    feed: Feed | None = None


@dataclass(frozen=True)
class Judgement:
    """What was decided about a frozen batch, and all that settling it needs."""

    frozen: Frozen
    findings: tuple[Finding, ...]
    verdict: Verdict
    predicted: "pd.Series[Any]"
    panel: Panel | None
    pulled: tuple[Pulled, ...]
    stopped: tuple[Trigger, ...]
    policy: Policy
    rows_of: dict[str, list[int]]
