"""The policy: what no owner signed is not judged by, whoever committed it."""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from attacks.conftest import Target
from reviewing import only, trust_them

from sluicegate.cli import main
from sluicegate.core import CannotDecide, Conflict, Misused, Tampered
from sluicegate.core.canonical import sha256_bytes
from sluicegate.gates.approval import NAMESPACE, Decision
from sluicegate.record import policy as owned
from sluicegate.record import policy_in_force as ruling
from sluicegate.record.questions import read_request
from sluicegate.stores import dvc, git, ssh
from sluicegate.stores.settings import fill

pytestmark = pytest.mark.slow


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


def owned_by_ann(target: Target, keys: dict[str, Path], names: str = "ann") -> None:
    """Let ann own the policy and sign it, alone or with others of these `names`."""
    trust_them(target.place, keys, names)
    params = target.root / "params.yaml"
    owners = f"\npolicy:\n  owners: [{names.replace(' ', ', ')}]\n"
    committed(target, "params.yaml", params.read_text() + owners)
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


def other_flow(target: Target, _: dict[str, Path]) -> None:
    """Have Prefect run something else."""
    committed(target, "prefect.yaml", (target.root / "prefect.yaml").read_text() + "\n# more\n")


def other_attributes(target: Target, _: dict[str, Path]) -> None:
    """Empty the diff that reviewers see of the trainer."""
    committed(target, ".gitattributes", "train.py -diff\n")


def other_leftouts(target: Target, _: dict[str, Path]) -> None:
    """Have DVC leave data out."""
    committed(target, ".dvcignore", "batches\n")


CHANGES = [
    pytest.param(other_flow, "prefect.yaml", id="another flow"),
    pytest.param(other_attributes, ".gitattributes", id="attributes of files"),
    pytest.param(other_leftouts, ".dvcignore", id="data that is left out"),
    pytest.param(other_limit, "params.yaml", id="a loosened rule"),
    pytest.param(other_trainer, "train.py", id="other training code"),
    pytest.param(other_golden_set, "golden/manifest.json", id="another golden set"),
    pytest.param(eve_owns_it, "params.yaml", id="an owner of one's own"),
]


def says(result: Any) -> str:
    """Return what a verdict says of the policy's signature."""
    (told,) = [each for each in result.to_dict()["findings"] if each["metric"] == ruling.METRIC]
    return f"{told['outcome']}: {told['detail']}"


@pytest.mark.parametrize(("attack", "named"), CHANGES)
def test_what_no_owner_signed_pauses_and_is_judged_by_what_was_signed(
    target: Target,
    keys: dict[str, Path],
    honest: Callable[..., pd.DataFrame],
    attack: Callable[[Target, dict[str, Path]], None],
    named: str,
) -> None:
    """A batch that would pass pauses, by the signed limits; verify names the file, too."""
    owned_by_ann(target, keys)
    assert target.wrong() == []
    batch = honest(300, seed=21)
    before = target.place.check(batch)
    assert before.outcome.value == "pass"
    assert says(before).startswith("pass: ann signed the policy")
    attack(target, keys)
    after = target.place.intake(batch)
    assert after.outcome.value == "pause"
    assert after.assessment.verdict.policy == before.assessment.verdict.policy
    assert says(after).startswith(f"pause: {named}")
    assert "sluicegate policy sign" in says(after)
    assert "undo it: `git " in says(after)
    told = [f"{each['where']} {each['says']}" for each in target.wrong(full=False)]
    assert any(named in each for each in told), told
    with pytest.raises((Misused, Tampered)):
        target.place.sign_policy("eve", keys["eve"])
    assert target.unharmed()


