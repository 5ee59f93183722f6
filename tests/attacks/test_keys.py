"""Keys: rotated, stolen, revoked, forged; what an old key adds is nothing, whatever date it bears."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from attacks.conftest import Target
from reviewing import trust_them
from serving_hosts import Host

from sluicegate import ServingWarning, Workspace
from sluicegate.core import Artifact, Conflict, Missing, Misused, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.keyring import Keyring, Span
from sluicegate.evidence.ledger import Entry, envelope_digest, sign_entry
from sluicegate.evidence.model_signature import signed_files
from sluicegate.evidence.signing import Signer, new_key, public_key, sign, signer_of
from sluicegate.evidence.statement import KEYRING, PROMOTION, statement
from sluicegate.flows.custody.succession import Followed
from sluicegate.record.champion import champion_of, first_champion
from sluicegate.stores import effects, files, git, keys, record
from sluicegate.stores.layout import MODEL_KEY, SERVICE_KEY, Layout
from sluicegate.stores.transaction import Transaction
from sluicegate.workspace import diagnose

pytestmark = pytest.mark.slow

Rows = Callable[..., pd.DataFrame]
WHY = "the laptop was stolen"
quiet = pytest.mark.filterwarnings("ignore::sluicegate.serving.events.ServingWarning")


class Killed(BaseException):
    """What a killed process looks like from inside."""


def stolen(layout: Layout) -> Signer:
    """Return the service's key of today, as somebody holds it who copied the file."""
    return signer_of(layout.service_key.read_bytes(), "a copy")


def entry_of(layout: Layout, verb: str, nth: int = -1) -> int:
    """Return the number of an entry with this verb."""
    return [e.sequence for e in record.backwards(layout) if e.verb == verb][::-1][nth]


def forged_entry(layout: Layout, key: Signer, verb: str, number: int, *about: Artifact) -> Path:
    """Put an entry of one's own in the ledger, after the entry before `number`."""
    before = layout.ledger / f"{number - 1:06d}.json"
    made = Entry(
        sequence=number,
        previous=envelope_digest(files.read_json(before)),
        time="2026-01-01T00:00:00+00:00",
        who="eve",
        verb=verb,
        details={"update": "0000", "version": 1},
        subjects=about,
    )
    path = layout.ledger / f"{number:06d}.json"
    files.write_json(path, sign_entry(made, key))
    return path


def backdated_promotion(layout: Layout, key: Signer) -> Path:
    """Say once more with `key` who was promoted, but name the first champion."""
    path = layout.update("0001") / "promotion.json"
    said = record.read_statement(layout, path)["predicate"]
    model = Artifact("model:loans", first_champion(layout).sha256)
    files.write_json(path, sign(statement([model], PROMOTION, said), key))
    return path


def commit(root: Path) -> None:
    """Commit everything as an insider would."""
    git.run(root, "add", "--all", ".")
    git.run(root, "commit", "--quiet", "--no-verify", "-m", "an insider's commit")


def test_after_a_rotation_everything_old_verifies_and_new_things_are_by_the_new_key(
    target: Target,
) -> None:
    """Statements, entries, tags and model signatures; the old private keys are gone."""
    layout, place = target.layout, target.place
    old, old_model = keys.public_of(layout), keys.public_model_key(layout)
    made = place.rotate_keys(reason="yearly")
    now = keys.public_of(layout)
    assert made.keys["statements"] == Followed(before=old.keyid, after=now.keyid)
    assert now.keyid != old.keyid
    assert files.read_json(layout.public_key) == now.to_dict()
    assert list(layout.next_keys.iterdir()) == []
    assert layout.service_key.stat().st_mode & 0o777 == 0o600
    assert layout.model_key.stat().st_mode & 0o777 == 0o600
    assert git.changed_paths(target.root, [*record.ROOMS[:2], "trust", "updates"]) == []
    assert target.wrong() == []
    assert champion_of(layout).sha256 == target.champion
    ring = keys.keyring(layout)
    assert [span.keyid for span in ring.spans] == [old.keyid, now.keyid]
    envelopes = [files.read_json(path) for path in record.entry_files(layout)[-4:-1]]
    signers = [ring.signer_of(each) for each in envelopes]
    assert signers == [
        ring.spans[0],
        ring.current,
        ring.current,
    ]  # rotate-key, take-over, reinstate
    made_tag = (
        Transaction(layout, str).anchored("update:0002", git.head(target.root)).splitlines()[-1]
    )
    assert ring.signer_of(json.loads(made_tag)) is ring.current
    signature = files.read_json(layout.update("0001") / "model.sig")
    assert signed_files(signature, keys.public_model_key(layout), "here")
    with pytest.raises(Tampered, match="not signed by this model's key"):
        signed_files(signature, old_model, "here")
    place.rotate_keys("statements")
    assert len(keys.keyring(layout).spans) == 3
    assert target.wrong() == []
    assert target.unharmed()


