"""model: the card of an update's model."""

from collections.abc import Mapping
from typing import Any

from sluicegate.core import Missing, Tampered, Update
from sluicegate.core.canonical import sha256_json
from sluicegate.core.document import Document, Result
from sluicegate.core.judged import Listed
from sluicegate.evidence.model_signature import listed_files
from sluicegate.evidence.statement import DECISION
from sluicegate.record.attest import packages_of
from sluicegate.record.champion import champion_of, read_promotion
from sluicegate.record.comparison import Assembled, describe_isolation, findings_in
from sluicegate.record.context import Context
from sluicegate.record.kept_models import SIGNATURE
from sluicegate.record.results import judged
from sluicegate.record.subjects.kind import stated
from sluicegate.record.updates import read_comparison, read_update, recorded_at, run_of
from sluicegate.reports import pinned
from sluicegate.reports.data_card import Judgement
from sluicegate.reports.pinned import added_up, learnt_at, settings_at, table_at
from sluicegate.stores import files
from sluicegate.stores.layout import Layout

CHALLENGER = "challenger"


class Ref(Document):
    """A version in MLflow, and the digest of its model."""

    version: int
    sha256: str


class Training(Document):
    """What a model learnt from: the rows of its tables, and how many of them were learnt."""

    data_commit: str | None = None
    rows: int
    learnt_rows: int | None
    held_out: int | None = None
    labels: Mapping[str, int]
    tables: tuple[pinned.Listed, ...] | None = None
    sources: Mapping[str, int] | None = None
    people: Mapping[str, str | None]


class ModelCard(Result):
    """What is known of an update's model; what its profile keeps in the house is not given.

    `files` are SHA-256 by path, `packages` versions by name, `importances` of each feature; `metrics`
    by the set of rows and the measure. `people` is what people wrote in params.yaml, by field.
    """

    card: str
    profile: str
    subject: str
    model: str
    version: int
    sha256: str
    signature: str | None = None
    stage: str
    promoted: str | None
    serving: bool
    replaces: Ref | None = None
    task: str
    classes: tuple[Any, ...]
    people: Mapping[str, str | None]
    missing: tuple[str, ...]
    training: Training
    features: Mapping[str, str] | None = None
    trainer: str | None = None
    parameters: Mapping[str, Any] | None = None
    golden: pinned.Listed
    metrics: Mapping[str, Mapping[str, Any]]
    slices: tuple[Mapping[str, Any], ...] | None = None
    importances: Mapping[str, float | None] | None = None
    verdict: Judgement | None = None
    findings: tuple[Listed, ...] | None = None
    approved_by: tuple[str, ...] | None = None
    run: str | None = None
    recorded: str
    files: Mapping[str, str] | None = None
    packages: Mapping[str, str] | None = None


def model_card(context: Context, number: str) -> ModelCard:
    """Return everything that is known of an update's model; raises Missing where there is none.

    How it was made and judged comes from the commit that it was made from; what people say of it from
    the workspace as it is now: owners change.
    """
    layout, now = context.layout, context.settings
    update, verdict = read_update(layout, number)
    model, replaced = update.challenger, update.champion
    if model is None:
        raise Missing(f"update:{number} has no model; `sluicegate update` makes one.")
    made = settings_at(layout, update.data_commit)
    comparison = read_comparison(layout, number)
    figures = comparison.report
    promoted = (layout.update(number) / "promotion.json").is_file()
    signed = (layout.update(number) / SIGNATURE).is_file()
    findings = judged(findings_in(comparison), made.policy("candidate"))
    return ModelCard(
        card="model",
        profile="internal",
        subject=f"update:{number}",
        model=now.model,
        version=model.version,
        sha256=model.sha256,
        signature=f"updates/{number}/{SIGNATURE}" if signed else None,
        stage=update.stage.value,
        promoted=read_promotion(layout, number).since if promoted else None,
        serving=_serves(layout, number),
        replaces=Ref(version=replaced.version, sha256=replaced.sha256) if replaced else None,
        task=made.data.task.value,
        classes=tuple(made.data.classes),
        people=now.card.model.model_dump(),
        missing=tuple(m for m in now.card.missing if m.startswith("model.")),
        training=_training(context, update, comparison.assembled),
        features={name: kind.value for name, kind in made.data.columns.items()},
        trainer=describe_isolation(comparison),
        parameters={**made.train, "seed": made.seed},
        golden=_golden(layout, update),
        metrics={
            where: each[CHALLENGER] for where, each in figures.metrics.items() if CHALLENGER in each
        },
        slices=tuple(each.to_dict() for each in figures.slices if each.model == CHALLENGER),
        importances=comparison.makeup.importances,
        verdict=Judgement(
            outcome=verdict.outcome.value, reasons=verdict.reasons, policy=verdict.policy
        ),
        findings=tuple(findings),
        approved_by=_approved_by(layout, number),
        run=run_of(layout, number),
        recorded=recorded_at(layout, number),
        files=_files(layout, number, model.sha256),
        packages=packages_of(layout, number),
    )


def _serves(layout: Layout, number: str) -> bool:
    try:
        return champion_of(layout).update == number
    except Missing:  # the first one, of which a bill is written before it is promoted
        return False


def _training(context: Context, update: Update, assembled: Assembled | None) -> Training:
    tables = learnt_at(context.layout, update.data_commit, update.batches)
    return Training(
        data_commit=update.data_commit,
        rows=sum(table.manifest.rows for table in tables),
        learnt_rows=assembled.rows if assembled else None,
        held_out=assembled.held_out if assembled else None,
        labels=added_up(table.manifest.labels for table in tables),
        tables=tuple(table.listed for table in tables),
        sources=added_up(table.manifest.sources for table in tables),
        people=context.settings.card.data.model_dump(),
    )


def _golden(layout: Layout, update: Update) -> pinned.Listed:
    table = table_at(layout, update.data_commit, "golden/golden.parquet")
    return table.listed.model_copy(update={"verified": table.manifest.verified})


def _files(layout: Layout, number: str, sha256: str) -> dict[str, str]:
    """Return the SHA-256 of each file of a model that was signed, which every promoted one is.

    The signed digest of the model vouches for them, so that a key may be replaced meanwhile.
    """
    path = layout.update(number) / SIGNATURE
    if not path.is_file():
        return {}
    where = f"updates/{number}/{SIGNATURE}"
    found = listed_files(files.read_json(path), where)
    if sha256_json(found) != sha256:
        raise Tampered(f"{where} does not list the files of update:{number}; restore it from git.")
    return found


def _approved_by(layout: Layout, number: str) -> tuple[str, ...]:
    """Return the people whose yes promoted it; nobody was asked where the gate passed it."""
    path = layout.update(number) / "decision.json"
    return tuple(stated(layout, path, DECISION)["approved_by"]) if path.is_file() else ()
