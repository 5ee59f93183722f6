"""Policies: which metric a limit speaks of, what the digest covers, and what cannot be parsed."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.core import CannotDecide, Finding, Misused, Outcome
from sluicegate.gates import Limit, Policy, decide
from sluicegate.gates.policy import RETIRED, RULES, matches, parse_limits

LIMITS = (
    Limit("drift.*", 0.3, Outcome.PAUSE),
    Limit("drift.*", 0.6, Outcome.REJECT),
    Limit("labels.disagreement", 0.2, Outcome.QUARANTINE),
)
POLICY = Policy("intake", LIMITS, ("time.*", "slices.*"), calibration="ab" * 32)


@pytest.mark.parametrize(
    ("pattern", "metric", "expected"),
    [
        pytest.param("drift.age", "drift.age", True, id="a name without a star is itself"),
        pytest.param("drift.age", "drift.age2", False, id="a name is matched to its end"),
        pytest.param("age", "drift.age", False, id="a name is matched from its start"),
        pytest.param("drift.*", "drift.", True, id="a star may stand for nothing"),
        pytest.param("drift.*", "drift", False, id="the dot before a star is needed"),
        pytest.param("drift.*", "drift.a.b\nc", True, id="a star crosses dots and lines"),
        pytest.param("drift.*", "Drift.age", False, id="capitals differ"),
        pytest.param("*", "", True, id="a star alone names everything"),
        pytest.param("", "drift", False, id="an empty pattern names nothing else"),
        pytest.param("*.a.*", "drift.a.mean", True, id="stars may stand anywhere"),
        pytest.param("x.a[0]*", "x.a[0].mean", True, id="brackets stand for themselves"),
        pytest.param("x.a[0]", "x.a0", False, id="brackets are no set of characters"),
        pytest.param("x.[*]", "x.*", False, id="a bracketed star is not escaped by brackets"),
        pytest.param("x.a?", "x.ab", False, id="a question mark stands for itself"),
        pytest.param("x.a+(b|c)$", "x.a+(b|c)$", True, id="no regular expression is read"),
        pytest.param("drift.age", "drift.*", False, id="a star in the metric widens nothing"),
        pytest.param("drift.age", "*", False, id="a metric called * is one metric"),
    ],
)
def test_matches(pattern: str, metric: str, expected: bool) -> None:
    """The star is the only wildcard, and only in the limit."""
    assert matches(pattern, metric) is expected
    assert Limit(pattern, 0.1, Outcome.PAUSE).covers(metric) is expected


SHORT = st.text("ab.*[]?", max_size=5)


@given(SHORT, SHORT, SHORT)
def test_excusing_a_pattern_excuses_only_what_it_names(a: str, b: str, metric: str) -> None:
    """A pattern that matches another pattern's text names everything the other names."""
    if matches(a, b) and matches(b, metric):
        assert matches(a, metric)


@given(st.permutations(LIMITS))
def test_the_order_of_limits_does_not_matter(limits: list[Limit]) -> None:
    """The digest is that of a set of limits."""
    assert replace(POLICY, limits=tuple(limits)).digest == POLICY.digest


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(
            replace(POLICY, not_applicable=("slices.*", "time.*")), id="order of exceptions"
        ),
        pytest.param(
            replace(POLICY, limits=tuple(parse_limits(
                {
                    "labels.disagreement": {"quarantine": 0.2},
                    "drift.*": {"reject": 0.6, "pause": 0.3},
                },
                "gates.intake",
            ))),
            id="a policy written in another order in params.yaml",
        ),
    ],
)  # fmt: skip
def test_the_same_policy_has_the_same_digest(same: Policy) -> None:
    """What means the same has one digest."""
    assert same.digest == POLICY.digest


def test_equal_limits_have_one_digest() -> None:
    """An integer limit is its float, and minus zero is zero."""
    limits = [Limit("a", value, Outcome.PAUSE) for value in (0, 0.0, -0.0)]
    assert len({Policy("p", (limit,)).digest for limit in limits}) == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(POLICY, name="candidate"), id="the gate's name"),
        pytest.param(replace(POLICY, limits=LIMITS[:-1]), id="a limit dropped"),
        pytest.param(
            replace(POLICY, limits=(replace(LIMITS[0], limit=0.31), *LIMITS[1:])), id="a number"
        ),
        pytest.param(
            replace(POLICY, limits=(replace(LIMITS[0], limit=math.nextafter(0.3, 1)), *LIMITS[1:])),
            id="the last bit of a number",
        ),
        pytest.param(
            replace(POLICY, limits=(replace(LIMITS[0], outcome=Outcome.REJECT), *LIMITS[1:])),
            id="an outcome",
        ),
        pytest.param(
            replace(POLICY, limits=(replace(LIMITS[0], metric="drift.a*"), *LIMITS[1:])),
            id="a metric",
        ),
        pytest.param(replace(POLICY, not_applicable=("time.*",)), id="an exception dropped"),
        pytest.param(replace(POLICY, not_applicable=()), id="all exceptions dropped"),
        pytest.param(replace(POLICY, calibration="cd" * 32), id="the calibration"),
        pytest.param(replace(POLICY, calibration=None), id="no calibration"),
    ],
)
def test_any_change_changes_the_digest(other: Policy) -> None:
    """What can change a verdict changes the digest."""
    assert other.digest != POLICY.digest


