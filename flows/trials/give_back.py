"""give_back: admit batches again that a rejected challenger put on hold and that a bisect cleared.

They passed intake before and only move back, signed and recorded: admitted rows have
still to pass the gate of the next retrain. This accuses no source. The other rows of the guilty
batch become a release, which reviewers decide and intake judges again.
"""

from collections.abc import Sequence

from sluicegate.core import CannotDecide, Conflict, Misused
from sluicegate.core.schema import ROW
from sluicegate.evidence.statement import BISECTION
from sluicegate.flows.feedback.exception import Wanted
from sluicegate.flows.feedback.quarantine import readmit
from sluicegate.flows.feedback.release import propose
from sluicegate.flows.trials.bisect import Order, bisect
from sluicegate.flows.trials.bisected import Bisected, Bisection, GivenBack, Within
from sluicegate.flows.trials.search import FOUND
from sluicegate.record.context import Context
from sluicegate.record.quarantine import taken
from sluicegate.record.questions import artifact
from sluicegate.record.subjects.incident import barred, incidents, read_incident
from sluicegate.stores import data, files
from sluicegate.stores.layout import Layout
from sluicegate.stores.transaction import Transaction, transaction

EVIDENCE = "bisection.json"


def give_back(context: Context, order: Order) -> Bisected:
    """Bisect a rejected update and admit the innocent batches that it put on hold again.

    Returns the result of the bisect, with `given_back`. A second run changes nothing. Raises CannotDecide
    unless the update passes without the guilty rows.
    """
    if order.update is None:
        raise Misused("Only a rejected update puts batches on hold: name one, like update:0007.")
    found = bisect(context, order)
    if found.ended != FOUND:
        raise CannotDecide(
            f"The bisect cleared no batch of update:{order.update} ({found.ended}), so all of them "
            f"stay on hold; see {found.report}."
        )
    if found.alone is False:
        raise CannotDecide(
            f"batch:{found.batches.guilty[0]} fails only together with others, so the bisect cannot tell "
            f"which is at fault, and all stay on hold; see {found.report}."
        )
    innocent = found.batches.innocent
    with transaction(context, "give-back") as t:
        kept = {b: why for b in innocent if (why := _obstacle(context.layout, order.update, b))}
        back = [batch for batch in innocent if batch not in kept]
        if back:
            _admit(t, context, order.update, found, back)
            t.commits_as(f"update:{order.update}: gave back {', '.join(back)}")
    asked = [_ask(context, order.update, each) for each in found.sources]
    releases = tuple(each for each in asked if each)
    given = GivenBack(batches=tuple(back), kept=kept, releases=releases)
    return found.model_copy(update={"given_back": given})


def _obstacle(layout: Layout, update: str, batch: str) -> str:
    """Return why a batch is not given back; the empty string when it may be."""
    held = layout.held(batch)
    if (layout.admitted(batch) / data.MANIFEST).is_file():
        return "it is admitted"
    if not (held / data.MANIFEST).is_file():
        return "it is not on hold"
    if files.read_json(held / "reason.json")["reason"] != f"update:{update} was rejected":
        return "it is held for another reason"
    if taken(layout, batch):
        return "some of its rows are released or requested"
    sources = data.read_manifest(held).sources
    accused = set(sources) & set().union(*barred(layout))
    if accused:
        return f"it has rows from {min(accused)}, which is barred"
    for number in incidents(layout):
        if batch in {each.batch for each in read_incident(layout, number).trace.batches}:
            return f"incident:{number} concerns it"
    return ""


def _admit(
    t: Transaction, context: Context, update: str, found: Bisected, back: Sequence[str]
) -> None:
    """Move held batches to where they were admitted."""
    layout = context.layout
    readmit(t, back)
    tables = [artifact(layout, layout.admitted(batch) / data.FEEDBACK) for batch in back]
    evidence = Bisection(
        update=update,
        asked=found.asked,
        metric=found.metric,
        limit=found.limit,
        commit=found.commit,
        repeat=found.repeat,
        guilty=found.batches.guilty,
        sources=found.sources,
        innocent=tuple(back),
        steps=found.steps,
        asked_by=context.started_by,
        time=context.now(),
    )
    path = layout.update(update) / EVIDENCE
    made = t.state(path, tables, BISECTION, evidence.to_dict())
    t.append("give-back", [*tables, made], {"update": update, "batches": list(back)})


def _ask(context: Context, update: str, within: Within) -> str | None:
    """Ask reviewers to release those rows of a guilty batch that no guilty source sent."""
    layout, batch = context.layout, within.batch
    held = layout.held(batch)
    on_hold = (held / data.MANIFEST).is_file()
    if within.ended != FOUND or not on_hold or context.schema.source is None:
        return None
    frame = data.read_verified(held / data.FEEDBACK)
    named = frame[context.schema.source].fillna("").astype(str)
    rows = frame[ROW][~named.isin(within.guilty)]
    free = tuple(int(row) for row in rows if int(row) not in taken(layout, batch))
    if not within.guilty or not free:
        return None
    guilty = ", ".join(within.guilty)
    reason = f"update:{update} was rejected because of {guilty}; other sources sent these rows."
    try:
        return propose(context, Wanted(batch, reason, rows=free))
    except (Conflict, Misused) as refused:
        context.tell(f"batch:{batch}: {refused}")
        return None
