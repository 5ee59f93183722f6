"""load_champion: what a host answers with, when it refuses, when it falls back, and what it says of it."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from interrupted import Point, disturbed
from numpy.testing import assert_array_equal
from serving_hosts import Host, promote_as_thief, roll_back

from sluicegate import ServingWarning, Workspace, load_champion
from sluicegate.core import (
    Artifact,
    CannotDecide,
    Conflict,
    Missing,
    Misused,
    SluicegateError,
    Tampered,
)
from sluicegate.flows.rollback.reinstate import reinstate, suspend
from sluicegate.record.champion import champion_of
from sluicegate.record.context import open_context
from sluicegate.serving.loader import in_normal_form
from sluicegate.stores import keys as service_keys
from sluicegate.stores import record
from sluicegate.stores.data import read_verified
from sluicegate.stores.layout import Layout
from sluicegate.stores.transaction import Transaction

pytestmark = pytest.mark.slow

Rows = Callable[..., pd.DataFrame]
quiet = pytest.mark.filterwarnings("ignore::sluicegate.serving.events.ServingWarning")


def swap_weights(source: Path) -> None:
    """Spoil the champion's weights."""
    layout = Layout(source)
    (layout.models / champion_of(layout).sha256 / "model.skops").write_bytes(b"x")


@pytest.mark.parametrize("place", ["workspace", "export", "export and ledger", "clone"])
def test_the_same_champion_wherever_it_is_taken_from(
    place: str, host: Host, promoted_template: Path, honest: Rows, git: Callable[..., str]
) -> None:
    """From a workspace, an export, with all the ledger or not, and a clone whose archive was pulled."""
    source = host.source if place == "workspace" else host.source.parent / "second"
    if place == "export and ledger":
        shutil.copytree(host.source / "ledger", source / "ledger", dirs_exist_ok=True)
    if place == "clone":
        source = host.home / "clone"
        git(host.home, "clone", "-q", str(host.source), str(source))
        command = [sys.executable, "-m", "dvc", "pull", "-q"]
        subprocess.run([*command, *map(str, source.glob("models/*.dvc"))], cwd=source, check=True)
        assert not (source / ".sluicegate" / "models").exists()
    served, rows = host.load(source), honest(50, seed=6)
    assert (served.version, served.update, served.classes) == (2, "0001", ("no", "yes"))
    there = Workspace.open(host.source)
    assert served.sha256 == there.status().champion.sha256
    answers = served.predict_proba(rows)
    assert answers.shape == (50, 2)
    assert_array_equal(served.predict(rows), np.array(["no", "yes"])[answers.argmax(axis=1)])


def test_raw_rows_are_answered_as_the_normal_form_is(host: Host) -> None:
    """What users send and what models learn from are brought to one form."""
    golden = read_verified(Layout(host.source).golden)
    served = host.load()
    raw = golden.assign(
        opened=pd.to_datetime(golden["opened"], unit="s", utc=True),
        member=golden["member"].map({1.0: True, 0.0: False}),
    )
    assert_array_equal(served.predict_proba(raw), served.predict_proba(golden))
    assert len(served.predict(raw.head(0))) == 0


def test_what_cannot_be_read_is_refused(host: Host, honest: Rows) -> None:
    """A column less and a cell that is no number are errors, not missing values."""
    served, rows = host.load(), honest(5, seed=6)
    with pytest.raises(Misused, match="no column 'debt'"):
        served.predict(rows.drop(columns="debt"))
    with pytest.raises(Misused, match="'debt' cannot be read in 1 rows, first row 3"):
        served.predict(rows.astype({"debt": object}).assign(debt=[1, 2, 3, "much", None]))


def test_refresh_takes_the_next_champion(host: Host, honest: Rows) -> None:
    """From the first champion to the second, and no way back."""
    first, source = host.source.parent / "first", host.source.parent / "shown"
    shutil.copytree(first, source)
    served = host.load(source)
    assert served.version == 1
    assert served.refresh() is False
    shutil.rmtree(source)
    shutil.copytree(host.source.parent / "second", source)
    assert served.refresh() is True
    assert served.version == 2
    shutil.rmtree(source)
    shutil.copytree(first, source)
    with (
        pytest.warns(ServingWarning, match="replayed"),
        pytest.raises(Tampered, match="an old one is replayed"),
    ):
        served.refresh()
    assert served.version == 2


