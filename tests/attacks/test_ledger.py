"""The ledger: edited, dropped, reordered, cut off, grown by a stranger; each names its place."""

import shutil
import subprocess
from collections.abc import Callable

import pytest
from absent import without_line
from attacks.conftest import Target

from sluicegate import Workspace
from sluicegate.core import Artifact, Tampered
from sluicegate.evidence.ledger import Entry, envelope_digest, sign_entry
from sluicegate.evidence.signing import new_key, signer_of
from sluicegate.record.champion import champion_of
from sluicegate.stores import files, git, mlflow, record
from sluicegate.stores.transaction import transaction

Attack = Callable[[Target], None]


def entry(number: int) -> str:
    """Return the file of an entry."""
    return f"ledger/{number:06d}.json"


def commit(target: Target) -> None:
    """Commit the ledger as an insider would."""
    git.commit(target.root, ["ledger"], "an insider's commit")


def edited(target: Target) -> None:
    """Change who did it."""
    path = target.root / entry(2)
    files.write_json(path, files.read_json(path) | {"payload": "e30="})
    commit(target)


def dropped(target: Target) -> None:
    """Take one out of the middle."""
    (target.root / entry(2)).unlink()
    commit(target)


def swapped(target: Target) -> None:
    """Let two change places."""
    one, two = target.root / entry(2), target.root / entry(3)
    spare = target.root / "ledger" / "spare"
    one.rename(spare), two.rename(one), spare.rename(two)
    commit(target)


def cut_off(target: Target) -> None:
    """Cut off the end, from before the last promotion on."""
    for path in record.entry_files(target.layout)[5:]:
        path.unlink()
    commit(target)


def cut_off_with_history(target: Target) -> None:
    """Go back to the state right after init, ledger and all, by git itself; tags stay."""
    first = git.run(target.root, "rev-list", "--max-parents=0", "HEAD")
    git.run(target.root, "reset", "--quiet", "--hard", f"{first}")


def forged(target: Target) -> None:
    """Append a promotion signed by a key of one's own."""
    last = record.entry_files(target.layout)[-1]
    number = int(last.stem) + 1
    said = {"update": "0000", "version": 1}
    made = Entry(
        sequence=number,
        previous=envelope_digest(files.read_json(last)),
        time="2026-01-01",
        who="eve",
        verb="promote",
        details=said,
        subjects=(Artifact("updates/0000/promotion.json", "0" * 64),),
    )
    files.write_json(target.root / entry(number), sign_entry(made, signer_of(new_key(), "eve")))
    commit(target)


def uncommitted(target: Target) -> None:
    """Leave an entry in the tree that git does not have."""
    last = record.entry_files(target.layout)[-1]
    shutil.copy(last, target.root / entry(int(last.stem) + 1))


BROKEN = [
    pytest.param(edited, entry(2), id="edited"),
    pytest.param(dropped, entry(3), id="dropped"),
    pytest.param(swapped, entry(2), id="reordered"),
    pytest.param(cut_off, "ledger", id="cut off"),
    pytest.param(cut_off_with_history, "ledger", id="cut off with git's history"),
    pytest.param(forged, "ledger/0000", id="a stranger's promotion"),
    pytest.param(uncommitted, "ledger/0000", id="not committed"),
]


@pytest.mark.parametrize(("attack", "named"), BROKEN)
def test_a_ledger_that_was_touched_is_told(target: Target, attack: Attack, named: str) -> None:
    """Whether all is looked at or only what is new, and the champion's model still loads."""
    assert target.wrong() == []
    attack(target)
    told = target.wrong(full=False)
    assert any(each["where"].startswith(named) for each in told), told
    assert target.unharmed()


def test_a_promotion_that_a_stranger_signed_makes_no_champion(target: Target) -> None:
    """Whoever asks who the champion is hears which entry is not ours."""
    forged(target)
    with pytest.raises(Tampered, match="is not signed by this workspace"):
        champion_of(target.layout)


def test_a_tag_moved_to_another_commit_pins_nothing(target: Target) -> None:
    """The tag's signature is about one commit; and a promoted update without its tag is told."""
    message = git.read_tag(target.root, "update/0001")
    assert message is not None
    git.run(target.root, "tag", "--delete", "update/0001")
    assert any(each["where"] == "tag update/0001" for each in target.wrong())
    git.run(target.root, "tag", "--annotate", "update/0001", "HEAD", "-m", message[1])
    told = [each for each in target.wrong() if each["where"] == "tag update/0001"]
    assert [each["says"] for each in told] == ["carries no head of this workspace's ledger"]


def test_what_was_verified_before_is_believed_only_when_we_signed_it(target: Target) -> None:
    """A memory that somebody else wrote saves no look."""
    assert target.wrong() == []
    memory = target.layout.home / "verified.json"
    known = files.read_json(memory)
    edited(target)
    files.write_json(memory, known | {"payload": "e30="})
    assert target.place.verify().since == 0
    memory.write_text("{")
    assert target.wrong(full=False)[0]["where"] == entry(2)


def test_only_what_is_new_is_looked_at(target: Target) -> None:
    """The second look has nothing to do, and one more entry is all that the third one reads."""
    first = target.place.verify(full=True)
    assert first.looked_at["entries"] == len(record.entry_files(target.layout))
    again = target.place.verify()
    assert (again.since, again.looked_at) == (first.looked_at["entries"], {})
    context = target.place._context
    with transaction(context, "test", "more") as t:
        t.append("test", [Artifact("x", "0" * 64)], {})
    assert target.place.verify().looked_at == {"entries": 1}


@pytest.mark.parametrize("whole", [True, False], ids=["the whole line", "serving and verifying"])
def test_verify_works_in_a_clone_and_says_what_is_not_there(
    target: Target, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone has no MLflow: it says so, holds the rest to the record, and names what was changed."""
    clone = target.root.parent / "clone"
    subprocess.run(["git", "clone", "-q", str(target.root), str(clone)], check=True)
    shutil.copy(target.root / ".dvc" / "config", clone / ".dvc" / "config")
    if not whole:
        without_line(monkeypatch)
    found = Workspace.open(clone, reading=True).verify()
    assert (found.wrong, found.undecided) == ((), ())
    assert any("MLflow's registry is not on this machine" in note for note in found.notes)
    assert found.looked_at["objects"] > 0
    path = clone / entry(2)
    files.write_json(path, files.read_json(path) | {"payload": "e30="})
    changed = Workspace.open(clone, reading=True).verify()
    assert entry(2) in {each.where for each in changed.wrong}


def test_what_a_rollback_leaves_is_as_recorded(target: Target) -> None:
    """The reinstated version is the champion that the alias has to name; what went aside is named too."""
    done = target.place.rollback("batch:0001", reason="a test", retrain=False)
    before, after = done.champion.before, done.champion.after
    assert (before.version, after.version) == (2, 1)
    assert target.wrong() == []
    registry = mlflow.open_registry(target.layout, target.place._context.settings.model, None)
    registry.set_alias("champion", 2)
    told = target.wrong(full=False)
    assert [each["says"] for each in told] == [
        "points to version 2, but the signed record says that version 1 serves"
    ]
