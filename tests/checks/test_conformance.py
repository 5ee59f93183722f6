"""The laws that every check of intake keeps, whatever it measures.

A check that is added to `intake_checks` is held to them without a line here.
"""

import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import CLASSES, NUMBERS, WINDOWS, copies, feedback, flips, moved, window

from sluicegate.checks.contract import Contract
from sluicegate.checks.drift import Drift
from sluicegate.checks.statistics.profile import profile
from sluicegate.checks.statistics.two_sample import Method
from sluicegate.core import Check, Feedback, Finding, Outcome, Schema
from sluicegate.flows.feedback.measure import intake_checks
from sluicegate.gates import Policy
from sluicegate.gates.decide import outcome_of
from sluicegate.gates.policy import parse_limits
from sluicegate.stores import defaults
from sluicegate.stores.settings import Checks

GATES: Any = defaults.values(defaults.versions()[-1])["gates"]
POLICY = Policy("intake", parse_limits(GATES["intake"], ""))
SCHEMAS = {"classification": CLASSES, "regression": NUMBERS}


def checks(schema: Schema) -> dict[str, Check[Feedback]]:
    """Return everything that intake measures, by the name of its class."""
    suite = profile(window(schema, 1500, 99), schema).to_dict()
    gone = pd.concat([flips(schema).query("who == 'c03'").head(8), moved(schema).head(30)])
    every = (
        *intake_checks(Checks(), POLICY, schema, taken=gone.assign(_batch="0003")),
        Drift(method=Method.SCIPY),
        Contract(suite=suite),
    )
    return {type(check).__name__: check for check in every}


CHECKS = {task: checks(schema) for task, schema in SCHEMAS.items()}
CASES = [pytest.param(task, name, id=f"{name}-{task}") for task in SCHEMAS for name in CHECKS[task]]
EACH = pytest.mark.parametrize(("task", "name"), CASES)
# The two windows that ring most alarms, one for each task; the others are left to CI.
QUICK = {("classification", flips), ("regression", moved)}
EACH_IN_EACH_WINDOW = pytest.mark.parametrize(
    ("task", "name", "made"),
    [
        pytest.param(
            task,
            name,
            made,
            id=f"{made.__name__}-{name}-{task}",
            marks=[] if (task, made) in QUICK else pytest.mark.slow,
        )
        for made in WINDOWS
        for task in SCHEMAS
        for name in CHECKS[task]
    ],
)
Made = Callable[[Schema], pd.DataFrame]


@cache
def measured(task: str, name: str, made: Made) -> tuple[Finding, ...]:
    """Return what the check finds in a window, asked once."""
    return tuple(CHECKS[task][name](feedback(SCHEMAS[task], made(SCHEMAS[task]))))


def told(findings: tuple[Finding, ...], rows: Any = None) -> Counter[Any]:
    """Return findings as a multiset: to six digits, their rows as positions in the given order."""
    places = (lambda row: row) if rows is None else (lambda row: int(rows[row]))
    return Counter(
        (
            f.metric,
            float(f"{f.value:.6g}") if f.measured else None,
            f.sources,
            tuple(sorted(map(places, f.rows))),
        )
        for f in findings
    )


def alarms(findings: tuple[Finding, ...]) -> dict[str, Outcome]:
    """Return the worst outcome of each metric under the policy that init writes, if it is one."""
    worst: dict[str, Outcome] = {}
    for finding in findings:
        outcome = outcome_of(POLICY, finding)[1]
        if outcome.severity > worst.get(finding.metric, Outcome.PASS).severity:
            worst[finding.metric] = outcome
    return worst


@pytest.mark.slow
@EACH_IN_EACH_WINDOW
def test_the_same_input_has_the_same_output(task: str, name: str, made: Made) -> None:
    """A second call finds the same, to the last digit, and the window is as it was."""
    schema = SCHEMAS[task]
    subject = feedback(schema, made(schema))
    assert tuple(CHECKS[task][name](subject)) == measured(task, name, made)
    pd.testing.assert_frame_equal(subject.frame, made(schema))


@EACH_IN_EACH_WINDOW
def test_the_order_of_rows_is_irrelevant(task: str, name: str, made: Made) -> None:
    """Values stay, and rows are the same rows in their new places."""
    schema = SCHEMAS[task]
    order = np.random.default_rng(5).permutation(len(made(schema)))
    turned = made(schema).iloc[order].reset_index(drop=True)
    found = tuple(CHECKS[task][name](feedback(schema, turned)))
    assert told(found, order) == told(measured(task, name, made))


@pytest.mark.slow
@EACH_IN_EACH_WINDOW
def test_the_order_of_columns_is_irrelevant(task: str, name: str, made: Made) -> None:
    """Neither the file's order nor the schema's changes a finding."""
    schema = replace(SCHEMAS[task], features=SCHEMAS[task].features[::-1])
    frame = made(schema)
    found = tuple(CHECKS[task][name](feedback(schema, frame[frame.columns[::-1]])))
    assert told(found) == told(measured(task, name, made))