def test_a_rotation_of_models_leaves_the_statement_key(target: Target) -> None:
    """One key can follow alone."""
    before, layout = keys.public_of(target.layout), target.layout
    model = keys.public_model_key(layout)
    made = target.place.rotate_keys("models")
    assert sorted(made.keys) == ["models"]
    assert (keys.public_of(layout), keys.public_model_key(layout) == model) == (before, False)
    assert layout.public_model_key.read_text() == keys.public_model_key(layout)
    assert target.wrong() == []


def test_a_retired_key_adds_nothing(target: Target) -> None:
    """Not to a statement, not to the ledger's end, not to its middle; and an older keyring is none."""
    layout = target.layout
    thief = stolen(layout)
    target.place.rotate_keys()
    kept = shutil.copytree(target.root, target.root.parent / "kept", symlinks=True)
    backdated_promotion(layout, thief)
    with pytest.raises(Tampered, match="signed after its service key was retired"):
        record.read_statement(layout, layout.update("0001") / "promotion.json")
    git.run(target.root, "checkout", "--", ".")
    last = len(record.entry_files(layout))
    forged_entry(layout, thief, "promote", last + 1, Artifact("updates/0000/promotion.json", "0"))
    assert champion_of(layout).sha256 == target.champion, "what is in no commit moves nobody"
    commit(target.root)
    with pytest.raises(Tampered, match="not signed by the service key in use at that entry"):
        champion_of(layout)
    (layout.ledger / f"{last + 1:06d}.json").unlink()
    end = keys.keyring(layout).spans[0].last or 0
    forged_entry(layout, thief, "rotate-key", end, Artifact("key:eve", "0" * 64))
    commit(target.root)
    assert any(each["where"] == f"ledger/{end:06d}.json" for each in target.wrong())
    shutil.rmtree(target.root)
    shutil.copytree(kept, target.root, symlinks=True)
    older = layout.keyring.read_bytes()
    target.place.rotate_keys()
    layout.keyring.write_bytes(older)
    assert champion_of(layout).sha256 == target.champion
    commit(target.root)
    with pytest.raises(Tampered, match="does not end with the service key"):
        champion_of(layout)


@quiet
def test_a_host_needs_the_new_trust_root_and_then_refuses_what_the_old_key_adds(
    host: Host, tmp_path: Path
) -> None:
    """By the old root the new champion's proof is nobody's; by the new one an old number is too low."""
    place = Workspace.open(host.source)
    layout = Layout(host.source)
    assert host.load().version == 2
    thief, promotion = stolen(layout), layout.update("0000") / "promotion.json"
    place.rotate_keys()
    with pytest.raises(Tampered, match="not signed by a service key of the trust root"):
        host.load()
    place.export_trust(host.trust)
    assert host.load().version == 2
    place.export_champion(tmp_path / "export")
    assert host.load(tmp_path / "export").version == 2
    end = keys.keyring(layout).spans[0].last or 0
    replay = shutil.copytree(tmp_path / "export", tmp_path / "replay")
    shutil.rmtree(replay / "ledger")
    (replay / "ledger").mkdir()
    shutil.copy(layout.ledger / f"{end - 1:06d}.json", replay / "ledger")
    named = Artifact("updates/0000/promotion.json", sha256_file(promotion))
    shutil.copytree(layout.update("0000"), replay / "updates" / "0000")
    first = first_champion(layout).sha256
    shutil.copytree(layout.models / first, replay / "models" / first)
    forged_entry(Layout(replay), thief, "promote", end, Artifact("model:loans", first), named)
    (replay / "ledger" / f"{end - 1:06d}.json").unlink()
    with pytest.raises(Tampered, match=r"last entry of its key|an old one is replayed"):
        host.load(replay)
    (tmp_path / "export" / "trust" / "keyring.json").unlink()
    with pytest.raises(Tampered, match="not signed by a service key of the trust root"):
        host.load(tmp_path / "export")


