"""The limits of a world's workspace, as written and as `init` would calibrate them."""

from dataclasses import replace
from typing import Any

from worlds import World

from sluicegate.flows.feedback.null_windows import Pool, block_of, windows_of
from sluicegate.gates import Policy
from sluicegate.gates.calibration import Calibration, calibrated, effective
from sluicegate.gates.policy import parse_limits
from sluicegate.stores import defaults
from sluicegate.stores.settings import Checks

# What is measured elsewhere, or not at all in these worlds: no contract, time, id, origin or earlier data.
ELSEWHERE = ("checks.", "contract.", "times.", "origins.", "corrections.", "triggers.learnt")


def written(world: World, drift: bool = True) -> Policy:
    """Return the limits of intake by default, without those measured elsewhere."""
    elsewhere = ELSEWHERE if drift else (*ELSEWHERE, "drift.")
    gates: Any = defaults.values(defaults.versions()[-1])["gates"]
    mine = {m: limits for m, limits in gates["intake"].items() if not m.startswith(elsewhere)}
    # init declares so, too
    without = () if world.codes else ("novelty.unseen.*",)
    return Policy("intake", parse_limits(mine, "gates.intake"), without)


def as_init_would(world: World, policy: Policy, seed: int) -> Policy:
    """Return `policy` calibrated on the golden set, the way of flows/calibrate.py before any batch."""
    pool, settings = _pool(world), Checks()
    drawn = list(windows_of(pool, settings, policy, seed))
    asked = filter(policy.applies, policy.limits)
    limits = calibrated(asked, drawn, (), settings.false_stops)
    made = Calibration(
        time="", budget=settings.false_stops, rows=pool.rows, block=block_of(pool),
        drawn=len(drawn), history=0, batches=(), sources="", materials=(), limits=limits,
    )  # fmt: skip
    return effective(policy, made, "calibrated")


def raised(policy: Policy) -> dict[str, float]:
    """Return the limits that the calibration raised."""
    return {x.metric: round(x.limit, 4) for x in policy.limits if x.written is not None}


def _pool(world: World) -> Pool:
    """Return the golden set as the pool of honest rows; it has no sources."""
    subject = world.feedback(world.golden)
    nobody = replace(world.schema, source=None)
    subject = replace(subject, schema=nobody, references=subject.references[:1])
    return Pool(subject, len(world.golden), len(world.golden) // 2, "", has_history=False)
