"""The rules of gates/calibration.py, one named row each."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sluicegate.core import Finding, Outcome
from sluicegate.gates import Limit, Policy, decide
from sluicegate.gates.calibration import (
    BY_THEORY,
    CALIBRATING,
    CEILING,
    Calibrated,
    Calibration,
    calibrated,
    effective,
    stops,
)
from sluicegate.gates.nulls import Null, null_of

PASS, QUARANTINE, PAUSE, REJECT = Outcome
DRIFT = Limit("drift.effect.*", 0.3, PAUSE)
BUDGET = 1 / 60


def windows(*values: float, metric: str = "drift.effect.age") -> list[dict[str, float]]:
    return [{metric: value} for value in values]


def held(limit: Limit, *values: float, **more: object) -> Calibrated:
    metric = limit.metric.replace("*", "age")
    (found,) = calibrated([limit], windows(*values, metric=metric), (), BUDGET, **more)  # type: ignore[arg-type]
    return found


QUIET = [0.1] * 59
LOUD = [0.1] * 48 + [0.31, 0.32, 0.33, 0.34, 0.35, 0.36, 0.37, 0.38, 0.39, 0.4, 0.41, 0.42]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([*QUIET, 0.2], 0.3, id="where nothing was stopped nothing is raised"),
        pytest.param([*QUIET, 0.3], 0.3, id="at the limit nothing is stopped"),
        pytest.param([*QUIET, 0.4], 0.4, id="one outlier: raised to let it pass"),
        pytest.param(LOUD, 0.45, id="many beyond: raised to the largest or more"),
        pytest.param([*QUIET, 9.0], 0.45, id="no calibration raises by more than half"),
        pytest.param([0.0] * 60, 0.3, id="never lowered"),
        pytest.param([0.4] * 19, 0.3, id="fewer than twenty windows do not calibrate"),
        pytest.param([], 0.3, id="no windows do not calibrate"),
    ],
)
def test_the_limit_that_honest_windows_ask_for(values: list[float], expected: float) -> None:
    """Raised to the budget, within bounds."""
    assert held(DRIFT, *values).limit == pytest.approx(expected)


def test_too_few_windows_for_the_budget_go_on_beyond_the_largest() -> None:
    """With thirty windows the budget of one in sixty lies beyond what was seen."""
    found = held(Limit("triggers.lift", 2.0, QUARANTINE), *np.linspace(0.1, 2.1, 30))
    assert 2.1 < found.limit < 3.0


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(Limit("drift.effect.*", 0.3, REJECT), id="a reject limit"),
        pytest.param(Limit("contract.warning", 0.1, QUARANTINE), id="a contract"),
        pytest.param(Limit("sources.share", 0.1, PAUSE), id="a cap of the owner's"),
        pytest.param(Limit("invented.metric", 0.1, PAUSE), id="a metric that nobody declared"),
        pytest.param(Limit("*", 0.1, PAUSE), id="a limit on everything"),
        pytest.param(Limit("drift.effect.*", 0.0, PAUSE), id="a limit of nothing at all"),
    ],
)
def test_what_is_never_raised(limit: Limit) -> None:
    """It is not even listed, and the policy holds it as written."""
    assert calibrated([limit], windows(*LOUD), (), BUDGET) == ()
    assert effective(Policy("intake", (limit,)), None, None).limits == (limit,)


def test_several_calibrations_end_at_twice_what_is_written() -> None:
    """However long an attacker goes on, a person has to write a higher limit."""
    found = held(DRIFT, *QUIET, 9.0)
    assert found.bounded
    for _ in range(5):
        found = held(DRIFT, *[9.0] * 60, before=(found,))
    assert (found.limit, found.bounded) == (CEILING * 0.3, True)
    assert held(DRIFT, *QUIET, 0.2, before=(found,)).limit == 0.3


def test_the_accepted_history_asks_besides_the_drawn_windows() -> None:
    """Six drifting batches that people accepted are not outvoted by sixty easy windows."""
    easy, past = windows(*[0.1] * 60), windows(0.1, 0.1, 0.1, 0.1, 0.4, 0.38)
    (found,) = calibrated([DRIFT], easy, past, BUDGET)
    assert found.limit >= 0.4
    assert stops((found,), past, written=True) == 2
    assert stops((found,), past, written=False) == 0


def test_the_budget_is_kept_by_fresh_windows() -> None:
    """Four metrics of known distribution stop fresh windows about once in sixty, all together.

    200 calibrations of 60 windows each; the interval is three standard errors and the conformal
    promise of 1 in 61 on average.
    """
    rng = np.random.default_rng(1)
    limits = [
        Limit("drift.effect.*", 4.0, PAUSE),
        Limit("novelty.*", 4.0, PAUSE),
        Limit("triggers.lift", 4.0, QUARANTINE),
        Limit("missingness.*", 4.0, PAUSE),
    ]
    names = ("drift.effect.age", "novelty.range.age", "triggers.lift", "missingness.original.age")

    def sample(count: int) -> list[dict[str, float]]:
        common = rng.exponential(size=(count, 1))  # metrics of one window are not independent
        values = np.maximum(common, rng.exponential(size=(count, 4)))
        return [dict(zip(names, row, strict=True)) for row in values.tolist()]

    rates, before = [], []
    for _ in range(200):
        found = calibrated(limits, sample(60), (), BUDGET)
        fresh = sample(100)
        before.append(stops(found, fresh, written=True) / 100)
        rates.append(stops(found, fresh, written=False) / 100)
    assert np.mean(before) > 3 * BUDGET
    error = 3 * np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) - error <= BUDGET
    assert np.mean(rates) > 0.2 * BUDGET


CALIBRATION = Calibration(
    time="2026-01-01T00:00:00+00:00",
    budget=BUDGET,
    rows=300,
    block=7,
    drawn=60,
    history=0,
    batches=(),
    sources="none",
    materials=(),
    stopped=0,
    stops=0,
    limits=(held(DRIFT, *QUIET, 0.4),),
)


def test_a_calibration_reads_as_it_was_written() -> None:
    """Law: read(to_dict(c)) == c."""
    assert Calibration.read(CALIBRATION.to_dict(), "c") == CALIBRATION


@pytest.mark.parametrize(
    ("written", "limit", "shown"),
    [
        pytest.param(DRIFT, 0.4, 0.3, id="raised, and the written one is shown beside it"),
        pytest.param(replace(DRIFT, limit=0.1), 0.1, None, id="one changed since is as written"),
        pytest.param(replace(DRIFT, limit=0.9), 0.9, None, id="a wider one, too"),
    ],
)
def test_the_policy_holds_the_calibrated_limits(
    written: Limit, limit: float, shown: float | None
) -> None:
    """Rule 6: the owner's pen is stronger than the calibration."""
    policy = effective(Policy("intake", (written,)), CALIBRATION, "d" * 64)
    assert policy.limits[0].limit == pytest.approx(limit)
    assert policy.limits[0].written == shown
    assert policy.calibration == "d" * 64


