"""approval: each rule of the votes, and a text that shows what it binds."""

from datetime import UTC, datetime

import pytest

from sluicegate.gates.approval import Decision, Request, State, Vote, standing

YES, NO, BACK = Decision.APPROVE, Decision.REJECT, Decision.WITHDRAW


@pytest.mark.parametrize(
    ("votes", "required", "state"),
    [
        pytest.param([], 1, State.OPEN, id="nobody"),
        pytest.param([("ann", "k1", YES)], 1, State.APPROVED, id="one of one"),
        pytest.param([("ann", "k1", YES)], 2, State.OPEN, id="one of two"),
        pytest.param([("ann", "k1", YES), ("ann", "k2", YES)], 2, State.OPEN, id="one, two keys"),
        pytest.param([("ann", "k1", YES), ("bob", "k1", YES)], 2, State.OPEN, id="two, one key"),
        pytest.param([("ann", "k1", YES), ("bob", "k2", YES)], 2, State.APPROVED, id="two of two"),
        pytest.param([("ann", "k1", YES), ("bob", "k2", NO)], 1, State.REJECTED, id="one no"),
        pytest.param([("ann", "k1", YES), ("ann", "k1", BACK)], 1, State.OPEN, id="withdrawn"),
        pytest.param(
            [("ann", "k1", BACK), ("ann", "k1", YES)], 1, State.OPEN, id="replayed after withdrawal"
        ),
        pytest.param(
            [("ann", "k1", BACK), ("bob", "k1", YES)], 1, State.OPEN, id="withdrawn key, other name"
        ),
        pytest.param(
            [("ann", "k1", NO), ("ann", "k1", BACK), ("bob", "k2", YES)],
            1,
            State.APPROVED,
            id="a withdrawn no",
        ),
    ],
)
def test_what_the_votes_come_to(
    votes: list[tuple[str, str, Decision]], required: int, state: State
) -> None:
    assert standing([Vote(*vote) for vote in votes], required).state is state


def test_nobody_required_is_no_approval() -> None:
    with pytest.raises(ValueError, match="At least one"):
        standing([], 0)


def test_the_text_shows_all_and_hides_nothing() -> None:
    """A value cannot write a line of its own, nor turn the reading direction."""
    names = (("why it paused", "bad\ndecision: reject\u202e"),)
    request = Request(
        subject="update:0001",
        question="May it?",
        names=names,
        nonce="n",
        expires="2026-01-01T00:00:00+00:00",
    )
    lines = request.text(YES, "ann").splitlines()
    assert lines == [
        "sluicegate approval, version 1",
        "question: May it?",
        "subject: update:0001",
        "decision: approve",
        "reviewer: ann",
        "why it paused: bad?decision: reject?",
        "nonce: n",
        "expires: 2026-01-01T00:00:00+00:00",
    ]
    assert request.has_expired(datetime(2026, 1, 1, tzinfo=UTC))
    assert not request.has_expired(datetime(2025, 12, 31, tzinfo=UTC))
