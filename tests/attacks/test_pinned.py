"""What decides is read from the objects of one commit, whatever tree, index, settings and refs say."""

import contextlib
import zlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from attacks.conftest import Target
from reviewing import trust_them

from sluicegate import Workspace
from sluicegate.core import CannotDecide, Conflict, Tampered
from sluicegate.flows.updates.retrain import retrain
from sluicegate.record.context import open_context
from sluicegate.stores import dvc, git, objects, ssh, trust
from sluicegate.stores.settings import fill

pytestmark = pytest.mark.slow

Honest = Callable[..., pd.DataFrame]
ALWAYS, NEVER = {"approval.when": "always"}, {"approval.when": "never"}


def plainly(path: Path, text: str) -> None:
    """Overwrite the file."""
    path.write_text(text)


def skipped(path: Path, text: str) -> None:
    """Have git's index look away for good."""
    git.run(path.parent, "update-index", "--skip-worktree", path.name)
    path.write_text(text)


def assumed(path: Path, text: str) -> None:
    """Have git's index assume that nothing changed."""
    git.run(path.parent, "update-index", "--assume-unchanged", path.name)
    path.write_text(text)


def linked(path: Path, text: str) -> None:
    """Put a symbolic link in the file's place."""
    other = path.parent.parent / "other.yaml"
    other.write_text(text)
    path.unlink()
    path.symlink_to(other)


@pytest.mark.parametrize("swap", [plainly, skipped, assumed, linked])
def test_a_policy_in_the_tree_decides_nothing(
    target: Target, honest: Honest, swap: Callable[[Path, str], None]
) -> None:
    """It is judged by what is committed; what would write refuses, and names the file."""
    params, batch = target.root / "params.yaml", honest(300, seed=21)
    before = target.place.check(batch).assessment.verdict.policy
    swap(params, fill(params.read_text(), {**NEVER, "gates.intake|sources.share": None}))
    again = target.place.check(batch)
    assert again.assessment.verdict.policy == before
    assert again.to_dict()["uncommitted"] == ["params.yaml"]
    assert any(each.startswith("params.yaml differs") for each in target.place.verify().notes)
    assert open_context(target.root).settings.approval.when != "never"
    for act in (lambda: target.place.intake(batch), target.place.retrain):
        with pytest.raises(Conflict, match=r"params\.yaml has uncommitted changes"):
            act()


def test_a_policy_swapped_in_the_middle_decides_nothing(target: Target, honest: Honest) -> None:
    """Every update waits for a human as committed, though the tree says otherwise from the start on."""
    params = target.root / "params.yaml"
    params.write_text(fill(params.read_text(), ALWAYS))
    git.commit(target.root, ["params.yaml"], "every update waits for a human")
    target.place.intake(honest(300, seed=22))
    loose = fill(params.read_text(), NEVER)
    context = open_context(target.root, tell=lambda _: params.write_text(loose) and None)
    assert retrain(context).update.stage.value == "awaiting"
    assert params.read_text() == loose


def test_replaced_objects_let_nobody_approve(target: Target, tmp_path: Path) -> None:
    """`git replace` and a graft change what git shows, and nothing that is read."""
    trust_them(target.place, {"ann": _key(tmp_path, "ann")}, "ann")
    layout = target.layout
    before, head = trust.allowed_signers(layout), git.head(target.root)
    eve = tmp_path / "signers"
    eve.write_text(f"eve {_key(tmp_path, 'eve').with_suffix('.pub').read_text()}")
    (mine,) = git.blobs(target.root, head, [trust.SIGNERS]).values()
    other = git.run(target.root, "hash-object", "-w", str(eve))
    git.run(target.root, "replace", mine, other)
    git.run(target.root, "replace", "--graft", head)
    (target.root / ".git" / "info" / "grafts").write_text(f"{head}\n")
    assert trust.allowed_signers(layout) == before
    assert git.is_ancestor(target.root, git.run(target.root, "rev-parse", "HEAD~1"), head)