@quiet
def test_a_new_host_does_not_take_what_is_older_than_its_trust_root(
    host: Host, promoted_template: Path
) -> None:
    """A host that remembers nothing has the trust root's word for the newest promotion."""
    host.trust.write_bytes((promoted_template / "trust.json").read_bytes())
    with pytest.raises(Tampered, match="an old one is replayed"):
        host.load(host.source.parent / "first")
    assert host.load(host.source.parent / "second").version == 2


@quiet
def test_another_promotion_of_the_same_number_is_refused(host: Host) -> None:
    """Two histories that part are not both right."""
    host.trusts(approval={"when": "on_divergence", "required": 2})
    layout = Layout(host.source)
    before = {path: path.read_bytes() for path in layout.ledger.iterdir()}
    promote_as_thief(host.source, lambda folder: (folder / "note.txt").write_text("one"))
    assert host.load().version == 3
    for path in layout.ledger.iterdir():
        if path not in before:
            path.unlink()
    shutil.rmtree(layout.update("0002"))
    promote_as_thief(host.source, lambda folder: (folder / "note.txt").write_text("two"))
    with pytest.raises(Tampered, match="was a different promotion before"):
        host.load()


def test_it_falls_back_where_the_trust_root_says_so(host: Host, honest: Rows) -> None:
    """The last good champion answers, from this host's own copy; the event says so."""
    host.trusts(on_failure="last_good", approval={"when": "on_divergence", "required": 2})
    host.load()
    promote_as_thief(host.source, lambda folder: (folder / "x.pkl").write_bytes(b"x"))
    with pytest.warns(ServingWarning, match=r"fell back: .*x\.pkl.* Version 2 answers"):
        served = host.load()
    assert served.version == 2
    assert len(served.predict(honest(3, seed=6))) == 3
    assert [event.kind for event in host.heard] == ["fell back"]
    with pytest.warns(ServingWarning, match="fell back"):
        assert served.refresh() is False


@quiet
def test_a_last_good_champion_that_was_changed_does_not_answer(host: Host) -> None:
    """The private copy is verified like any other."""
    host.trusts(on_failure="last_good")
    host.load()
    swap_weights(host.source)
    (weights,) = (host.home / "state" / "good").rglob("model.skops")
    weights.write_bytes(b"x")
    with pytest.raises(SluicegateError, match=r"model\.skops"):
        host.load()
    assert host.heard[-1].kind == "refused"


@quiet
@pytest.mark.parametrize("on_failure", ["refuse", "last_good"])
def test_what_a_rollback_took_back_answers_no_more(
    on_failure: str, host: Host, honest: Rows
) -> None:
    """Whoever keeps the successor away does not keep the poison in service, nor as the last good one."""
    host.trusts(on_failure=on_failure)
    served = host.load()
    first = roll_back(host.source)
    models = Layout(host.source).models
    (models / first).rename(models.parent / "away")
    for attempt in (served.refresh, host.load):
        with pytest.raises(Missing, match="is not in"):
            attempt()
        assert "Nothing answers" in host.heard[-1].said
    with pytest.raises(CannotDecide, match="No champion"):
        served.predict(honest(3, seed=6))
    (models.parent / "away").rename(models / first)
    assert served.refresh() is True
    assert served.version == 1
    if on_failure == "last_good":  # what serves again is good enough to fall back to
        shutil.rmtree(host.source / "ledger")
        assert host.load().version == 1


def stop(source: Path) -> None:
    """Let nobody serve, as a rollback does that finds no clean version."""
    suspend(open_context(source), "0001", "batch:0001")


@quiet
@pytest.mark.parametrize("on_failure", ["refuse", "last_good"])
@pytest.mark.parametrize("take_back", [roll_back, stop])
def test_what_was_taken_back_answers_no_more_after_a_later_promotion(
    take_back: Callable[[Path], Any], on_failure: str, host: Host, tmp_path: Path
) -> None:
    """A host that slept over the rollback finds it behind the promotion whose model is kept away."""
    host.trusts(on_failure=on_failure, approval={"when": "on_divergence", "required": 2})
    served, layout = host.load(), Layout(host.source)
    before = set(layout.ledger.iterdir())
    take_back(host.source)
    third = promote_as_thief(host.source, lambda folder: (folder / "note.txt").write_text("x"))
    (layout.models / third).rename(tmp_path / "away")
    for attempt in (served.refresh, host.load, host.load):
        with pytest.raises(Missing, match="is not in"):
            attempt()
        assert "Nothing answers" in host.heard[-1].said
    shutil.copytree(layout.ledger, tmp_path / "ledger")
    for path in set(layout.ledger.iterdir()) - before:
        path.unlink()
    with pytest.raises(Tampered, match="an old one is replayed"):
        served.refresh()
    shutil.copytree(tmp_path / "ledger", layout.ledger, dirs_exist_ok=True)
    (tmp_path / "away").rename(layout.models / third)
    assert served.refresh() is True
    assert served.version == 3


