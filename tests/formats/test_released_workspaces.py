"""Workspaces of released versions: restored as an operator would, they answer as before and go on.

Each was made by the version that it is named after and kept as git bundle, DVC remote, backup and keys;
see `make_workspace.py`. Only the command line, `load_champion` and names on disk are used here: what a
user may rely on from one version to the next. Sentences may change; facts, keys and exit codes may not.
"""

import base64
import json
import lzma
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from formats.make_workspace import KEYS, ask, facts

from sluicegate import load_champion
from sluicegate.stores import git

RELEASED = sorted(Path(__file__).parent.glob("workspace-*"))


@dataclass(frozen=True)
class Kept:
    """What a released version left: the files that an operator has elsewhere, and its answers."""

    folder: Path

    @property
    def heads(self) -> dict[str, Any]:
        heads: dict[str, Any] = json.loads((self.folder / "heads.json").read_text())
        return heads

    @property
    def answers(self) -> dict[str, Any]:
        packed = (self.folder / "answers.json.xz").read_bytes()
        answers: dict[str, Any] = json.loads(lzma.decompress(packed))
        return answers

    def clone(self, place: Path) -> Path:
        """Clone the bundle to `place`, put the keys into it and lay the backup beside it."""
        root = place / "workspace"
        bundle = self.folder / "workspace.bundle"
        subprocess.run(["git", "clone", "-q", str(bundle), str(root)], check=True)
        packed = (self.folder / "backup.tar.xz").read_bytes()
        (place / "backup.tar").write_bytes(lzma.decompress(packed))
        keys = root / ".sluicegate" / "keys"
        keys.mkdir(parents=True, mode=0o700)
        for name in ("service.pem", "model.pem", "secret"):
            shutil.copy(self.folder / KEYS / name, keys)
            (keys / name).chmod(0o600)
        return root


@dataclass(frozen=True)
class Restored:
    """A workspace that was brought up by this version, and what it was before."""

    kept: Kept
    root: Path
    answer: dict[str, Any]

    def ask(self, *arguments: object) -> tuple[int, dict[str, Any]]:
        return ask(*arguments, "-C", self.root)

    def key(self, reviewer: str) -> Path:
        """Return the private key of a reviewer, which nobody else can read."""
        path = self.root.parent / reviewer
        if not path.exists():
            shutil.copy(self.kept.folder / KEYS / reviewer, path)
            path.chmod(0o600)
        return path

    def ledger(self) -> list[Path]:
        return sorted((self.root / "ledger").glob("[0-9]*.json"))


@pytest.fixture(scope="module", params=RELEASED, ids=lambda path: path.name)
def kept(request: pytest.FixtureRequest) -> Kept:
    """What was kept of the workspace of each released version."""
    return Kept(request.param)


def bring_up(kept: Kept, place: Path) -> Restored:
    root = kept.clone(place)
    with tarfile.open(kept.folder / "remote.tar.xz") as packed:
        packed.extractall(place / "remote", filter="data")
    # committed, for rows are sent only where the commit says
    command = ["remote", "modify", "local", "url", str(place / "remote")]
    subprocess.run([sys.executable, "-m", "dvc", *command], cwd=root, check=True)
    git.commit(root, [".dvc/config"], "the remote is elsewhere")
    code, answer = ask("restore", place / "backup.tar", "-C", root)
    assert code == 0, answer
    return Restored(kept, root, answer)


