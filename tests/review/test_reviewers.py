"""doctor counts the people who can review, and says whom separate duties keep out."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from reviewing import policy, trust_them

from sluicegate import Workspace
from sluicegate.record.context import open_context
from sluicegate.record.results import Diagnosis
from sluicegate.review.reviewers import reviewers
from sluicegate.stores import git, trust
from sluicegate.stores.layout import Layout

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY, OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA", "sk-ssh-ed25519@openssh.com AAAAGnNr"


def look(place: Workspace) -> Diagnosis:
    """Return the one thing that is said of reviewers."""
    (found,) = reviewers(open_context(place.root))
    return found


@pytest.mark.parametrize(
    ("line", "names"),
    [
        pytest.param(f"ann {KEY} ann@home", ["ann"], id="plainly"),
        pytest.param(f"ann,annette {OTHER}", ["ann", "annette"], id="two names and a hardware key"),
        pytest.param(f"# ann {KEY}", [], id="a comment"),
        pytest.param("", [], id="an empty line"),
        pytest.param("ann ssh-ed25519", [], id="no key"),
        pytest.param(f'ann namespaces="sluicegate-*" {KEY}', ["ann"], id="for us"),
        pytest.param(f'ann namespaces="git,file" {KEY}', [], id="for something else"),
        pytest.param(f'ann valid-before="20260601120000Z" {KEY}', [], id="no longer"),
        pytest.param(f'ann valid-before="20260602" {KEY}', ["ann"], id="still"),
    ],
)
def test_who_is_enrolled(tmp_path: Path, line: str, names: list[str]) -> None:
    """By the lines of the committed allowed_signers that hold now, for approvals."""
    path = tmp_path / trust.SIGNERS
    path.parent.mkdir()
    path.with_name("README").write_text("who may review")
    git.init(tmp_path)
    git.commit(tmp_path, ["trust/README"], "nobody yet")
    path.write_text(f"{line}\n")
    assert trust.enrolled(Layout(tmp_path), "sluicegate-approval", NOW) == []
    git.commit(tmp_path, [trust.SIGNERS], "reviewers")
    found = trust.enrolled(Layout(tmp_path), "sluicegate-approval", NOW)
    assert [name for each in found for name in each.names] == names
    assert not any(each.is_open for each in found)


@pytest.mark.slow
def test_too_few_people_or_keys(workspace: Workspace, keys: dict[str, Path]) -> None:
    """One person with two names is one, and so are two names with one key; a pattern cannot be counted."""
    found = look(workspace)
    assert (found.ok, found.says) == (None, "0 can review, but approval.required is 1.")
    assert trust.SIGNERS in found.mend
    trust_them(workspace, keys, "ann bob")
    assert look(workspace).says == "2 can review; approval.required is 1."
    policy(workspace, required=2)
    assert look(workspace).ok is True
    said = (workspace.root / trust.SIGNERS).read_text()
    people = (workspace.root / trust.PEOPLE).read_text()
    one_key = said.splitlines()[0].removeprefix("ann ")
    for signers, known in (
        (f"ann {one_key}\nbob {one_key}\n", people),
        (said, "ann: {signers: [ann, bob]}\n"),
        (said, "ann: {signers: [ann]}\n"),
    ):
        (workspace.root / trust.SIGNERS).write_text(signers)
        (workspace.root / trust.PEOPLE).write_text(known)
        git.commit(workspace.root, [trust.SIGNERS, trust.PEOPLE], "reviewers")
        assert look(workspace).says == "1 can review, but approval.required is 2."
    policy(workspace, separate_duties=False)  # then names that nobody knows count, too
    assert look(workspace).ok is True
    (workspace.root / trust.SIGNERS).write_text(f"*@example.org {one_key}\n")
    git.commit(workspace.root, [trust.SIGNERS], "a pattern")
    assert "cannot be counted" in look(workspace).says


@pytest.mark.slow
def test_reviewers_who_start_updates_themselves(
    workspace: Workspace, keys: dict[str, Path]
) -> None:
    """Whoever starts them from here cannot review them, so somebody else has to."""
    git.run(workspace.root, "config", "user.email", "Ann@example.org")
    trust_them(workspace, keys, "ann", ann="git: [ANN@example.org]")
    found = look(workspace)
    assert (found.ok, found.says[:32]) == (None, "0 can review what is started by ")
    assert "ann starts updates here" in found.says
    policy(workspace, separate_duties=False)
    assert look(workspace).ok is True
    policy(workspace, separate_duties=True)
    trust_them(workspace, keys, "ann bob", ann="git: [ann@example.org]")
    assert look(workspace).ok is True


@pytest.mark.slow
def test_what_waits_for_people_who_may_not_decide(
    paused_template: Path, keys: dict[str, Path], tmp_path: Path
) -> None:
    """Then something is wrong, and it is said of whom and why."""
    root = tmp_path / "loans"
    shutil.copytree(paused_template, root, symlinks=True)
    place = Workspace.open(root)
    assert look(place).ok is True
    author = git.run(root, "log", "-1", "--format=%ae", "--", "params.yaml").strip()
    trust_them(place, keys, "ann", ann=f"git: ['{author}']")
    found = list(reviewers(open_context(root)))
    assert {each.ok for each in found} == {False}
    assert [each.says.split()[0] for each in found] == place.reviews()
    assert f"ann: as {author.lower()} they changed policy" in found[0].says
    (root / trust.SIGNERS).write_text("")
    git.commit(root, [trust.SIGNERS], "nobody")
    assert look(place).ok is False
    assert "and batch:0002 waits" in look(place).says
