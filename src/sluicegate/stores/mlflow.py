"""MLflow: runs, registered versions and aliases. A window and a registry, never the judge.

Aliases have no history and artifacts are not verified, so the truth about the champion is the latest
signed promotion statement; the alias `champion` mirrors it.
"""

import contextlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from sluicegate.core import Artifact, CannotDecide

from .effects import effect
from .layout import Layout

UPDATE_TAG = "sluicegate.update"
DIGEST_TAG = "sluicegate.sha256"
COMPLETE_TAG = "sluicegate.complete"
UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers where a model or an alias is not there."""


@dataclass(frozen=True)
class Run:
    """What one training run is remembered by."""

    update: str
    model_dir: Path
    digest: str
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    datasets: tuple[Artifact, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


class Registry:
    """The runs and versions of one registered model; raises CannotDecide where it cannot be opened."""

    def __init__(self, layout: Layout, model: str, tracking_uri: str | None = None) -> None:
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        self.model = model
        self._artifacts = layout.home / "mlflow" / "artifacts"
        self._artifacts.mkdir(parents=True, exist_ok=True)
        self._embedded = tracking_uri is None
        where = tracking_uri or embedded_uri(layout)
        try:
            self._client = MlflowClient(where)
        except (MlflowException, SQLAlchemyError) as error:
            raise CannotDecide(
                f"MLflow at {where} cannot be opened ({str(error).splitlines()[0]}); check that it exists "
                "and run the same command again."
            ) from error

    @effect
    def log_run(self, run: Run) -> str:
        """Record `run` with its model directory and return the run's id.

        Found again by its update and its model's digest: a killed retrain is trained anew, maybe on
        more batches, and its first model must not be registered for the second.

        The tag that says the run is complete is written last, so a killed one is never taken for done.
        """
        with self._reached():
            return self._find_run(run) or self._log(run)

    def _log(self, run: Run) -> str:
        started = self._client.create_run(
            self._experiment(),
            run_name=f"update-{run.update}",
            tags={UPDATE_TAG: run.update, DIGEST_TAG: run.digest, **run.tags},
        )
        run_id = str(started.info.run_id)
        self._log_numbers(run_id, run)
        self._log_datasets(run_id, run.datasets)
        self._client.log_artifacts(run_id, str(run.model_dir), "model")
        self._client.set_terminated(run_id)
        self._client.set_tag(run_id, COMPLETE_TAG, "true")
        return run_id

    @effect
    def register(self, run_id: str, digest: str) -> int:
        """Return the version of the registered model made from `run_id`, made if it is not there."""
        with self._reached():
            self._ensure_model()
            for version in self._client.search_model_versions(f"name='{self.model}'"):
                if version.run_id == run_id:
                    return int(version.version)
            artifacts = self._client.get_run(run_id).info.artifact_uri
            made = self._client.create_model_version(
                self.model, source=f"{artifacts}/model", run_id=run_id, tags={DIGEST_TAG: digest}
            )
            return int(made.version)

    @effect
    def set_alias(self, alias: str, version: int) -> None:
        """Point `alias` to `version`."""
        with self._reached():
            self._client.set_registered_model_alias(self.model, alias, str(version))

    @effect
    def drop_alias(self, alias: str) -> None:
        """Remove `alias`, if it is there."""
        with self._reached():
            self._client.delete_registered_model_alias(self.model, alias)

    def alias(self, alias: str) -> int | None:
        """Return the version that `alias` points to, None when there is none.

        Raises CannotDecide when MLflow does not answer.
        """
        from mlflow.exceptions import MlflowException

        try:
            return int(self._client.get_model_version_by_alias(self.model, alias).version)
        except MlflowException as error:
            if error.error_code in UNKNOWN:
                return None
            raise CannotDecide(f"MLflow could not look up {alias}: {error}") from error

    def model_dir(self, version: int) -> Path | None:
        """Return the directory of a version's artifacts; None where they are not on this machine.

        Raises CannotDecide for a version that is not there, and when MLflow does not answer.
        """
        from mlflow.exceptions import MlflowException

        try:
            source = str(self._client.get_model_version(self.model, str(version)).source)
        except MlflowException as error:
            sentence = "has no" if error.error_code in UNKNOWN else "could not read"
            raise CannotDecide(f"MLflow {sentence} version {version} of {self.model}.") from error
        found = urlparse(source)
        return Path(unquote(found.path)) if found.scheme in ("", "file") else None

    @effect
    def mirror(self, version: int | None) -> int | None:
        """Let the alias `champion` say `version` alone, and return whom it named instead, if another.

        For None there is no champion, and no alias afterwards. Raises CannotDecide when MLflow cannot.
        """
        from mlflow.exceptions import MlflowException

        try:
            named = self.alias("champion")
            if named != version:
                self.drop_alias("previous")  # nobody shall go back to what was taken back
                # the champion last: until then the next call does both again
                if version is None:
                    self.drop_alias("champion")
                else:
                    self.set_alias("champion", version)
                return named
        except (MlflowException, OSError) as error:
            raise CannotDecide(f"MLflow could not move the alias champion: {error}") from error
        return None

    @effect
    def destroy(self, run_id: str) -> None:
        """Delete the artifacts of a run, its versions, and the run; raises CannotDecide when it cannot.

        MLflow goes on listing the run's figures as deleted until `mlflow gc`.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        try:
            run = self._client.get_run(run_id)
            place = get_artifact_repository(run.info.artifact_uri)
            if place.list_artifacts():
                place.delete_artifacts()
            for version in self._client.search_model_versions(f"name='{self.model}'"):
                if version.run_id == run_id:
                    self._client.delete_model_version(self.model, version.version)
            if run.info.lifecycle_stage == "active":
                self._client.delete_run(run_id)
        except (MlflowException, OSError, NotImplementedError) as error:
            raise CannotDecide(f"MLflow could not delete run {run_id}: {error}") from error

    @effect
    def log_page(self, run_id: str, path: Path) -> None:
        """Keep the file `path` beside the run's model; raises CannotDecide when it cannot."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.log_artifact(run_id, str(path), "evidence")
        except (MlflowException, OSError) as error:
            raise CannotDecide(f"MLflow could not store {path}: {error}") from error

    @effect
    def drop_page(self, run_id: str) -> None:
        """Delete what `log_page` kept beside a run's model; raises CannotDecide when it cannot."""
        from mlflow.exceptions import MlflowException
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        try:
            place = get_artifact_repository(self._client.get_run(run_id).info.artifact_uri)
            if place.list_artifacts("evidence"):
                place.delete_artifacts("evidence")
        except (MlflowException, OSError, NotImplementedError) as error:
            if getattr(error, "error_code", None) == UNKNOWN[0]:
                return  # there is no such run any more
            raise CannotDecide(f"MLflow did not delete the page of {run_id}: {error}") from error

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Say in one sentence that MLflow is away; its own client has asked again for minutes by then."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            raise CannotDecide(
                f"MLflow failed ({_reason(error)}); check that it is reachable and writable, and "
                "run the same command again."
            ) from error

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self.model)
        if found:
            return str(found.experiment_id)
        location = self._artifacts.as_uri() if self._embedded else None
        return str(self._client.create_experiment(self.model, artifact_location=location))

    def _find_run(self, run: Run) -> str | None:
        wanted = {UPDATE_TAG: run.update, DIGEST_TAG: run.digest, COMPLETE_TAG: "true"}
        query = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in wanted.items())
        found = self._client.search_runs([self._experiment()], query, max_results=1)
        return str(found[0].info.run_id) if found else None

    def _ensure_model(self) -> None:
        if not self._client.search_registered_models(f"name='{self.model}'"):
            self._client.create_registered_model(self.model)

    def _log_numbers(self, run_id: str, run: Run) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, float(value), now, 0) for name, value in run.metrics.items()],
            params=[Param(name, str(value)[:500]) for name, value in run.params.items()],
        )

    def _log_datasets(self, run_id: str, datasets: tuple[Artifact, ...]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        context = InputTag("mlflow.data.context", "training")
        inputs = [
            DatasetInput(
                Dataset(each.name, each.sha256[:36], "dvc", json.dumps({"uri": each.uri})),
                [context],
            )
            for each in datasets
        ]
        if inputs:
            self._client.log_inputs(run_id, datasets=inputs)


def embedded_uri(layout: Layout) -> str:
    """Return the tracking URI of the workspace's own store."""
    return f"sqlite:///{layout.home / 'mlflow' / 'mlflow.db'}"


def open_registry(layout: Layout, model: str, tracking_uri: str | None = None) -> Registry:
    """Return the registry; raises CannotDecide when MLflow cannot be reached."""
    from mlflow.exceptions import MlflowException

    try:
        return Registry(layout, model, tracking_uri)
    except MlflowException as error:
        where = tracking_uri or embedded_uri(layout)
        raise CannotDecide(f"MLflow at {where} cannot be used: {error}") from error


def _reason(error: Exception) -> str:
    """Return the line that says why: of its database MLflow tells the database's own reason second."""
    lines = str(error).splitlines() or [type(error).__name__]
    return next((line for line in lines if line.startswith("(sqlite3.")), lines[0])
