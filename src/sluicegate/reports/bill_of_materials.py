"""bom: a model card as a CycloneDX 1.6 ML-BOM: the model, the data sets and the packages.

Made from a card, so that a profile keeps back the same here. https://cyclonedx.org/docs/1.6/json/.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from pydantic import Field

from sluicegate.core import Conflict, Misused
from sluicegate.core.document import Document
from sluicegate.reports.model_card import ModelCard, Training
from sluicegate.reports.profiles import Card

MODEL = "model"
Properties = tuple[Mapping[str, Any], ...]


class Component(Document):
    """A component of a bill: the model, a file of it, a data set or a package."""

    type: str
    ref: str = Field(serialization_alias="bom-ref")
    name: str
    version: str | None = None
    hashes: Properties | None = None
    card: Mapping[str, Any] | None = Field(default=None, serialization_alias="modelCard")
    properties: Properties | None = None
    authors: Properties | None = None
    supplier: Mapping[str, Any] | None = None
    components: "tuple[Component, ...] | None" = None
    data: Properties | None = None
    purl: str | None = None


class Bill(Document):
    """A bill of materials, with the names of CycloneDX in its JSON."""

    form: str = Field(serialization_alias="$schema")
    kind: str = Field(serialization_alias="bomFormat")
    spec: str = Field(serialization_alias="specVersion")
    serial: str = Field(serialization_alias="serialNumber")
    version: int
    metadata: Mapping[str, Any]
    components: tuple[Component, ...]
    dependencies: Properties


def bill_of_materials(card: Card) -> Bill:
    """Return the ML-BOM of a promoted model: the same card always has the same one.

    Raises Misused for the card of a batch, Conflict for a model that was not promoted.
    """
    if not isinstance(card, ModelCard):
        raise Misused(f"{card.subject} has no bill of materials; name an update.")
    if card.promoted is None:
        raise Conflict(f"{card.subject} was not promoted; its model has no bill of materials.")
    data, packages = list(_data(card)), list(_packages(card.packages or {}))
    refs = [each.ref for each in (*data, *packages)]
    identity = f"sluicegate:{card.model}:{card.version}:{card.sha256}:{card.profile}"
    tool = {"type": "application", "name": "sluicegate", "version": version("sluicegate")}
    return Bill(
        form="http://cyclonedx.org/schema/bom-1.6.schema.json",
        kind="CycloneDX",
        spec="1.6",
        serial=f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identity)}",
        version=1,
        metadata={
            "timestamp": card.promoted,
            "tools": {"components": [tool]},
            "component": _model(card, [each.ref for each in data]).to_dict(),
        },
        components=(*data, *packages),
        dependencies=({"ref": MODEL, "dependsOn": refs}, *({"ref": ref} for ref in refs)),
    )


def _model(card: ModelCard, data: Sequence[str]) -> Component:
    about = _people(card.people)
    parts = tuple(
        Component(type="file", ref=f"file:{name}", name=name, hashes=_sha256(digest))
        for name, digest in (card.files or {}).items()
    )
    if parts:
        about["components"] = parts
    return Component(
        type="machine-learning-model",
        ref=MODEL,
        name=card.model,
        version=str(card.version),
        hashes=_sha256(card.sha256),
        card={
            "modelParameters": {
                "approach": {"type": "supervised"},
                "task": card.task,
                "datasets": [{"ref": ref} for ref in data],
                "inputs": [{"format": kind} for kind in (card.features or {}).values()],
                "outputs": [{"format": card.task}],
            },
            "quantitativeAnalysis": {"performanceMetrics": list(_metrics(card))},
            "considerations": _considerations(card.people),
        },
        properties=tuple(_properties(card)),
        **about,
    )


def _people(people: Mapping[str, str | None]) -> dict[str, Any]:
    details: dict[str, Any] = {}
    creator, owner, contact = (people.get(key) for key in ("creator", "owner", "contact"))
    if creator:
        details["authors"] = ({"name": creator},)
    if owner:
        details["supplier"] = {"name": owner}
        if contact:
            details["supplier"] |= {"contact": [{"name": contact}]}
    return details


def _considerations(people: Mapping[str, str | None]) -> dict[str, list[str]]:
    names = {"use": "useCases", "limitations": "technicalLimitations"}
    return {name: [text] for key, name in names.items() if (text := people.get(key))}


def _properties(card: ModelCard) -> Iterator[dict[str, str]]:
    """Yield what CycloneDX has no field for; the parameters of the trainer are among it."""
    for name, value in (card.parameters or {}).items():
        yield _property(f"parameter:{name}", value)
    for name in ("retention", "destruction"):
        if card.people.get(name):
            yield _property(name, card.people[name])
    if card.training.data_commit:
        yield _property("data_commit", card.training.data_commit)
    for label, rows in card.training.labels.items():
        yield _property(f"label:{label}", rows)


def _metrics(card: ModelCard) -> Iterator[dict[str, str]]:
    for where, figures in card.metrics.items():
        for name, value in figures.items():
            if isinstance(value, Mapping):
                for label, each in value.items():
                    yield _metric(name, each, f"{where}, {label}")
            else:
                yield _metric(name, value, where)
    for each in card.slices or ():
        measured = next((name for name in ("accuracy", "mae") if name in each), None)
        if measured:
            yield _metric(measured, each[measured], f"{each['where']}, {each['slice']}")


def _metric(name: str, value: object, part: str) -> dict[str, str]:
    return {"type": name, "value": "not measured" if value is None else str(value), "slice": part}


def _data(card: ModelCard) -> Iterator[Component]:
    """Yield the data sets: each by its digest, or for the public only what there is of them."""
    learnt, golden = card.training, card.golden
    if learnt.tables is None:
        yield _table(learnt, "training data", learnt.rows, None, "training")
        yield _table(learnt, "golden set", golden.rows, None, "testing")
        return
    for table in learnt.tables:
        yield _table(learnt, str(table.name), table.rows, table.sha256, "training")
    yield _table(learnt, str(golden.name), golden.rows, golden.sha256, "testing")


def _table(learnt: Training, name: str, rows: int, sha256: str | None, purpose: str) -> Component:
    about = {"type": "dataset", "name": name, "description": f"{rows} rows for {purpose}"}
    dataset = about | _governance(learnt.people)
    made = Component(type="data", ref=f"data:{name}", name=name, data=(dataset,))
    return made.model_copy(update={"hashes": _sha256(sha256)}) if sha256 else made


def _governance(people: Mapping[str, str | None]) -> dict[str, object]:
    details: dict[str, object] = {}
    sensitivity, owner = people.get("sensitivity"), people.get("owner")
    if sensitivity:
        details["classification"] = sensitivity
    if owner:
        details["governance"] = {"owners": [{"organization": {"name": owner}}]}
    return details


def _packages(packages: Mapping[str, str]) -> Iterator[Component]:
    for name, number in packages.items():
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{number.replace('+', '%2B')}"
        yield Component(type="library", ref=purl, name=name, version=number, purl=purl)


def _sha256(digest: str) -> tuple[dict[str, str]]:
    return ({"alg": "SHA-256", "content": digest},)


def _property(name: str, value: object) -> dict[str, str]:
    return {"name": f"sluicegate:{name}", "value": str(value)}