def test_the_digest_pins_the_calibration() -> None:
    """Another calibration, or none, is another policy."""
    plain = Policy("intake", (DRIFT,))
    told = [effective(plain, CALIBRATION, d) for d in ("a" * 64, "b" * 64)]
    assert len({plain.digest, *(policy.digest for policy in told)}) == 3


@pytest.mark.parametrize(
    ("metric", "outcome", "state"),
    [
        pytest.param("novelty.unseen.a", PAUSE, CALIBRATING, id="its null needs data: pauses"),
        pytest.param("triggers.lift", QUARANTINE, BY_THEORY, id="the bulk is null enough: accuses"),
        pytest.param("contract.warning", QUARANTINE, None, id="an owner's rule accuses"),
    ],
)
def test_without_a_calibration_it_pauses_rather_than_accuses(
    metric: str, outcome: Outcome, state: str | None
) -> None:
    """Only where what is usual cannot be known without this workspace's data."""
    limit = Limit(metric, 0.1, QUARANTINE)
    policy = effective(Policy("intake", (limit,)), None, None)
    finding = Finding("check", metric, 0.5, rows=(1,))
    verdict = decide(policy, "batch:1", [finding])
    assert verdict.outcome is outcome
    assert ("calibrating" in verdict.reasons[0]) is (outcome is PAUSE)
    assert [each.state for each in calibrated([limit], (), (), BUDGET)] == [state] * bool(state)


def test_a_raised_limit_is_told_beside_the_written_one() -> None:
    """A reviewer sees that the limit is not the one in params.yaml."""
    policy = effective(Policy("intake", (DRIFT,)), CALIBRATION, "d" * 64)
    verdict = decide(policy, "batch:1", [Finding("drift", "drift.effect.age", 0.5)])
    assert verdict.reasons == ("drift.effect.age is 0.5, limit 0.4, raised from 0.3.",)


def test_every_limit_that_init_writes_has_its_null() -> None:
    """Which limits stay the owner's is a decision, listed here."""
    from sluicegate.stores import defaults

    gates: Any = defaults.values(defaults.versions()[-1])["gates"]
    owners = {m for m in gates["intake"] if null_of(m) is Null.OWNER}
    owners -= {"triggers.learnt", "duplicates.taken_out"}
    assert owners >= {"contract.critical", "contract.warning", "sources.share", "checks.crashed"}
    assert all(m.split(".")[0] in OWNED for m in owners), owners


OWNED = {"checks", "contract", "sources", "origins", "corrections", "oracle", "times", "fairness"}