def test_what_a_stolen_key_signed_is_told_and_the_champion_is_signed_again(
    target: Target, keys_of: dict[str, Path]
) -> None:
    """The champion is older than the theft: it serves on, by the new key's word."""
    layout, place = target.layout, target.place
    key = keys.public_of(layout).keyid
    since = entry_of(layout, "promote") + 1
    place.rotate_keys()
    assert place.revoke_key(key, since, reason=WHY, dry_run=True).resting == ()
    trust_them(place, keys_of)
    made = place.revoke_key(key[:12], since, reason=WHY)
    proof = place.sign_review("batch:0002", "approve", "ann", keys_of["ann"])
    with pytest.raises(Conflict, match="whose signing key has since been revoked"):
        place.answer_review("batch:0002", "approve", "ann", proof)
    told = made.signed_since
    assert "intake/0002/verdict.json" in told.statements
    assert (told.versions, told.tags) == ((), ())
    assert (made.signed_before.versions, made.signed_before.tags) == (
        (1, 2), ("update/0000", "update/0001"),
    )  # fmt: skip
    assert made.believed_until == entry_of(layout, "promote")
    assert champion_of(layout).sha256 == target.champion
    span = keys.keyring(layout).signer_of(files.read_json(record.entry_files(layout)[-1]))
    assert span is keys.keyring(layout).current
    found = place.verify(full=True)
    assert found.to_dict()["wrong"] == []
    assert any(WHY in note for note in found.notes)
    assert any(WHY in said for said in place.status().to_dict()["keys"])
    assert any(WHY in each["says"] for each in diagnose(target.root) if each["name"] == "keys")
    before = git.head(target.root)
    again = place.revoke_key(key, since, reason=WHY)
    assert git.head(target.root) == before
    assert again.signed_since.entries == told.entries
    assert target.unharmed()


def test_a_champion_signed_since_is_rolled_back_before_the_key_is_revoked(
    target: Target, tmp_path: Path, honest: Rows
) -> None:
    """The refusal names each command; then no host believes the champion that the key promoted."""
    layout, place = target.layout, target.place
    key, since = keys.public_of(layout).keyid, entry_of(layout, "promote")
    place.export_champion(tmp_path / "poisoned")
    place.rotate_keys()
    with pytest.raises(
        Conflict,
        match=r"Nothing is revoked yet: only this key vouches for version 2 .*--to update:0000",
    ):
        place.revoke_key(key, since, reason=WHY)
    assert not any(span.revoked for span in keys.keyring(layout).spans)
    tried = place.revoke_key(key, since, reason=WHY, dry_run=True)
    for command in ("update:0001", "batch:0001", "sluicegate policy calibrate"):
        assert any(command in each for each in tried.resting)
    place.rollback("update:0001", reason=WHY, retrain=False)
    place.calibrate()
    made = place.revoke_key(key, since, reason=WHY)
    assert (made.signed_since.versions, made.champion.version) == ((2,), 1)
    assert target.wrong() == []
    place.export_trust(tmp_path / "trust.json")
    host = Host(tmp_path, target.root, tmp_path / "trust.json")
    assert host.load().version == 1
    with (
        pytest.warns(ServingWarning),
        pytest.raises(Tampered, match="service key of the trust root"),
    ):
        host.load(tmp_path / "poisoned")
    shutil.copytree(target.root / "trust", tmp_path / "poisoned" / "trust", dirs_exist_ok=True)
    with pytest.warns(ServingWarning), pytest.raises((Tampered, Missing)):
        host.load(tmp_path / "poisoned")
    place.intake(honest(300, seed=21))
    envelope = files.read_json(layout.intake("0003") / "verdict.json")
    assert keys.keyring(layout).signer_of(envelope) is keys.keyring(layout).current
    assert target.wrong() == []


