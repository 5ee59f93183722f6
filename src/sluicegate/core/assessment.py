"""Assessment: what check and intake return."""

from dataclasses import dataclass

from .batch import Batch
from .finding import Finding
from .verdict import Verdict


@dataclass(frozen=True)
class Assessment:
    """A batch, what was measured of it, and the gate's answer."""

    batch: Batch
    findings: tuple[Finding, ...]
    verdict: Verdict