def without(subject: Feedback, place: str, row: int) -> Feedback:
    """Return the window with one cell, or one score, missing."""
    if place == "scores" and subject.scores is not None:
        known = subject.scores.copy()
        known[row] = np.nan
        return replace(subject, scores=known)
    empty = np.nan if subject.frame[place].dtype == float else None
    frame = subject.frame.copy()
    frame[place] = frame[place].where(frame.index != row, empty)
    return replace(subject, frame=frame)


PLACES = ("amount", "region", "y", "scores", "who", "case", "from")


@EACH_IN_EACH_WINDOW
def test_one_nan_never_lowers_an_alarm(task: str, name: str, made: Made) -> None:
    """A gap in a feature, the label, a score or the source leaves a clear alarm as grave as it was.

    Once in a row that is accused, once in another.
    """
    subject, found = feedback(SCHEMAS[task], made(SCHEMAS[task])), measured(task, name, made)
    before = alarms(found)
    named = {row for finding in found for row in finding.rows}
    rows = {max(named, default=7), max(set(range(len(subject.frame))) - named, default=7)}
    for place, row in product(PLACES, rows) if before else ():
        after = alarms(tuple(CHECKS[task][name](without(subject, place, row))))
        for metric, outcome in before.items():
            assert after.get(metric, Outcome.PASS).severity >= outcome.severity, (place, row)


def small(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the windows at the edge of what can be measured."""
    rows = {name: frame.head(count) for name, count in (("none", 0), ("one", 1), ("two", 2))}
    nobody = frame.assign(who=pd.Series([None] * len(frame), dtype=object))
    gaps = {c: np.nan if frame[c].dtype == float else None for c in ("amount", "region", "y")}
    return rows | {
        "one source": frame.assign(who="c01"),
        "nobody": nobody,
        "nothing known": frame.assign(**{c: pd.Series([v] * len(frame)) for c, v in gaps.items()}),
        "one label": frame.assign(y=frame["y"].iloc[0]),
        "infinite": frame.assign(amount=np.where(frame.index % 9 == 0, np.inf, frame["amount"])),
        "one row again and again": frame.iloc[[0] * len(frame)].reset_index(drop=True),
    }


@EACH
@pytest.mark.parametrize("which", list(small(window(CLASSES, 4, 1))))
def test_the_smallest_windows_are_handled(task: str, name: str, which: str) -> None:
    """No rows, one row, one source, nobody: a value or None, never an exception, never silence."""
    schema = SCHEMAS[task]
    subject = feedback(schema, small(window(schema, 200, 1))[which])
    found = CHECKS[task][name](subject)
    assert found
    for finding in found:
        assert finding.value is None or not np.isnan(finding.value)
        assert set(finding.rows) <= set(range(len(subject.frame)))


@EACH
def test_without_a_champion_nothing_passes_for_measured(task: str, name: str) -> None:
    """No scores: a value that needs none, or None."""
    schema = SCHEMAS[task]
    unscored = replace(feedback(schema, flips(schema)), scores=None, golden_scores=None)
    assert CHECKS[task][name](unscored)


ALARMS = {
    "contract.warning",
    "corrections.foreign",
    "drift.effect.original.feature.amount",
    "duplicates.contradicting",
    "duplicates.share",
    "duplicates.taken_out",
    "missingness.original.feature.debt",
    "novelty.range.feature.opened",
    "novelty.unseen.feature.region",
    "origins.share.model",
    "sources.barred",
    "sources.cohort",
    "sources.disagreement",
    "sources.in_question",
    "sources.share",
    "times.future",
    "times.old",
    "triggers.lift",
}


@pytest.mark.slow
def test_the_windows_ring_the_alarms() -> None:
    """The laws about alarms would say nothing about windows in which nothing alarms."""
    every = (
        alarms(measured("classification", name, made)).items()
        for name in CHECKS["classification"]
        for made in WINDOWS
    )
    assert {metric for each in every for metric, _ in each} >= ALARMS


def peak(check: Check[Feedback], subject: Feedback) -> int:
    """Return the most memory that one call holds, in bytes, after a call that pays imports."""
    tracemalloc.start()
    try:
        check(subject)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@EACH
def test_memory_is_linear_in_rows(task: str, name: str) -> None:
    """Four times the rows take at most six times the memory; beyond rows there is a constant."""
    schema, check = SCHEMAS[task], CHECKS[task][name]
    few, many = (feedback(schema, window(schema, rows, 3)) for rows in (5_000, 20_000))
    check(feedback(schema, copies(schema)))
    assert peak(check, many) <= 6 * peak(check, few) + 2_000_000
