"""attest: say in SLSA's and in-toto's own words how a model was made and what the gates answered.

Statements beside our own, for tools that do not know us. The ledger names each by digest.
"""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from sluicegate.core import Artifact, Judged, Outcome, Tampered, Update
from sluicegate.core.canonical import sha256_bytes, sha256_file
from sluicegate.evidence.provenance import PROVENANCE, Training, provenance
from sluicegate.evidence.results import SUMMARY, TEST_RESULT, summary, tested
from sluicegate.evidence.statement import predicate_of
from sluicegate.record.calibration import CALIBRATED
from sluicegate.record.comparison import Reported, describe_isolation
from sluicegate.record.context import SUITE, Context
from sluicegate.stores import data, files, packages, pinned, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import read_settings
from sluicegate.stores.transaction import Transaction

PROVENANCE_FILE, RESULT_FILE, SUMMARY_FILE = "provenance.json", "test-result.json", "summary.json"
PACKAGES_FILE = "packages.json"
CODE = ("params.yaml", "train.py", "dvc.yaml")


def attest_training(
    t: Transaction,
    context: Context,
    update: Update,
    compared: Reported,
    tree: Path,
    run_id: str,
    took: tuple[str, str],
) -> Artifact:
    """Write how the challenger of `update` was trained in `tree`; `took` is from when until when."""
    layout, settings = context.layout, read_settings(tree / "params.yaml")
    folder = layout.update(update.id)
    files.write_json(folder / PACKAGES_FILE, packages.installed())
    materials = [
        *data.materials(Layout(tree), list(update.batches)),
        data.golden_artifact(Layout(tree)),
        *(Artifact(name, sha256_file(tree / name)) for name in CODE if (tree / name).is_file()),
        *packages.lock_files(tree),
        _artifact(layout, folder / PACKAGES_FILE),
    ]
    result = provenance(
        Training(
            parameters={
                "update": update.id,
                "model": settings.model,
                "pipeline": "dvc.yaml",
                "train": dict(settings.train),
                "seed": settings.seed,
            },
            internal={
                "started_by": context.started_by,
                "trainer": describe_isolation(compared),
            },
            materials=materials,
            commits={"data commit": update.data_commit, "code commit": update.data_commit},
            byproducts=[
                _artifact(layout, path)
                for path in (folder / "comparison.json", folder / "products" / "metrics.json")
                if path.is_file()
            ],
            builder_version={
                "sluicegate": version("sluicegate"),
                "python": platform.python_version(),
            },
            invocation=run_id,
            started=took[0],
            finished=took[1],
        )
    )
    path = folder / PROVENANCE_FILE
    return t.state(path, [_model(context, update)], PROVENANCE, result)


def packages_of(layout: Layout, update: str) -> dict[str, str]:
    """Return the packages with which an update was trained, as its provenance names them by digest.

    None are known of updates that have no provenance. Raises Tampered for another list.
    """
    path = layout.update(update) / PACKAGES_FILE
    statement = layout.update(update) / PROVENANCE_FILE
    if not statement.is_file():
        return {}
    payload = record.read_statement(layout, statement)
    predicate = predicate_of(payload, PROVENANCE, f"updates/{update}/{PROVENANCE_FILE}")
    resolved = predicate["buildDefinition"]["resolvedDependencies"]
    if not path.is_file() or _artifact(layout, path).to_dict() not in resolved:
        raise Tampered(f"updates/{update}/{PACKAGES_FILE} was changed; restore it from git.")
    found: dict[str, str] = files.read_json(path)
    return found


def attest_result(
    t: Transaction,
    context: Context,
    folder: Path,
    subject: Artifact,
    outcome: Outcome,
    judged: Sequence[Judged],
) -> Artifact:
    """Write the verdict on `subject` as a test result to `folder`."""
    layout = context.layout
    rules = [Artifact("params.yaml", context.policy_digest)]
    rules += filter(None, [context.settings.defaults])
    rules += [pinned.artifact(layout, SUITE)]
    held = record.committed(layout).files.get(CALIBRATED)
    rules += [] if held is None else [Artifact(CALIBRATED, sha256_bytes(held))]
    result = tested(outcome, judged, rules)
    return t.state(folder / RESULT_FILE, [subject], TEST_RESULT, result)


def attest_promotion(t: Transaction, context: Context, update: Update, policy: str) -> Artifact:
    """Write what the promotion of `update` rests on, judged by the params.yaml with digest `policy`."""
    layout = context.layout
    folder = layout.update(update.id)
    inputs = [
        _artifact(layout, folder / name)
        for name in ("update.json", PROVENANCE_FILE, RESULT_FILE, "decision.json")
        if (folder / name).is_file()
    ]
    number = update.challenger.version if update.challenger else 0
    resource = f"models:/{context.settings.model}/{number}"
    rules = Artifact("params.yaml", policy)
    result = summary(resource, rules, inputs, context.now())
    path = folder / SUMMARY_FILE
    return t.state(path, [_model(context, update)], SUMMARY, result)


def _model(context: Context, update: Update) -> Artifact:
    sha256 = update.challenger.sha256 if update.challenger else ""
    return Artifact(f"model:{context.settings.model}", sha256)


def _artifact(layout: Layout, path: Path) -> Artifact:
    return Artifact(layout.named(path), sha256_file(path))
