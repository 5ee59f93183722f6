"""page: a card as a page of markdown; what its profile left out has no place on it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sluicegate.core import Judged
from sluicegate.record.words import number
from sluicegate.reports.markup import escaped
from sluicegate.reports.update import findings_table

Card = Mapping[str, Any]
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
    kind = "Model card" if card["card"] == "model" else "Data card"
    blocks = [[f"# {kind}: {escaped(card['model'])}, {card['subject']}"]]
    blocks += [_facts(card), *(made for block in BLOCKS if (made := block(card)))]
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def _facts(card: Card) -> Lines:
    return [f"- {name}: {_value(card[key])}" for key, name in FACTS if card.get(key) is not None]


def _people(card: Card) -> Lines:
    recorded = card["people"]
    rows = [
        (name, recorded[key] or "**not filled in**")
        for key, name in PEOPLE.items()
        if key in recorded
    ]
    lines = ["## Purpose and ownership", "", "| | |", "|---|---|"]
    lines += [
        f"| {name} | {text if text.startswith('**') else escaped(text)} |" for name, text in rows
    ]
    if card["missing"]:
        lines += ["", f"**Required but missing: {', '.join(card['missing'])}.**"]
    return lines


def _training(card: Card) -> Lines:
    made = card.get("training")
    if not made:
        return []
    rows, learnt = made["rows"], made["learnt_rows"]
    sentence = (
        "" if learnt is None else f", {learnt} of them trained on; the rest held out or capped"
    )
    lines = ["## Training data", "", f"- rows: {rows}{sentence if rows != learnt else ''}"]
    if "data_commit" in made:
        lines.append(f"- data and code commit: `{made['data_commit']}`")
    if "sources" in made:
        lines.append(f"- sources: {', '.join(map(escaped, made['sources'])) or 'none named'}")
    head = ("table", "rows", "sources", "SHA-256")
    tables = [
        (t["name"], t["rows"], t["sources"], f"`{t['sha256']}`") for t in made.get("tables", ())
    ]
    return [*lines, "", *_table(head, tables)] if tables else lines


def _packages(card: Card) -> Lines:
    found = card.get("packages")
    if not found:
        return []
    sentence = ", ".join(f"{escaped(name)} {escaped(number)}" for name, number in found.items())
    return [f"## Packages used in training ({len(found)})", "", sentence]


def _labels(card: Card) -> Lines:
    counts = card.get("training", card).get("labels")
    if not counts:
        return []
    total = sum(counts.values())
    rows = [(escaped(name), rows, f"{rows / total:.1%}") for name, rows in counts.items()]
    head = "rows received" if card["card"] == "data" else "rows"
    return ["## Labels", "", *_table(("label", head, "share"), rows)]


def _golden(card: Card) -> Lines:
    if "metrics" not in card:
        return []
    recorded = card["golden"]
    vouched = "verified" if recorded["verified"] else "unverified: held out from the base data"
    named = f", SHA-256 `{recorded['sha256']}`" if "sha256" in recorded else ""
    lines = [
        "## Performance",
        "",
        f"The golden set has {recorded['rows']} rows ({vouched}){named}.",
    ]
    for where, figures in card["metrics"].items():
        rows = [(name, number(value)) for name, value in _flat(figures)]
        lines += ["", *_table((f"on {_named(where)}", "value"), rows)]
    return lines


def _slices(card: Card) -> Lines:
    found = [each for each in card.get("slices", ()) if each["where"] == "golden"]
    if not found:
        return []
    measure = next(name for name in ("accuracy", "mae") if name in found[0])
    rows = [(escaped(each["slice"]), int(each["rows"]), number(each[measure])) for each in found]
    head = ("slice of the golden set", "rows", measure)
    return ["## Performance by slice", "", *_table(head, rows)]


def _inputs(card: Card) -> Lines:
    if "features" in card:
        weights = card.get("importances", {})
        rows = [(escaped(n), kind, number(weights.get(n))) for n, kind in card["features"].items()]
        return ["## Inputs", "", *_table(("column", "kind", "importance"), rows)]
    if "columns" in card:
        rows = [
            (escaped(each["name"]), each["is"], "yes" if each["pseudonymised"] else "")
            for each in card["columns"]
        ]
        return ["## Columns", "", *_table(("column", "kind or role", "pseudonymised"), rows)]
    return []


def _parameters(card: Card) -> Lines:
    if "parameters" not in card:
        return []
    rows = [(escaped(name), escaped(str(value))) for name, value in card["parameters"].items()]
    wall = card["trainer"]
    sentence = f"{wall[0].upper()}{wall[1:]}."
    return ["## How it was trained", "", sentence, "", *_table(("parameter", "value"), rows)]


def _measured(card: Card) -> Lines:
    if "findings" in card:
        recorded = card["verdict"]
        reasons = [f"- {escaped(reason)}" for reason in recorded["reasons"]]
        head = [
            "## What the gate measured",
            "",
            f"Outcome: **{recorded['outcome']}**.",
            *reasons,
            "",
        ]
        return [
            *head,
            *findings_table([Judged(**(each | {"rows": ()})) for each in card["findings"]]),
        ]
    if "measures" in card:
        rows = [(escaped(name), number(value)) for name, value in card["measures"].items()]
        return ["## What was measured", "", *_table(("metric", "value"), rows)]
    return []


def _learnt_by(card: Card) -> Lines:
    if "learnt_by" not in card:
        return []
    rows = [(m["update"], m["version"], m["stage"]) for m in card["learnt_by"]]
    head = ["## Models that learnt from it", ""]
    return [*head, *(_table(("update", "version", "stage"), rows) if rows else ["None."])]


BLOCKS: tuple[Callable[[Card], Lines], ...] = (
    _people,
    _training,
    _labels,
    _golden,
    _slices,
    _inputs,
    _parameters,
    _measured,
    _packages,
    _learnt_by,
)


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