def test_a_forged_revocation_is_worth_nothing(target: Target, keys_of: dict[str, Path]) -> None:
    """Neither by a stranger's keyring, nor by the key itself, nor with a signature of nobody's."""
    layout, place = target.layout, target.place
    key = keys.public_of(layout)
    stranger = signer_of(new_key(), "eve")
    spans = Span(key, 1, 3, None, {}, "eve says so"), Span(public_key(stranger), 4)
    about = [Artifact("key:eve", "0" * 64)]
    forged = sign(statement(about, KEYRING, Keyring(spans).to_dict()), stranger)
    files.write_json(layout.keyring, forged)
    assert target.wrong()[0]["where"] == "trust/keyring.json"
    commit(target.root)
    with pytest.raises(Tampered, match="does not end with the service key"):
        champion_of(layout)
    assert target.wrong()[0]["where"] == "trust/keyring.json"
    git.run(target.root, "reset", "--quiet", "--hard", "HEAD~1")
    last = len(record.entry_files(layout))
    trust_them(place, keys_of)
    with pytest.raises(Conflict, match="cannot revoke itself"):
        place.revoke_key("current", last, reason=WHY)
    with pytest.raises(Misused, match="not ann's signature"):
        place.revoke_key("current", last, reason=WHY, reviewer="ann", key=keys_of["eve"])
    with pytest.raises(Misused, match="Give a --reason"):
        place.revoke_key("current", last, reason=" ", reviewer="ann", key=keys_of["ann"])
    with pytest.raises(Misused, match="name one of them"):
        place.revoke_key("current", last + 1, reason=WHY, reviewer="ann", key=keys_of["ann"])
    with pytest.raises(Missing, match="This workspace has no key"):
        place.revoke_key("0" * 12, last, reason=WHY)
    assert not layout.keyring.exists()
    made = place.revoke_key("current", last, reason=WHY, reviewer="ann", key=keys_of["ann"])
    assert keys.public_of(layout).keyid != key.keyid == made.key
    assert target.wrong() == []
    names = [each.verb for each in record.backwards(layout)][:4]
    assert names == ["commit", "reinstate", "revoke-key", "take-over"]
    allowed = layout.root / "trust" / "allowed_signers"
    assert "ann" in allowed.read_text()


@pytest.fixture
def keys_of(request: pytest.FixtureRequest) -> dict[str, Path]:
    """SSH keys of people, under a name that is free here."""
    found: dict[str, Path] = request.getfixturevalue("keys")
    return found


def test_a_ledger_that_no_anchor_agrees_with_is_not_vouched_for(target: Target) -> None:
    """Whoever holds the key can write all of it anew, but not what the tag of an update pins."""
    layout, thief = target.layout, stolen(target.layout)
    entries, previous = [*record.backwards(layout)][::-1], None
    for said in entries:
        changed = {"previous": previous, "time": "2020-01-01T00:00:00+00:00"}
        made = said.model_copy(update=changed)
        written = sign_entry(made, thief)
        files.write_json(layout.ledger / f"{said.sequence:06d}.json", written)
        previous = envelope_digest(written)
    commit(target.root)
    target.place.rotate_keys()
    key = keys.keyring(layout).spans[0].keyid
    with pytest.raises(Tampered, match="does not match the tag update/0000"):
        target.place.revoke_key(key, entry_of(layout, "intake"), reason=WHY)


def test_a_key_that_will_soon_be_a_year_old_is_named(target: Target) -> None:
    """And nothing stops for it."""
    late = datetime.now(UTC) + timedelta(days=340)
    place = Workspace.open(target.root, clock=lambda: late)
    assert target.place.status().to_dict()["keys"] == []
    (said,) = place.status().to_dict()["keys"]
    assert "rotate it before" in said
    assert said in place.verify().notes


