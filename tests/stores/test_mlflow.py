"""MLflow: what it cannot do is one sentence with the mend, never a traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.core import CannotDecide
from sluicegate.flows.orchestration.embedded import free_port
from sluicegate.stores.layout import Layout
from sluicegate.stores.mlflow import Registry, Run, open_registry

DEEDS = [
    pytest.param(lambda r: r.log_run(Run("0001", Path("nowhere"), "0" * 64)), id="logging a run"),
    pytest.param(lambda r: r.register("run", "0" * 64), id="registering"),
    pytest.param(lambda r: r.set_alias("champion", 1), id="moving an alias"),
    pytest.param(lambda r: r.drop_alias("previous"), id="dropping an alias"),
]


@pytest.mark.parametrize("deed", DEEDS)
def test_mlflow_away_is_one_sentence(
    deed: Callable[[Registry], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's own client asks again, here once; then whoever runs the line hears what to do."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    registry = open_registry(Layout(tmp_path), "loans", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(CannotDecide, match="check that it is reachable"):
        deed(registry)
