"""Which attacks make sense on a schema: what cannot be played is told, not counted as caught."""

from sluicegate.attacks.backdoors import Backdoor
from sluicegate.attacks.flips import SliceFlips, SlowFlips, SpreadFlips, Sybils, some_slice
from sluicegate.attacks.floods import Copies, Flood
from sluicegate.attacks.points import Dictionary, GradientPoints, OutOfDistribution
from sluicegate.attacks.stage import Attack, Stage, everywhere
from sluicegate.core import Kind, Task

BY_NAME = (Sybils, SpreadFlips, SlowFlips, Flood)


def why_not(attack: Attack, stage: Stage) -> str | None:
    """Return why `attack` cannot be played on `stage`, None where it can."""
    schema, numbers, texts = stage.schema, stage.numbers(), stage.texts()
    kinds = {column.kind for column in schema.features}
    if isinstance(attack, BY_NAME) and schema.source is None:
        return "the feedback names no sources"
    jittered = isinstance(attack, Copies) and attack.jitter > 0
    if isinstance(attack, GradientPoints) and not numbers:
        return "no feature is numeric"
    free = isinstance(attack, OutOfDistribution | Dictionary)
    if (jittered or free) and not numbers and not texts:
        return "no feature is numeric or text"
    carries = {Kind.CATEGORICAL, Kind.BOOLEAN, Kind.TEXT}
    if isinstance(attack, Backdoor) and not numbers and not kinds & carries:
        return "no feature can carry a pattern"
    if isinstance(attack, SliceFlips) and some_slice(stage) is everywhere:
        return "no feature selects 5 to 35 % of the rows"
    if schema.task is Task.REGRESSION and not stage.reference[schema.label].std() > 0:
        return "every row has the same label"
    return None
