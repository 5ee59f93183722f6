"""The battery: every attack that a drill and the benchmarks play."""

from sluicegate.attacks.backdoors import Backdoor
from sluicegate.attacks.flips import (
    Flips,
    SliceFlips,
    SlowFlips,
    SpreadFlips,
    Sybils,
    TargetedClass,
)
from sluicegate.attacks.floods import Copies, Flood
from sluicegate.attacks.points import Dictionary, GradientPoints, OutOfDistribution
from sluicegate.attacks.stage import Attack

BATTERY: tuple[Attack, ...] = (
    Flips(),
    Flood(),
    Sybils(),
    SpreadFlips(),
    TargetedClass(),
    SliceFlips(),
    SlowFlips(),
    Backdoor(),
    Copies(),
    Copies(name="near copies", jitter=0.001),
    OutOfDistribution(),
    GradientPoints(),
    Dictionary(),
)
