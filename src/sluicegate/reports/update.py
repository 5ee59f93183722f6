"""report: an update on one page of markdown, for whoever has to decide or to remember."""

from collections.abc import Sequence

from sluicegate.core import Judged, Stage, Update
from sluicegate.core.compared import Report
from sluicegate.record.comparison import Reported, describe_isolation, findings_in
from sluicegate.record.context import Context
from sluicegate.record.policy_in_force import candidate_policy
from sluicegate.record.results import judged
from sluicegate.record.words import number
from sluicegate.reports.markup import escaped
from sluicegate.stores import data

MOST_ROWS = 15


def render(context: Context, update: Update, comparison: Reported) -> str:
    """Return the report of a compared update."""
    verdict = update.verdicts[-1]
    findings = findings_in(comparison)
    judgements = judged(findings, candidate_policy(context.settings, findings))
    against = f"version {update.champion.version}" if update.champion else "none (the first model)"
    learnt = ", ".join(update.batches) or "none, the base data only"
    asks = []
    if update.stage is Stage.AWAITING:
        asks = ["", f"To decide: `sluicegate review sign update:{update.id} --approve --as NAME`"]
    return "\n".join(
        [
            f"# update:{update.id} is {update.stage.value}",
            "",
            f"**Outcome: {verdict.outcome.value}.** {escaped(' '.join(verdict.reasons[:3]))}",
            *asks,
            "",
            f"- compared with champion: {against}",
            f"- data commit: `{update.data_commit[:12]}`, batches: {learnt}",
            f"- policy: `{verdict.policy[:12]}`",
            f"- {describe_isolation(comparison)}",
            "",
            f"## Champion and challenger on the golden set{_vouched(context)}",
            "",
            *_metrics(comparison.report),
            "",
            "## What was measured",
            "",
            *findings_table(judgements),
            "",
        ]
    )


def _vouched(context: Context) -> str:
    verified = data.read_manifest(context.layout.golden.parent).verified
    return "" if verified else " (unverified: held out from the base data)"


def findings_table(judged: Sequence[Judged]) -> list[str]:
    """Return a markdown table of the findings with limits, the worst first."""
    limited = [each for each in judged if each.limit is not None]
    limited.sort(key=lambda each: (-each.outcome.severity, each.metric))
    rows = [
        f"| {escaped(each.metric)} | {number(each.value)} | {limit_of(each)} "
        f"| {each.outcome.value} | {escaped(each.detail)} |"
        for each in limited[:MOST_ROWS]
    ]
    left = len(limited) - MOST_ROWS
    more = [f"| … {left} more within their limits, or similar | | | | |"] if left > 0 else []
    head = ["| metric | value | limit | outcome | details |", "|---|---|---|---|---|"]
    return [*head, *rows, *more]


def limit_of(judged: Judged) -> str:
    """Return the limit of a judged finding for people, beside the written one where it was raised."""
    written = f" (written {number(judged.written)})" if judged.written is not None else ""
    return number(judged.limit) + written


def _metrics(figures: Report) -> list[str]:
    champion, challenger = (figures.of("golden", each) for each in ("champion", "challenger"))
    rows = [
        f"| {name} | {number(figures.measure('golden', 'champion', name)) if name in champion else '-'} "
        f"| {number(value)} |"
        for name, value in challenger.items()
        if not isinstance(value, dict)
    ]
    return ["| metric | champion | challenger |", "|---|---|---|", *rows]
