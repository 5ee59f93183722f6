"""The policy: what no owner signed is not judged by, whoever committed it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from attacks.conftest import Target
from reviewing import trust_them

from sluicegate.core import Conflict, Misused, SluicegateError, Tampered
from sluicegate.flows import owned
from sluicegate.stores import git, ssh
from sluicegate.stores.settings import fill


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """Return the keys of an owner and of an insider who is none."""
    made = {name: tmp_path / "people" / name for name in ("ann", "eve")}
    for name, path in made.items():
        ssh.new_key(path, name)
    return made


def committed(target: Target, name: str, text: str) -> None:
    """Commit a file as an insider would."""
    (target.root / name).write_text(text)
    git.commit(target.root, [name], "an insider's commit")


def changed(target: Target, **values: object) -> None:
    """Commit other values of the policy."""
    text = (target.root / "params.yaml").read_text()
    told = {name.replace("__", "."): value for name, value in values.items()}
    committed(target, "params.yaml", fill(text, told))


def owned_by_ann(target: Target, keys: dict[str, Path]) -> None:
    """Let ann own the policy and sign it."""
    trust_them(target.place, keys, "ann")
    params = target.root / "params.yaml"
    committed(target, "params.yaml", params.read_text() + "\npolicy:\n  owners: [ann]\n")
    target.place.sign_policy("ann", keys["ann"])


def eve_owns_it(target: Target, keys: dict[str, Path]) -> None:
    """Make oneself an owner."""
    trust_them(target.place, keys, "ann eve")
    changed(target, policy__owners=["ann", "eve"])


def nobody_owns_it(target: Target, _: dict[str, Path]) -> None:
    """Let the workspace forget that it was owned."""
    shutil.rmtree(target.root / owned.ROOM)
    changed(target, policy=...)
    git.commit(target.root, [owned.ROOM], "an insider's commit")


def other_golden_set(target: Target, _: dict[str, Path]) -> None:
    """Touch the golden set's manifest."""
    path = target.root / "golden" / "manifest.json"
    committed(target, "golden/manifest.json", path.read_text() + "\n")


def other_trainer(target: Target, _: dict[str, Path]) -> None:
    """Add a line to the training code."""
    committed(target, "train.py", (target.root / "train.py").read_text() + "\n# more\n")


def other_limit(target: Target, _: dict[str, Path]) -> None:
    """Loosen what the policy asks for."""
    changed(target, approval__when="never")


CHANGES = [
    pytest.param(other_limit, "params.yaml", id="a loosened rule"),
    pytest.param(other_trainer, "train.py", id="other training code"),
    pytest.param(other_golden_set, "golden/manifest.json", id="another golden set"),
    pytest.param(eve_owns_it, "params.yaml", id="an owner of one's own"),
    pytest.param(nobody_owns_it, owned.ROOM, id="no owner any more"),
]


@pytest.mark.parametrize(("attack", "named"), CHANGES)
def test_what_no_owner_signed_stops_the_line(
    target: Target,
    keys: dict[str, Path],
    honest: Callable[..., pd.DataFrame],
    attack: Callable[[Target, dict[str, Path]], None],
    named: str,
) -> None:
    """Nothing is received or learnt, verify names the file, and the champion's model still loads."""
    owned_by_ann(target, keys)
    assert target.wrong() == []
    attack(target, keys)
    for deed in (lambda: target.place.intake(honest(300, seed=21)), target.place.retrain):
        with pytest.raises(SluicegateError, match=f"{named}.*(differs from|is gone)"):
            deed()
    told = [f"{each['where']} {each['says']}" for each in target.wrong(full=False)]
    assert any(named in each for each in told), told
    with pytest.raises((Misused, Tampered)):
        target.place.sign_policy("eve", keys["eve"])
    assert target.unharmed()


def test_an_owner_accepts_a_change_and_sees_which_limits_let_more_pass(
    target: Target, keys: dict[str, Path]
) -> None:
    """After the signature the line goes on, and who signed is an owner by the policy before."""
    owned_by_ann(target, keys)
    text = (target.root / "params.yaml").read_text()
    trust_them(target.place, keys, "ann eve")
    changed(target, policy__owners=["eve"])
    told = target.place.sign_policy("ann", keys["ann"])
    assert told["files"] == ["params.yaml", "trust/allowed_signers", "trust/people.yaml"]
    assert "eve" in told["diff"]
    assert "[ann]" in told["diff"]
    owned.require_signed(target.layout)
    with pytest.raises(Misused, match="ann is no owner"):
        target.place.sign_policy("ann", keys["ann"])
    committed(target, "params.yaml", text)
    with pytest.raises(Conflict, match="differs from the policy that ann signed"):
        owned.require_signed(target.layout)


def test_an_owner_who_is_named_but_signed_nothing_stops_the_line(target: Target) -> None:
    """Naming an owner is not yet a signature."""
    params = target.root / "params.yaml"
    committed(target, "params.yaml", params.read_text() + "\npolicy:\n  owners: [ann]\n")
    with pytest.raises(Conflict, match="nobody signed the policy yet"):
        owned.require_signed(target.layout)