@pytest.fixture(scope="module")
def restored(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Restored:
    """The workspace, brought up; tests leave it as it is."""
    return bring_up(kept, tmp_path_factory.mktemp(kept.folder.name))


def missing(was: Any, now: Any, where: str = "") -> Iterator[str]:
    """Yield where an answer lacks something of an earlier one; more keys may have come."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key, each in was.items():
            if key in now:
                yield from missing(each, now[key], f"{where}.{key}")
            else:
                yield f"{where}.{key} is gone"
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for number, pair in enumerate(zip(was, now, strict=True)):
            yield from missing(*pair, f"{where}[{number}]")
    elif was != now or type(was) is not type(now):
        yield f"{where}: {was!r} became {now!r}"


def test_all_of_it_is_restored_and_verifies(restored: Restored) -> None:
    """Ledger, statements, tables, models and approvals are as they were signed."""
    code, answer = restored.ask("verify", "--full")
    assert (code, answer["ok"], answer["wrong"], answer["undecided"]) == (0, True, [], [])
    assert answer["looked_at"]["entries"] == len(restored.ledger()) > 40
    assert (
        restored.answer["champion"]["sha256"] == restored.kept.heads["status"]["champion"]["sha256"]
    )
    assert restored.answer["keys"] is True


def test_its_heads_are_what_they_were(restored: Restored, tmp_path: Path) -> None:
    """A backup made now names the commit and the end of the ledger that the backup then named."""
    code, made = restored.ask("backup", tmp_path / "again.tar")
    heads = restored.kept.heads
    assert (code, made["ledger"]) == (0, heads["ledger"])
    assert git.run(restored.root, "rev-parse", "HEAD~1") == heads["commit"]
    assert git.head(restored.root) == made["commit"]
    code, now = restored.ask("status")
    assert (code, list(missing(heads["status"], facts(now)))) == (0, [])


@pytest.mark.parametrize("verb", ["show", "trace", "incident", "quarantine", "review", "rollback"])
def test_it_answers_as_before(verb: str, restored: Restored) -> None:
    """Every key, number, digest, outcome and name that the old version answered."""
    asked = {each: was for each, was in restored.kept.answers.items() if each.split()[0] == verb}
    changed = [
        f"{each}: {lost}"
        for each, was in asked.items()
        for lost in missing(was, facts(restored.ask(*each.split())[1]))
    ]
    assert (changed, bool(asked)) == ([], True)


def test_its_champion_serves(restored: Restored, tmp_path: Path) -> None:
    """A host that pinned the old trust root loads the champion, and it answers as before."""
    trust = shutil.copy(restored.kept.folder / "trust.json", tmp_path)
    served = load_champion(restored.root, trust, name="host", reports=tmp_path)
    sent = pd.read_csv(restored.kept.folder / "next.csv")
    assert [str(each) for each in served.predict(sent)] == restored.kept.heads["predicted"]


def test_doctor_finds_it_well(restored: Restored) -> None:
    """What does not depend on the machine is in order."""
    _, answer = restored.ask("doctor")
    found = {each["name"]: each["ok"] for each in answer["diagnoses"]}
    assert {name: found[name] for name in ("policy", "calibration", "reviewers", "champion")} == {
        "policy": True, "calibration": True, "reviewers": True, "champion": True,
    }  # fmt: skip


def spoil(path: Path) -> None:
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


SPOILT = [
    pytest.param("ledger/000010.json", id="an entry of the ledger"),
    pytest.param("intake/0002/verdict.json", id="a verdict", marks=pytest.mark.slow),
    pytest.param("intake/0002/findings.json", id="findings", marks=pytest.mark.slow),
    pytest.param("updates/0002/promotion.json", id="a promotion", marks=pytest.mark.slow),
    pytest.param("incidents/0001/incident.json", id="an incident", marks=pytest.mark.slow),
    pytest.param("calibration/calibration.json", id="a calibration", marks=pytest.mark.slow),
    pytest.param("golden/golden.parquet", id="the golden set", marks=pytest.mark.slow),
    pytest.param("batches/0001/feedback.parquet", id="an admitted batch", marks=pytest.mark.slow),
    pytest.param(
        "quarantine/0002/feedback.parquet", id="rows in quarantine", marks=pytest.mark.slow
    ),
]


@pytest.mark.parametrize("name", SPOILT)
def test_one_byte_is_noticed(name: str, restored: Restored) -> None:
    """What is changed after the restoring is named by `verify`."""
    path = restored.root / name
    before = path.read_bytes()
    spoil(path)
    code, answer = restored.ask("verify", "--full")
    path.write_bytes(before)
    assert (code, answer["ok"]) == (4, False)
    assert name in [each["where"] for each in answer["wrong"]]


@pytest.mark.parametrize("what", ["entry", "end", "archive"])
def test_what_was_changed_is_not_restored(what: str, kept: Kept, tmp_path: Path) -> None:
    """A clone that was edited or cut off, and a backup that is not the one that was signed."""
    root = kept.clone(tmp_path)
    ledger = sorted((root / "ledger").glob("[0-9]*.json"))
    if what == "entry":
        spoil(ledger[10])
    elif what == "end":
        ledger[-1].unlink()
    else:
        spoil(tmp_path / "backup.tar")
    code, answer = ask("restore", tmp_path / "backup.tar", "-C", root)
    assert (code, list(answer)) == (1, ["schema", "error"])
    assert not (root / ".sluicegate" / "mlflow").exists()


@pytest.mark.slow
def test_it_goes_on(kept: Kept, tmp_path: Path) -> None:
    """What waits is answered, honest rows are learnt, a batch is rolled back, and all of it verifies."""
    place = bring_up(kept, tmp_path)
    heads, before = kept.heads, len(place.ledger())

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        return place.ask(*arguments)

    def champion() -> dict[str, Any]:
        serving: dict[str, Any] = run("status")[1]["champion"]
        return serving

    # a question that the old version asked, with a signature that it made, and one that is made now
    signed = ("--as", "ann", "--proof", kept.folder / "approval.sig")
    assert run("review", "approve", "update:0006", *signed)[0] == 0
    assert champion()["update"] == "0006"
    assert run("review", "approve", "batch:0007", "--as", "bob", "--key", place.key("bob"))[0] == 0
    link = json.loads(place.ledger()[before].read_text())
    predicate = json.loads(base64.b64decode(link["payload"]))["predicate"]
    assert (predicate["sequence"], predicate["previous"]) == (before + 1, heads["ledger"])

    code, answer = run("update", kept.folder / "next.csv", "--no-prefect")
    assert (code, answer["intake"]["outcome"], answer["retrain"]["outcome"]) == (3, "pass", "pause")
    learnt = answer["retrain"]["update"]
    assert (learnt["id"], learnt["stage"]) == ("0007", "awaiting")
    assert learnt["batches"] == ["0001", "0002", "0005", "0006", "0007", "0008"]
    assert run("review", "approve", "update:0007", "--as", "bob", "--key", place.key("bob"))[0] == 0
    trust = shutil.copy(kept.folder / "trust.json", tmp_path)
    served = load_champion(place.root, trust, name="host", reports=tmp_path)
    assert served.version == champion()["version"] == learnt["challenger"]["version"]

    code, answer = run("rollback", "--because", "batch:0006", "--reason", "not theirs to send")
    assert (code, answer["incident"]) == (0, "0002")
    assert champion()["sha256"] == heads["status"]["champion"]["sha256"]
    assert run("status")[1]["quarantine"]["batches"] == 3
    code, answer = run("verify", "--full")
    assert (code, answer["wrong"], answer["undecided"]) == (0, [], [])
    replayed = [each for each in kept.answers if each.endswith("--explain")]
    assert [run(*each.split())[1]["same"] for each in replayed] == [True] * len(replayed)