def test_a_backup_from_before_brings_no_old_key_back(target: Target, tmp_path: Path) -> None:
    """After a rotation it is restored without its keys; once the key is revoked it is refused."""
    layout, place = target.layout, target.place
    old = keys.public_of(layout).keyid
    place.backup(tmp_path / "old.tar", with_keys=True)
    place.rotate_keys()
    for name in ("rotated", "revoked"):
        if name == "revoked":
            place.revoke_key(old, entry_of(layout, "promote") + 1, reason=WHY)
        clone = tmp_path / name
        git.run(tmp_path, "clone", "-q", str(target.root), str(clone))
        shutil.copy(target.root / ".dvc" / "config", clone / ".dvc" / "config")
        again = Workspace.open(clone, reading=True)
        if name == "revoked":
            with pytest.raises(Tampered, match=f"was revoked: {WHY}"):
                again.restore(tmp_path / "old.tar")
            continue
        made = again.restore(tmp_path / "old.tar")
        assert (made.old_keys, made.keys) == (("model.pem", "service.pem"), False)
        assert not Layout(clone).service_key.exists()
        assert Layout(clone).secret.exists()
        kept = clone / ".sluicegate" / "keys"
        for key in ("service.pem", "model.pem"):
            shutil.copy(layout.home / "keys" / key, kept / key)
        assert Workspace.open(clone).status().champion.sha256 == target.champion
    lost = tmp_path / "put back"
    shutil.copytree(tmp_path / "rotated", lost, symlinks=True)
    with_old = signer_keys(tmp_path / "old.tar", lost)
    with pytest.raises(Tampered, match="does not end with the service key"):
        Workspace.open(with_old).status()


def signer_keys(archive: Path, root: Path) -> Path:
    """Put the private keys of a backup back by hand."""
    command = ["tar", "-xf", str(archive), "-C", str(root / ".sluicegate"), "keys"]
    subprocess.run(command, check=True)
    return root


def test_a_key_from_the_environment_is_not_rotated_from_here(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says how; nothing is changed."""
    before = git.head(target.root)
    for name, path in (
        (SERVICE_KEY, target.layout.service_key), (MODEL_KEY, target.layout.model_key),
    ):  # fmt: skip
        monkeypatch.setenv(name, path.read_text())
        with pytest.raises(Conflict, match=f"The key comes from {name}"):
            target.place.rotate_keys("statements" if name == SERVICE_KEY else "models")
    assert git.head(target.root) == before


def test_a_change_of_keys_survives_a_kill_after_every_side_effect(target: Target) -> None:
    """The workspace is readable at once, and the same command ends in one and the same state."""
    root, kept = target.root, target.root.parent / "kept"
    old = keys.public_of(target.layout).keyid
    shutil.copytree(root, kept, symlinks=True)
    for stop in range(1, 100):
        shutil.rmtree(root)
        shutil.copytree(kept, root, symlinks=True)
        killed = killed_at(stop, lambda: target.place.rotate_keys())
        assert champion_of(target.layout).sha256 == target.champion, stop
        if killed:
            target.place.rotate_keys()
        spans = keys.keyring(target.layout).spans
        assert spans[0].keyid == old, stop
        assert len(spans) in ((2, 3) if killed else (2,)), stop
        assert list(target.layout.next_keys.iterdir()) == [], stop
        assert git.changed_paths(root, [*record.ROOMS[:2], "trust", "updates"]) == [], stop
        if not killed:
            break
    assert stop > 10
    assert target.wrong() == []


def test_a_revocation_survives_a_kill_in_the_middle(target: Target) -> None:
    """Either nothing is revoked yet or all of it is; the same command ends it, and does no more."""
    root, kept, layout = target.root, target.root.parent / "kept", target.layout
    old, since = keys.public_of(layout).keyid, entry_of(layout, "promote") + 1
    target.place.rotate_keys()
    shutil.copytree(root, kept, symlinks=True)
    for stop in range(2, 100, 5):
        shutil.rmtree(root)
        shutil.copytree(kept, root, symlinks=True)
        killed = killed_at(stop, lambda: target.place.revoke_key(old, since, reason=WHY))
        assert champion_of(layout).sha256 == target.champion, stop
        made = target.place.revoke_key(old, since, reason=WHY)
        spans = keys.keyring(layout).spans
        assert (len(spans), spans[0].revoked, spans[0].last) == (3, WHY, since - 1), stop
        assert (made.succession, list(layout.next_keys.iterdir())) == ("0002", []), stop
        if not killed:
            break
    assert stop > 10
    assert target.wrong() == []


def killed_at(stop: int, deed: Callable[[], object]) -> bool:
    """Do a deed and die after its side effect number `stop`; tell whether it came so far."""
    seen = 0

    def kill(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == stop:
            raise Killed

    effects.observer = kill
    try:
        deed()
    except Killed:
        return True
    finally:
        effects.observer = None
    return False
