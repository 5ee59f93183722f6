"""Batch: one delivery of feedback, frozen at receipt and never edited."""

from dataclasses import dataclass

from .artifact import Artifact
from .finding import Finding
from .verdict import Verdict


@dataclass(frozen=True)
class Batch:
    """One delivery of feedback.

    `id` is given at receipt and is None for a batch that is only checked. `received` is a UTC time
    in ISO 8601. `sources` counts the distinct contributors.
    """

    id: str | None
    artifact: Artifact
    received: str
    rows: int
    sources: int


@dataclass(frozen=True)
class Assessment:
    """A batch, what was measured of it, and the gate's answer."""

    batch: Batch
    findings: tuple[Finding, ...]
    verdict: Verdict
