"""reinstate: the newest former champion that embodies nothing of what was taken back serves again.

No approval is asked for beforehand: it was promoted, signed and served before, and at night it has to
be fast. Reviewers countersign the incident afterwards.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sluicegate.checks.scoring import Answers, metrics, truth_of
from sluicegate.core import Artifact, CannotDecide, SluicegateError, Stage
from sluicegate.evidence.statement import REINSTATEMENT
from sluicegate.flows.champion import (
    REINSTATE,
    SUSPEND,
    Champion,
    champion_of,
    read_promotion,
    serving_version,
    suspended,
)
from sluicegate.flows.context import Context
from sluicegate.flows.subjects.incident import taken_back
from sluicegate.flows.subjects.retirement import destroyed_models
from sluicegate.flows.subjects.rollback import KEPT, proposal_state, proposals
from sluicegate.flows.training.keep import kept_model
from sluicegate.flows.updates import read_update
from sluicegate.stores import data, git, record
from sluicegate.stores.mlflow import open_registry


class NothingClean(CannotDecide):
    """No former champion is clean and sound."""


def clean_versions(context: Context, tainted: Collection[str]) -> list[Champion]:
    """Return the former champions outside the `tainted` updates that still exist, the newest first.

    One whose approval was taken back is none, unless its reviewers said that they keep it; nor is one
    that any rollback spoke of, also of one that broke off before it withdrew it.
    """
    layout = context.layout
    disowned = {each for each in proposals(layout) if proposal_state(layout, each) != KEPT}
    out = {*tainted, *destroyed_models(layout), *disowned, *taken_back(layout)}
    return [
        read_promotion(layout, each)
        for each in reversed(record.updates(layout))
        if each not in out and read_update(layout, each)[0].stage is Stage.PROMOTED
    ]


def costs(context: Context, versions: Sequence[Champion]) -> list[dict[str, Any]]:
    """Return what each of `versions` is worth on the golden set now, None for one that is not sound."""
    schema, primary = context.schema, context.settings.compare.primary
    golden = data.read_verified(context.layout.golden)
    told = []
    for each in versions:
        said: dict[str, Any] = {"update": each.update, **each.ref.to_dict(), "fault": None}
        try:
            model = kept_model(context, each.update, each.sha256)
            worth = metrics(Answers(model.scores(golden), truth_of(schema, golden)))[primary]
            said["golden"] = {primary: worth}
        except SluicegateError as error:
            said |= {"golden": {primary: None}, "fault": str(error)}
        told.append(said)
    return told


def reinstate(
    context: Context, incident: str, because: str, versions: Sequence[Champion]
) -> Champion:
    """Make the first of `versions` that is sound the champion again, and return it.

    Raises NothingClean where none is: then the champion is left as it is.
    """
    layout, settings = context.layout, context.settings
    before = champion_of(layout)
    former = first_sound(context, versions)
    said = {
        "incident": incident,
        "because": because,
        "update": former.update,
        "version": former.version,
        "previous": before.ref.to_dict(),
        "time": context.now(),
    }
    subject = Artifact(f"model:{settings.model}", former.sha256)
    path = layout.incident(incident) / "reinstatement.json"
    with record.writing(layout, "rollback", record.ROOMS):
        made = record.write_statement(layout, path, [subject], REINSTATEMENT, said)
        record.append(layout, REINSTATE, [subject, made], said, context.now())
        git.commit_all(layout.root, record.ROOMS, f"version {former.version} serves again")
    return champion_of(layout)


def suspend(context: Context, incident: str, because: str) -> None:
    """Record that nobody serves until another model is promoted or reinstated; twice is once."""
    layout, champion = context.layout, champion_of(context.layout)
    if suspended(layout):
        return
    subject = Artifact(f"model:{context.settings.model}", champion.sha256)
    said = {"incident": incident, "because": because, "version": champion.version}
    with record.writing(layout, "rollback", record.ROOMS):
        record.append(layout, SUSPEND, [subject], said, context.now())
        git.commit_all(layout.root, record.ROOMS, f"incident:{incident}: nobody serves")


def mirror(context: Context) -> int | None:
    """Have MLflow's alias say who the champion is, and return the version that it named instead.

    None where it named the champion, or nobody. While nobody serves there is no such alias. That it
    cannot follow is told, and stops nothing.

    Whoever verifies goes by the signed record, and `doctor` says so until the alias follows.
    """
    settings = context.settings
    try:
        registry = open_registry(context.layout, settings.model, settings.mlflow.tracking_uri)
        return registry.mirror(serving_version(context.layout))
    except CannotDecide as error:
        context.tell(str(error))
        return None


def first_sound(context: Context, versions: Sequence[Champion]) -> Champion:
    """Return the first of `versions` whose files are those that were promoted; NothingClean for none."""
    faults = []
    for each in versions:
        try:
            kept_model(context, each.update, each.sha256)
        except SluicegateError as error:
            faults.append(str(error))
            context.tell(f"version {each.version} cannot serve: {error}")
        else:
            return each
    raise NothingClean(
        "No former champion is clean and sound"
        + (f" ({faults[0]})" if faults else "")
        + "; train one with `sluicegate retrain`."
    )