@pytest.mark.parametrize(
    ("metric", "limit", "outcome"),
    [
        pytest.param("a", math.nan, Outcome.PAUSE, id="nothing is beyond NaN"),
        pytest.param("a", math.inf, Outcome.PAUSE, id="nothing is beyond infinity"),
        pytest.param("a", -math.inf, Outcome.PAUSE, id="minus infinity is no number to keep to"),
        pytest.param("a", 0.1, Outcome.PASS, id="beyond a limit cannot pass"),
    ],
)
def test_a_limit_that_cannot_be_broken_is_refused(
    metric: str, limit: float, outcome: Outcome
) -> None:
    """A limit must be one that a value can be beyond, with a consequence."""
    with pytest.raises(Misused, match="limit of a "):
        Limit(metric, limit, outcome)


def test_parse_limits() -> None:
    """Every level of every metric becomes a limit."""
    section: Any = {"drift.*": {"pause": 0.3, "reject": 1}, "labels": {"quarantine": 0}}
    assert parse_limits(section, "gates.intake") == (
        Limit("drift.*", 0.3, Outcome.PAUSE),
        Limit("drift.*", 1.0, Outcome.REJECT),
        Limit("labels", 0.0, Outcome.QUARANTINE),
    )


def test_an_empty_section_has_no_limits() -> None:
    """An empty mapping is read, and the gate pauses on it."""
    assert parse_limits({}, "gates.intake") == ()


@pytest.mark.parametrize(
    ("section", "key"),
    [
        pytest.param(None, "gates.intake must", id="an empty key"),
        pytest.param(["drift"], "gates.intake must", id="a list"),
        pytest.param({1: {"pause": 1}}, "gates.intake names the metric 1", id="a number as metric"),
        pytest.param({None: {"pause": 1}}, "gates.intake names the metric None", id="no metric"),
        pytest.param({"": {"pause": 1}}, "gates.intake names the metric ''", id="an empty metric"),
        pytest.param({"a": 0.3}, "gates.intake.a must", id="a bare number"),
        pytest.param({"a": {}}, "gates.intake.a must", id="no levels"),
        pytest.param({"a": None}, "gates.intake.a must", id="levels left out"),
        pytest.param({"a": {"puase": 1}}, "gates.intake.a names the outcome 'puase'", id="typo"),
        pytest.param({"a": {"pass": 1}}, "gates.intake.a names the outcome 'pass'", id="pass"),
        pytest.param({"a": {"PAUSE": 1}}, "gates.intake.a names the outcome", id="capitals"),
        pytest.param({"a": {True: 1}}, "gates.intake.a names the outcome True", id="a yaml yes"),
        pytest.param({"a": {"pause": "1"}}, "gates.intake.a.pause is '1'", id="a number as text"),
        pytest.param({"a": {"pause": True}}, "gates.intake.a.pause is True", id="a bool"),
        pytest.param({"a": {"pause": None}}, "gates.intake.a.pause is None", id="nothing"),
        pytest.param({"a": {"pause": math.nan}}, "gates.intake.a.pause is not finite", id="NaN"),
        pytest.param({"a": {"pause": math.inf}}, "gates.intake.a.pause is not finite", id="inf"),
        pytest.param({"a": {"pause": 10**400}}, "gates.intake.a.pause is not finite", id="huge"),
    ],
)
def test_a_parse_error_names_the_key(section: Any, key: str) -> None:
    """Whoever mistypes params.yaml is told where."""
    with pytest.raises(Misused, match=re.escape(key)):
        parse_limits(section, "gates.intake")


OLD = Limit("drift.old.*", 0.3, Outcome.PAUSE)
KEPT = Limit("drift.*", 0.3, Outcome.PAUSE)


@pytest.mark.parametrize(
    ("since", "findings", "expected"),
    [
        pytest.param(1, {}, Outcome.PASS, id="retired: its limit does not pause"),
        pytest.param(1, {"drift.old.age": 9}, Outcome.PASS, id="retired: its value is a note"),
        pytest.param(2, {}, Outcome.PAUSE, id="known to these rules: not measured pauses"),
        pytest.param(2, {"drift.old.age": 0.1}, Outcome.PASS, id="known to these rules: within"),
        pytest.param(2, {"drift.old.age": 9}, Outcome.PAUSE, id="known to these rules: judged"),
    ],
)
def test_a_metric_is_judged_by_the_rules_that_know_it(
    monkeypatch: pytest.MonkeyPatch, since: int, findings: dict[str, float], expected: Outcome
) -> None:
    """A metric that is no longer measured pauses nobody; a record by older rules is judged as ever."""
    monkeypatch.setitem(RETIRED, "drift.old.*", since)
    measured = {"drift.new": 0.1} | findings
    told = [Finding("drift", metric, value) for metric, value in measured.items()]
    verdict = decide(Policy("intake", (OLD, KEPT)), "batch:1", told)
    assert (verdict.outcome, verdict.rules) == (expected, 1)


def test_rules_that_nobody_knows_decide_nothing() -> None:
    """Neither a pass nor a pause: a newer version has to say what the limit means."""
    policy = Policy("intake", (KEPT,), rules=max(RULES) + 1)
    with pytest.raises(CannotDecide, match=r"rules 2.*knows only 1; install a newer one"):
        decide(policy, "batch:1", [Finding("drift", "drift.a", 0.1)])


def test_the_digest_tells_rules_apart_and_leaves_the_first_as_they_were() -> None:
    """A policy without a number is one by rules 1, to the digest."""
    assert POLICY.digest == replace(POLICY, rules=1).digest
    assert POLICY.digest == "456b8f72abce5044ce3f6571767c7463d268970f4d24db6fb16a9eea256d4a87"
    assert POLICY.digest != replace(POLICY, rules=2).digest
