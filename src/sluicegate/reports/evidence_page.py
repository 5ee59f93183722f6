"""page: the evidence on one self-contained HTML page, in the order in which a reviewer decides.

It is written before anybody is asked, and its digest is part of the question. Values of sensitive
columns are left out; contributors' words are escaped by the template.
"""

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sluicegate.core import Finding, Judged, Schema
from sluicegate.core.compared import Moved
from sluicegate.gates import Policy
from sluicegate.record.champion import champion_of
from sluicegate.record.comparison import Reported, describe_isolation, findings_in
from sluicegate.record.context import Context
from sluicegate.record.policy import in_force
from sluicegate.record.policy_in_force import describe_signature, unsigned_lines
from sluicegate.record.updates import read_comparison
from sluicegate.record.words import number
from sluicegate.reports import plots
from sluicegate.reports.silence import after_silence
from sluicegate.reports.update import limit_of
from sluicegate.stores.layout import Layout

Asked = Sequence[tuple[str, str]]

LEADS = {
    "release": "Why it was requested",
    "anchor": "Why it was requested",
    "rollback": "Why it is proposed",
    "incident": "Why it was done",
    "retirement": "Why it was requested",
}


def key_plots(layout: Layout, subject: str, policy: Policy) -> list[tuple[str, str]]:
    """Return caption and data URI of the pictures that fit on a Prefect page: at most two."""
    kind, _, name = subject.partition(":")
    if kind not in ("update", "rollback"):
        return []
    comparison = read_comparison(layout, name)
    with plots.drawing():
        drawn = (
            ("Loss against the champion", losses(comparison, policy)),
            ("Right answers lost and gained", slices(comparison.changes.slices)),
        )
        return [(caption, plots.png(figure)) for caption, figure in drawn if figure is not None]


def losses(comparison: Reported, policy: Policy) -> Any:
    """Return the figure of every measure with an interval, None where there is none."""
    found = {each.metric: each for each in findings_in(comparison)}
    rows = []
    for metric, finding in found.items():
        where, _, measure = metric.partition(".loss.")
        ends = [found.get(f"{where}.{end}.{measure}") for end in ("loss_lower", "loss_upper")]
        values = [finding.value, *(end.value if end else None for end in ends)]
        if measure and not any(value is None for value in values):
            value, low, high = (float(each or 0.0) for each in values)
            limit = _limit(policy, [finding, *ends])
            name = f"{measure} · {where}\n{_from_to(comparison, where, measure)}"
            rows.append(plots.Loss(name, low, value, high, limit))
    return plots.losses(rows) if rows else None


def slices(changed: Sequence[Moved]) -> Any:
    """Return the figure of what each slice of the golden set lost and gained, None without any."""
    rows = [
        (f"{each.slice} ({each.rows})", each.lost, each.gained)
        for each in changed
        if each.where == "golden" and each.lost + each.gained
    ]
    return plots.lost_and_gained(rows) if rows else None


def render(context: Context, **told: Any) -> str:
    """Return the page that shows what is `told`; it stands on its own."""
    usual: dict[str, Any] = {
        "heading": "The batch",
        "held": None,
        "anchor": None,
        "figures": {},
        "account": None,
        "destruction": None,
        "trainer": serving_trainer(context.layout),
        "signature": describe_signature(context.layout),
        "owned": in_force(context.layout) is not None,
        "unsigned": unsigned_lines(context.layout),
    }
    told = usual | told
    measured = _limited(told["told"])
    pages = Environment(
        loader=PackageLoader("sluicegate.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["number"] = number
    pages.filters["limit_of"] = limit_of
    return pages.get_template("page.html").render(
        lead=LEADS.get(told["subject"].partition(":")[0], "Why it paused"),
        model=context.settings.model,
        written=context.now(),
        otherwise=_otherwise(context, told["subject"]),
        schema=_words(context.schema),
        required=context.settings.approval.required,
        worse=[each for each in measured if not each.passed],
        within=[each for each in measured if each.passed],
        unmeasured=[each for each in told["told"] if each.value is None],
        **told,
    )


def serving_trainer(layout: Layout) -> str:
    """Return the sentence about the trainer of the champion, whom everything is judged by."""
    return describe_isolation(read_comparison(layout, champion_of(layout).update))


def drawn(figure: Any) -> str | None:
    """Return `figure` for the page, None where there is none."""
    return None if figure is None else plots.svg(figure)


def _from_to(comparison: Reported, where: str, measure: str) -> str:
    both = ("champion", "challenger")
    sides = (comparison.report.measure(where, model, measure) for model in both)
    return " → ".join(number(value) for value in sides)


def _limit(policy: Policy, findings: Sequence[Finding | None]) -> float | None:
    known = [
        limit.limit for limit in policy.limits for f in findings if f and limit.covers(f.metric)
    ]
    return min(known, default=None)


def _limited(judged: Sequence[Judged]) -> list[Judged]:
    limited = [each for each in judged if each.limit is not None and each.value is not None]
    return sorted(limited, key=lambda each: (-each.outcome.severity, each.metric))


def _otherwise(context: Context, subject: str) -> str:
    approval = context.settings.approval
    # neither a proposal to roll back nor a rollback that was made ends by silence
    then = "hold" if subject.startswith(("rollback:", "incident:")) else approval.on_expiry
    result = after_silence(subject, then)
    return f"If nobody decides within {approval.expires_days:g} days, it {result}."


def _words(schema: Schema) -> dict[str, Any]:
    return {"classifies": bool(schema.classes), "sensitive": list(schema.sensitive)}
