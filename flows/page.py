"""page: the evidence on one self-contained HTML page, in the order in which a reviewer decides.

It is written before anybody is asked, and its digest is part of the question. Values of sensitive
columns are left out; contributors' words are escaped by the template.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sluicegate.core import Finding, Schema, Update
from sluicegate.flows import plots
from sluicegate.flows.batch_evidence import about_batch
from sluicegate.flows.champion import champion_of
from sluicegate.flows.compare import findings_in
from sluicegate.flows.context import Context
from sluicegate.flows.report import number
from sluicegate.flows.results import judged
from sluicegate.flows.updates import new_batches, read_comparison
from sluicegate.gates import Policy
from sluicegate.stores import data, files, git
from sluicegate.stores.layout import Layout

CHANGEABLE = ("params.yaml", "dvc.yaml", "train.py", "expectations", "golden", "reference")
MOST_FEATURES = 5
MOST_DIFF_LINES = 200
MOST_BATCHES = 5
MOST_FLIPS = 6
Asked = Sequence[tuple[str, str]]


def update_page(context: Context, update: Update, question: str, shown: Asked) -> str:
    """Return the evidence about an update that awaits review."""
    layout = context.layout
    comparison = read_comparison(layout, update.id)
    told = judged(findings_in(comparison), context.settings.policy("candidate"))
    fresh = new_batches(context, update)
    changes = comparison.get("changes", {})
    with plots.drawing():
        return _render(
            context,
            subject=f"update:{update.id}",
            question=question,
            why=update.verdicts[-1].reasons,
            answers=changes.get("answers", []),
            flips=changes.get("flips", [])[:MOST_FLIPS],
            worst=_worst_rows(context, changes.get("rows", []), comparison["makeup"]),
            metrics=_svg(losses(comparison, context.settings.policy("candidate"))),
            slices=_svg(slices(comparison)),
            batches=[about_batch(context, each) for each in fresh[-MOST_BATCHES:]],
            unshown=len(fresh[:-MOST_BATCHES]),
            changed=_changed(layout, update.data_commit),
            lineage=shown,
            told=told,
        )


def batch_page(context: Context, batch: str, question: str, shown: Asked) -> str:
    """Return the evidence about a paused batch."""
    layout = context.layout
    with plots.drawing():
        about = about_batch(context, batch)
        return _render(
            context,
            subject=f"batch:{batch}",
            question=question,
            why=about["verdict"]["reasons"],
            answers=None,
            batches=[about],
            unshown=0,
            changed=_changed(layout, git.head(layout.root)),
            lineage=shown,
            told=files.read_json(layout.intake(batch) / "findings.json"),
        )


def key_plots(layout: Layout, subject: str, policy: Policy) -> list[tuple[str, str]]:
    """Return caption and data URI of the pictures that fit on a Prefect page: at most two."""
    kind, _, name = subject.partition(":")
    if kind != "update":
        return []
    comparison = read_comparison(layout, name)
    with plots.drawing():
        drawn = (
            ("Loss against the champion", losses(comparison, policy)),
            ("Right answers lost and gained", slices(comparison)),
        )
        return [(caption, plots.png(figure)) for caption, figure in drawn if figure is not None]


def losses(comparison: Mapping[str, Any], policy: Policy) -> Any:
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


def slices(comparison: Mapping[str, Any]) -> Any:
    """Return the figure of what each slice of the golden set lost and gained, None without any."""
    rows = [
        (f"{each['slice']} ({each['rows']})", each["lost"], each["gained"])
        for each in comparison.get("changes", {}).get("slices", [])
        if each["where"] == "golden" and each["lost"] + each["gained"]
    ]
    return plots.lost_and_gained(rows) if rows else None


def _from_to(comparison: Mapping[str, Any], where: str, measure: str) -> str:
    figures = comparison["report"]["metrics"].get(where, {})
    sides = (figures.get(model, {}).get(measure) for model in ("champion", "challenger"))
    return " → ".join(number(value) for value in sides)


def _limit(policy: Policy, findings: Sequence[Finding | None]) -> float | None:
    known = [
        limit.limit for limit in policy.limits for f in findings if f and limit.covers(f.metric)
    ]
    return min(known, default=None)


def _svg(figure: Any) -> str | None:
    return None if figure is None else plots.svg(figure)


def _worst_rows(
    context: Context, rows: Sequence[Mapping[str, Any]], makeup: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the golden rows that got worse with the features that matter most; no sensitive one."""
    schema = context.schema
    if not rows or schema.label in schema.sensitive:
        return None
    weights = {k: v for k, v in (makeup["importances"] or {}).items() if v is not None}
    shown = [each for each in schema.feature_names if each not in schema.sensitive]
    shown = sorted(shown, key=lambda name: -weights.get(name, 0.0))[:MOST_FEATURES]
    golden = data.read_verified(context.layout.golden)
    return {
        "features": shown,
        "rows": [
            {**each, "values": [_cell(golden[name].iloc[each["row"]]) for name in shown]}
            for each in rows
        ],
    }


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= 120 else f"{text[:119]}…"


def _changed(layout: Layout, until: str) -> dict[str, Any]:
    since = champion_of(layout).data_commit
    lines = git.changes(layout.root, since, until, CHANGEABLE).splitlines()
    shown = [line for line in lines if not line.startswith(("index ", "diff --git"))]
    return {
        "lines": [(_kind(line), line) for line in shown[:MOST_DIFF_LINES]],
        "more": max(0, len(shown) - MOST_DIFF_LINES),
        "since": since[:12],
    }


def _kind(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "file"
    return {"+": "new", "-": "old", "@": "at"}.get(line[:1], "same")


def _limited(told: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    order = ["reject", "pause", "quarantine", "warn", "pass"]
    limited = [each for each in told if each["limit"] is not None and each["value"] is not None]
    yield from sorted(limited, key=lambda each: (_place(order, each["outcome"]), each["metric"]))


def _place(order: Sequence[str], outcome: str) -> int:
    return order.index(outcome) if outcome in order else len(order)


def _otherwise(context: Context) -> str:
    approval = context.settings.approval
    after = {
        "hold": "goes on waiting and the champion serves on; it then has to be asked again",
        "reject": "is refused, and the champion serves on",
    }
    return (
        f"If nobody decides within {approval.expires_days:g} days, it {after[approval.on_expiry]}."
    )


def _render(context: Context, **told: Any) -> str:
    measured = list(_limited(told["told"]))
    pages = Environment(
        loader=PackageLoader("sluicegate.flows", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["number"] = number
    return pages.get_template("page.html").render(
        model=context.settings.model,
        written=context.now(),
        otherwise=_otherwise(context),
        schema=_words(context.schema),
        required=context.settings.approval.required,
        worse=[each for each in measured if each["outcome"] != "pass"],
        within=[each for each in measured if each["outcome"] == "pass"],
        unmeasured=[each for each in told["told"] if each["value"] is None],
        **told,
    )


def _words(schema: Schema) -> dict[str, Any]:
    return {"classifies": bool(schema.classes), "sensitive": list(schema.sensitive)}
