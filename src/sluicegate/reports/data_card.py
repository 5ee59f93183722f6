"""data: the card of a batch."""

from collections.abc import Mapping

from pydantic import ConfigDict, Field

from sluicegate.core import Missing
from sluicegate.core.document import Document, Result
from sluicegate.core.judged import Listed
from sluicegate.evidence.statement import VERDICT
from sluicegate.record.context import Context
from sluicegate.record.findings import findings_of
from sluicegate.record.quarantine import lots
from sluicegate.record.states import batch_states
from sluicegate.record.subjects.kind import stated
from sluicegate.record.subjects.retirement import destroyed_rows
from sluicegate.record.updates import read_update
from sluicegate.stores import data, files, record
from sluicegate.stores.layout import Layout


class Part(Document):
    """What lies in a folder of a batch now."""

    rows: int
    labels: Mapping[str, int]
    sha256: str


class RolledBack(Document):
    """How many rows rollbacks took out of a batch, and in which incidents."""

    rows: int
    incidents: tuple[str, ...]


class DestroyedRows(Document):
    """How many rows of a batch were destroyed for good."""

    rows: int


class Column(Document):
    """A column of the feedback, its kind or role, and whether it is pseudonymised."""

    name: str
    is_: str = Field(alias="is")
    pseudonymised: bool

    model_config = ConfigDict(populate_by_name=True)


class Learner(Document):
    """An update whose model learnt from a batch."""

    update: str
    stage: str
    version: int
    sha256: str


class Judgement(Document):
    """A verdict in a card; its profile may keep all but the outcome."""

    outcome: str
    reasons: tuple[str, ...] = ()
    policy: str = ""
    time: str = ""


class DataCard(Result):
    """What is known of a batch; what its profile keeps in the house is not given.

    Counts are of rows. `people` is what people wrote in params.yaml, by field.
    """

    card: str
    profile: str
    subject: str
    model: str
    file: str | None = None
    sha256: str | None = None
    received: str
    state: str | None = None
    rows: int
    admitted: Part | None = None
    set_aside: Part | None = None
    held: Part | None = None
    rolled_back: RolledBack | None = None
    destroyed: DestroyedRows | None = None
    labels: Mapping[str, int]
    people: Mapping[str, str | None]
    missing: tuple[str, ...]
    columns: tuple[Column, ...] | None = None
    source_count: int
    sources: Mapping[str, int] | None = None
    signed_by: Mapping[str, str] | None = None
    measures: Mapping[str, float | None] | None = None
    verdict: Judgement | None = None
    findings: tuple[Listed, ...] | None = None
    learnt_by: tuple[Learner, ...] | None = None


def data_card(context: Context, batch: str) -> DataCard:
    """Return everything that is known of a batch; raises Missing where there is none."""
    layout = context.layout
    if batch not in record.received(layout):
        raise Missing(f"There is no batch:{batch}; `sluicegate status` lists what there is.")
    folder = layout.intake(batch)
    receipt = data.read_manifest(folder)
    verdict = stated(layout, folder / "verdict.json", VERDICT)
    admitted = _table(layout, f"batches/{batch}")
    findings = findings_of(layout, batch)
    return DataCard(
        card="data",
        profile="internal",
        subject=f"batch:{batch}",
        model=context.settings.model,
        file=receipt.file,
        sha256=receipt.sha256,
        received=receipt.received,
        state=batch_states(layout)[batch],
        rows=receipt.rows,
        admitted=admitted,
        set_aside=_table(layout, f"quarantine/{batch}"),
        held=_table(layout, f"quarantine/{batch}/held"),
        rolled_back=_rolled_back(layout, batch),
        destroyed=_destroyed(layout, batch),
        labels=receipt.labels,
        people=context.settings.card.data.model_dump(),
        missing=tuple(m for m in context.settings.card.missing if m.startswith("data.")),
        columns=_columns(context),
        source_count=len(receipt.sources),
        sources=receipt.sources,
        signed_by=receipt.feed,
        measures={each.metric: each.value for each in findings},
        verdict=Judgement.read(verdict, str(folder / "verdict.json")),
        findings=tuple(findings),
        learnt_by=_learnt_by(layout, batch),
    )


def _table(layout: Layout, folder: str) -> Part | None:
    """Return rows, labels and digest of what lies in `folder` now, None where nothing does."""
    path = layout.root / folder / data.MANIFEST
    if not path.is_file():
        return None
    return Part.read(files.read_json(path), str(path))


def _rolled_back(layout: Layout, batch: str) -> RolledBack | None:
    """Return how many rows rollbacks took out of the batch, and in which incidents, None for none."""
    taken = {
        lot.name.removeprefix("incident-"): data.read_manifest(lot).rows
        for lot in lots(layout, batch)
        if lot.name.startswith("incident-")
    }
    rows = sum(taken.values())
    return RolledBack(rows=rows, incidents=tuple(sorted(taken))) if taken else None


def _destroyed(layout: Layout, batch: str) -> DestroyedRows | None:
    gone = destroyed_rows(layout, batch)
    return DestroyedRows(rows=len(gone)) if gone else None


def _columns(context: Context) -> tuple[Column, ...]:
    """Return every column of the feedback with its kind or role, and whether it is pseudonymised."""
    settings = context.settings.data
    roles = ("label", "source", "time", "id", "label_origin")
    named = {name: kind.value for name, kind in settings.columns.items()}
    named |= {getattr(settings, role): role for role in roles if getattr(settings, role)}
    return tuple(
        Column(name=name, is_=kind, pseudonymised=name in settings.sensitive)
        for name, kind in named.items()
    )


def _learnt_by(layout: Layout, batch: str) -> tuple[Learner, ...]:
    """Return the models that a batch is in: data and models are many to many."""
    found = []
    for number in record.updates(layout):
        update, _ = read_update(layout, number)
        if batch in update.batches and update.challenger:
            model, stage = update.challenger, update.stage.value
            about = {"update": f"update:{number}", "stage": stage}
            found.append(Learner(**about, version=model.version, sha256=model.sha256))
    return tuple(found)
