"""What we sign holds for verifiers that are not ours: securesystemslib, in-toto's, OpenSSH."""

import json
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as Result
from in_toto_attestation.predicates.vsa.v1.vsa_pb2 import VerificationSummary
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Message
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey
from vectors import FOLDER, statements, vectors

from sluicegate.evidence.provenance import PROVENANCE
from sluicegate.evidence.results import SUMMARY, TEST_RESULT
from sluicegate.record.champion import champion_of
from sluicegate.stores.layout import Layout

STANDARD = {PROVENANCE: Provenance, TEST_RESULT: Result, SUMMARY: VerificationSummary}
SIGNED = sorted(statements())


def public(path: Path) -> SSlibKey:
    told = json.loads(path.read_text())
    return SSlibKey.from_dict(told.pop("keyid"), told)


def payload(envelope: dict[str, Any], key: SSlibKey) -> dict[str, Any]:
    """Return the statement once securesystemslib verified it and in-toto's own classes read it."""
    parsed = Envelope.from_dict(deepcopy(envelope))
    assert len(parsed.verify([key], 1)) == 1
    assert parsed.payload_type == "application/vnd.in-toto+json"
    told: dict[str, Any] = json.loads(parsed.payload)
    message = ParseDict(
        {"type" if k == "_type" else k: v for k, v in told.items()}, Message(), False
    )
    Statement.copy_from_pb(message).validate()
    kind = STANDARD.get(told["predicateType"])
    if kind:
        said = told["predicate"]
        if kind is VerificationSummary:  # a list by the specification; in-toto/attestation#425
            (level,) = said["verifiedLevels"]
            said = said | {"verifiedLevels": level}
        read = ParseDict(said, kind(), ignore_unknown_fields=False)
        for each in descriptors(read):
            ResourceDescriptor.copy_from_pb(each).validate()
    return told


def descriptors(read: Any) -> Iterator[Any]:
    if isinstance(read, Provenance):
        yield from read.build_definition.resolved_dependencies
        yield from read.run_details.byproducts
    if isinstance(read, Result):
        yield from read.configuration


@pytest.mark.parametrize("name", sorted(vectors()))
def test_the_vectors_are_what_the_code_signs(name: str) -> None:
    """To the byte: a change of format is a change of a committed file."""
    assert (FOLDER / name).read_text(encoding="utf-8") == vectors()[name]


def test_no_vector_is_left_over() -> None:
    """Each file in docs/vectors is made by tests/vectors.py."""
    assert {path.name for path in FOLDER.iterdir()} == set(vectors())


@pytest.mark.parametrize("name", SIGNED)
def test_a_vector_holds_for_other_verifiers(name: str) -> None:
    """The signature for securesystemslib, the statement and its predicate for in-toto."""
    payload(json.loads((FOLDER / name).read_text()), public(FOLDER / "service.json"))


@pytest.mark.parametrize("name", SIGNED)
def test_a_changed_vector_does_not(name: str) -> None:
    """One other byte in the payload, and securesystemslib refuses it."""
    envelope = json.loads((FOLDER / name).read_text())
    at = len(envelope["payload"]) // 2
    other = "A" if envelope["payload"][at] != "A" else "B"
    envelope["payload"] = envelope["payload"][:at] + other + envelope["payload"][at + 1 :]
    with pytest.raises(VerificationError):
        payload(envelope, public(FOLDER / "service.json"))


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        pytest.param(lambda text: text, True, id="as signed"),
        pytest.param(lambda text: text.replace("approve", "reject"), False, id="another answer"),
        pytest.param(lambda text: text + "\n", False, id="one more line"),
    ],
)
def test_an_approval_holds_for_ssh_keygen(change: Any, holds: bool) -> None:
    """`ssh-keygen -Y verify` needs the text, the signature and the list of signers."""
    command = ["ssh-keygen", "-Y", "verify", "-f", str(FOLDER / "allowed_signers"), "-I", "ann"]
    command += ["-n", "sluicegate-approval", "-s", str(FOLDER / "approval.txt.sig")]
    text = change((FOLDER / "approval.txt").read_text())
    assert (subprocess.run(command, input=text.encode(), check=False).returncode == 0) == holds


def test_a_real_record_holds_for_other_verifiers(template: Path) -> None:
    """Every signed statement of a workspace, the ledger's entries among them."""
    key = public(template / "trust" / "service.json")
    found = [
        (path.relative_to(template).as_posix(), payload(told, key))
        for room in ("updates", "ledger", "calibration")
        for path in sorted((template / room).rglob("*.json"))
        if "payloadType" in (told := json.loads(path.read_text()))
    ]
    kinds = {told["predicateType"] for _, told in found}
    assert kinds >= {PROVENANCE, TEST_RESULT, SUMMARY}
    assert len(found) > 8


def test_provenance_names_everything_that_training_read(template: Path) -> None:
    """Tables, commits, policy, code and packages; its subject is the champion."""
    champion = champion_of(Layout(template))
    envelope = json.loads((template / "updates" / "0000" / "provenance.json").read_text())
    told = payload(envelope, public(template / "trust" / "service.json"))
    assert told["subject"][0]["digest"] == {"sha256": champion.sha256}
    named = {
        each["name"]: each["digest"]
        for each in told["predicate"]["buildDefinition"]["resolvedDependencies"]
    }
    assert named["data commit"] == named["code commit"] == {"gitCommit": champion.data_commit}
    assert set(named) >= {
        "reference/reference.parquet",
        "golden/golden.parquet",
        "params.yaml",
        "train.py",
        "dvc.yaml",
        "updates/0000/packages.json",
    }
