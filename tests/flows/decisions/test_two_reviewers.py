"""two reviewers on a live server: one person twice is one, who left does not count, time runs out."""

import time
from typing import Any

import pytest
from live_questions import Asked
from prefect_api import ask, eventually
from reviewing import policy, trust_them

pytestmark = pytest.mark.slow
SUBJECT = "batch:0001"


def approve(asked: Asked, who: str, run: dict[str, Any]) -> dict[str, Any]:
    """Answer with a proof of `who`; return the form that is asked next."""
    proof = asked.proof(who, subject=SUBJECT)
    assert asked.answer(run, reviewer=who, proof=proof)["status"] == "ACCEPT"
    return asked.suspended(SUBJECT, but=run)


def test_one_person_twice_is_one_and_who_left_does_not_count(needs_two: Asked) -> None:
    """After ann, ann again and bob, whose vote is left once ann is out of trust/, it still waits."""
    run = approve(needs_two, "ann", needs_two.suspended(SUBJECT))
    assert "ann answered approve" in needs_two.form(run)
    run = approve(needs_two, "ann", run)
    assert needs_two.place.show_review(SUBJECT).open
    trust_them(needs_two.place, needs_two.keys, "bob eve")
    run = approve(needs_two, "bob", run)
    assert needs_two.place.show_review(SUBJECT).open
    run = approve(needs_two, "ann", run)
    assert "The last answer does not count" in needs_two.form(run)
    assert needs_two.place.show_review(SUBJECT).open


def test_an_answer_after_the_end_is_none(needs_two: Asked) -> None:
    """An expired question admits nothing, whatever is done with its run."""
    policy(needs_two.place, expires_days=40 / 86_400)
    needs_two.place.renew_review(SUBJECT)
    proofs = {who: needs_two.proof(who, subject=SUBJECT) for who in ("bob", "eve")}
    nonce = needs_two.place.show_review(SUBJECT).nonce

    def asking() -> list[dict[str, Any]]:
        return [r for r in needs_two.runs(SUBJECT) if nonce in r["tags"]]

    run = eventually(asking)[0]
    eventually(lambda: needs_two.place.show_review(SUBJECT).dead)
    body = {"decision": "approve", "reason": "late"}
    for who, proof in proofs.items():
        said = body | {"reviewer": who, "proof": proof}
        ask(needs_two.served, f"/flow_runs/{run['id']}/resume", {"run_input": said})
        needs_two.set_state(run, "SCHEDULED")
    time.sleep(15)
    assert needs_two.place.show_review(SUBJECT).open
    assert not (needs_two.place.root / "batches" / "0001" / "manifest.json").exists()
