"""The rules of gates/decide.py, one named row each."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.core import Finding, Outcome, Selection
from sluicegate.gates import Limit, Policy, decide
from sluicegate.gates.decide import outcome_of

PASS, QUARANTINE, PAUSE, REJECT = Outcome
DRIFT = Limit("drift.*", 0.3, PAUSE)
LABELS = Limit("labels.disagreement", 0.2, QUARANTINE)
GOLDEN = Limit("golden.loss", 0.1, REJECT)
ROWS_OF = {"c17": [3, 4, 5], "c18": [6], "gone": []}


def drift(value: Any, metric: str = "drift.effect.age", **more: Any) -> Finding:
    return Finding("drift", metric, value, **more)


def labels(value: Any, **more: Any) -> Finding:
    return Finding("labels", "labels.disagreement", value, **more)


def golden(value: Any, **more: Any) -> Finding:
    return Finding("golden", "golden.loss", value, **more)


def policy(*limits: Limit, not_applicable: tuple[str, ...] = ()) -> Policy:
    return Policy("intake", limits, not_applicable)


@pytest.mark.parametrize(
    ("limits", "findings", "expected"),
    [
        pytest.param([DRIFT], [], PAUSE, id="no checks and so no findings pauses"),
        pytest.param([], [], PAUSE, id="no limits and no findings pauses"),
        pytest.param([], [drift(0.1)], PAUSE, id="a policy without limits pauses"),
        pytest.param([DRIFT], [drift(0.1)], PASS, id="everything measured and within passes"),
        pytest.param([DRIFT], [drift(None)], PAUSE, id="None is not measured and pauses"),
        pytest.param([DRIFT], [drift(math.nan)], PAUSE, id="NaN is not measured and pauses"),
        pytest.param(
            [DRIFT], [drift(np.float64("nan"))], PAUSE, id="a numpy NaN is not measured and pauses"
        ),
        pytest.param(
            [DRIFT], [drift(-math.inf)], PAUSE, id="minus infinity is no measurement and pauses"
        ),
        pytest.param(
            [DRIFT],
            [drift(0.1), drift(math.nan, "drift.effect.b")],
            PAUSE,
            id="one unmeasured value among measured ones pauses",
        ),
        pytest.param(
            [LABELS],
            [labels(None, rows=(1,))],
            PAUSE,
            id="an unmeasured value under a quarantine limit pauses",
        ),
        pytest.param(
            [GOLDEN], [golden(None)], PAUSE, id="an unmeasured value under a reject limit pauses"
        ),
        pytest.param(
            [DRIFT, LABELS],
            [labels(0.1)],
            PAUSE,
            id="a check that crashed is seen by its absence and pauses",
        ),
        pytest.param(
            [Limit("drfit.*", 0.3, PAUSE)], [drift(0.1)], PAUSE, id="a misspelt limit pauses"
        ),
        pytest.param(
            [GOLDEN],
            [drift(0.1)],
            PAUSE,
            id="a reject limit that nobody measures pauses, for nothing is known",
        ),
        pytest.param([DRIFT], [drift(0.3)], PASS, id="exactly at the limit is within it"),
        pytest.param(
            [DRIFT], [drift(math.nextafter(0.3, 1))], PAUSE, id="the next number is beyond it"
        ),
        pytest.param(
            [DRIFT], [drift(np.float32(0.3))], PAUSE, id="a float32 is judged as it is recorded"
        ),
        pytest.param([DRIFT], [drift(math.inf)], PAUSE, id="an infinite value is beyond any limit"),
        pytest.param(
            [Limit("drift.*", 0.0, PAUSE)], [drift(-0.0)], PASS, id="minus zero is not beyond zero"
        ),
        pytest.param(
            [Limit("drift.*", -0.0, PAUSE)], [drift(0.0)], PASS, id="zero is not beyond minus zero"
        ),
        pytest.param(
            [Limit("drift.*", 0.5, PAUSE)], [drift(True)], PAUSE, id="True is the number one"
        ),
        pytest.param([DRIFT], [drift(-5.0)], PASS, id="a negative value is better than the limit"),
        pytest.param(
            [GOLDEN], [golden(0.2)], REJECT, id="beyond a limit comes to that limit's outcome"
        ),
        pytest.param([LABELS], [labels(0.3)], PAUSE, id="a quarantine that names nothing pauses"),
        pytest.param(
            [LABELS], [labels(0.3, rows=(0,))], QUARANTINE, id="a quarantine of rows is one"
        ),
        pytest.param(
            [LABELS],
            [labels(0.3, sources=("c17",))],
            QUARANTINE,
            id="a quarantine of a source with rows is one",
        ),
        pytest.param(
            [LABELS],
            [labels(0.3, sources=("c99",))],
            PAUSE,
            id="a quarantine of a source nobody knows would hold nothing back and pauses",
        ),
        pytest.param(
            [LABELS],
            [labels(0.3, sources=("gone",))],
            PAUSE,
            id="a quarantine of a source without rows pauses",
        ),
        pytest.param(
            [LABELS],
            [labels(0.3, rows=(1,), sources=("c17", "c99"))],
            PAUSE,
            id="a quarantine that can be carried out only in part pauses",
        ),
        pytest.param(
            [DRIFT],
            [drift(0.1), Finding("labels", "labels.count", 1e9)],
            PASS,
            id="a finding that no limit covers is a note",
        ),
        pytest.param(
            [DRIFT],
            [drift(0.1), Finding("labels", "labels.count", None)],
            PASS,
            id="a note that could not be measured is still a note",
        ),
        pytest.param(
            [DRIFT], [drift(0.1, "")], PAUSE, id="a finding without a name answers no limit"
        ),
        pytest.param(
            [DRIFT, LABELS, GOLDEN],
            [golden(0.2), labels(0.3, rows=(0,)), drift(0.4)],
            REJECT,
            id="the worst outcome wins",
        ),
        pytest.param(
            [DRIFT, LABELS],
            [labels(0.3, rows=(0,)), drift(0.4)],
            PAUSE,
            id="a pause wins over a quarantine",
        ),
        pytest.param(
            [GOLDEN, DRIFT],
            [golden(0.2), drift(None)],
            REJECT,
            id="a reject wins over what could not be measured",
        ),
        pytest.param(
            [DRIFT, Limit("drift.*", 0.6, REJECT)],
            [drift(0.5)],
            PAUSE,
            id="of several limits on one metric only the broken ones speak",
        ),
        pytest.param(
            [DRIFT, Limit("drift.*", 0.6, REJECT)],
            [drift(0.7)],
            REJECT,
            id="of several broken limits on one metric the worst wins",
        ),
        pytest.param(
            [Limit("drift.*", 0.9, PAUSE), Limit("drift.effect.age", 0.2, PAUSE)],
            [drift(0.3)],
            PAUSE,
            id="a narrow limit holds besides a wide one",
        ),
        pytest.param(
            [Limit("drift.*", 0.2, PAUSE), Limit("drift.effect.age", 0.9, PAUSE)],
            [drift(0.3)],
            PAUSE,
            id="a narrow limit does not excuse from a wide one",
        ),
        pytest.param(
            [Limit("drift.a[0]", 0.3, PAUSE)],
            [drift(0.1, "drift.a0")],
            PAUSE,
            id="a column called a0 does not answer the limit of a[0]",
        ),
        pytest.param(
            [Limit("drift.a[0]*", 0.3, PAUSE)],
            [drift(0.4, "drift.a[0].mean")],
            PAUSE,
            id="brackets in a column's name do not hide it from its limit",
        ),
        pytest.param(
            [Limit("drift.age", 0.3, PAUSE)],
            [drift(0.1, "drift.*")],
            PAUSE,
            id="a column called * answers no limit but its own",
        ),
    ],
)
def test_outcome(limits: list[Limit], findings: list[Finding], expected: Outcome) -> None:
    """The gate's answer follows the rules in decide's docstring."""
    verdict = decide(policy(*limits), "batch:1", findings, ROWS_OF)
    assert verdict.outcome is expected
    assert bool(verdict.reasons) is (expected is not PASS)


@pytest.mark.parametrize(
    ("not_applicable", "limits", "findings", "expected"),
    [
        pytest.param(
            ("labels.*",), [DRIFT, LABELS], [drift(0.1)], PASS, id="what is declared is excused"
        ),
        pytest.param(
            ("labels.*",), [DRIFT, LABELS], [labels(0.1)], PAUSE, id="nothing else is excused"
        ),
        pytest.param(
            ("drift.time.*",), [DRIFT], [labels(0.1)], PAUSE, id="a part does not excuse the whole"
        ),
        pytest.param(
            ("label",), [LABELS], [drift(0.1)], PAUSE, id="the start of a name does not excuse it"
        ),
        pytest.param(
            ("labels.*",),
            [DRIFT, LABELS],
            [drift(0.1), labels(0.3)],
            PAUSE,
            id="what was measured after all is judged",
        ),
        pytest.param(
            ("labels.*",),
            [DRIFT, LABELS],
            [drift(0.1), labels(None)],
            PAUSE,
            id="what was tried and could not be measured is not excused",
        ),
        pytest.param(
            ("*",), [DRIFT], [labels(0.1)], PAUSE, id="to excuse every limit is to have none"
        ),
        pytest.param(
            ("*",), [DRIFT], [drift(0.1)], PAUSE, id="a policy that excuses itself cannot pass"
        ),
    ],
)
def test_not_applicable(
    not_applicable: tuple[str, ...],
    limits: list[Limit],
    findings: list[Finding],
    expected: Outcome,
) -> None:
    """Only what the policy declares not applicable may go unmeasured."""
    judged = policy(*limits, not_applicable=not_applicable)
    assert decide(judged, "batch:1", findings, ROWS_OF).outcome is expected


@pytest.mark.parametrize(
    ("findings", "quarantined", "suspects"),
    [
        pytest.param([drift(0.1, rows=(1,))], Selection(), Selection(), id="a pass holds nothing"),
        pytest.param(
            [drift(0.1), labels(0.3, rows=(2, 1)), labels(0.4, rows=(1, 0))],
            Selection((0, 1, 2)),
            Selection(),
            id="rows of quarantine findings are joined, sorted and named once",
        ),
        pytest.param(
            [drift(0.1), labels(0.3, rows=(9,), sources=("c17",))],
            Selection((3, 4, 5, 9), ("c17",)),
            Selection(),
            id="a quarantined source means all its rows",
        ),
        pytest.param(
            [drift(0.4, rows=(7,), sources=("c18",)), labels(0.1)],
            Selection(),
            Selection((6, 7), ("c18",)),
            id="a pause asks about rows and all rows of its sources",
        ),
        pytest.param(
            [drift(0.4, sources=("c17",)), labels(0.3, sources=("c17", "c18"))],
            Selection((3, 4, 5, 6), ("c17", "c18")),
            Selection((3, 4, 5), ("c17",)),
            id="the same rows may be held back and asked about",
        ),
        pytest.param(
            [drift(None, rows=(8,)), labels(0.1)],
            Selection(),
            Selection((8,)),
            id="rows that could not be measured are suspects",
        ),
        pytest.param(
            [drift(0.1), labels(0.3, rows=(1,), sources=("c99",))],
            Selection(),
            Selection((1,), ("c99",)),
            id="a quarantine that cannot be carried out leaves suspects",
        ),
    ],
)
def test_selections(findings: list[Finding], quarantined: Selection, suspects: Selection) -> None:
    """The verdict names what is held back and what a human is asked about."""
    verdict = decide(policy(DRIFT, LABELS), "batch:1", findings, ROWS_OF)
    assert (verdict.quarantined, verdict.suspects) == (quarantined, suspects)


def test_without_rows_a_source_cannot_be_held_back() -> None:
    """A subject without rows (a candidate) pauses where a batch would be quarantined."""
    verdict = decide(policy(LABELS), "update:1", [labels(0.3, sources=("c17",))])
    assert verdict.outcome is PAUSE


def test_an_iterator_is_judged_too() -> None:
    """Findings that can be read only once are still all judged."""
    findings: Any = iter([drift(0.9)])
    assert decide(policy(DRIFT), "batch:1", findings).outcome is PAUSE


def test_positions_from_numpy_are_written_as_integers() -> None:
    """Positions that numpy counted are plain integers in the verdict."""
    rows: Any = tuple(np.flatnonzero([True, False, True]))
    verdict = decide(policy(LABELS), "batch:1", [labels(0.3, rows=rows)])
    assert [type(row) for row in verdict.quarantined.rows] == [int, int]


def test_reasons_come_worst_first_and_once() -> None:
    """A reviewer reads the worst reason first, and each once."""
    findings = [drift(0.4), drift(0.4), golden(0.2, detail="The golden set got worse.")]
    verdict = decide(policy(DRIFT, GOLDEN), "batch:1", findings)
    assert verdict.reasons == (
        "The golden set got worse. (golden.loss is 0.2, limit 0.1.)",
        "drift.effect.age is 0.4, limit 0.3.",
    )


def test_the_verdict_names_its_subject_and_policy() -> None:
    """A verdict says what it judged and under which policy."""
    judged = policy(DRIFT)
    verdict = decide(judged, "batch:1", [drift(0.1)])
    assert (verdict.subject, verdict.policy) == ("batch:1", judged.digest)


def test_a_finding_may_name_a_million_rows() -> None:
    """A finding about every row of a large batch is judged like any other."""
    rows = tuple(range(1_000_000))
    verdict = decide(policy(LABELS), "batch:1", [labels(0.3, rows=rows, sources=("c17",))], ROWS_OF)
    assert len(verdict.quarantined.rows) == 1_000_000


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        pytest.param(drift(0.1), (0.3, PASS), id="within: the lowest limit that covers it"),
        pytest.param(drift(0.4), (0.3, PAUSE), id="beyond: the limit it broke"),
        pytest.param(drift(0.7), (0.6, REJECT), id="beyond several: the one that decided"),
        pytest.param(drift(None), (0.3, PAUSE), id="unmeasured: the lowest limit, and a pause"),
        pytest.param(labels(9.0), (None, PASS), id="a note has no limit"),
    ],
)
def test_outcome_of(finding: Finding, expected: tuple[float | None, Outcome]) -> None:
    """One finding is shown with its limit and what it comes to."""
    judged = policy(DRIFT, Limit("drift.*", 0.6, REJECT))
    assert outcome_of(judged, finding) == expected


METRICS = st.sampled_from(["drift.a", "drift.b", "labels.disagreement", "golden.loss", "note"])
FINDINGS = st.builds(
    Finding,
    check=st.just("check"),
    metric=METRICS,
    value=st.none() | st.floats(),
    rows=st.lists(st.integers(0, 9), max_size=3).map(tuple),
    sources=st.lists(st.sampled_from(["c17", "c18", "c99"]), max_size=2).map(tuple),
)
LIMITS = st.builds(
    Limit,
    metric=METRICS | st.sampled_from(["*", "drift.*", "a[*"]),
    limit=st.floats(allow_nan=False, allow_infinity=False),
    outcome=st.sampled_from([QUARANTINE, PAUSE, REJECT]),
)
POLICIES = st.builds(
    Policy,
    name=st.just("intake"),
    limits=st.lists(LIMITS, max_size=4).map(tuple),
    not_applicable=st.lists(METRICS | st.just("*"), max_size=2).map(tuple),
)


@given(POLICIES, st.lists(FINDINGS, max_size=5), FINDINGS)
def test_one_more_finding_under_a_limit_never_lets_more_through(
    judged: Policy, findings: list[Finding], more: Finding
) -> None:
    """Once every limit is answered, a further measurement can only make the outcome worse."""
    before = decide(judged, "s", findings, ROWS_OF)
    if all(any(x.covers(f.metric) for f in findings) for x in judged.limits) and findings:
        after = decide(judged, "s", [*findings, more], ROWS_OF)
        assert after.outcome.severity >= before.outcome.severity


@given(POLICIES, st.lists(FINDINGS, max_size=5))
def test_a_pass_rests_on_a_measurement_within_a_limit(
    judged: Policy, findings: list[Finding]
) -> None:
    """Nothing passes unless some limit was answered, and every answer is a number within it."""
    verdict = decide(judged, "s", findings, ROWS_OF)
    answered = [(x, f) for x in judged.limits for f in findings if x.covers(f.metric)]
    if verdict.outcome is PASS:
        assert answered
        assert all(f.value is not None and f.value <= x.limit for x, f in answered)


@given(POLICIES, st.lists(FINDINGS, max_size=5), st.randoms())
def test_the_order_of_findings_and_limits_is_irrelevant(
    judged: Policy, findings: list[Finding], random: Any
) -> None:
    """The outcome and what is held back do not depend on any order."""
    limits, shuffled = list(judged.limits), list(findings)
    random.shuffle(limits)
    random.shuffle(shuffled)
    other = Policy(judged.name, tuple(limits), judged.not_applicable)
    one, two = decide(judged, "s", findings, ROWS_OF), decide(other, "s", shuffled, ROWS_OF)
    assert (one.outcome, one.policy, one.quarantined, one.suspects) == (
        two.outcome,
        two.policy,
        two.quarantined,
        two.suspects,
    )
    assert set(one.reasons) == set(two.reasons)


@given(POLICIES, st.lists(FINDINGS, max_size=5))
def test_a_quarantine_always_holds_rows_back(judged: Policy, findings: list[Finding]) -> None:
    """No batch is called quarantined while none of its rows is."""
    verdict = decide(judged, "s", findings, ROWS_OF)
    if verdict.outcome is QUARANTINE:
        assert verdict.quarantined.rows
