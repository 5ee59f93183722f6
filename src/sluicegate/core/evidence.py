"""Evidence: enough to explain a decision years later."""

from dataclasses import dataclass

from .artifact import Artifact
from .finding import Finding
from .verdict import Verdict


@dataclass(frozen=True)
class Evidence:
    """What was decided, from which measurements of which materials, after which earlier entry."""

    subject: Artifact
    findings: tuple[Finding, ...]
    verdict: Verdict
    materials: tuple[Artifact, ...] = ()
    previous: str | None = None
    approvals: tuple[str, ...] = ()
