"""What the verbs return: plain values whose `to_dict` is the JSON of the command line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer

from sluicegate.core import Assessment, Finding, Judged, Outcome, Update
from sluicegate.core.document import Result
from sluicegate.core.judged import Listed
from sluicegate.gates import Limit, Policy
from sluicegate.gates.decide import held_to


def judged(
    findings: Iterable[Finding], policy: Policy, rows_of: Mapping[str, Sequence[int]] | None = None
) -> list[Judged]:
    """Return each finding with its limit and outcome."""
    return [_judged(each, *held_to(policy, each, rows_of)) for each in findings]


def _judged(finding: Finding, limit: Limit | None, outcome: Outcome) -> Judged:
    measured = finding.to_dict()
    if limit is None:
        return Judged(**measured, limit=None, outcome=outcome)
    if limit.calibrating and outcome is not Outcome.PASS:
        measured["detail"] = f"{finding.detail} (calibrating)".strip()
    raised = {} if limit.written is None else {"written": limit.written}
    return Judged(**measured, limit=limit.limit, outcome=outcome, **raised)


@dataclass(frozen=True)
class IntakeResult:
    """What check and intake answer."""

    path: str
    assessment: Assessment
    findings: tuple[Judged, ...]
    duplicate_of: str | None
    seconds: float
    uncommitted: tuple[str, ...] = ()
    """The policy's files that lie otherwise in the working tree than they were judged by."""

    @property
    def outcome(self) -> Outcome:
        """Return the verdict's outcome."""
        return self.assessment.verdict.outcome

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `check` and `intake`."""
        batch, verdict = self.assessment.batch, self.assessment.verdict
        return {
            "schema": 1,
            "batch": {
                "id": batch.id,
                "path": self.path,
                "sha256": batch.artifact.sha256,
                "rows": batch.rows,
                "sources": batch.sources,
                "duplicate_of": self.duplicate_of,
            },
            "outcome": verdict.outcome.value,
            "quarantined": verdict.quarantined.to_dict(),
            "suspects": verdict.suspects.to_dict(),
            "findings": [each.listed() for each in self.findings],
            "reasons": list(verdict.reasons),
            "seconds": round(self.seconds, 3),
            "uncommitted": list(self.uncommitted),
        }


class RetrainResult(Result):
    """What retrain answers."""

    update: Annotated[Update, PlainSerializer(Update.to_dict)]
    outcome: Outcome
    findings: tuple[Listed, ...]
    reasons: tuple[str, ...]
    seconds: Annotated[float, PlainSerializer(lambda seconds: round(seconds, 3))]


class UpdateResult(Result):
    """What update answers: intake, and the retraining unless intake stopped."""

    intake: Annotated[IntakeResult, PlainSerializer(IntakeResult.to_dict)]
    retrain: RetrainResult | None

    @property
    def outcome(self) -> Outcome:
        """Return the outcome of the last step that was taken."""
        return self.retrain.outcome if self.retrain else self.intake.outcome


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at; `ok` is None for what works but should be known."""

    name: str
    ok: bool | None
    says: str
    mend: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {"name": self.name, "ok": self.ok, "says": self.says, "mend": self.mend}
