"""reinstate: the newest former champion that learnt nothing of what was rolled back serves again.

It needs no approval beforehand: it was promoted, signed and served before, and at night it has to
be fast. Reviewers countersign the incident afterwards.
"""

from collections.abc import Mapping, Sequence

from sluicegate.checks.statistics.scoring import Answers, metrics, truth_of
from sluicegate.core import Artifact, SluicegateError
from sluicegate.core.document import Document
from sluicegate.evidence.ledger import REINSTATE, SUSPEND
from sluicegate.evidence.statement import REINSTATEMENT
from sluicegate.record.causes import Cause
from sluicegate.record.champion import Champion, champion_of, suspended
from sluicegate.record.clean_versions import first_sound
from sluicegate.record.context import Context
from sluicegate.record.kept_models import kept_model
from sluicegate.stores import data
from sluicegate.stores.transaction import transaction


class Worth(Document):
    """A version, and its primary measure on the golden set, None where it was not measured.

    `fault` says why it cannot serve.
    """

    update: str
    version: int
    sha256: str
    fault: str | None
    golden: Mapping[str, float | None]


def costs(context: Context, versions: Sequence[Champion]) -> tuple[Worth, ...]:
    """Return the score of each of `versions` on the golden set now, None for one that is not sound."""
    schema, primary = context.schema, context.settings.compare.primary
    golden = data.read_trusted(context.layout, "golden")
    listed = []
    for each in versions:
        fault, worth = None, None
        try:
            model = kept_model(context, each.update, each.sha256)
            worth = metrics(Answers(model.scores(golden), truth_of(schema, golden)))[primary]
        except SluicegateError as error:
            fault = str(error)
        listed.append(
            Worth(
                update=each.update,
                version=each.version,
                sha256=each.sha256,
                fault=fault,
                golden={primary: worth},
            )
        )
    return tuple(listed)


def reinstate(
    context: Context, incident: str, because: Cause, versions: Sequence[Champion]
) -> Champion:
    """Make the first of `versions` that is sound the champion again, and return it.

    Raises NothingClean if none is: then the champion stays.
    """
    layout, settings = context.layout, context.settings
    before = champion_of(layout)
    former = first_sound(context, versions)
    details = {
        "incident": incident,
        "because": str(because),
        "update": former.update,
        "version": former.version,
        "previous": before.ref.to_dict(),
        "time": context.now(),
    }
    subject = Artifact(f"model:{settings.model}", former.sha256)
    path = layout.incident(incident) / "reinstatement.json"
    with transaction(context, "rollback", f"version {former.version} serves again") as t:
        made = t.state(path, [subject], REINSTATEMENT, details)
        t.append(REINSTATE, [subject, made], details)
    return champion_of(layout)


def suspend(context: Context, incident: str, because: Cause) -> None:
    """Record that no model serves until one is promoted or reinstated; a repeated call changes nothing."""
    layout, champion = context.layout, champion_of(context.layout)
    if suspended(layout):
        return
    subject = Artifact(f"model:{context.settings.model}", champion.sha256)
    details = {"incident": incident, "because": str(because), "version": champion.version}
    with transaction(context, "rollback", f"incident:{incident}: serving stopped") as t:
        t.append(SUSPEND, [subject], details)
