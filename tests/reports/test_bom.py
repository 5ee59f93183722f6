"""The bill of materials: valid by the official schema, complete, and as reticent as its profile."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from sluicegate import Workspace
from sluicegate.core import Misused, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.reports.bill_of_materials import bill_of_materials
from sluicegate.reports.data_card import DataCard
from sluicegate.stores import record
from sluicegate.stores.layout import Layout


@pytest.fixture(scope="module")
def place(template: Path) -> Workspace:
    """The workspace that is never changed."""
    return Workspace.open(template)


def named(bill: dict[str, Any], kind: str) -> dict[str, Any]:
    return {each["name"]: each for each in bill["components"] if each["type"] == kind}


@pytest.mark.parametrize("version", [SchemaVersion.V1_6, SchemaVersion.V1_7])
@pytest.mark.parametrize("profile", ["internal", "partner", "public"])
def test_it_is_valid(place: Workspace, profile: str, version: SchemaVersion) -> None:
    """By the official schema, every property of it known; 1.7 takes a 1.6 for what it is."""
    bill = place.bill_of_materials("update:0000", profile).to_dict() | {
        "specVersion": version.to_version()
    }
    del bill["$schema"]
    assert JsonStrictValidator(version).validate_str(json.dumps(bill)) is None


def test_a_property_that_the_schema_does_not_know_is_found(place: Workspace) -> None:
    """The validator is strict."""
    bill = place.bill_of_materials("update:0000").to_dict() | {"sluicegate": 1}
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is not None


def test_it_lists_model_data_and_packages(place: Workspace) -> None:
    """Each by its digest or version, as the record has them, and every reference leads somewhere."""
    bill, card = (
        place.bill_of_materials("update:0000").to_dict(),
        place.card("update:0000").to_dict(),
    )
    model = bill["metadata"]["component"]
    assert model["hashes"] == [{"alg": "SHA-256", "content": card["sha256"]}]
    assert {each["name"] for each in model["components"]} >= {"MLmodel"}
    data = named(bill, "data")
    assert set(data) == {"reference/reference.parquet", "golden/golden.parquet"}
    assert data["golden/golden.parquet"]["hashes"][0]["content"] == card["golden"]["sha256"]
    packages = named(bill, "library")
    assert {"scikit-learn", "skops", "mlflow", "sluicegate"} <= set(packages)
    assert packages["skops"]["purl"] == f"pkg:pypi/skops@{packages['skops']['version']}"
    refs = {each["bom-ref"] for each in [model, *bill["components"]]}
    assert len(refs) == 1 + len(bill["components"])
    assert {each["ref"] for each in bill["dependencies"]} == refs
    assert {each["ref"] for each in model["modelCard"]["modelParameters"]["datasets"]} <= refs


def test_the_promotion_names_the_one_that_is_kept(place: Workspace) -> None:
    """updates/NNNN/bom.cdx.json is the same, and the ledger's entry holds its digest."""
    kept = place.root / "updates" / "0000" / "bom.cdx.json"
    assert json.loads(kept.read_text()) == place.bill_of_materials("update:0000").to_dict()
    layout = Layout(place.root)
    entry = next(each for each in record.backwards(layout) if each.verb == "promote")
    assert sha256_file(kept) in {each.sha256 for each in entry.subjects}


def test_the_public_one_names_no_parameter_package_or_table(place: Workspace) -> None:
    """It says that there is training data, and how much."""
    bill = place.bill_of_materials("update:0000", "public").to_dict()
    text = json.dumps(bill)
    held = set(re.findall(r"[\w.:/-]+", text))
    card = place.card("update:0000").to_dict()
    wanted = {*card["parameters"], *card["features"], *card["packages"], *card["files"]}
    digests = {table["sha256"] for table in card["training"]["tables"]}
    assert not (wanted - {"sluicegate"} | digests) & held
    assert "parameter:" not in text
    assert set(named(bill, "data")) == {"training data", "golden set"}


@pytest.mark.parametrize(
    ("name", "said"),
    [("model.sig", "model signature|does not list"), ("packages.json", "was changed")],
)
def test_a_changed_record_is_refused(workspace: Workspace, name: str, said: str) -> None:
    """What a bill rests on is held against signed digests, and named where it does not hold."""
    path = workspace.root / "updates" / "0000" / name
    told = json.loads(path.read_text())
    for changed in ({}, told | {"dsseEnvelope": {"payload": "e30="}, "skops": "0"}):
        path.write_text(json.dumps(changed))
        with pytest.raises(Tampered, match=said):
            workspace.bill_of_materials("update:0000")


def test_a_batch_has_none(place: Workspace) -> None:
    """Only models have bills of materials."""
    with pytest.raises(Misused, match="no bill of materials"):
        bill_of_materials(
            DataCard(
                card="data",
                profile="public",
                subject="batch:0001",
                model="loans",
                received="2026-01-01T00:00:00+00:00",
                rows=0,
                labels={},
                people={},
                missing=(),
                source_count=0,
            )
        )
