"""Provenance: how a model was trained, as SLSA provenance v1.

https://slsa.dev/spec/v1.0/provenance. The builder is `sluicegate retrain`: it resolves what goes in,
runs the pipeline at a pinned commit and signs, so that SLSA's build level 1 is reached, and not more:
trainer and signer may share a machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluicegate.core import Artifact

PROVENANCE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://sluicegate.dev/build/retrain/v1"
BUILDER = "https://sluicegate.dev/builder/retrain/v1"


@dataclass(frozen=True)
class Training:
    """One run of the pipeline: what was asked for, what went in, and what came out beside the model.

    `commits` are git commits by what they pin; `invocation` is the MLflow run.
    """

    parameters: Mapping[str, Any]
    internal: Mapping[str, Any]
    materials: Sequence[Artifact]
    commits: Mapping[str, str]
    byproducts: Sequence[Artifact]
    builder_version: Mapping[str, str]
    invocation: str
    started: str
    finished: str


def provenance(training: Training) -> dict[str, object]:
    """Return the predicate that says how a model was trained."""
    commits = [
        {"name": name, "digest": {"gitCommit": commit}} for name, commit in training.commits.items()
    ]
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": dict(training.parameters),
            "internalParameters": dict(training.internal),
            "resolvedDependencies": [*commits, *(each.to_dict() for each in training.materials)],
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": dict(training.builder_version)},
            "metadata": {
                "invocationId": training.invocation,
                "startedOn": training.started,
                "finishedOn": training.finished,
            },
            "byproducts": [each.to_dict() for each in training.byproducts],
        },
    }
