"""review_runs and runs: what the server says of a run is not believed; neither is its text."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateDetails, StateType

from sluicegate.flows.orchestration.review_runs import STARTS_WITHIN, _is_live
from sluicegate.record.context import SERVED, utc_now

FORM = {"schema": "s", "response": "r", "description": "d"}
READ_A_RESULT = """
import json, sys
from pathlib import Path
from prefect.results import ResultRecord, ResultRecordMetadata
from prefect.serializers import PickleSerializer
from prefect.states import Completed, Failed
from sluicegate.flows.orchestration import runs
folder = Path(sys.argv[1])
class Evil:
    def __reduce__(self):
        return Path.touch, (folder / "ran",)
known = PickleSerializer()
made = ResultRecordMetadata(storage_key=str(folder / "record"), serializer=known)
planted = ResultRecord(metadata=made, result=0).model_dump(mode="json")
planted["result"] = known.dumps(Evil()).decode()
(folder / "record").write_text(json.dumps(planted))
for state in (Completed(data=made), Failed(data=made)):
    try:
        state.result()
    except Exception as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("kind", "age", "form", "live"),
    [
        (StateType.PAUSED, timedelta(days=9), FORM, True),
        (StateType.PAUSED, timedelta(0), None, False),
        (StateType.RUNNING, timedelta(minutes=1), None, True),
        (StateType.RUNNING, STARTS_WITHIN, None, False),
        (StateType.SCHEDULED, STARTS_WITHIN, None, False),
        (StateType.PENDING, -2 * STARTS_WITHIN, None, False),
        (StateType.COMPLETED, timedelta(0), None, False),
    ],
)
def test_only_a_form_or_a_run_that_just_started_asks(
    kind: StateType, age: timedelta, form: dict[str, str] | None, live: bool
) -> None:
    """A run set to Running, to a start in a year or to a pause without a form blocks no question."""
    details = StateDetails(run_input_keyset=form)
    state: State[None] = State(type=kind, timestamp=utc_now() - age, state_details=details)
    assert _is_live(FlowRun(flow_id=uuid4(), state=state, state_type=kind)) is live


@pytest.mark.slow
@pytest.mark.parametrize("served", [True, False])
def test_a_planted_result_is_not_unpickled(served: bool, tmp_path: Path) -> None:
    """A state that names a pickle runs it in Prefect, and does not in a process of our runner."""
    environment = os.environ | ({SERVED: str(tmp_path)} if served else {})
    command = [sys.executable, "-W", "ignore", "-c", READ_A_RESULT, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (tmp_path / "ran").exists() is not served, done.stdout + done.stderr
    assert done.stdout.count("no results back") == (2 if served else 0)
