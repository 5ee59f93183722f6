"""The security review: production learns nothing before somebody answered for what is not stopped."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from attacks.conftest import Target
from reviewing import policy, trust_them

from sluicegate.core import Conflict, Misused
from sluicegate.gates.approval import Decision
from sluicegate.record.security_review import METRIC, ROOM, first_promotion, reviewed
from sluicegate.stores import git, ssh


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """Return the keys of two reviewers, of whom the second is never listed."""
    made = {name: tmp_path / "people" / name for name in ("ann", "eve")}
    for name, path in made.items():
        ssh.new_key(path, name)
    return made


@pytest.fixture
def production(target: Target, keys: dict[str, Path]) -> Target:
    """A workspace that is in production from now on."""
    trust_them(target.place, keys, "ann")
    policy(target.place, separate_duties=False)
    params = target.root / "params.yaml"
    params.write_text(params.read_text() + "\npolicy:\n  production: true\n")
    git.commit(target.root, ["params.yaml"], "production")
    return target


def filled(target: Target, path: Path, answer: str | None = "we do") -> Path:
    """Write the checklist and answer every item."""
    target.place.security_checklist(path)
    read = yaml.safe_load(path.read_text())
    for each in read["items"]:
        each["answer"] = answer
    path.write_text(yaml.safe_dump(read))
    return path


def told(target: Target) -> tuple[float | None, str]:
    """Return what the next update in production would be told."""
    found = first_promotion(target.place._fresh())
    assert found is not None
    return found.value, found.detail


def test_every_item_is_answered_and_somebody_listed_signs(
    production: Target, keys: dict[str, Path], tmp_path: Path
) -> None:
    """Blank, half filled, a stranger's or edited, it counts for nothing."""
    assert told(production)[0] == 1
    blank = filled(production, tmp_path / "blank.yaml", answer=None)
    half = filled(production, tmp_path / "half.yaml")
    half.write_text(half.read_text().replace("we do", "' '", 1))
    whole = filled(production, tmp_path / "whole.yaml")
    for path in (blank, half):
        with pytest.raises(Misused, match="has no answer for"):
            production.place.sign_security_review(path, "ann", keys["ann"])
    with pytest.raises(Misused):
        production.place.sign_security_review(whole, "eve", keys["eve"])
    assert not (production.root / ROOM).exists()
    assert production.place.sign_security_review(whole, "ann", keys["ann"])["signed"] == "ann"
    assert "ann at" in str(reviewed(production.layout, production.place._fresh().settings.model))
    assert told(production) == (0, told(production)[1])
    assert production.wrong() == []
    kept = production.root / ROOM / "checklist.yaml"
    kept.write_text(kept.read_text().replace("we do", "never", 1))
    assert told(production)[0] == 1
    assert "not what was signed" in told(production)[1]


@pytest.mark.slow
def test_the_first_update_in_production_waits_for_it(
    production: Target, keys: dict[str, Path], tmp_path: Path, honest: Callable[..., pd.DataFrame]
) -> None:
    """It pauses and cannot be approved; signed, it can, and later updates are not asked again."""
    production.place.intake(honest(300, seed=31))
    made = production.place.retrain()
    assert made.update.stage.value == "awaiting"
    (found,) = [each for each in made.findings if each.metric == METRIC]
    assert (found.value, found.limit, found.outcome.value) == (1, 0, "pause")
    subject = f"update:{made.update.id}"
    proof = production.place.sign_review(subject, Decision.APPROVE, "ann", keys["ann"])
    answer = (subject, Decision.APPROVE, "ann", proof, "")
    with pytest.raises(Conflict, match="policy review"):
        production.place.answer_review(*answer)
    whole = filled(production, tmp_path / "whole.yaml")
    production.place.sign_security_review(whole, "ann", keys["ann"])
    assert production.place.answer_review(*answer).state.value == "approved"
    assert first_promotion(production.place._fresh()) is None