@quiet
def test_what_nobody_took_back_answers_on_where_its_successor_is_kept_away(
    host: Host, tmp_path: Path
) -> None:
    """Whatever else happened before the next promotion; also in a new process."""
    host.trusts(on_failure="last_good", approval={"when": "on_divergence", "required": 2})
    served, layout = host.load(), Layout(host.source)
    noted = Artifact("note", "0" * 64)
    for _ in range(3):
        Transaction(layout, lambda: "2030-01-01T00:00:00+00:00").append("note", [noted], {})
    third = promote_as_thief(host.source, lambda folder: (folder / "note.txt").write_text("x"))
    (layout.models / third).rename(tmp_path / "away")
    assert served.refresh() is False
    assert (served.version, host.load().version) == (2, 2)


@quiet
def test_a_rollback_counts_without_its_statement(host: Host) -> None:
    """The signed entry says enough to stop what it took back."""
    host.trusts(on_failure="last_good")
    served = host.load()
    roll_back(host.source)
    (Layout(host.source).incident("0001") / "reinstatement.json").unlink()
    for attempt in (served.refresh, host.load):
        with pytest.raises(Missing, match=r"reinstatement\.json"):
            attempt()
        assert "Nothing answers" in host.heard[-1].said


SPOILT = [
    pytest.param(lambda entry: entry.unlink(), True, id="taken away"),
    pytest.param(lambda entry: entry.write_text("{}"), True, id="without a signature"),
    pytest.param(lambda entry: entry.write_text("[NaN, null]"), True, id="of another form"),
    pytest.param(
        lambda entry: [path.unlink() for path in entry.parent.iterdir() if path.stem <= entry.stem],
        False, id="an export, which has no earlier entries",
    ),
]  # fmt: skip


@quiet
@pytest.mark.parametrize(("spoil", "stops"), SPOILT)
def test_a_record_that_does_not_lead_back_is_no_ground_to_answer_on(
    spoil: Callable[[Path], Any], stops: bool, host: Host, tmp_path: Path
) -> None:
    """What hides behind an entry that does not hold may be a rollback; a model that is there is served."""
    host.trusts(on_failure="last_good", approval={"when": "on_divergence", "required": 2})
    served, layout = host.load(), Layout(host.source)
    roll_back(host.source)
    between = record.entry_files(layout)[-1]
    third = promote_as_thief(host.source, lambda folder: (folder / "note.txt").write_text("x"))
    spoil(between)
    (layout.models / third).rename(tmp_path / "away")
    if stops:
        for attempt in (served.refresh, host.load):
            with pytest.raises(Missing, match="is not in"):
                attempt()
    else:
        assert served.refresh() is False
        assert host.load().version == 2
    assert ("Nothing answers" in host.heard[-1].said) is stops
    (tmp_path / "away").rename(layout.models / third)
    assert served.refresh() is True
    assert (served.version, host.load().version) == (3, 3)


@quiet
def test_what_is_not_committed_moves_no_host(host: Host) -> None:
    """Written by a process that died: it is put aside yet, and no host may remember that it saw it."""
    served, context = host.load(), open_context(host.source)
    written = len(record.entry_files(context.layout)) + 1
    died = Point("after", 3, "transaction.append")
    assert disturbed(lambda: suspend(context, "0001", "batch:0001"), died) == ""
    assert len(record.entry_files(context.layout)) == written
    assert served.refresh() is False
    assert host.load().version == 2
    assert Workspace.open(host.source).status().suspended is None
    assert len(record.entry_files(context.layout)) == written - 1
    assert served.refresh() is False

    suspend(context, "0001", "batch:0001")
    with pytest.raises(CannotDecide, match="No model has served"):
        served.refresh()


