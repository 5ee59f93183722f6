"""Model signatures: the OpenSSF format, which its own command verifies; nothing left out or outside."""

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sluicegate.core import Tampered
from sluicegate.core.canonical import canonical_json
from sluicegate.evidence.model_signature import model_statement, sign_model, signed_files
from sluicegate.evidence.signing import new_model_key, public_pem, raw_signature, signer_of
from sluicegate.stores.models import manifest

SIGNER = signer_of(new_model_key(), "here")
PUBLIC = public_pem(SIGNER)
FILES = {"MLmodel": "a" * 64, "data/more.json": "b" * 64, "data.json": "c" * 64}


def pem(key: Any) -> str:
    """Return the public half of `key`."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


def signed(files: dict[str, str] = FILES) -> dict[str, Any]:
    return sign_model("loans", files, SIGNER)


def test_what_was_signed_is_what_is_read() -> None:
    """signed_files(sign_model(files)) == files."""
    assert signed_files(signed(), PUBLIC, "here") == FILES


def resigned(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return a bundle whose statement was changed, with a signature that holds."""
    statement = model_statement("loans", FILES)
    change(statement)
    bundle = signed()
    envelope = bundle["dsseEnvelope"]
    payload = canonical_json(statement)
    pae = f"DSSEv1 28 application/vnd.in-toto+json {len(payload)} ".encode() + payload
    envelope["payload"] = base64.b64encode(payload).decode()
    envelope["signatures"][0]["sig"] = base64.b64encode(raw_signature(SIGNER, pae)).decode()
    return bundle


def spoilt(**changes: Any) -> dict[str, Any]:
    bundle = signed()
    return bundle | {"dsseEnvelope": bundle["dsseEnvelope"] | changes}


REFUSED = [
    pytest.param(signed, pem(ec.generate_private_key(ec.SECP256R1())), "not signed by", id="key"),
    pytest.param(signed, pem(ec.generate_private_key(ec.SECP384R1())), "not a model", id="curve"),
    pytest.param(lambda: spoilt(payload="e30="), PUBLIC, "not signed by", id="another payload"),
    pytest.param(lambda: spoilt(signatures=[]), PUBLIC, "not a model", id="no signature"),
    pytest.param(lambda: spoilt(payload="%"), PUBLIC, "not a model", id="no base64"),
    pytest.param(lambda: spoilt(payloadType="text/plain"), PUBLIC, "another type", id="type"),
    pytest.param(lambda: {}, PUBLIC, "not a model", id="empty"),
    pytest.param(lambda: [], PUBLIC, "not a model", id="a list"),
    pytest.param(lambda: signed({"../x": "a" * 64}), PUBLIC, "every file", id="a path outside"),
    pytest.param(lambda: signed({"/x": "a" * 64}), PUBLIC, "every file", id="an absolute path"),
    pytest.param(lambda: signed({".x": "a" * 64}), PUBLIC, "every file", id="a hidden name"),
    pytest.param(lambda: signed({"a//x": "a" * 64}), PUBLIC, "every file", id="a path with two forms"),
    pytest.param(lambda: signed({"x\0": "a" * 64}), PUBLIC, "every file", id="a name with a zero"),
    pytest.param(
        lambda: resigned(lambda s: s["predicate"]["serialization"].update(ignore_paths=["x"])),
        PUBLIC, "every file", id="ignored paths",
    ),
    pytest.param(
        lambda: resigned(lambda s: s["predicate"]["serialization"].update(allow_symlinks=True)),
        PUBLIC, "every file", id="links",
    ),
    pytest.param(
        lambda: resigned(lambda s: s["predicate"]["resources"].pop()),
        PUBLIC, "every file", id="a file less than its subject covers",
    ),
    pytest.param(
        lambda: resigned(lambda s: s["predicate"]["resources"].insert(0, dict(s["predicate"]["resources"][0]))),
        PUBLIC, "every file", id="a file twice",
    ),
    pytest.param(
        lambda: resigned(lambda s: s.update(predicateType="https://example.org/other")),
        PUBLIC, "every file", id="another predicate",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("made", "public", "said"), REFUSED)
def test_what_does_not_cover_the_whole_model_is_refused(
    made: Callable[[], Any], public: str, said: str
) -> None:
    """By the pinned key, over every file, with nothing left out: else it is no signature of ours."""
    with pytest.raises(Tampered, match=rf"model\.sig .*{said}"):
        signed_files(made(), public, "model.sig")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of three files, its signature and the public key."""
    model = tmp_path / "model"
    (model / "data").mkdir(parents=True)
    for name in FILES:
        (model / name).write_text(name)
    bundle = sign_model("loans", manifest(model), SIGNER)
    (tmp_path / "model.sig").write_text(json.dumps(bundle))
    (tmp_path / "key.pem").write_text(PUBLIC)
    return tmp_path


def official(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the format's own verifier as its documentation says."""
    said = ["--signature", str(folder / "model.sig"), "--public_key", str(folder / "key.pem")]
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(folder / "model"), *said]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_official_command_verifies_ours(folder: Path) -> None:
    """`model_signing verify key` takes the model, and no longer once a byte or a file is another."""
    done = official(folder)
    assert (done.returncode, done.stdout.strip()) == (0, "Verification succeeded"), done.stderr
    (folder / "model" / "extra.txt").write_text("x")
    assert "extra.txt" in official(folder).stderr
    (folder / "model" / "extra.txt").unlink()
    (folder / "model" / "MLmodel").write_text("swapped")
    assert "MLmodel" in official(folder).stderr


def test_the_official_library_makes_the_same_statement(folder: Path) -> None:
    """Same subject digest and resources, in the same order, as of the same folder."""
    signing = pytest.importorskip("model_signing._signing.signing")
    hashing = pytest.importorskip("model_signing.hashing")
    config = hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)
    theirs = json.loads(_json_of(signing.Payload(config.hash(folder / "model"))))
    assert theirs == model_statement("model", manifest(folder / "model"))
    flat = "".join(each["digest"] for each in theirs["predicate"]["resources"])
    root = theirs["subject"][0]["digest"]["sha256"]
    assert root == hashlib.sha256(bytes.fromhex(flat)).hexdigest()


def _json_of(payload: Any) -> str:
    from google.protobuf.json_format import MessageToJson

    return str(MessageToJson(payload.statement.pb))
