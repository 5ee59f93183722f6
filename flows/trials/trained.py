"""trained: models of parts of the data, trained by the challengers' pipeline and kept for reuse.

This module registers, promotes and commits nothing. A training's key is the digest of all its inputs
(rows, reference, policy, trainer, locks, packages, seed), so that a killed run goes on
where it stopped and a second one costs nothing. The models are in `.sluicegate/trained/`.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from sluicegate.core import CannotDecide, Missing, Schema, Stage, Tampered, Update
from sluicegate.core.canonical import sha256_json
from sluicegate.core.document import Document
from sluicegate.flows.feedback.quarantine import keep_rest
from sluicegate.flows.updates.retrain import fetch
from sluicegate.record.comparison import Reported
from sluicegate.record.context import Context
from sluicegate.record.policy_in_force import require_once_signed
from sluicegate.stores import data, dvc, files, git, models, packages, pipeline, record
from sluicegate.stores.environment import scrubbed
from sluicegate.stores.layout import Layout, numbered
from sluicegate.stores.settings import Settings, fill, parse_settings, read_settings

RECORD = "trained.json"
_UNUSED = (*record.ROOMS, "trust", "expectations", "drills", "plots", "inbox", "rollbacks")
_DERIVED = ("dvc.lock", "metrics.json", "candidate.json", "threats.yaml", ".gitignore")


@dataclass(frozen=True)
class Recipe:
    """What a model learns: some batches of a commit, less the rows of some sources.

    `without` names (batch, source) pairs. `reseed` is added to the policy's seed. With `against`, a
    candidate.json, the model is also compared with the champion that it pins. What was received after
    the batch `until` is forgotten; else only the batches left out are.
    """

    commit: str
    batches: tuple[str, ...]
    without: tuple[tuple[str, str], ...] = ()
    reseed: int = 0
    against: Mapping[str, Any] | None = None
    until: str | None = None


class Trained(Document):
    """A kept model: its digest, the seconds of its training, its comparison, and its folder.

    `fresh` tells that this run trained it.
    """

    key: str
    sha256: str
    seconds: float
    comparison: Reported | None
    folder: Path = Field(Path(), exclude=True)
    fresh: bool = Field(False, exclude=True)

    def load(self, schema: Schema) -> models.Model:
        """Return the model, once all of it has the digest that was recorded."""
        return models.load(self.folder / "model", self.sha256, schema)


def train(context: Context, recipe: Recipe, what: str) -> Trained:
    """Return the model of `recipe`, and train it unless it is kept; `what` names it in the progress.

    Raises CannotDecide if the trainer fails or data of the commit no longer exists.
    """
    layout = context.layout
    key = key_of(layout, recipe)
    busy = f"Another bisect or plan is running in {layout.root}; wait for it to finish."
    with files.locked(layout.home / "trained.lock", busy, wait=False):
        kept = _kept(layout, key)
        if kept is not None:
            context.tell(f"{what}: reused")
            return kept
        return _built(context, recipe, key, what)


def is_kept(layout: Layout, recipe: Recipe) -> bool:
    """Tell whether the model of `recipe` is kept already."""
    return _kept(layout, key_of(layout, recipe)) is not None


def settings_at(layout: Layout, commit: str) -> Settings:
    """Return params.yaml as it was in a commit."""
    text = git.read_at(layout.root, commit, "params.yaml")
    return parse_settings(text, f"params.yaml of {commit[:12]}")


def sources_at(layout: Layout, commit: str, batch: str) -> dict[str, int]:
    """Return the admitted rows of each source of a batch as they were in a commit."""
    return dict(_manifest(layout, commit, batch).sources)


def key_of(layout: Layout, recipe: Recipe) -> str:
    """Return the digest of all inputs of the model."""
    root, commit = layout.root, recipe.commit
    rooms = (*_UNUSED, *_DERIVED)
    named = [n for n in git.tracked(root, ".", commit) if n.split("/")[0] not in rooms]
    receipts = [f"intake/{batch}/{data.MANIFEST}" for batch in _receipts(layout, recipe)]
    return sha256_json(
        {
            "schema": 1,
            "batches": {b: _manifest(layout, commit, b).sha256 for b in recipe.batches},
            "without": sorted(map(list, recipe.without)),
            "reseed": recipe.reseed,
            "against": recipe.against,
            "files": git.blobs(root, commit, named),
            "receipts": git.blobs(root, commit, receipts),  # who has become known by them
            "packages": packages.installed(),
        }
    )


def _kept(layout: Layout, key: str) -> Trained | None:
    """Return what is kept under `key`; whatever is not as it was recorded is thrown away."""
    folder = layout.home / "trained" / key
    try:
        kept = Trained.read(files.read_json(folder / RECORD), RECORD)
        if kept.key == key and models.digest(folder / "model") == kept.sha256:
            return kept.model_copy(update={"folder": folder})
    except Missing:
        return None
    except (Tampered, OSError):
        pass
    files.remove_tree(folder)
    return None


def _built(context: Context, recipe: Recipe, key: str, what: str) -> Trained:
    layout, began = context.layout, time.monotonic()
    require_once_signed(layout, recipe.commit)
    tree = layout.work / f"trained-{key[:12]}"
    git.add_worktree(layout.root, tree, recipe.commit)
    try:
        _lay_out(layout, tree, recipe)
        pipeline.require_ours(tree)
        stages = pipeline.STAGES if recipe.against is not None else pipeline.STAGES[:-1]
        dvc.repro(tree, stages, scrubbed(), lambda stage: context.tell(f"{what}: {stage}"))
        made = tree / "build" / "model"
        models.require_data_only(made)
        digest = models.digest(made)
        comparison = None
        if recipe.against is not None:
            found = files.read_json(tree / "build" / "comparison.json")
            comparison = Reported.read(found, "build/comparison.json")
            if comparison.challenger != digest:
                raise Tampered("The model changed after the comparison; run the command again.")
        trained = Trained(
            key=key,
            sha256=digest,
            seconds=round(time.monotonic() - began, 3),
            comparison=comparison,
            folder=layout.home / "trained" / key,
            fresh=True,
        )
        _keep(trained, made)
    finally:
        git.remove_worktree(layout.root, tree)
    context.tell(f"{what}: trained in {trained.seconds:.0f} s")
    return trained


def _keep(trained: Trained, model: Path) -> None:
    """Keep a model whole or not at all."""
    half = trained.folder.with_name(f".{trained.key}")
    files.remove_tree(half)
    shutil.copytree(model, half / "model")
    files.write_json(half / RECORD, trained.to_dict())
    files.remove_tree(trained.folder)
    half.rename(trained.folder)


def _lay_out(layout: Layout, tree: Path, recipe: Recipe) -> None:
    """Make the worktree one in which only the rows of `recipe` were ever received."""
    dvc.share_cache(tree, layout.root)
    fetch(tree, Update("trained", Stage.ASSEMBLED, recipe.commit, recipe.batches))
    inside = Layout(tree)
    for batch in record.admitted_in(layout, recipe.commit):
        if batch not in recipe.batches:
            files.remove_tree(inside.admitted(batch))
    for receipt in set(numbered(tree / "intake")) - set(_receipts(layout, recipe)):
        files.remove_tree(inside.intake(receipt))
    if recipe.reseed:
        text = inside.params.read_text(encoding="utf-8")
        seed = read_settings(inside.params).seed + recipe.reseed
        files.write_bytes(inside.params, fill(text, {"seed": seed}).encode())
    _leave_out(inside, recipe.without)
    against = {"update": "trained", "champion": None, "first": None}
    files.write_json(inside.candidate, recipe.against or against)


def _receipts(layout: Layout, recipe: Recipe) -> list[str]:
    """Return the receipts that the training knows of: they say which sources have become known."""
    names = (n.split("/") for n in git.tracked(layout.root, "intake", recipe.commit))
    received = {n[1] for n in names if n[2:] == [data.MANIFEST]}
    out = set(record.admitted_in(layout, recipe.commit)) - set(recipe.batches)
    if recipe.until is not None:
        out |= {each for each in received if int(each) > int(recipe.until)}
    return sorted(received - out, key=int)


def _leave_out(inside: Layout, without: Sequence[tuple[str, str]]) -> None:
    schema = read_settings(inside.params).schema_
    for batch in sorted({batch for batch, _ in without}):
        out = {source for each, source in without if each == batch}
        table = inside.admitted(batch) / data.FEEDBACK
        frame = data.read_verified(table)
        if schema.source is None or schema.source not in frame:
            raise CannotDecide(f"batch:{batch} names no sources; leave out the whole batch.")
        named = frame[schema.source].fillna("").astype(str)
        keep_rest(table, frame[~named.isin(out)], schema, batch)


def _manifest(layout: Layout, commit: str, batch: str) -> data.Manifest:
    return data.manifest_at(layout, commit, f"batches/{batch}/{data.MANIFEST}")
