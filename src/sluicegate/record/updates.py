"""The record of updates: written when compared, read whenever somebody asks where one stands."""

from dataclasses import replace
from typing import Any

from sluicegate.core import (
    Conflict,
    Missing,
    ModelRef,
    Stage,
    Tampered,
    Update,
    Verdict,
)
from sluicegate.core.artifact import artifacts_in
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import (
    DECISION,
    PROMOTION,
    REFUSAL,
    UPDATE,
    WITHDRAWAL,
    predicate_of,
)
from sluicegate.record.champion import champion_of
from sluicegate.record.comparison import Reported
from sluicegate.record.context import Context
from sluicegate.stores import files, record
from sluicegate.stores.layout import Layout

FIRST = "0000"
"""The update that `init` makes."""


def read_update(layout: Layout, update: str) -> tuple[Update, Verdict]:
    """Return an update at the stage it has now, and the verdict on it, from signed statements."""
    result = _statement(layout, update)
    where = f"updates/{update}/update.json"
    verdict = Verdict.read(result["verdict"], where)
    compared = Update.read(result["update"], where)
    stage = _stage(layout, update, compared.stage)
    return replace(compared, stage=stage, verdicts=(verdict,)), verdict


def update_of_version(layout: Layout, version: str) -> tuple[Update, ModelRef]:
    """Return the update whose challenger has this version in MLflow; raises Missing or Conflict.

    An MLflow that was lost and restored may give a second model a number that one had before.
    """
    found = []
    for number in record.updates(layout):
        update = read_update(layout, number)[0]
        if update.challenger is not None and str(update.challenger.version) == version:
            found.append((update, update.challenger))
    if len(found) > 1:
        named = " and ".join(f"update:{each.id}" for each, _ in found)
        raise Conflict(f"model:{version} is the model of {named}; name the update instead.")
    if not found:
        raise Missing(f"There is no model:{version}; `sluicegate status` names the champion.")
    return found[0]


def policy_of(layout: Layout, update: str) -> str:
    """Return the SHA-256 of the params.yaml under which an update was trained and judged."""
    return materials_of(layout, update)["params.yaml"]


def materials_of(layout: Layout, update: str) -> dict[str, str]:
    """Return the SHA-256 of all that an update was made and judged by, by name."""
    materials = _statement(layout, update)["materials"]
    return {each.name: each.sha256 for each in artifacts_in(materials, f"updates/{update}")}


def recorded_at(layout: Layout, update: str) -> str:
    """Return when an update was compared."""
    return str(_statement(layout, update)["time"])


def run_of(layout: Layout, update: str) -> str:
    """Return the MLflow run in which an update's model was logged."""
    return str(_statement(layout, update)["run"])


def started_by(layout: Layout, update: str) -> str | None:
    """Return the git identity of who started an update by hand, None for the runner."""
    recorded: str | None = _statement(layout, update).get("started_by")
    return recorded


def read_comparison(layout: Layout, update: str) -> Reported:
    """Return what was measured of an update, once it has the digest that its statement names."""
    path = layout.update(update) / "comparison.json"
    if not path.is_file() or sha256_file(path) != _statement(layout, update)["comparison"]:
        raise Tampered(f"updates/{update}/comparison.json was changed; restore it from git.")
    return Reported.read(files.read_json(path), f"updates/{update}/comparison.json")


def verified_products(layout: Layout, update: str) -> list[str]:
    """Return the names of an update's products once each has the digest its statement names."""
    folder = layout.update(update)
    named: dict[str, str] = _statement(layout, update)["products"]
    for name, sha256 in named.items():
        if (
            not (folder / "products" / name).is_file()
            or sha256_file(folder / "products" / name) != sha256
        ):
            raise Tampered(f"updates/{update}/products/{name} was changed; restore it from git.")
    return sorted(named)


def awaiting(layout: Layout) -> list[str]:
    """Return the ids of the updates that wait for a human, the oldest first."""
    return [
        update
        for update in record.updates(layout)
        if read_update(layout, update)[0].stage is Stage.AWAITING
    ]


def approved(layout: Layout) -> str | None:
    """Return the last update when it is approved and its promotion has not ended, None otherwise."""
    last = record.updates(layout)[-1:]
    if last and read_update(layout, last[0])[0].stage is Stage.APPROVED:
        return last[0]
    return None


def new_batches(context: Context, update: Update) -> list[str]:
    """Return those batches of `update` that the champion has not learnt from."""
    learnt = set(champion_of(context.layout).batches)
    return [batch for batch in update.batches if batch not in learnt]


def _statement(layout: Layout, update: str) -> dict[str, Any]:
    where = f"updates/{update}/update.json"
    path = layout.root / where
    if not path.is_file():
        raise Missing(f"There is no update:{update}; `sluicegate status` lists what there is.")
    return predicate_of(record.read_statement(layout, path), UPDATE, where)


def _stage(layout: Layout, update: str, compared: Stage) -> Stage:
    folder = layout.update(update)
    for name, stage, kind in (
        ("withdrawal.json", Stage.ROLLED_BACK, WITHDRAWAL),
        ("promotion.json", Stage.PROMOTED, PROMOTION),
        ("refusal.json", Stage.REFUSED, REFUSAL),
        ("decision.json", Stage.APPROVED, DECISION),
    ):
        if (folder / name).is_file():
            payload = record.read_statement(layout, folder / name)
            predicate = predicate_of(payload, kind, name)
            if predicate.get("subject", f"update:{predicate.get('update')}") != f"update:{update}":
                raise Tampered(f"updates/{update}/{name} is for another one; restore it from git.")
            return stage
    return compared
