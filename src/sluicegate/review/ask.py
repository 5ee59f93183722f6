"""ask: what reviewers are asked about an update and a batch, with the figures that they answer by."""

from sluicegate.core import CannotDecide, Conflict, Update
from sluicegate.record.context import Context
from sluicegate.record.findings import findings_of
from sluicegate.record.updates import read_comparison, run_of
from sluicegate.record.words import number
from sluicegate.review.votes import Question
from sluicegate.stores import data, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.mlflow import open_registry
from sluicegate.stores.quoting import PAGE


def about_update(context: Context, update: Update) -> Question:
    """Return the question about an awaiting update."""
    layout, folder = context.layout, context.layout.update(update.id)
    champion, challenger = update.champion, update.challenger
    if champion is None or challenger is None:
        raise Conflict(f"update:{update.id} has no champion or challenger; retrain.")
    figures = read_comparison(layout, update.id).report
    primary = context.settings.compare.primary
    both = ("challenger", "champion")
    now, then = (figures.measure("golden", model, primary) for model in both)
    shown = [
        ("why it paused", " ".join(update.verdicts[-1].reasons[:3])),
        ("champion", f"version {champion.version}, sha256:{champion.sha256}"),
        ("challenger", f"version {challenger.version}, sha256:{challenger.sha256}"),
        (f"golden {primary}", f"champion {number(then)}, challenger {number(now)}"),
        ("data commit", update.data_commit),
        ("batches", ", ".join(update.batches) or "none"),
        ("MLflow run", run_of(layout, update.id)),
        ("limits judged by", f"sha256:{update.verdicts[-1].policy}"),
    ]
    question = f"May update:{update.id} become the champion of model {context.settings.model}?"
    from sluicegate.review.pages import update_page

    page = update_page(context, update, question, shown)
    bound = [folder / name for name in ("update.json", "comparison.json", PAGE)]
    bound += [table.with_name(data.MANIFEST) for table in (layout.golden, layout.reference)]
    return Question(f"update:{update.id}", question, shown, bound, page)


def about_batch(context: Context, batch: str) -> Question:
    """Return the question about a paused batch."""
    layout, folder = context.layout, context.layout.intake(batch)
    verdict = record.read_statement(layout, folder / "verdict.json")["predicate"]
    manifest = data.read_manifest(folder)
    aside = len(verdict["quarantined"]["rows"])
    shown = [
        ("why it paused", " ".join(verdict["reasons"][:3])),
        ("received file", f"sha256:{manifest.sha256}"),
        ("rows", f"{manifest.rows} from {len(manifest.sources)} sources"),
        ("rows that stay set aside", str(aside)),
        ("rows in question", str(len(verdict["suspects"]["rows"]))),
        ("limits judged by", f"sha256:{verdict['policy']}"),
    ]
    if verdict.get("triggers") and _learnt(layout, batch):
        shown.insert(
            1, ("learnt before", f"`sluicegate rollback --because trigger:{batch}` takes it out")
        )
    question = f"May models learn from batch:{batch}?"
    from sluicegate.review.pages import batch_page

    page = batch_page(context, batch, question, shown)
    bound = [folder / name for name in ("verdict.json", "findings.json", data.MANIFEST)]
    bound += [folder / "rows" / data.MANIFEST, folder / PAGE]
    return Question(f"batch:{batch}", question, shown, bound, page)


def _learnt(layout: Layout, batch: str) -> bool:
    """Tell whether admitted rows obeyed a trigger that a batch is stopped for."""
    found = findings_of(layout, batch)
    return any(each.value for each in found if each.metric == "triggers.learnt")


def keep_page(context: Context, update: str) -> None:
    """Keep the evidence page beside the update's run in MLflow too, which may be unreachable."""
    layout, settings = context.layout, context.settings
    try:
        registry = open_registry(layout, settings.model, settings.mlflow.tracking_uri)
        registry.log_page(run_of(layout, update), layout.update(update) / PAGE)
    except CannotDecide as error:
        context.tell(str(error))