@quiet
def test_a_planted_journal_hides_a_move_only_from_who_has_not_seen_it(host: Host) -> None:
    """Whoever writes to the workspace can keep news from a host; nobody goes back, and any command ends it."""
    served, journal = host.load(), host.source / ".sluicegate" / "journal.json"
    roll_back(host.source)
    newest = len(record.entry_files(Layout(host.source)))
    plant = json.dumps({"deed": "intake", "paths": ["incidents"], "entries": newest - 1})
    journal.write_text(plant)
    assert served.refresh() is False
    assert served.version == 2
    journal.unlink()
    assert served.refresh() is True

    for planted in (plant, '{"entries": 0}'):
        journal.write_text(planted)
        with pytest.raises((Tampered, Missing), match=r"replayed|contains no promotion"):
            host.load()
        with pytest.raises((Tampered, Missing)):
            served.refresh()
        assert served.version == 1
    for damaged in ("", "[]", '{"entries": "many"}', '{"entries": null}'):
        journal.write_text(damaged)
        assert host.load().version == 1
    journal.unlink()
    journal.symlink_to("/dev/zero")
    assert host.load().version == 1


@quiet
@pytest.mark.parametrize("on_failure", ["refuse", "last_good"])
def test_where_no_version_is_clean_nobody_answers(
    on_failure: str, host: Host, honest: Rows, keys: dict[str, Path], tmp_path: Path
) -> None:
    """Nor when whoever holds the record leaves out the entry that says so; until one is promoted."""
    host.trusts(on_failure=on_failure)
    served = host.load()
    context = open_context(host.source)
    layout, held = context.layout, champion_of(context.layout)
    suspend(context, "0001", "batch:0001")
    suspend(context, "0001", "batch:0001")
    entry = record.entry_files(layout)[-1]
    for attempt in (served.refresh, host.load):
        with pytest.raises(CannotDecide, match="No model has served since incident:0001"):
            attempt()
    with pytest.raises(CannotDecide, match="No champion"):
        served.predict(honest(3, seed=6))
    place = Workspace.open(host.source)
    assert place.status().suspended == "0001"
    with pytest.raises(Conflict, match="No model has served"):
        place.export_champion(tmp_path / "export")
    entry.rename(tmp_path / "entry.json")
    with pytest.raises(Tampered, match="an old one is replayed"):
        served.refresh()
    (tmp_path / "entry.json").rename(entry)

    since = int(entry.stem)
    asked: dict[str, Any] = {"reason": "lost", "vouch": True, "reviewer": "ann", "key": keys["ann"]}
    tried = place.revoke_key("current", since, dry_run=True, **asked)
    assert any("says that serving stopped" in each for each in tried.resting)
    with pytest.raises(Conflict, match="says that serving stopped"):
        place.revoke_key("current", since, **asked)
    old = service_keys.public_of(layout).keyid
    place.rotate_keys(reason="drill")
    assert place.status().suspended == "0001", "new keys let nobody serve again"
    place.revoke_key(old, since, reason="lost", vouch=True)
    assert place.status().suspended == "0001", "nor that the old one is believed no more"
    reinstate(context, "0001", "a mistake", [held])
    assert place.status().suspended is None


@quiet
def test_nothing_older_than_the_trust_root_is_fallen_back_to(host: Host) -> None:
    """A new trust root ends what an earlier one let in."""
    host.trusts(on_failure="last_good")
    host.load()
    host.trusts(floor=1000)
    with pytest.raises(Tampered, match="an old one is replayed"):
        host.load()
    assert host.heard[-1].kind == "refused"


@quiet
def test_a_broken_private_copy_is_made_anew(host: Host) -> None:
    """A spoilt disk of the host's is no reason to refuse a sound champion."""
    host.load()
    (weights,) = (host.home / "state" / "good").rglob("model.skops")
    weights.write_bytes(b"x")
    assert host.load().version == 2
    assert weights.stat().st_size > 1


@quiet
def test_a_model_answers_no_longer_than_its_age_allows(host: Host, honest: Rows) -> None:
    """Who keeps a host from the news keeps it from answering, fallback or not."""
    host.trusts(max_age_hours=24, on_failure="last_good")
    served, rows = host.load(), honest(3, seed=6)
    host.wait(23)
    served.predict(rows)
    host.wait(2)
    with pytest.raises(CannotDecide, match="more than 24 hours ago"):
        served.predict(rows)
    served.refresh()
    served.predict(rows)
    shutil.rmtree(host.source / "ledger")
    host.wait(25)
    served.refresh()
    with pytest.raises(CannotDecide, match="more than 24 hours ago"):
        served.predict(rows)
    with pytest.raises(CannotDecide, match="more than 24 hours ago"):
        host.load().predict(rows)


