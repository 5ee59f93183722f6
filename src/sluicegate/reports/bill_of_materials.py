"""bom: a model card as a CycloneDX 1.6 ML-BOM: the model, the data sets and the packages.

Made from a card, so that a profile keeps back the same here. https://cyclonedx.org/docs/1.6/json/.
"""

import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from sluicegate.core import Conflict, Misused

MODEL = "model"
Card = Mapping[str, Any]


def bill_of_materials(card: Card) -> dict[str, Any]:
    """Return the ML-BOM of a promoted model: the same card always has the same one.

    Raises Misused for the card of a batch, Conflict for a model that was not promoted.
    """
    if card["card"] != "model":
        raise Misused(f"{card['subject']} has no bill of materials; name an update.")
    if card["promoted"] is None:
        raise Conflict(f"{card['subject']} was not promoted; its model has no bill of materials.")
    data, packages = list(_data(card)), list(_packages(card))
    refs = [each["bom-ref"] for each in (*data, *packages)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, _identity(card))}",
        "version": 1,
        "metadata": {
            "timestamp": card["promoted"],
            "tools": {"components": [_tool()]},
            "component": _model(card, [each["bom-ref"] for each in data]),
        },
        "components": [*data, *packages],
        "dependencies": [
            {"ref": MODEL, "dependsOn": refs},
            *({"ref": ref} for ref in refs),
        ],
    }


def _identity(card: Card) -> str:
    return f"sluicegate:{card['model']}:{card['version']}:{card['sha256']}:{card['profile']}"


def _tool() -> dict[str, Any]:
    return {"type": "application", "name": "sluicegate", "version": version("sluicegate")}


def _model(card: Card, data: list[str]) -> dict[str, Any]:
    people = card["people"]
    details: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": card["model"],
        "version": str(card["version"]),
        "hashes": [_sha256(card["sha256"])],
        "modelCard": {
            "modelParameters": {
                "approach": {"type": "supervised"},
                "task": card["task"],
                "datasets": [{"ref": ref} for ref in data],
                "inputs": [{"format": kind} for kind in card.get("features", {}).values()],
                "outputs": [{"format": card["task"]}],
            },
            "quantitativeAnalysis": {"performanceMetrics": list(_metrics(card))},
            "considerations": _considerations(card),
        },
        "properties": list(_properties(card)),
    }
    if people.get("creator"):
        details["authors"] = [{"name": people["creator"]}]
    if people.get("owner"):
        details["supplier"] = {"name": people["owner"]}
        if people.get("contact"):
            details["supplier"]["contact"] = [{"name": people["contact"]}]
    parts = [_file(name, digest) for name, digest in card.get("files", {}).items()]
    return details | ({"components": parts} if parts else {})


def _considerations(card: Card) -> dict[str, Any]:
    people = card["people"]
    details = {"useCases": people.get("use"), "technicalLimitations": people.get("limitations")}
    return {name: [text] for name, text in details.items() if text}


def _properties(card: Card) -> Iterator[dict[str, str]]:
    """Yield what CycloneDX has no field for; the parameters of the trainer are among it."""
    for name, value in card.get("parameters", {}).items():
        yield _property(f"parameter:{name}", value)
    for name in ("retention", "destruction"):
        if card["people"].get(name):
            yield _property(name, card["people"][name])
    if card["training"].get("data_commit"):
        yield _property("data_commit", card["training"]["data_commit"])
    for label, rows in card["training"]["labels"].items():
        yield _property(f"label:{label}", rows)


def _metrics(card: Card) -> Iterator[dict[str, str]]:
    for where, figures in card["metrics"].items():
        for name, value in figures.items():
            if isinstance(value, Mapping):
                for label, each in value.items():
                    yield _metric(name, each, f"{where}, {label}")
            else:
                yield _metric(name, value, where)
    for each in card.get("slices", ()):
        measured = next((name for name in ("accuracy", "mae") if name in each), None)
        if measured:
            yield _metric(measured, each[measured], f"{each['where']}, {each['slice']}")


def _metric(name: str, value: Any, part: str) -> dict[str, str]:
    return {"type": name, "value": "not measured" if value is None else str(value), "slice": part}


def _data(card: Card) -> Iterator[dict[str, Any]]:
    """Yield the data sets: each by its digest, or for the public only what there is of them."""
    tables = card["training"].get("tables")
    if tables is None:
        rows = card["training"]["rows"]
        yield _table(card, {"name": "training data", "rows": rows}, "training")
        yield _table(card, {"name": "golden set", "rows": card["golden"]["rows"]}, "testing")
        return
    for table in tables:
        yield _table(card, table, "training")
    yield _table(card, card["golden"], "testing")


def _table(card: Card, table: Mapping[str, Any], purpose: str) -> dict[str, Any]:
    name = table["name"]
    details = {
        "type": "data",
        "bom-ref": f"data:{name}",
        "name": name,
        "data": [
            {
                "type": "dataset",
                "name": name,
                "description": f"{table['rows']} rows for {purpose}",
                **_governance(card["training"]["people"]),
            }
        ],
    }
    return details | ({"hashes": [_sha256(table["sha256"])]} if "sha256" in table else {})


def _governance(people: Mapping[str, Any]) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if people["sensitivity"]:
        details["classification"] = people["sensitivity"]
    if people["owner"]:
        details["governance"] = {"owners": [{"organization": {"name": people["owner"]}}]}
    return details


def _packages(card: Card) -> Iterator[dict[str, Any]]:
    for name, number in card.get("packages", {}).items():
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{number.replace('+', '%2B')}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": number,
            "purl": purl,
        }


def _file(name: str, digest: str) -> dict[str, Any]:
    hashes = [_sha256(digest)]
    return {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": hashes}


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}


def _property(name: str, value: Any) -> dict[str, str]:
    return {"name": f"sluicegate:{name}", "value": str(value)}
