"""form: a real server and runner, a suspended run per question, and every way around its form."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_questions import BATCH, UPDATE, Asked
from prefect_api import ask, call, eventually
from reviewing import trust_them

from sluicegate import Workspace
from sluicegate.core import Stage
from sluicegate.record.champion import champion_of
from sluicegate.record.updates import read_update
from sluicegate.stores import git

pytestmark = pytest.mark.slow


def test_every_question_has_a_suspended_run(asked: Asked) -> None:
    """Pauses made on the command line show in Prefect once it runs, with a form and an artifact."""
    for subject in (UPDATE, BATCH):
        run = asked.suspended(subject)
        assert subject in run["name"]
        assert f"review sign {subject}" in asked.form(run)
        key = f"review-{subject.replace(':', '-')}"
        made = ask(asked.served, "/artifacts/filter", {"artifacts": {"key": {"any_": [key]}}})
        assert subject in made[0]["data"]


def test_every_kind_of_question_is_asked(asked: Asked, honest: Callable[..., Any]) -> None:
    """A new golden set is put to people in the same form, and refused there by a signed no."""
    golden = honest(100, seed=5).drop(columns="contributor")
    subject = asked.place.reanchor(reason="the world moved", golden=golden).subject
    run = asked.suspended(subject)
    asked.refused(run, "does not", proof=asked.proof(subject=BATCH))
    run = asked.suspended(subject)
    proof = asked.proof(decision="reject", subject=subject)
    assert asked.answer(run, decision="reject", proof=proof)["status"] == "ACCEPT"
    eventually(lambda: asked.place.show_review(subject).state == "refused")


def test_answers_that_prove_nothing(asked: Asked) -> None:
    """Each is refused with its reason in the form that comes back, and the champion stays."""
    run = asked.suspended()
    empty = ask(asked.served, f"/flow_runs/{run['id']}/resume", {"run_input": {}})
    assert empty["status"] == "REJECT"
    reply = asked.answer(run)  # no proof at all: Prefect's own validation holds
    assert reply["status"] == "REJECT"
    reply = asked.answer(run, proof={"__prefect_kind": "json", "value": "not json"})
    assert reply["status"] == "REJECT"
    asked.refused(run, "The last answer does not count", proof="forged")
    template = {"__prefect_kind": "jinja", "template": "{{ flow_run.id }}"}
    run = asked.suspended()
    if asked.answer(run, proof=template)["status"] == "ACCEPT":
        asked.suspended(but=run)
    asked.refused(asked.suspended(), "does not", proof=asked.proof(subject=BATCH))
    asked.refused(asked.suspended(), "does not", proof=asked.proof("eve"), reviewer="eve")
    asked.refused(asked.suspended(), "does not", proof=asked.proof("bob"))
    asked.refused(asked.suspended(), "does not", proof=asked.proof(decision="reject"))
    assert asked.champion == "0000"


@pytest.mark.parametrize("kind", ["RUNNING", "SCHEDULED", "COMPLETED", "CRASHED"])
def test_a_state_is_no_answer(asked: Asked, kind: str) -> None:
    """Whatever state the run is set to, the champion stays and the question is asked again."""
    run = asked.suspended()
    asked.set_state(run, kind)
    if kind == "RUNNING":  # no process of ours is behind it; whoever set it sets it back
        time.sleep(5)
        assert asked.champion == "0000"
        asked.set_state(run, "CANCELLED")
    asked.suspended(but=run)
    assert asked.champion == "0000"


def test_rewritten_forms_are_no_answer(asked: Asked) -> None:
    """Inputs can be deleted, rewritten and planted; what they say still proves nothing."""
    run = asked.suspended()
    keys = run["state"]["state_details"]["run_input_keyset"]
    inputs = f"/flow_runs/{run['id']}/input"
    delete(asked, f"{inputs}/{keys['schema']}")
    loose = {"type": "object", "properties": {}, "additionalProperties": True}
    post(asked, inputs, {"key": keys["schema"], "value": json.dumps(loose)})
    asked.answer(run, approved=True)
    run = asked.suspended(but=run)
    assert asked.champion == "0000"
    # the response written directly, and the run then set going without a resume
    keys = run["state"]["state_details"]["run_input_keyset"]
    inputs = f"/flow_runs/{run['id']}/input"
    planted = {"reviewer": "ann", "decision": "approve", "reason": "x", "proof": "planted"}
    post(asked, inputs, {"key": keys["response"], "value": json.dumps(planted)})
    asked.set_state(run, "SCHEDULED")
    asked.suspended(but=run)
    assert asked.champion == "0000"


def test_a_deleted_run_is_made_again(asked: Asked) -> None:
    """Deleting the run does not make the question go away."""
    run = asked.suspended()
    delete(asked, f"/flow_runs/{run['id']}")
    assert eventually(lambda: [r for r in asked.runs(UPDATE) if r["id"] != run["id"]])
    assert asked.suspended()["id"] != run["id"]
    assert asked.champion == "0000"


def test_a_rewritten_deployment_runs_no_code(asked: Asked, tmp_path: Path) -> None:
    """Who reaches the API can say what a deployment loads; the runner runs what it was started with."""
    asked.suspended()
    ours = asked.read("/deployments/name/review/review")
    marks = {name: tmp_path / name for name in ("step", "entrypoint")}
    step = {"prefect.deployments.steps.run_shell_script": {"script": f"touch {marks['step']}"}}
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(marks['entrypoint'])!r}, 'w').close()\n")
    body = {"name": "review", "flow_id": ours["flow_id"], "parameters": ours["parameters"]}
    try:
        post(asked, "/deployments/", body | {"pull_steps": [step], "entrypoint": f"{evil}:review"})
        assert asked.read("/deployments/name/review/review")["pull_steps"] == [step]
        again = {"parameters": ours["parameters"] | {"subject": UPDATE}}
        run = ask(asked.served, f"/deployments/{ours['id']}/create_flow_run", again)
        eventually(lambda: state_of(asked, run) in {"PAUSED", "FAILED", "CRASHED", "COMPLETED"})
    finally:
        post(asked, "/deployments/", body | {"entrypoint": ours["entrypoint"], "pull_steps": None})
        delete(asked, f"/flow_runs/{run['id']}")
    assert not any(mark.exists() for mark in marks.values())


def test_the_author_of_the_policy_is_no_reviewer(asked: Asked) -> None:
    """Whoever changed the policy since the champion is refused in the form, with the reason."""
    trust_them(asked.place, asked.keys, "ann bob", bob=f"git: [{author(asked.place)}]")
    proof = asked.proof("bob")
    asked.refused(asked.suspended(), "separate_duties", proof=proof, reviewer="bob")
    assert asked.champion == "0000"


def test_a_right_answer_moves_the_champion(asked: Asked) -> None:
    """After all of that, a proof that holds is enough, and the run ends with the decision."""
    trust_them(asked.place, asked.keys)
    asked.place.renew_review(UPDATE)
    old = asked.proof()
    asked.place.renew_review(UPDATE)
    run = eventually(lambda: current(asked))
    asked.refused(run, "does not", proof=old)  # a proof for the question as it was asked before
    run = asked.suspended()
    assert asked.answer(run, proof=asked.proof())["status"] == "ACCEPT"
    eventually(lambda: asked.champion == "0001")
    done = eventually(lambda: [r for r in asked.runs(UPDATE) if r["state_name"] == "Decided"])
    assert done[0]["id"] == run["id"]
    assert read_update(asked.place._context.layout, "0001")[0].stage is Stage.PROMOTED


def test_a_no_and_an_answer_that_comes_too_late(asked: Asked) -> None:
    """The reject path, decided on the command line: the run in Prefect closes by itself."""
    asked.suspended(BATCH)
    proof = asked.proof(decision="reject", subject=BATCH)
    asked.place.answer_review(BATCH, "reject", "ann", proof, "looks bought")
    over = eventually(lambda: [r for r in asked.runs(BATCH) if r["state_type"] == "COMPLETED"])
    assert {run["state_name"] for run in over} == {"Over"}


def current(asked: Asked) -> dict[str, Any] | None:
    nonce = asked.place.show_review(UPDATE).nonce
    live = [r for r in asked.runs(UPDATE) if nonce in r["tags"] and r["state_type"] == "PAUSED"]
    return live[0] if live and asked.has_form(live[0]) else None


def author(place: Workspace) -> str:
    return min(
        git.authors(place.root, champion_of(place._context.layout).data_commit, ["params.yaml"])
    )


def post(asked: Asked, path: str, body: dict[str, Any]) -> None:
    call(asked.served, "POST", path, body)


def state_of(asked: Asked, run: dict[str, Any]) -> str:
    return str(asked.read(f"/flow_runs/{run['id']}")["state_type"])


def delete(asked: Asked, path: str) -> None:
    call(asked.served, "DELETE", path)
