"""Whoever holds the service's key can sign a verdict; `verify` judges the stored findings again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from attacks.conftest import Target

from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.results import TEST_RESULT
from sluicegate.evidence.statement import UPDATE, VERDICT
from sluicegate.evidence.verifier import subjects_of
from sluicegate.stores import files, git, record
from sluicegate.stores.settings import fill
from sluicegate.stores.transaction import transaction

pytestmark = pytest.mark.slow

Change = Callable[[dict[str, Any]], None]
PASSED = {"outcome": "pass", "suspects": {"rows": [], "sources": []}, "reasons": []}


def signed_anew(target: Target, name: str, kind: str, change: Change) -> None:
    """Change what a statement says, sign it with the stolen key, and let the ledger name it."""
    path = target.root / name
    payload = record.read_statement(target.layout, path)
    change(payload["predicate"])
    with transaction(target.place._context, "insider", "an insider's commit") as t:
        made = t.state(path, subjects_of(payload, name), kind, payload["predicate"])
        t.append("intake", [made], {})


def below_its_limit(path: Path) -> str:
    """Edit what stopped a batch to be nothing, and return the digest of the findings then."""
    found = files.read_json(path)
    for each in found:
        if each["outcome"] != "pass":
            each["value"] = 0.0
    files.write_json(path, found)
    return sha256_file(path)


def test_an_edited_finding_is_named(target: Target) -> None:
    """Without the key, by its digest; with it, by what the verdict should have been."""
    path = target.layout.intake("0002") / "findings.json"
    sha256 = below_its_limit(path)
    git.commit(target.root, ["intake"], "an insider's commit")
    (first, *_) = target.wrong()
    assert first["where"] == "intake/0002/findings.json"
    where = "intake/0002/verdict.json"
    signed_anew(target, where, VERDICT, lambda said: said.update(findings=sha256))
    says = [each["says"] for each in target.wrong(full=False) if each["where"] == where]
    assert "does not follow from its findings: it says pause, they say pass" in str(says)


def test_a_verdict_that_was_only_signed_does_not_follow(target: Target) -> None:
    """Its findings are as they were measured."""
    signed_anew(target, "intake/0002/verdict.json", VERDICT, lambda said: said.update(PASSED))
    assert "it says pass, they say pause" in str(target.wrong())


def test_a_policy_of_nobody_judged_nothing(target: Target) -> None:
    """What a verdict was judged by is the params.yaml of its commit, or one that an owner signed."""

    def other(said: dict[str, Any]) -> None:
        for each in said["configuration"]:
            if each["name"] == "params.yaml":
                each["digest"]["sha256"] = "0" * 64

    where = "intake/0002/test-result.json"
    signed_anew(target, where, TEST_RESULT, other)
    assert "does not match the policy that judged it" in str(target.wrong())


def test_what_paused_is_let_in_by_people_alone(target: Target) -> None:
    """Rows in training whose batch nobody decided about are named."""
    folder = target.root / "batches" / "0001"
    for path in list(folder.iterdir()):
        copy = target.root / "batches" / "0002" / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    git.commit(target.root, ["batches"], "an insider's commit")
    says = "is admitted, but its verdict is pause"
    assert {"where": "batches/0002/manifest.json", "says": says} in target.wrong()


def test_an_update_that_needed_a_review_is_not_promoted_without(
    target: Target, honest: Callable[..., pd.DataFrame]
) -> None:
    """`approval.when` is part of what follows, and the policy is that of the data commit."""
    params = target.root / "params.yaml"
    params.write_text(fill(params.read_text(), {"approval.when": "always"}))
    git.commit(target.root, ["params.yaml"], "every update waits for a human")
    target.place.intake(honest(300, seed=31))
    assert target.place.retrain().update.stage.value == "awaiting"

    def passed(said: dict[str, Any]) -> None:
        said["verdict"] |= PASSED
        said["update"]["verdicts"] = [said["verdict"]]

    signed_anew(target, "updates/0002/update.json", UPDATE, passed)
    assert "it says pass, they say pause" in str(target.wrong())