def test_rows_go_only_to_the_remote_that_was_signed(
    target: Target, keys: dict[str, Path], honest: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    """A committed .dvc/config of an insider's is sent nothing, neither by intake nor by a rollback."""
    owned_by_ann(target, keys)
    remote = str(dvc.default_remote(target.root))
    text = (target.root / dvc.CONFIG).read_text().replace(remote, str(tmp_path / "away"))
    committed(target, dvc.CONFIG, text)
    for act in (
        lambda: target.place.intake(honest(300, seed=21)),
        lambda: target.place.rollback("row:0001/3", reason="poison", retrain=False),
    ):
        with pytest.raises(Conflict, match="no row is sent anywhere"):
            act()
    assert not (tmp_path / "away").exists()
    assert any(dvc.CONFIG in each["where"] for each in target.wrong())


def test_a_dep_of_the_trainer_is_part_of_the_policy(
    target: Target, keys: dict[str, Path], honest: Callable[..., pd.DataFrame]
) -> None:
    """A module that dvc.yaml names acts as train.py does, and so does data that DVC keeps."""
    committed(target, "helper.py", "RATE = 1\n")
    committed(target, "extra.csv.dvc", "outs:\n- md5: 0\n")
    depending(target, "./helper.py", "extra.csv")
    owned_by_ann(target, keys)
    committed(target, "helper.py", "RATE = 99\n")
    assert says(target.place.check(honest(300, seed=21))).startswith("pause: helper.py")
    committed(target, "helper.py", "RATE = 1\n")
    committed(target, "extra.csv.dvc", "outs:\n- md5: 1\n")
    assert says(target.place.check(honest(300, seed=21))).startswith("pause: extra.csv.dvc")


def test_the_difference_is_that_of_the_working_tree_and_says_so(
    target: Target, keys: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is looked at before it is committed; what is signed is what is committed."""
    owned_by_ann(target, keys)
    params = target.root / "params.yaml"
    params.write_text(fill(params.read_text(), {"gates.intake|sources.share": None}))
    assert main(["policy", "diff", "-C", str(target.root)]) == 3
    shown = capsys.readouterr().out
    assert shown.startswith("policy: working tree\n")
    assert "LOOSENED sources.share" in shown
    found = target.place.policy_difference()
    assert (found.policy, found.files) == ("working tree", ("params.yaml",))
    assert main(["policy", "try", "-C", str(target.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["policy"] == "working tree"
    with pytest.raises(Conflict, match=r"params\.yaml has uncommitted changes"):
        target.place.sign_policy("ann", keys["ann"])


def test_a_dep_elsewhere_is_neither_signed_nor_removed(
    target: Target, keys: dict[str, Path], honest: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    """An absolute path, one that climbs out and one on another host are legal in a stage of a team's."""
    away = tmp_path / "away.csv"
    away.write_text("kept\n")
    depending(target, str(away), "../away.csv", "s3://bucket/x.csv", ".git/config")
    owned_by_ann(target, keys)
    assert "pause" not in says(target.place.check(honest(300, seed=21)))
    signed = owned.in_force(target.layout)
    assert signed is not None
    tree = tmp_path / "loans" / "tree"
    tree.mkdir()
    ruling.write_signed_files(target.layout, signed, tree)
    assert (tree / "train.py").is_file()
    assert away.read_text() == "kept\n"


def depending(target: Target, *paths: str) -> None:
    """Give dvc.yaml another stage, which depends on these `paths`."""
    listed = "".join(f"      - {path}\n" for path in paths)
    text = (target.root / "dvc.yaml").read_text()
    committed(target, "dvc.yaml", f"{text}  more:\n    cmd: echo\n    deps:\n{listed}")


def test_an_ownership_that_is_gone_from_git_stops_the_line(
    target: Target, keys: dict[str, Path], honest: Callable[..., pd.DataFrame]
) -> None:
    """That the workspace is owned is remembered outside git."""
    owned_by_ann(target, keys)
    nobody_owns_it(target, keys)
    for deed in (lambda: target.place.check(honest(300, seed=21)), target.place.retrain):
        with pytest.raises(Tampered, match=f"{owned.ROOM}.*is missing"):
            deed()


def test_signed_files_that_cannot_be_read_decide_nothing(
    target: Target, keys: dict[str, Path], honest: Callable[..., pd.DataFrame]
) -> None:
    """Without the signed version there is nothing to judge by, and the working tree is no substitute."""
    owned_by_ann(target, keys)
    other_trainer(target, keys)
    (signed,) = owned.signed_policies(target.layout)
    ruling.require_once_signed(target.layout, signed.commit)
    with pytest.raises(Conflict, match="No owner signed"):
        ruling.require_once_signed(target.layout, git.head(target.root))
    for files, error in (
        ({"params.yaml": "0" * 64}, Tampered),
        ({"gone.py": "0" * 64}, CannotDecide),
    ):
        with pytest.raises(error):
            ruling.write_signed_files(
                target.layout, replace(signed, files=files), target.root.parent / "laid"
            )
    batch = honest(300, seed=21)
    (target.root / "golden" / "golden.parquet").unlink()
    shutil.rmtree(target.root / ".dvc" / "cache")
    remote = Path(dvc.default_remote(target.root) or "")
    shutil.rmtree((target.root / ".dvc" / remote).resolve())
    with pytest.raises(CannotDecide):
        target.place.check(batch)


def test_unsigned_training_code_never_runs_and_what_it_asked_for_is_paused(
    target: Target, keys: dict[str, Path]
) -> None:
    """The signed trainer runs in its place; undone, the question can be answered, by no owner of a change."""
    owned_by_ann(target, keys, "ann eve")
    signed = (target.root / "train.py").read_bytes()
    pinned = git.head(target.root)
    evil = "raise SystemExit('unsigned code ran')\n"
    committed(target, "train.py", evil)
    changed(target, **only("candidate", {"golden.*": {"pause": 9.0}}))
    made = target.place.retrain()
    assert made.update.stage.value == "awaiting"
    assert "LOOSENED" in says(made)
    assert says(made).startswith("pause: params.yaml, train.py changed without an owner")
    subject = f"update:{made.update.id}"
    folder = target.layout.update(made.update.id)
    materials = json.loads((folder / "update.json").read_text())["payload"]
    assert sha256_bytes(signed) in base64.b64decode(materials).decode()
    page = (folder / "evidence.html").read_text()
    assert "unsigned code ran" in page
    assert "signed by ann" in page
    assert target.place.explain(subject).same
    answer = (subject, Decision.APPROVE, "eve")
    with pytest.raises(Conflict, match="differs from the policy that ann signed"):
        target.place.answer_review(*answer, "no proof", "")
    git.run(target.root, "checkout", pinned, "--", "train.py", "params.yaml")
    git.commit(target.root, ["train.py", "params.yaml"], "undone")
    assert target.place.check(target.root / "reference" / "reference.parquet") is not None
    asked = target.place.show_review(subject)
    assert asked.dead is None
    assert "signed by ann" in asked.names["policy"]
    assert target.unharmed()


@pytest.mark.parametrize("who", ["ann", "eve"])
def test_owners_do_not_review_under_a_change_that_they_signed(
    target: Target, keys: dict[str, Path], who: str
) -> None:
    """ann signed the policy after the champion was made; eve is an owner, too, and signed nothing."""
    owned_by_ann(target, keys, "ann eve")
    batch = "batch:0002"
    target.place.renew_review(batch)
    if who == "ann":
        said = "as ann they signed the policy that judges it"
        with pytest.raises(Conflict, match=said):
            target.place.sign_review(batch, Decision.APPROVE, who, keys[who])
        text = read_request(target.layout, batch)[0].text(Decision.APPROVE, who)
        proof = ssh.sign(text, keys[who], NAMESPACE)  # made elsewhere
        with pytest.raises(Conflict, match=said):
            target.place.answer_review(batch, Decision.APPROVE, who, proof, "")
    else:
        proof = target.place.sign_review(batch, Decision.APPROVE, who, keys[who])
        done = target.place.answer_review(batch, Decision.APPROVE, who, proof, "")
        assert done.approved_by == ("eve",)


def test_an_owner_accepts_a_change_and_sees_which_limits_let_more_pass(
    target: Target, keys: dict[str, Path]
) -> None:
    """After the signature the line goes on, and who signed is an owner by the policy before."""
    owned_by_ann(target, keys)
    text = (target.root / "params.yaml").read_text()
    trust_them(target.place, keys, "ann eve")
    changed(target, policy__owners=["eve"])
    told = target.place.sign_policy("ann", keys["ann"])
    assert told.files == ("params.yaml", "trust/allowed_signers", "trust/people.yaml")
    assert "eve" in told.diff
    assert "[ann]" in told.diff
    owned.require_signed(target.layout)
    with pytest.raises(Misused, match="ann does not own"):
        target.place.sign_policy("ann", keys["ann"])
    committed(target, "params.yaml", text)
    with pytest.raises(Conflict, match="differs from the policy that ann signed"):
        owned.require_signed(target.layout)


def test_an_owner_who_is_named_but_signed_nothing_stops_the_line(target: Target) -> None:
    """Naming an owner is not yet a signature."""
    params = target.root / "params.yaml"
    committed(target, "params.yaml", params.read_text() + "\npolicy:\n  owners: [ann]\n")
    with pytest.raises(Conflict, match="none has signed the policy yet"):
        owned.require_signed(target.layout)