def _key(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "people" / name
    ssh.new_key(path, name)
    return path


def test_nothing_of_the_repository_or_of_the_caller_runs(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filters, drivers, hooks, a file monitor, an index and a git folder from elsewhere."""
    ran = tmp_path / "ran"
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\ntouch {ran}\necho evil\n")
    script.chmod(0o755)
    root, info = target.root, target.root / ".git" / "info"
    (info / "attributes").write_text("* filter=evil diff=evil merge=evil\n")
    for name in ("filter.evil.clean", "filter.evil.smudge", "diff.evil.command", "core.fsmonitor"):
        git.run(root, "config", name, str(script))
    git.run(root, "config", "filter.evil.required", "true")
    hooks = root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "post-commit", "post-checkout", "post-index-change"):
        (hooks / name).write_bytes(script.read_bytes())
        (hooks / name).chmod(0o755)
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(script))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(hooks))
    (root / "notes.txt").write_text("mine\n")
    made = git.commit(root, ["notes.txt"], "notes")
    (info / "attributes").write_text("* filter=evil merge=evil\nnotes.txt -diff\n")
    tree = tmp_path / "tree"
    git.add_worktree(root, tree, made)
    assert git.changes(root, f"{made}~1", made, ["notes.txt"]).endswith("+mine")
    assert git.changed_paths(root, ["notes.txt"]) == []
    assert git.find_at(root, made, "notes.txt") == b"mine\n" == (tree / "notes.txt").read_bytes()
    assert not ran.exists()


def test_a_file_that_checks_out_otherwise_is_not_trained_from(
    target: Target, tmp_path: Path
) -> None:
    """An attribute of git's own changes line ends: the worktree is compared with the objects."""
    (target.root / ".git" / "info" / "attributes").write_text("train.py text eol=crlf\n")
    with pytest.raises(Tampered, match=r"train\.py"):
        git.add_worktree(target.root, tmp_path / "tree", git.head(target.root))


def test_an_object_with_other_content_is_named(target: Target) -> None:
    """git gives out a loose object without a look at its digest."""
    (target.root / "notes.txt").write_text("mine\n")
    made = git.commit(target.root, ["notes.txt"], "notes")
    (name,) = git.blobs(target.root, made, ["notes.txt"]).values()
    path = target.root / ".git" / "objects" / name[:2] / name[2:]
    path.chmod(0o600)
    path.write_bytes(zlib.compress(b"blob 5\0evil\n"))
    with pytest.raises(Tampered, match=name):
        git.find_at(target.root, made, "notes.txt")


def test_a_missing_object_is_asked_of_no_remote(target: Target, tmp_path: Path) -> None:
    """A remote that promises objects may be a command, and git would run it to read one."""
    root, ran = target.root, tmp_path / "ran"
    (root / "notes.txt").write_text("mine\n")
    made = git.commit(root, ["notes.txt"], "notes")
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "evil",
        "remote.evil.promisor": "true",
        "remote.evil.url": f"ext::touch {ran}",
        "protocol.allow": "always",
        "protocol.ext.allow": "always",
    }.items():
        git.run(root, "config", name, value)
    (name,) = git.blobs(root, made, ["notes.txt"]).values()
    (root / ".git" / "objects" / name[:2] / name[2:]).unlink()
    with pytest.raises((CannotDecide, Tampered)):
        git.read_at(root, made, "notes.txt")
    assert not ran.exists()


def test_a_policy_committed_anew_meanwhile_is_not_mixed_with_the_one_before(
    target: Target, honest: Honest
) -> None:
    """What is trained by one policy is not judged by another."""
    target.place.intake(honest(300, seed=23))
    context = open_context(target.root)
    params = target.root / "params.yaml"
    params.write_text(fill(params.read_text(), NEVER))
    git.commit(target.root, ["params.yaml"], "nobody is asked")
    with pytest.raises(Conflict, match=r"A new commit changed params\.yaml"):
        retrain(context)
    assert Workspace.open(target.root).retrain().update.stage.value == "promoted"


@pytest.mark.parametrize("place", ["loans/.dvc/config.local", "dvc/config"])
@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("['remote \"local\"']\n    url = {}\n", "remote.local.url"),
        ("['remote \"local\"']\n    verify = true\n", "remote.local.verify"),
        ("[cache]\n    dir = {}\n", "cache.dir"),
        ("[core]\n    remote = far\n['remote \"far\"']\n    url = {}\n", "core.remote"),
    ],
)
def test_settings_of_the_machine_send_no_row_elsewhere(
    target: Target,
    honest: Honest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    setting: str,
    named: str,
) -> None:
    """Neither DVC's local nor its global settings choose remote or cache."""
    away, path = tmp_path / "away", tmp_path / place
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "dvc"))
    path.parent.mkdir(exist_ok=True)
    path.write_text(setting.format(away))
    outranked = place == "dvc/config" and named in ("core.remote", "remote.local.url")
    with contextlib.nullcontext() if outranked else pytest.raises(Conflict, match=f"{named} is"):
        target.place.intake(honest(300, seed=24))
    assert not [each for each in away.rglob("*") if each.is_file()]


