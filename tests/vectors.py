"""The test vectors of docs/vectors, made from fixed keys: `python tests/vectors.py` writes them anew.

Ed25519 signs the same bytes alike each time, so that every vector is equal to the byte.
"""

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from findings import judged

from sluicegate.core import Artifact, Outcome, Verdict
from sluicegate.core.verdict import Selection
from sluicegate.evidence.ledger import Entry, envelope_digest, sign_entry
from sluicegate.evidence.provenance import PROVENANCE, Training, provenance
from sluicegate.evidence.results import SUMMARY, TEST_RESULT, summary, tested
from sluicegate.evidence.signing import Signer, public_key, sign, signer_of
from sluicegate.evidence.statement import PROMOTION, VERDICT, statement
from sluicegate.gates.approval import NAMESPACE, Decision, Request

FOLDER = Path(__file__).parents[1] / "docs" / "vectors"
NOON = "2026-01-05T12:00:00+00:00"
BATCH = Artifact("batch.parquet", hashlib.sha256(b"a delivery").hexdigest())
MODEL = Artifact("model:loans", hashlib.sha256(b"a model").hexdigest())
POLICY = Artifact("params.yaml", hashlib.sha256(b"a policy").hexdigest())
REQUEST = Request(
    subject="update:0001",
    question="Promote version 2 of loans?",
    names=(("model", f"sha256:{MODEL.sha256}"), ("params.yaml", f"sha256:{POLICY.sha256}")),
    nonce="00" * 16,
    expires="2026-01-19T12:00:00+00:00",
)


def key(purpose: str) -> Ed25519PrivateKey:
    """Return a private key that everybody can make: for vectors, and for nothing else."""
    seed = hashlib.sha256(f"sluicegate test vector: {purpose}".encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def service() -> Signer:
    """Return the service's signer."""
    pem = key("service").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return signer_of(pem, "a vector")


def statements() -> dict[str, dict[str, Any]]:
    """Return the signed envelopes by the names of their files."""
    findings = [
        judged(metric="contract.critical", limit=0.0, outcome="pass"),
        judged(metric="sources.disagreement", limit=2.0, outcome="quarantine"),
        judged(metric="drift.p.original.label", limit=None, outcome="pass"),
    ]
    verdict = Verdict(
        "batch:0001",
        POLICY.sha256,
        Outcome.QUARANTINE,
        ("sources.disagreement is 9.1, over its limit of 2.",),
        Selection((3, 7), ("c17",)),
    )
    training = Training(
        parameters={
            "update": "0001",
            "model": "loans",
            "pipeline": "dvc.yaml",
            "train": {"trees": 100},
            "seed": 0,
        },
        internal={"started_by": None},
        materials=[BATCH, POLICY],
        commits={"data commit": "1" * 40, "code commit": "1" * 40},
        byproducts=[],
        builder_version={"sluicegate": "0.1.0", "python": "3.12.0"},
        invocation="4" * 32,
        started=NOON,
        finished=NOON,
    )
    attested = Artifact("updates/0001/provenance.json", "2" * 64)
    signed = {
        "verdict": ([BATCH], VERDICT, verdict.to_dict() | {"time": NOON}),
        "test-result": ([BATCH], TEST_RESULT, tested(Outcome.QUARANTINE, findings, [POLICY])),
        "provenance": ([MODEL], PROVENANCE, provenance(training)),
        "summary": (
            [MODEL],
            SUMMARY,
            summary("models:/loans/2", POLICY, [attested], NOON),
        ),
        "promotion": ([MODEL], PROMOTION, {"update": "0001", "version": 2, "time": NOON}),
    }
    made = {f"{name}.json": sign(statement(*each), service()) for name, each in signed.items()}
    first = _entry(1, None, "intake", BATCH, {"batch": "0001"})
    made["ledger-000001.json"] = sign_entry(first, service())
    previous = envelope_digest(made["ledger-000001.json"])
    then = _entry(2, previous, "promote", MODEL, {"update": "0001"})
    return made | {"ledger-000002.json": sign_entry(then, service())}


def _entry(
    sequence: int, previous: str | None, verb: str, about: Artifact, details: dict[str, str]
) -> Entry:
    who = "Ann <ann@example.org>"
    return Entry(
        sequence=sequence, previous=previous, time=NOON, who=who, verb=verb, details=details, subjects=(about,)
    )  # fmt: skip


def approval() -> dict[str, str]:
    """Return a reviewer's text, its OpenSSH signature and the list of who may sign."""
    ann = key("reviewer")
    text = REQUEST.text(Decision.APPROVE, "ann")
    with tempfile.TemporaryDirectory() as folder:
        path, told = Path(folder) / "key", Path(folder) / "text"
        form = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        path.write_bytes(ann.private_bytes(*form))
        path.chmod(0o600)
        told.write_text(text)
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(path), "-n", NAMESPACE, str(told)]
        subprocess.run(command, check=True, capture_output=True)
        signature = told.with_name("text.sig").read_text()
    public = ann.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return {
        "approval.txt": text,
        "approval.txt.sig": signature,
        "allowed_signers": f'ann namespaces="{NAMESPACE}" {public}\n',
    }


def vectors() -> dict[str, str]:
    """Return the text of every vector by the name of its file."""
    envelopes = {"service.json": public_key(service()).to_dict(), **statements()}
    told = {name: json.dumps(each, indent=2) + "\n" for name, each in envelopes.items()}
    return told | approval()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in vectors().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
