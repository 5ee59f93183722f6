"""Outcomes are ordered and have exit codes; verdicts survive being written down."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.core import Outcome, Selection, Tampered, Verdict
from sluicegate.core.verdict import worst

PASS, QUARANTINE, PAUSE, REJECT = Outcome


def test_the_order_is_pass_quarantine_pause_reject() -> None:
    """PASS < QUARANTINE < PAUSE < REJECT."""
    assert sorted(Outcome, key=lambda outcome: outcome.severity) == [
        PASS,
        QUARANTINE,
        PAUSE,
        REJECT,
    ]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        pytest.param(PASS, 0, id="passed exits with 0"),
        pytest.param(QUARANTINE, 0, id="passed with rows quarantined exits with 0"),
        pytest.param(PAUSE, 3, id="paused for a human exits with 3"),
        pytest.param(REJECT, 4, id="rejected exits with 4"),
    ],
)
def test_exit_codes(outcome: Outcome, code: int) -> None:
    """Scripts read the outcome from the exit code."""
    assert outcome.exit_code == code


@pytest.mark.parametrize(("one", "two"), list(itertools.product(Outcome, Outcome)))
def test_the_worst_wins(one: Outcome, two: Outcome) -> None:
    """The worst of two is one of them, and no better than either."""
    assert worst([one, two]).severity == max(one.severity, two.severity)


def test_the_worst_of_nothing_is_an_error() -> None:
    """The worst of no outcomes is not a pass."""
    with pytest.raises(ValueError, match="empty"):
        worst([])


SELECTIONS = st.builds(
    Selection, st.lists(st.integers(0)).map(tuple), st.lists(st.text()).map(tuple)
)


@given(
    st.builds(
        Verdict,
        subject=st.text(),
        policy=st.text(),
        outcome=st.sampled_from(Outcome),
        reasons=st.lists(st.text()).map(tuple),
        quarantined=SELECTIONS,
        suspects=SELECTIONS,
    )
)
def test_round_trip(verdict: Verdict) -> None:
    """read(to_dict(v)) == v, through JSON."""
    assert Verdict.read(json.loads(json.dumps(verdict.to_dict())), "v") == verdict


def test_an_unknown_outcome_is_not_read() -> None:
    """A record with a misspelt outcome is an error, not a pass."""
    written = Verdict("batch:1", "", PASS, ()).to_dict() | {"outcome": "passed"}
    with pytest.raises(Tampered, match="outcome"):
        Verdict.read(written, "v")


def test_a_verdict_that_says_nothing_of_rules_is_one_by_rules_1() -> None:
    """Those of earlier versions said nothing."""
    written = Verdict("batch:1", "d", PASS, (), rules=1).to_dict()
    assert written.pop("rules") == 1
    assert Verdict.read(written, "v").rules == 1
