"""Update: one attempt to replace the champion. It moves only by `advance`."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated, Any

from pydantic import Field

from .document import Plain
from .errors import Misused
from .verdict import Outcome, Verdict


class Stage(Enum):
    """Where an update stands: assembled, trained, compared, (awaiting), approved, promoted."""

    ASSEMBLED = "assembled"
    TRAINED = "trained"
    COMPARED = "compared"
    AWAITING = "awaiting"
    APPROVED = "approved"
    PROMOTED = "promoted"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"


ALLOWED: dict[Stage, frozenset[Stage]] = {
    Stage.ASSEMBLED: frozenset({Stage.TRAINED, Stage.REFUSED}),
    Stage.TRAINED: frozenset({Stage.COMPARED, Stage.REFUSED}),
    Stage.COMPARED: frozenset({Stage.AWAITING, Stage.APPROVED, Stage.REFUSED}),
    Stage.AWAITING: frozenset({Stage.APPROVED, Stage.REFUSED}),
    Stage.APPROVED: frozenset({Stage.PROMOTED, Stage.REFUSED}),
    Stage.PROMOTED: frozenset({Stage.ROLLED_BACK}),
    Stage.REFUSED: frozenset(),
    Stage.ROLLED_BACK: frozenset(),
}


@dataclass(frozen=True)
class ModelRef(Plain):
    """A registered model version and the SHA-256 of its directory's manifest."""

    version: int
    sha256: str


@dataclass(frozen=True)
class Update(Plain):
    """One challenger: what it learnt from, whom it challenges, and the verdicts on it.

    Its JSON leaves the verdicts out: they have records of their own.
    """

    id: str
    stage: Stage
    data_commit: str
    batches: tuple[str, ...]
    champion: ModelRef | None = None
    challenger: ModelRef | None = None
    verdicts: Annotated[tuple[Verdict, ...], Field(exclude=True)] = ()


def advance(update: Update, stage: Stage, **changes: Any) -> Update:
    """Return `update` at `stage`; the same step twice changes nothing.

    Raises Misused when the order of stages does not allow the step.
    """
    if stage is update.stage:
        return update
    if stage not in ALLOWED[update.stage]:
        raise Misused(
            f"update:{update.id} is {update.stage.value} and cannot become {stage.value}; "
            "start a new update instead."
        )
    return replace(update, stage=stage, **changes)


def stage_after(verdict: Verdict) -> Stage:
    """Return the stage a compared update moves to under `verdict`."""
    return {
        Outcome.PASS: Stage.APPROVED,
        Outcome.QUARANTINE: Stage.AWAITING,
        Outcome.PAUSE: Stage.AWAITING,
        Outcome.REJECT: Stage.REFUSED,
    }[verdict.outcome]
