"""trust rotate --dry-run: says what a rotation then does, and makes neither key nor entry."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluicegate import Workspace, cli
from sluicegate.core import Conflict
from sluicegate.stores import git, keys, record
from sluicegate.stores.layout import MODEL_KEY, SERVICE_KEY

pytestmark = pytest.mark.slow
Cli = Callable[..., tuple[int, dict[str, Any], str]]


def test_a_dry_run_tells_what_is_then_done(
    workspace: Workspace, digest_of: Callable[[Path], dict[str, str]], run_cli: Cli,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Which keys are followed, how much is vouched for, which models are signed again, which entries."""
    layout, root = workspace._context.layout, workspace.root
    before = digest_of(root)
    code, plan, _ = run_cli("trust", "rotate", "--dry-run", "-C", root)
    assert (code, digest_of(root)) == (0, before)
    assert cli.main(["trust", "rotate", "--dry-run", "-C", str(root)]) == 0
    said = capsys.readouterr().out
    assert "would be signed again: version 1 (update:0000)" in said
    assert f"would vouch for {plan['vouches_for']} statements" in said
    assert all(f"afterwards: {note}" in said for note in plan["notes"])
    assert digest_of(root) == before

    made = workspace.rotate_keys()
    for name, told in made.keys.items():
        assert plan["keys"][name] == {"before": told.before, "after": None}
        assert f"{name}: would replace {told.before[:12]}" in said
    old, _ = keys.keyring(layout).spans
    assert plan["vouches_for"] == len(old.statements or ()) > 0
    entries = list(record.backwards(layout))[:4][::-1]
    assert plan["entries"] == [each.verb for each in entries]
    assert plan["notes"] == list(made.notes)
    signed = [name for name in before if name.endswith("model.sig")]
    assert signed == [f"updates/{each['update']}/model.sig" for each in plan["models"]]
    assert all(digest_of(root)[name] != before[name] for name in signed)


def test_a_dry_run_of_one_key(workspace: Workspace) -> None:
    """The other one is left as it is."""
    plan = workspace.plan_rotation("models")
    assert (list(plan.keys), plan.vouches_for) == (["models"], 0)
    assert plan.entries == ("take-over", "reinstate", "commit")
    plan = workspace.plan_rotation("statements")
    assert (list(plan.keys), plan.models) == (["statements"], ())


def test_what_keeps_a_rotation_from_beginning_is_said_beforehand(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key from the environment, and a record that differs from what is committed."""
    layout = workspace._context.layout
    for name, path in ((SERVICE_KEY, layout.service_key), (MODEL_KEY, layout.model_key)):
        with monkeypatch.context() as environment:
            environment.setenv(name, path.read_text())
            with pytest.raises(Conflict, match=f"The key comes from {name}"):
                workspace.plan_rotation()
    path = layout.update("0000") / "report.md"
    path.write_text("all is well")
    with pytest.raises(Conflict, match=r"updates/0000/report\.md has uncommitted"):
        workspace.plan_rotation()


def test_what_was_broken_off_would_only_be_ended(workspace: Workspace, tmp_path: Path) -> None:
    """After its commit a rotation has only the private halves left to put in their place."""
    layout = workspace._context.layout
    olds = [path.read_bytes() for path in (layout.service_key, layout.model_key)]
    made = workspace.rotate_keys()
    for path, old in zip((layout.service_key, layout.model_key), olds, strict=True):
        path.rename(layout.next_keys / path.name)
        path.write_bytes(old)
        path.chmod(0o600)
    commit = git.head(workspace.root)
    plan = workspace.plan_rotation()
    assert (plan.finishes, plan.keys) == (True, made.keys)
    assert (plan.models, plan.entries) == ((), ())
    assert workspace.rotate_keys().finished
    assert git.head(workspace.root) == commit
