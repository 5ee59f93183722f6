"""What tests of serving share: a workspace that promoted twice, a host, and a thief of its keys."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from reviewing import policy, trust_them

from sluicegate import ServedChampion, ServingEvent, Workspace, load_champion
from sluicegate.core import Artifact, Outcome, Verdict
from sluicegate.core.canonical import sha256_file, sha256_json
from sluicegate.evidence.ledger import REINSTATE
from sluicegate.evidence.model_signature import sign_model
from sluicegate.evidence.statement import PROMOTION, REINSTATEMENT, UPDATE
from sluicegate.record.champion import champion_of, first_champion
from sluicegate.stores import files
from sluicegate.stores import keys as keys_of
from sluicegate.stores.layout import Layout
from sluicegate.stores.transaction import Transaction
from sluicegate.stores.trust_root import TrustRoot, read_trust_root, write_trust_root

Rows = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def promoted_template(
    template: Path, honest: Rows, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A workspace whose champion, update:0001, ann and bob approved; its trust root is beside it."""
    root = tmp_path_factory.mktemp("promoted") / "loans"
    shutil.copytree(template, root, symlinks=True)
    place = Workspace.open(root)
    policy(place, when="always", required=2, separate_duties=False)
    trust_them(place, keys)
    place.export_trust(root.parent / "trust-first.json")
    place.export_champion(root.parent / "first")
    place.intake(honest(300, seed=11))
    place.retrain()
    for name in ("ann", "bob"):
        proof = place.sign_review("update:0001", "approve", name, keys[name])
        place.answer_review("update:0001", "approve", name, proof)
    place.export_trust(root.parent / "trust.json")
    place.export_champion(root.parent / "second")
    return root.parent


@dataclass
class Host:
    """A serving host: its trust root, its state, what it heard, and its clock."""

    home: Path
    source: Path
    trust: Path
    heard: list[ServingEvent] = field(default_factory=list)
    time: datetime = datetime(2030, 1, 1, tzinfo=UTC)

    def load(self, source: Path | None = None, **wanted: Any) -> ServedChampion:
        """Load the champion as this host would."""
        return load_champion(
            source or self.source, self.trust, state=self.home / "state", name="web-1",
            on_event=self.heard.append, clock=lambda: self.time, **wanted,
        )  # fmt: skip

    def trusts(self, **changes: Any) -> None:
        """Change the trust root."""
        told = read_trust_root(self.trust).model_dump(by_alias=True) | changes
        write_trust_root(self.trust, TrustRoot.model_validate(told))

    def wait(self, hours: float) -> None:
        """Let time go by."""
        self.time += timedelta(hours=hours)


@pytest.fixture
def host(promoted_template: Path, tmp_path: Path) -> Host:
    """A host that serves a copy of the workspace."""
    shutil.copytree(promoted_template, tmp_path / "all", symlinks=True)
    trust = tmp_path / "host" / "trust.json"
    trust.parent.mkdir()
    shutil.copy(promoted_template / "trust-first.json", trust)
    return Host(tmp_path / "host", tmp_path / "all" / "loans", trust)


def promote_as_thief(
    source: Path, spoil: Callable[[Path], Any], outcome: str = "pass", number: str = "0002"
) -> str:
    """Promote a spoilt copy of the champion with the workspace's own keys; return its digest.

    What somebody can do who stole every key of the service, but no reviewer's.
    """
    layout = Layout(source)
    champion = champion_of(layout)
    folder = source.parent / "spoilt"
    shutil.copytree(layout.models / champion.sha256, folder)
    spoil(folder)
    listed = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in folder.rglob("*")
        if path.is_file()
    }
    sha256 = sha256_json(listed)
    folder.rename(layout.models / sha256)
    place, model = layout.update(number), Artifact("model:loans", sha256)
    signer = keys_of.model_signer(layout)
    files.write_json(place / "model.sig", sign_model("loans", listed, signer))
    verdict = Verdict(f"update:{number}", "0" * 64, Outcome(outcome), ("because",))
    trained = {"version": 3, "sha256": sha256}
    told = {"id": number, "stage": "approved", "challenger": trained}
    said: dict[str, Any] = {"update": told, "verdict": verdict.to_dict()}
    thief = Transaction(layout, lambda: "2030-01-01T00:00:00+00:00")
    thief.state(place / "update.json", [model], UPDATE, said)
    learnt = {"batches": ["0001"], "data_commit": champion.data_commit}
    promoted = {"update": number, "version": 3, **learnt, "time": thief.now()}
    made = thief.state(place / "promotion.json", [model], PROMOTION, promoted)
    thief.append("promote", [model, made], promoted)
    return sha256


def roll_back(source: Path) -> str:
    """Let the first champion serve again, as a rollback's record says it; return its digest."""
    layout = Layout(source)
    first = first_champion(layout)
    said = {"update": "0000", "version": first.version, "time": "2030-01-01T00:00:00+00:00"}
    model, path = Artifact("model:loans", first.sha256), layout.incident("0001")
    service = Transaction(layout, lambda: said["time"])
    made = service.state(path / "reinstatement.json", [model], REINSTATEMENT, said)
    service.append(REINSTATE, [model, made], said)
    return first.sha256
