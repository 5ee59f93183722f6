"""Whoever can write to the repository, the DVC stores or MLflow is named by `verify`, and gains nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from attacks.conftest import Target

from sluicegate.core import SluicegateError, Tampered
from sluicegate.record.champion import champion_of
from sluicegate.record.context import open_context
from sluicegate.stores import dvc, git
from sluicegate.stores.mlflow import open_registry

pytestmark = pytest.mark.slow

Attack = Callable[[Target], None]


def overwrite(path: Path, data: bytes = b"poison") -> None:
    """Write over a file whatever its mode, and leave it as protected as it was."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)


def copy_of(target: Target, table: str, where: str) -> Path:
    """Return where the content of a table lies."""
    md5 = dvc.read_pointer(target.root / f"{table}.dvc").md5
    return dvc.copies(target.root, dvc.default_remote(target.root), md5)[where]


def edit(target: Target, name: str, **said: Any) -> None:
    """Change keys of a JSON file, and commit it as an insider would."""
    path = target.root / name
    path.write_text(json.dumps(json.loads(path.read_text()) | said))
    git.commit(target.root, [name], "an insider's commit")


def table_and_manifest(target: Target, table: str) -> None:
    """Exchange a table everywhere, with a manifest and a pointer that fit it."""
    path = target.root / table
    frame = pd.read_parquet(path)
    frame["accepted"] = frame["accepted"].map({"yes": "no", "no": "yes"})
    frame.to_parquet(path, index=False)
    dvc.add(target.root, [path])
    dvc.push(target.root, [path])
    import hashlib

    folder = Path(table).parent
    git.commit(target.root, [f"{table}.dvc"], "an insider's commit")
    edit(target, f"{folder}/manifest.json", sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def pointer_that_leaves(target: Target) -> None:
    """Let a pointer name a file outside the workspace."""
    path = target.root / "batches/0001/feedback.parquet.dvc"
    path.write_text(path.read_text().replace("path: feedback.parquet", "path: ../../../canary"))
    git.commit(target.root, ["batches/0001/feedback.parquet.dvc"], "an insider's commit")


def pointer_that_runs(target: Target) -> None:
    """Let a pointer be a stage with a command."""
    path = target.root / "batches/0001/feedback.parquet.dvc"
    path.write_text(path.read_text() + f"cmd: rm {target.canary}\n")
    git.commit(target.root, ["batches/0001/feedback.parquet.dvc"], "an insider's commit")


def pointer_to_another_batch(target: Target) -> None:
    """Let the admitted batch point to the reference."""
    there, here = target.root / "reference/reference.parquet.dvc", target.root / "batches/0001"
    text = there.read_text().replace("reference.parquet", "feedback.parquet")
    (here / "feedback.parquet.dvc").write_text(text)
    git.commit(target.root, ["batches/0001/feedback.parquet.dvc"], "an insider's commit")


def smuggled_batch(target: Target) -> None:
    """Put a batch into training that no intake ever saw."""
    shutil.copytree(target.root / "batches/0001", target.root / "batches/0009")
    git.commit(target.root, ["batches/0009"], "an insider's commit")


def weights(target: Target) -> None:
    """Exchange the weights in MLflow's artifact store."""
    (path,) = mlflow_dir(target).glob("*.skops")
    overwrite(path)


def mlmodel(target: Target) -> None:
    """Let MLmodel name code."""
    path = mlflow_dir(target) / "MLmodel"
    overwrite(path, path.read_bytes().replace(b"mlflow.sklearn", b"evil"))


def added_file(target: Target) -> None:
    """Put a file of code beside the weights."""
    (mlflow_dir(target) / "evil.py").write_text(f"open({str(target.canary)!r}, 'w')")


def linked_weights(target: Target) -> None:
    """Let the weights be a link to a file outside."""
    (path,) = mlflow_dir(target).glob("*.skops")
    path.unlink()
    path.symlink_to(target.canary)


def mlflow_dir(target: Target) -> Path:
    """Return the artifacts of the champion's version."""
    context = open_context(target.root)
    registry = open_registry(context.layout, context.settings.model)
    place = registry.model_dir(champion_of(context.layout).version)
    assert place is not None
    assert place.is_relative_to(target.root)
    return place


def alias(target: Target) -> None:
    """Move the alias to the first model, as anybody with MLflow's address can."""
    context = open_context(target.root)
    open_registry(context.layout, context.settings.model).set_alias("champion", 1)


def statement(target: Target) -> None:
    """Say in the verdict's payload that the paused batch passed."""
    edit(target, "intake/0002/verdict.json", payload="e30=")


def swapped_statement(target: Target) -> None:
    """Put the verdict of the batch that passed in the place of the paused one's: validly signed."""
    shutil.copy(target.root / "intake/0001/verdict.json", target.root / "intake/0002/verdict.json")
    git.commit(target.root, ["intake/0002/verdict.json"], "an insider's commit")


def findings(target: Target) -> None:
    """Take what was found out of the record."""
    (target.root / "intake/0002/findings.json").write_text("[]")
    git.commit(target.root, ["intake/0002/findings.json"], "an insider's commit")


def calibration(target: Target) -> None:
    """Write wider limits into the calibration."""
    edit(target, "calibration/calibration.json", rows=1)


def replayed_promotion(target: Target) -> None:
    """Put the first model's promotion in the place of the last: old, but validly signed."""
    shutil.copy(
        target.root / "updates/0000/promotion.json", target.root / "updates/0001/promotion.json"
    )
    git.commit(target.root, ["updates/0001/promotion.json"], "an insider's commit")


BATCH, GOLDEN = "batches/0001/feedback.parquet", "golden/golden.parquet"
TAMPERED = [
    pytest.param(lambda t: overwrite(copy_of(t, BATCH, "cache")), BATCH, id="DVC cache"),
    pytest.param(lambda t: overwrite(copy_of(t, BATCH, "remote")), BATCH, id="DVC remote"),
    pytest.param(lambda t: overwrite(t.root / BATCH), BATCH, id="data in the tree"),
    pytest.param(lambda t: copy_of(t, GOLDEN, "remote").unlink(), None, id="one copy lost"),
    pytest.param(pointer_that_leaves, f"{BATCH}.dvc", id="pointer that leaves the workspace"),
    pytest.param(pointer_that_runs, f"{BATCH}.dvc", id="pointer with a command"),
    pytest.param(pointer_to_another_batch, BATCH, id="pointer to another table"),
    pytest.param(
        lambda t: edit(t, "batches/0001/manifest.json", sha256="0" * 64),
        "batches/0001/manifest.json",
        id="manifest",
    ),
    pytest.param(
        lambda t: table_and_manifest(t, BATCH), "batches/0001/manifest.json", id="batch, all of it"
    ),
    pytest.param(
        lambda t: table_and_manifest(t, GOLDEN), "golden/manifest.json", id="golden set, all of it"
    ),
    pytest.param(smuggled_batch, "batches/0009/manifest.json", id="smuggled batch"),
    pytest.param(weights, "version 2 of loans", id="weights"),
    pytest.param(mlmodel, "version 2 of loans", id="MLmodel"),
    pytest.param(added_file, "version 2 of loans", id="code beside the weights"),
    pytest.param(linked_weights, "skops", id="symlink"),
    pytest.param(alias, "alias champion of loans", id="alias"),
    pytest.param(statement, "intake/0002/verdict.json", id="statement edited"),
    pytest.param(swapped_statement, "intake/0002/verdict.json", id="statement swapped"),
    pytest.param(findings, "intake/0002/findings.json", id="findings emptied"),
    pytest.param(calibration, "calibration/calibration.json", id="calibration widened"),
    pytest.param(replayed_promotion, "updates/0001/promotion.json", id="promotion replayed"),
]


@pytest.mark.parametrize(("attack", "named"), TAMPERED)
def test_what_was_tampered_with_is_named(target: Target, attack: Attack, named: str | None) -> None:
    """Also where only what is new is looked at; and neither the canary nor the champion is harmed."""
    assert target.wrong() == []
    attack(target)
    told = target.wrong(full=False)
    assert told == target.wrong()
    if named is None:
        assert told == []  # the other copy has it still
    else:
        assert any(named in each["where"] for each in told), told
    assert target.unharmed()


REFUSED = [
    pytest.param(lambda t: overwrite(copy_of(t, BATCH, "cache")), "feedback[.]parquet", id="cache"),
    pytest.param(pointer_that_leaves, "feedback[.]parquet[.]dvc", id="pointer that leaves"),
    pytest.param(pointer_that_runs, "feedback[.]parquet[.]dvc", id="pointer with a command"),
    pytest.param(pointer_to_another_batch, "feedback[.]parquet", id="pointer to another table"),
]


@pytest.mark.parametrize(("attack", "named"), REFUSED)
def test_nothing_tampered_with_is_learnt(target: Target, attack: Attack, named: str) -> None:
    """A retrain reads every table against its manifest, refuses by name, and the champion serves."""
    attack(target)
    (target.root / BATCH).unlink(missing_ok=True)
    with pytest.raises(SluicegateError, match=named):
        target.place.retrain()
    assert target.unharmed()
    assert champion_of(target.layout).sha256 == target.champion


def test_a_verdict_is_replayed_from_what_is_stored(target: Target) -> None:
    """The stored findings come to the stored verdict; changed ones, or another policy, do not count."""
    for subject in ("update:0000", "update:0001", "batch:0001", "batch:0002"):
        told = target.place.explain(subject)
        assert told.same, told
        assert told.findings
    path = target.root / "updates" / "0001" / "comparison.json"
    path.write_text(path.read_text() + "\n")
    git.commit(target.root, ["updates"], "an insider's commit")
    with pytest.raises(Tampered, match=r"0001/comparison.json was changed"):
        target.place.explain("update:0001")
    path = target.root / "intake" / "0002" / "findings.json"
    path.write_text(path.read_text() + "\n")
    git.commit(target.root, ["intake"], "an insider's commit")
    with pytest.raises(Tampered, match=r"0002/findings.json was changed"):
        target.place.explain("batch:0002")