@quiet
def test_status_says_who_serves_what(host: Host) -> None:
    """Each loader reports; who serves another than the champion is behind; broken reports are nothing."""
    host.load()
    host.load(host.source.parent / "second", reports=host.source / "serving")
    first = host.home / "other"
    load_champion(
        host.source.parent / "first", host.trust,
        state=first, name="web-2", reports=host.source / "serving",
    )  # fmt: skip
    (host.source / "serving" / "broken.json").write_text("{")
    (host.source / "serving" / "liar.json").write_text(
        (host.source / "serving" / "web-2.json").read_text()
    )
    (host.source / "serving" / "link.json").symlink_to("/etc/passwd")
    told = Workspace.open(host.source).status().to_dict()["serving"]
    assert [(each["loader"], each["version"], each["behind"]) for each in told] == [
        ("web-1", 2, False),
        ("web-2", 1, True),
    ]


def test_a_host_that_cannot_report_serves_all_the_same(host: Host, tmp_path: Path) -> None:
    """A courtesy that fails is an event."""
    (tmp_path / "file").write_text("")
    with pytest.warns(ServingWarning, match="cannot be written to"):
        assert host.load(reports=tmp_path / "file" / "serving").version == 2


def test_loaders_of_one_host_do_not_disturb_each_other(host: Host) -> None:
    """Several processes share a state."""
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(host.load().version)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2, 2, 2, 2]


WRONG = [
    pytest.param({"name": "../web"}, Misused, "not a loader name", id="a name that is a path"),
    pytest.param({"trust": "nowhere.json"}, Missing, "sluicegate trust export", id="no trust root"),
    pytest.param({"source": "nowhere"}, Missing, "contains no promotion", id="no source"),
]


@quiet
@pytest.mark.parametrize(("wrong", "kind", "said"), WRONG)
def test_a_wrong_call_says_what_is_wrong(
    wrong: dict[str, Any], kind: type[Exception], said: str, host: Host
) -> None:
    """The sentence names the mend."""
    given = {"source": host.source, "trust": host.trust, "state": host.home / "s"} | wrong
    with pytest.raises(kind, match=said):
        load_champion(**given)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"service": []}, "service", id="no key"),
        pytest.param({"approval": {"when": "always", "required": 0}}, "required", id="nobody"),
        pytest.param({"schema": 2}, "schema", id="a later form"),
        pytest.param({"more": 1}, "more", id="an unknown key"),
    ],
)
def test_a_trust_root_that_is_none_is_refused(change: Any, said: str, host: Host) -> None:
    """Key by key, before anything else is read."""
    host.trust.write_text(json.dumps(json.loads(host.trust.read_text()) | change))
    with pytest.raises(Misused, match=rf"trust\.json: .*{said}"):
        host.load()


def test_sensitive_columns_need_the_key_of_their_pseudonyms(host: Host, tmp_path: Path) -> None:
    """The same pseudonym as at intake, or none."""
    from sluicegate.stores.settings import read_settings

    schema = read_settings(host.source / "params.yaml").schema_
    from dataclasses import replace

    hidden = replace(schema, sensitive=("region",))
    rows = read_verified(Layout(host.source).golden).head(3)
    with pytest.raises(Misused, match="'region' is sensitive"):
        in_normal_form(rows, hidden, None)
    Workspace.open(host.source).export_trust(tmp_path / "t", pseudonym_key=tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    made = in_normal_form(rows, hidden, (tmp_path / "key").read_bytes())
    assert not set(made["region"]) & set(rows["region"])


def test_a_serving_host_needs_no_prefect_mlflow_or_dvc(host: Host) -> None:
    """Loading and answering import none of them."""
    program = (
        "import sys, sluicegate\n"
        f"sluicegate.load_champion({str(host.source)!r}, {str(host.trust)!r})\n"
        "heavy = {'prefect', 'mlflow', 'dvc', 'great_expectations', 'matplotlib', 'git'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_command_line_hands_over(host: Host, tmp_path: Path, run_cli: Any) -> None:
    """`trust export` and `export` write what load_champion takes."""
    code, told, _ = run_cli(
        "trust", "export", tmp_path / "t.json", "-C", host.source, "--max-age", "12",
        "--on-failure", "last_good",
    )  # fmt: skip
    assert (code, told["trust_root"]["max_age_hours"]) == (0, 12)
    assert run_cli("export", tmp_path / "out", "-C", host.source)[0] == 0
    assert run_cli("export", tmp_path / "out", "-C", host.source)[0] == 2
    assert load_champion(tmp_path / "out", tmp_path / "t.json").version == 2
