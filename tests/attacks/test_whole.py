"""Every class of file that is committed: a byte of it changed, gone, swapped or a link, it is named."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from attacks.conftest import Target

from sluicegate.core import Conflict, SluicegateError
from sluicegate.stores import git, record

pytestmark = pytest.mark.slow

OPENED = ("params.yaml", "dvc.yaml")
"""Without them, or where they cannot be read, there is no workspace: who opens it is told."""


def flip(path: Path, _: Path) -> bool:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    if content:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    return bool(content)


def delete(path: Path, _: Path) -> bool:
    """Take it away."""
    path.unlink()
    return True


def swap(path: Path, other: Path) -> bool:
    """Put it and another of its class in each other's place."""
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)
    return one != two


def link(path: Path, _: Path) -> bool:
    """Put a link in its place."""
    path.unlink()
    path.symlink_to("/dev/null")
    return True


def classes(root: Path) -> dict[str, list[str]]:
    """Return the committed files by what they are: numbers and digests in their names do not count."""
    found: dict[str, list[str]] = {}
    for name in git.tracked(root, "."):
        found.setdefault(re.sub(r"[0-9a-f]{64}|\d{3,}", "N", name), []).append(name)
    return found


def named(target: Target, name: str, own: bool) -> bool:
    """Tell whether `verify` names the file: as wrong, or, of the user's own, in a note."""
    try:
        found = target.place.verify(full=True)
    except SluicegateError as error:
        return name in OPENED and name in str(error)
    told = [f"{each.where} {each.says}" for each in found.wrong]
    return any(name in each for each in (*told, *(found.notes if own else ())))


@pytest.mark.parametrize("change", [flip, delete, swap, link])
def test_what_is_committed_is_named(target: Target, change: Callable[[Path, Path], bool]) -> None:
    """Of what is the user's own, only that it is there: git tells what became of it."""
    root, head = target.root, git.head(target.root)
    assert target.wrong() == []
    missed = []
    for names in classes(root).values():
        name = names[len(names) // 2]
        own = not record.is_named(name) and not name.startswith("ledger/")
        if own and (change in (delete, link) or name == "params.yaml"):
            continue
        if change(root / name, root / names[0]):
            git.run(root, "commit", "--quiet", "--no-verify", "-am", "an insider's commit")
            missed += [] if named(target, name, own) else [name]
        git.run(root, "reset", "--quiet", "--hard", head)
    assert missed == []


def test_what_is_not_committed_is_named(target: Target) -> None:
    """In the working tree: what later writes build on is wrong, what a `dvc repro` makes anew is noted."""
    missed = []
    for names in classes(target.root).values():
        name, path = names[0], target.root / names[0]
        before = path.read_bytes()
        if record.is_named(name) and flip(path, path):
            product = name.split("/")[0] in record.PRODUCTS
            found = target.place.verify(full=True)
            told = found.notes if product else [each.where for each in found.wrong]
            missed += [] if any(name in each for each in told) else [name]
            missed += [name] if product and found.exit_code else []
        path.write_bytes(before)
    assert missed == []


@pytest.mark.parametrize("name", ["updates/0001/report.md", "batches/0001/manifest.json"])
def test_what_was_verified_before_is_named_without_looking_at_everything(
    target: Target, name: str
) -> None:
    """Also a file that only an old entry names, edited or deleted since."""
    assert target.wrong(full=False) == []
    for change in (flip, delete):
        head = git.head(target.root)
        change(target.root / name, target.root)
        git.run(target.root, "commit", "--quiet", "--no-verify", "-am", "an insider's commit")
        assert name in [each["where"] for each in target.wrong(full=False)], change
        git.run(target.root, "reset", "--quiet", "--hard", head)


def test_a_tag_names_only_what_the_ledger_named(
    target: Target, honest: Callable[..., pd.DataFrame]
) -> None:
    """What was edited when an update was tagged, and put back since, is found by whoever checks it out."""
    path, root = target.root / "updates" / "0001" / "report.md", target.root
    before = path.read_bytes()
    path.write_bytes(before + b"All is well.\n")
    git.commit(root, ["updates"], "an insider's commit")
    target.place.intake(honest(300, seed=51))
    assert target.place.retrain().update.stage.value == "promoted"
    path.write_bytes(before)
    git.commit(root, ["updates"], "an insider's commit")
    where = "updates/0001/report.md of the tag update/0002"
    assert [each["where"] for each in target.wrong()] == [where]


def test_a_copy_elsewhere_is_no_part_of_the_record(target: Target) -> None:
    """The ledger named these bytes, of another file."""
    root, name = target.root, "updates/0009/report.md"
    (root / name).parent.mkdir()
    (root / name).write_bytes((root / "updates" / "0001" / "report.md").read_bytes())
    git.commit(root, [name], "an insider's commit")
    assert {"where": name, "says": "is not in the ledger"} in target.wrong()


@pytest.mark.parametrize("hide", [False, True])
def test_what_somebody_left_in_the_tree_is_not_signed_as_ours(
    target: Target, honest: Callable[..., pd.DataFrame], hide: bool
) -> None:
    """Edited or planted, and not committed: nothing is written over it, and it is named."""
    root, batch = target.root, honest(300, seed=52)
    path, head = root / "updates" / "0001" / "report.md", git.head(root)
    if hide:
        git.run(root, "update-index", "--assume-unchanged", "updates/0001/report.md")
    before = path.read_bytes()
    path.write_bytes(before + b"All is well.\n")
    says = r"hides changes of {}" if hide else r"{} was changed outside sluicegate"
    with pytest.raises(Conflict, match=says.format(r"updates/0001/report\.md")):
        target.place.intake(batch)
    git.run(root, "update-index", "--no-assume-unchanged", "updates/0001/report.md")
    path.write_bytes(before)
    planted = root / "batches" / "0001" / "notes.txt"
    planted.write_text("{}")
    with pytest.raises(Conflict, match=r"batches/0001/notes\.txt was changed outside"):
        target.place.intake(batch)
    assert git.head(root) == head
    planted.unlink()
    assert target.place.intake(batch).outcome.value == "pass"
    assert target.wrong() == []
