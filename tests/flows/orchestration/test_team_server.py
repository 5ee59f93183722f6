"""A team's own Prefect: what prefect.yaml deploys there, and a worker that runs it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from live_questions import UPDATE, Asked
from prefect_api import ask, begin, final

from sluicegate import Workspace
from sluicegate.flows.orchestration.embedded import (
    API_URL,
    api_of,
    free_port,
    prefect_server,
    wait_for,
)
from sluicegate.record.context import SERVED, open_context

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Team:
    """A Prefect server that knows nothing of the workspace, and the command line of its users."""

    prefect: str
    environment: dict[str, str]
    root: Path

    def say(self, *arguments: str) -> None:
        """Run `prefect` in the workspace."""
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        said = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert said.returncode == 0, said.stdout + said.stderr


@pytest.fixture(scope="module")
def team(paused_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """What prefect.yaml says, deployed for a workspace in which an update waits."""
    root = tmp_path_factory.mktemp("team") / "loans"
    shutil.copytree(paused_template, root, symlinks=True)
    port = free_port()
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    mine |= {"PREFECT_HOME": str(root.parent / "home"), API_URL: api_of(port)}
    mine |= {SERVED: str(root), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    with prefect_server(open_context(root), port) as server:
        wait_for(f"{api_of(port)}/health", server)
        made = Team(api_of(port), mine, root)
        made.say("work-pool", "create", "sluicegate", "--type", "process")
        made.say("deploy", "--all")
        yield made


def test_everything_is_deployed(team: Team) -> None:
    """Each deployment under its name, with the workspace as its parameter."""
    wanted = {each["name"]: each["entrypoint"] for each in declared(team.root)}
    made = {each["name"]: each for each in ask(team, "/deployments/filter")}
    assert {name: each["entrypoint"] for name, each in made.items()} == wanted
    assert {each["parameters"]["workspace"] for each in made.values()} == {str(team.root)}


def test_a_question_is_asked_and_answered_through_a_worker(
    team: Team, keys: dict[str, Path]
) -> None:
    """A run of `review` with the subject is suspended, and ends decided once the form is filled in."""
    asked = Asked(Workspace.open(team.root), team, keys)
    begun = begin(team, "review", tags=[UPDATE], subject=UPDATE)
    work(team)
    asked.answer(asked.suspended(), proof=asked.proof())
    work(team)
    assert final(team, begun)["name"] == "Decided"
    assert asked.champion == "0001"


def test_a_worker_that_serves_the_workspace_takes_a_batch_in(
    team: Team, honest: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    """One that was told no workspace would serve any, and runs none."""
    before = Workspace.open(team.root).status().batches["admitted"]
    path = tmp_path / "batch.parquet"
    honest(300, seed=9).to_parquet(path, index=False)
    begun = begin(team, "intake", path=str(path))
    work(replace(team, environment={**team.environment, SERVED: ""}))
    assert "start it with SLUICEGATE_WORKSPACE" in final(team, begun)["message"]
    assert Workspace.open(team.root).status().batches["admitted"] == before
    begun = begin(team, "intake", path=str(path))
    work(team)
    assert final(team, begun)["type"] == "COMPLETED"
    assert Workspace.open(team.root).status().batches["admitted"] == before + 1


def test_an_entrypoint_is_the_flow_that_up_serves() -> None:
    """One list of runbooks, whether `sluicegate up` or a team's worker runs them."""
    from prefect.flows import load_flow_from_entrypoint

    from sluicegate.flows.deployments import RUNBOOKS

    found = {
        each["name"]: load_flow_from_entrypoint(each["entrypoint"])
        for each in declared(Path(__file__).parents[3])
    }
    assert found == {each.name: each for each in RUNBOOKS}


def work(team: Team) -> None:
    """Have a worker carry out what is due."""
    team.say("worker", "start", "--pool", "sluicegate", "--run-once")


def declared(root: Path) -> list[dict[str, Any]]:
    """Return the deployments that prefect.yaml declares."""
    told: list[dict[str, Any]] = yaml.safe_load((root / "prefect.yaml").read_text())["deployments"]
    return told
