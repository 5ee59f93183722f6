"""page: a card as a page of markdown; what its profile left out has no place on it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sluicegate.core import Judged
from sluicegate.record.words import number
from sluicegate.reports.data_card import DataCard, Judgement
from sluicegate.reports.markup import escaped
from sluicegate.reports.model_card import ModelCard, Training
from sluicegate.reports.profiles import Card
from sluicegate.reports.update import findings_table

Lines = list[str]

FACTS = (
    ("profile", "audience"),
    ("version", "version"),
    ("sha256", "SHA-256"),
    ("signature", "signature"),
    ("stage", "stage"),
    ("promoted", "promoted"),
    ("serving", "serving now"),
    ("task", "task"),
    ("classes", "answers"),
    ("replaces", "replaces"),
    ("file", "delivered as"),
    ("received", "received"),
    ("state", "state"),
    ("rows", "rows received"),
    ("admitted", "admitted"),
    ("set_aside", "set aside"),
    ("held", "held as a whole"),
    ("rolled_back", "removed by a rollback"),
    ("destroyed", "destroyed"),
    ("source_count", "sources"),
    ("signed_by", "signed by the feed"),
    ("approved_by", "approved by"),
    ("run", "MLflow run"),
)
PEOPLE = {
    "use": "intended use",
    "limitations": "limits of use",
    "collection": "collection",
    "sensitivity": "sensitivity",
    "creator": "creator",
    "owner": "owner",
    "contact": "contact",
    "retention": "retention",
    "destruction": "destruction",
}


def written(card: Card) -> str:
    """Return `card` as markdown."""
    made = _of_model(card) if isinstance(card, ModelCard) else _of_data(card)
    kind = "Model card" if isinstance(card, ModelCard) else "Data card"
    blocks = [[f"# {kind}: {escaped(card.model)}, {card.subject}"], _facts(card), *made]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines) + "\n"


def _of_model(card: ModelCard) -> Iterator[Lines]:
    yield _people(card)
    yield _training(card.training)
    yield _labels(card.training.labels, "rows")
    yield _golden(card)
    yield _slices(card)
    if card.features is not None:
        weights = card.importances or {}
        rows = [(escaped(n), kind, number(weights.get(n))) for n, kind in card.features.items()]
        yield ["## Inputs", "", *_table(("column", "kind", "importance"), rows)]
    yield _parameters(card)
    yield _measured(card.findings, card.verdict)
    if card.packages:
        named = (f"{escaped(name)} {escaped(version)}" for name, version in card.packages.items())
        head = f"## The {len(card.packages)} packages it was trained with"
        yield [head, "", ", ".join(named)]


def _of_data(card: DataCard) -> Iterator[Lines]:
    yield _people(card)
    yield _labels(card.labels, "rows received")
    if card.columns is not None:
        columns = [
            (escaped(each.name), each.is_, "yes" if each.pseudonymised else "")
            for each in card.columns
        ]
        yield ["## Columns", "", *_table(("column", "kind or role", "pseudonymised"), columns)]
    yield _measured(card.findings, card.verdict)
    if card.findings is None and card.measures is not None:
        rows = [(escaped(name), number(value)) for name, value in card.measures.items()]
        yield ["## What was measured", "", *_table(("metric", "value"), rows)]
    if card.learnt_by is not None:
        learners = [(each.update, each.version, each.stage) for each in card.learnt_by]
        table = _table(("update", "version", "stage"), learners) if learners else ["None."]
        yield ["## Models that learnt from it", "", *table]


def _facts(card: Card) -> Lines:
    plain = card.to_dict()
    return [f"- {name}: {_value(plain[key])}" for key, name in FACTS if plain.get(key) is not None]


def _people(card: Card) -> Lines:
    recorded = card.people
    lines = ["## Purpose and ownership", "", "| | |", "|---|---|"]
    for key, name in PEOPLE.items():
        if key in recorded:
            text = recorded[key]
            lines.append(f"| {name} | {escaped(text) if text else '**not filled in**'} |")
    if card.missing:
        lines += ["", f"**Required but missing: {', '.join(card.missing)}.**"]
    return lines


def _training(made: Training) -> Lines:
    rows, learnt = made.rows, made.learnt_rows
    sentence = (
        "" if learnt is None else f", {learnt} of them trained on; the rest held out or capped"
    )
    lines = ["## Training data", "", f"- rows: {rows}{sentence if rows != learnt else ''}"]
    if made.data_commit is not None:
        lines.append(f"- data and code commit: `{made.data_commit}`")
    if made.sources is not None:
        lines.append(f"- sources: {', '.join(map(escaped, made.sources)) or 'none named'}")
    head = ("table", "rows", "sources", "SHA-256")
    tables = [(t.name, t.rows, t.sources, f"`{t.sha256}`") for t in made.tables or ()]
    return [*lines, "", *_table(head, tables)] if tables else lines


def _labels(counts: Mapping[str, int], head: str) -> Lines:
    if not counts:
        return []
    total = sum(counts.values())
    rows = [(escaped(name), rows, f"{rows / total:.1%}") for name, rows in counts.items()]
    return ["## Labels", "", *_table(("label", head, "share"), rows)]


def _golden(card: ModelCard) -> Lines:
    golden = card.golden
    vouched = "verified" if golden.verified else "unverified: held out from the base data"
    named = f", SHA-256 `{golden.sha256}`" if golden.sha256 is not None else ""
    lines = ["## Performance", "", f"The golden set has {golden.rows} rows ({vouched}){named}."]
    for where, figures in card.metrics.items():
        rows = [(name, number(value)) for name, value in _flat(figures)]
        lines += ["", *_table((f"on {_named(where)}", "value"), rows)]
    return lines


def _slices(card: ModelCard) -> Lines:
    found = [each for each in card.slices or () if each["where"] == "golden"]
    if not found:
        return []
    measure = next(name for name in ("accuracy", "mae") if name in found[0])
    rows = [(escaped(each["slice"]), int(each["rows"]), number(each[measure])) for each in found]
    head = ("slice of the golden set", "rows", measure)
    return ["## Performance by slice", "", *_table(head, rows)]


def _parameters(card: ModelCard) -> Lines:
    if card.parameters is None or card.trainer is None:
        return []
    rows = [(escaped(name), escaped(str(value))) for name, value in card.parameters.items()]
    sentence = f"{card.trainer[0].upper()}{card.trainer[1:]}."
    return ["## How it was trained", "", sentence, "", *_table(("parameter", "value"), rows)]


def _measured(findings: Sequence[Judged] | None, verdict: Judgement | None) -> Lines:
    if findings is None or verdict is None:
        return []
    reasons = [f"- {escaped(reason)}" for reason in verdict.reasons]
    lines = ["## What the gate measured", "", f"Outcome: **{verdict.outcome}**.", *reasons, ""]
    return [*lines, *findings_table(findings)]


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Lines:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows]


def _flat(figures: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the figures in rows, those by class each in one of its own."""
    rows: list[tuple[str, Any]] = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            rows += [(f"{name} of {escaped(str(key))}", each) for key, each in value.items()]
        else:
            rows.append((name, value))
    return rows


def _named(where: str) -> str:
    return {"golden": "the golden set", "recent": "recent feedback held out"}.get(where, where)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        named = {"rows": "{} rows", "version": "version {}", "source": "{}", "name": "{}"}
        listed = [form.format(value[key]) for key, form in named.items() if key in value]
        return escaped(", ".join(listed))
    if isinstance(value, list):
        return escaped(", ".join(map(str, value))) or "none needed: the gate passed it"
    return escaped(str(value))
