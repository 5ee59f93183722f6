"""summary: what a run shows of a batch, an update or a question, with contributors' text escaped."""

from collections.abc import Sequence
from typing import TypeVar

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from sluicegate.core import Judged, Outcome
from sluicegate.core.counted import counted
from sluicegate.flows.orchestration.inbox import Taken
from sluicegate.record.context import Context
from sluicegate.record.results import IntakeResult, RetrainResult
from sluicegate.record.subjects import folder_of
from sluicegate.record.updates import read_comparison
from sluicegate.record.words import number
from sluicegate.reports.evidence_page import key_plots
from sluicegate.reports.markup import escaped
from sluicegate.reports.update import findings_table, render
from sluicegate.review.question import Asked
from sluicegate.stores.quoting import PAGE

MOST_SOURCES = 20
MOST_ROWS = 200
STATE_NAMES = {Outcome.PAUSE: "Paused", Outcome.REJECT: "Rejected"}
T = TypeVar("T")


def batch_page(result: IntakeResult) -> str:
    """Return a batch on one page of markdown: outcome, reasons, rows set aside, measurements."""
    batch, verdict = result.assessment.batch, result.assessment.verdict
    known = f"**Already received** as batch:{result.duplicate_of}: this is its recorded verdict."
    asks = f"To decide: `sluicegate review sign batch:{batch.id} --approve --as NAME`"
    return "\n".join(
        [
            f"# batch:{batch.id}: {verdict.outcome.value}",
            "",
            *([known, ""] if result.duplicate_of else []),
            *([asks, ""] if verdict.outcome is Outcome.PAUSE else []),
            *(f"- {escaped(reason)}" for reason in verdict.reasons),
            "",
            "| | |",
            "|---|---|",
            f"| file | {escaped(batch.artifact.name)} |",
            f"| SHA-256 | {batch.artifact.sha256} |",
            f"| received | {batch.received} |",
            f"| rows | {batch.rows} |",
            f"| sources | {batch.sources} |",
            f"| set aside | {_held(verdict.quarantined.rows, verdict.quarantined.sources)} |",
            f"| for a reviewer to judge | {_held(verdict.suspects.rows, verdict.suspects.sources)} |",
            "",
            "## Measurements",
            "",
            *findings_table(result.findings),
            "",
        ]
    )


def question_page(context: Context, asked: Asked, refused: str) -> str:
    """Return `asked` (from `review.show`) with the line to run; `refused` is why the last answer failed."""
    subject = asked.subject
    names = dict(asked.names)
    for known in ("why it paused", "why it is asked", "why it is proposed"):
        names.pop(known, None)
    votes = [
        f"- {escaped(vote.reviewer)} answered {vote.decision.value}: {escaped(vote.reason)}"
        for vote in asked.votes
    ]
    return "\n".join(
        [
            *([f"**The last answer does not count.** {escaped(refused)}", ""] if refused else []),
            f"### {escaped(asked.question)}",
            "",
            escaped(asked.why),
            "",
            f"Needs {counted(asked.required, 'approval')}; a single rejection refuses it.",
            *(["", "Answers so far:", "", *votes] if votes else []),
            "",
            "**To answer**, run this in your own clone of the workspace. It verifies the record and "
            "shows what you sign:",
            "",
            f"    sluicegate review sign {subject} --approve --as NAME",
            "",
            "(or `--reject`), then press Resume and paste the signature as proof.",
            "",
            asked.if_nobody_decides,
            "",
            *_pictures(context, subject),
            "| what you sign | |",
            "|---|---|",
            *(f"| {escaped(label)} | {escaped(value)} |" for label, value in names.items()),
            "",
        ]
    )


def _pictures(context: Context, subject: str) -> list[str]:
    """Return the key plots as markdown, and where the whole page lies."""
    folder = folder_of(context.layout, subject).relative_to(context.layout.root)
    drawn = key_plots(context.layout, subject, context.settings.policy("candidate"))
    return [
        *(line for caption, address in drawn for line in (f"![{caption}]({address})", "")),
        f"The evidence page has everything: `{folder}/{PAGE}` in the workspace or your clone.",
        "",
    ]


def inbox_page(taken: list[Taken]) -> str:
    """Return what happened to each file of one turn."""
    rows = [f"| {escaped(name)} | {escaped(delivery_line(result))} |" for name, result in taken]
    return "\n".join(["# Files from the inbox", "", "| file | outcome |", "|---|---|", *rows, ""])


def delivery_line(result: IntakeResult | str) -> str:
    """Return one line on what happened to a delivery."""
    if isinstance(result, str):
        return result
    if result.duplicate_of:
        return f"already received as batch:{result.duplicate_of} ({result.outcome.value})"
    held = len(result.assessment.verdict.quarantined.rows)
    aside = f", {counted(held, 'row')} set aside" if held else ""
    return f"batch:{result.assessment.batch.id} {result.outcome.value}{aside}"


def findings_rows(findings: Sequence[Judged]) -> list[dict[str, str]]:
    """Return a table of all findings, the worst first, and those without a limit last."""
    ordered = sorted(findings, key=lambda j: (-j.outcome.severity, j.limit is None, j.metric))
    return [
        {
            "metric": escaped(each.metric),
            "value": number(each.value),
            "limit": "note" if each.limit is None else number(each.limit),
            "outcome": each.outcome.value,
            "rows": str(len(each.rows)),
            "sources": _names(each.sources),
            "says": escaped(each.detail),
        }
        for each in ordered[:MOST_ROWS]
    ]


def _held(rows: tuple[int, ...], sources: tuple[str, ...]) -> str:
    if not rows and not sources:
        return "nothing"
    return f"{counted(len(rows), 'row')}; sources: {_names(sources) or 'none named'}"


def _names(sources: Sequence[str]) -> str:
    named = ", ".join(escaped(source) for source in sources[:MOST_SOURCES])
    left = len(sources) - MOST_SOURCES
    return f"{named} and {left} more" if left > 0 else named


def completed(outcomes: list[Outcome], message: str, result: T) -> State[T]:
    """Return a completed run, named after the worst of `outcomes`."""
    worst = max(outcomes, key=lambda outcome: outcome.severity)
    return Completed(name=STATE_NAMES.get(worst, "Completed"), message=message, data=result)


def with_reasons(message: str, outcome: Outcome, received: IntakeResult) -> str:
    """Return `message` with the reasons of a batch that stopped the line."""
    reasons = received.assessment.verdict.reasons if outcome is received.outcome else ()
    stopped = outcome in STATE_NAMES
    return " ".join([f"{message}.", *reasons[:3]]) if stopped and reasons else message


def update_line(result: RetrainResult) -> str:
    """Return one line on what happened to an update."""
    sentence = f"update:{result.update.id} {result.update.stage.value} ({result.outcome.value})"
    return " ".join([f"{sentence}.", *result.reasons[:3]])


def show_batch(result: IntakeResult) -> None:
    """Show a batch on the run's page."""
    about = "What happened to the batch, and why"
    _show(f"batch-{result.assessment.batch.id}", batch_page(result), about, result.findings)


def show_update(context: Context, result: RetrainResult) -> None:
    """Show an update on the run's page."""
    page = render(context, result.update, read_comparison(context.layout, result.update.id))
    _show(f"update-{result.update.id}", page, "Champion and challenger", result.findings)


def _show(key: str, page: str, about: str, findings: Sequence[Judged]) -> None:
    create_markdown_artifact(markdown=page, key=key, description=about)
    create_table_artifact(
        table=findings_rows(findings), key=f"{key}-findings", description="Every measurement"
    )