def test_a_cache_of_the_machine_that_dvc_has_given_up_is_not_used(
    target: Target, tmp_path: Path
) -> None:
    """`cache.local` names a remote whose folder older versions of DVC took for the cache."""
    local, cache = target.root / ".dvc" / "config.local", target.root / ".dvc" / "cache"
    away = tmp_path / "away"
    local.write_text(f"[cache]\n    local = evil\n['remote \"evil\"']\n    url = {away}\n")
    (target.root / "notes.csv").write_text("mine\n")
    dvc.add(target.root, [target.root / "notes.csv"])
    assert [each for each in cache.rglob("*") if each.is_file() and each.read_bytes() == b"mine\n"]
    assert not away.exists()


def test_what_is_destroyed_is_destroyed_where_it_was_sent(target: Target, tmp_path: Path) -> None:
    """A remote named on the machine is no place to certify an erasure by."""
    root, path = target.root, target.root / "reference" / "reference.parquet"
    md5 = dvc.read_pointer(dvc.pointer(path)).md5
    copies = dvc.copies(root, dvc.default_remote(root), md5)
    local = root / ".dvc" / "config.local"
    local.write_text(f"['remote \"local\"']\n    url = {tmp_path / 'away'}\n")
    with pytest.raises(Conflict, match=r"remote\.local\.url"):
        objects.destroy(root, md5)
    assert all(copy.is_file() for copy in copies.values())
    local.write_text(f"['remote \"mine\"']\n    url = {tmp_path / 'mine'}\n")
    objects.destroy(root, md5)
    assert not any(copy.exists() for copy in copies.values())


def test_an_edited_remote_is_sent_no_row(target: Target, honest: Honest, tmp_path: Path) -> None:
    """What nobody committed is named, and nothing is received."""
    path, head = target.root / ".dvc" / "config", git.head(target.root)
    remote = str(dvc.default_remote(target.root))
    path.write_text(path.read_text().replace(remote, str(tmp_path / "away")))
    with pytest.raises(Conflict, match=r"remote\.local\.url is .*/away here"):
        target.place.intake(honest(300, seed=24))
    assert git.head(target.root) == head
    assert not (tmp_path / "away").exists()


def test_credentials_of_the_machine_are_taken(target: Target) -> None:
    """A user name and a password belong to no commit; the place that they open does."""
    root, local = target.root, target.root / ".dvc" / "config.local"
    (root / ".dvc" / "config").write_text(
        "[core]\n    remote = far\n['remote \"far\"']\n    url = https://example.org/d\n"
    )
    git.commit(root, [".dvc/config"], "a remote")
    local.write_text("['remote \"far\"']\n    user = ann\n    auth = basic\n")
    found: list[dict[str, object]] = []
    dvc.with_repo(root, lambda repo: found.append(dict(repo.config["remote"]["far"])), writes=True)
    assert (found[0]["url"], found[0]["user"]) == ("https://example.org/d", "ann")
    local.write_text("['remote \"far\"']\n    method = PUT\n")
    with pytest.raises(Conflict, match=r"remote\.far\.method"):
        dvc.with_repo(root, found.append, writes=True)
