"""Bad input: one sentence that names the place and the mend, the right exit code, nothing lost."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reviewing import only

from sluicegate import Workspace
from sluicegate.core import CannotDecide, Conflict, Missing, Misused
from sluicegate.stores.settings import fill

Frame = pd.DataFrame
PAUSE, REJECT = ("pause", 3), ("reject", 4)
QUARANTINE = ("quarantine", 0)


def first(frame: Frame, column: str, value: Any, count: int = 5) -> Frame:
    """Return `frame` with `value` in the first `count` cells of `column`."""
    cells = frame[column].astype(object)
    cells.iloc[:count] = value
    return frame.assign(**{column: cells})


def lines(frame: Frame, *more: str) -> bytes:
    """Return `frame` as JSONL, its last lines replaced by `more`."""
    text = frame.to_json(orient="records", lines=True, date_format="iso").splitlines()
    return "\n".join([*text[: len(text) - len(more)], *more]).encode()


def changed(frame: Frame, column: str, value: Any) -> bytes:
    """Return `frame` as JSONL with another value in the last row."""
    record = json.loads(frame.tail(1).to_json(orient="records", date_format="iso"))[0]
    return lines(frame, json.dumps(record | {column: value}))


def csv(frame: Frame) -> str:
    """Return `frame` as CSV text."""
    return frame.to_csv(index=False)


def no_table(frame: Frame) -> bytes:
    """Return parquet whose footer is cut off."""
    return frame.to_parquet(index=False)[:-200]


NO_TABLE = [
    pytest.param("b.csv", lambda f: b"", "file is empty", id="an empty CSV file"),
    pytest.param("b.parquet", no_table, "not parquet", id="parquet that was cut off"),
    pytest.param("b.csv", lambda f: b"\x89PNG\r\n\xff", "not UTF-8 at byte", id="a picture"),
    pytest.param(
        "b.csv",
        lambda f: csv(f).replace("north", "nörd").encode("latin-1"),
        "not UTF-8 at byte",
        id="CSV in Latin-1",
    ),
    pytest.param(
        "b.csv",
        lambda f: (csv(f) + "1,2,3,4,5,6,7,8,9\n").encode(),
        "in line 302",
        id="CSV with a line that is too long",
    ),
    pytest.param(
        "b.csv",
        lambda f: csv(f).replace("\n", ",x\n").replace(",x\n", "\n", 1).encode(),
        "more values than its header",
        id="CSV whose lines all are too long",
    ),
    pytest.param(
        "b.csv",
        lambda f: csv(f).replace("debt", "income", 1).encode(),
        "column 'income' twice",
        id="CSV with a column twice",
    ),
    pytest.param(
        "b.jsonl",
        lambda f: lines(f, '{"income": 1, "income": 2}'),
        "Line 300 .* column twice",
        id="JSONL with a key twice",
    ),
    pytest.param("b.jsonl", lambda f: lines(f, "[1, 2]"), "Line 300", id="JSONL with a list"),
    pytest.param("b.jsonl", lambda f: b"[" * 100_000, "Line 1 ", id="JSONL nested too deep"),
    pytest.param(
        "b.jsonl", lambda f: changed(f, "region", "\ud800"), "Line 300", id="half a surrogate pair"
    ),
    pytest.param("b.csv", lambda f: csv(f.head(0)).encode(), "no rows", id="a header and no rows"),
    pytest.param(
        "b.parquet", lambda f: f.head(0).to_parquet(index=False), "no rows", id="a table of no rows"
    ),
    pytest.param(
        "b.csv", lambda f: b"a,b\n1,2\n", "Column `income` is missing", id="two foreign columns"
    ),
    pytest.param(
        "b.csv",
        lambda f: csv(f.drop(columns="accepted")).encode(),
        "Column `accepted` is missing",
        id="no label",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "spoilt", "said"), NO_TABLE)
def test_content_that_breaks_the_contract_is_rejected_and_kept(
    line: Workspace,
    tmp_path: Path,
    honest: Callable[..., Frame],
    run_cli: Callable[..., Any],
    name: str,
    spoilt: Callable[[Frame], bytes],
    said: str,
) -> None:
    """A delivery that is no table of ours is rejected (4), recorded, and kept as it was received."""
    path = tmp_path / name
    path.write_bytes(spoilt(honest(300, 70)))
    _taken(line, path, run_cli, REJECT, said)


MEASURED = [
    pytest.param(lambda f: first(f, "income", np.nan), QUARANTINE, "`income` has 5 rows", id="NaN"),
    pytest.param(
        lambda f: first(f, "income", np.inf), QUARANTINE, "infinite number", id="infinity"
    ),
    pytest.param(
        lambda f: first(f, "region", "west"), QUARANTINE, "outside its set", id="an unseen category"
    ),
    pytest.param(
        lambda f: first(f, "accepted", "maybe"),
        QUARANTINE,
        "`accepted` has 5",
        id="a foreign label",
    ),
    pytest.param(
        lambda f: first(f, "accepted", None), QUARANTINE, "`accepted` has 5", id="a missing label"
    ),
    pytest.param(lambda f: f.head(1), PAUSE, "could not be measured", id="a single row"),
    pytest.param(
        lambda f: f.assign(contributor="c01"), PAUSE, "c01 sent 300 of 300", id="a single source"
    ),
    pytest.param(
        lambda f: f.drop(columns="contributor"), PAUSE, "`contributor` is missing", id="no sources"
    ),
    pytest.param(
        lambda f: f.assign(accepted="maybe"), PAUSE, "not measured", id="no label that is a class"
    ),
    pytest.param(
        lambda f: f.assign(contributor="a'\"\n|<b>;--"), PAUSE, "sent 300", id="a source in markup"
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("spoilt", "expected", "said"), MEASURED)
def test_rows_that_break_the_contract_are_set_aside_and_what_cannot_be_measured_pauses(
    line: Workspace,
    tmp_path: Path,
    honest: Callable[..., Frame],
    run_cli: Callable[..., Any],
    spoilt: Callable[[Frame], Frame],
    expected: tuple[str, int],
    said: str,
) -> None:
    """Rows outside the contract are quarantined (0), what is not measured pauses (3)."""
    seed = 200 + [each.values[0] for each in MEASURED].index(spoilt)
    path = tmp_path / "b.parquet"
    spoilt(honest(300, seed)).to_parquet(path, index=False)
    _taken(line, path, run_cli, expected, said)


CELLS = [
    pytest.param("income", {"a": 1}, id="a mapping for a number"),
    pytest.param("income", [1], id="a list for a number"),
    pytest.param("opened", [1], id="a list for a time"),
    pytest.param("accepted", ["yes"], id="a list for a label"),
    pytest.param("income", "twelve", id="words for a number"),
    pytest.param("income", 10**400, id="a number no float can hold"),
    pytest.param("income", 2**70, id="a number no integer column can hold"),
    pytest.param("opened", "99999-01-01", id="a time far off"),
    pytest.param("opened", 1e300, id="seconds beyond all calendars"),
    pytest.param("region", "no\0rth", id="a NUL in a category"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("column", "value"), CELLS)
def test_a_cell_that_cannot_be_read_costs_its_own_row_only(
    line: Workspace, tmp_path: Path, honest: Callable[..., Frame], column: str, value: Any
) -> None:
    """One hostile cell sets its row aside: a contributor must not get a whole batch refused."""
    path = tmp_path / "b.jsonl"
    path.write_bytes(changed(honest(300, 3), column, value))
    told = line.check(path).to_dict()
    assert (told["outcome"], told["quarantined"]["rows"]) == ("quarantine", [299])


HARMLESS = [
    pytest.param(
        "extra.parquet", lambda f: f.assign(more=1, _row=7, _batch="9"), id="more columns"
    ),
    pytest.param("ünï 文 b'\".parquet", lambda f: f, id="a file name in Unicode with quotes"),
    pytest.param("b.parquet", lambda f: f.set_index("region").reset_index(), id="another order"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "made"), HARMLESS)
def test_what_is_only_unusual_passes(
    line: Workspace,
    tmp_path: Path,
    honest: Callable[..., Frame],
    name: str,
    made: Callable[[Frame], Frame],
) -> None:
    """Columns that nobody asked for are dropped; names and order mean nothing."""
    path = tmp_path / name
    made(honest(300, 3)).to_parquet(path, index=False)
    assert line.check(path).to_dict()["outcome"] == "pass"


def test_a_link_to_a_batch_is_read_and_left_alone(
    line: Workspace, tmp_path: Path, honest: Callable[..., Frame]
) -> None:
    """A symbolic link is followed to its file, and both stay."""
    path, link = tmp_path / "b.parquet", tmp_path / "link.parquet"
    honest(300, 3).to_parquet(path, index=False)
    link.symlink_to(path)
    assert line.check(link).to_dict()["batch"]["rows"] == 300
    assert link.is_symlink()
    assert path.is_file()


PATHS = [
    pytest.param("{}/nowhere.csv", "does not exist; give the path", id="nothing there"),
    pytest.param("{}", "is not a file; give the path", id="a folder"),
    pytest.param("", "is not a file; give the path", id="no name at all"),
    pytest.param("{}/../b.csv", "contains '..'; give the resolved path", id="a path that climbs"),
    pytest.param("https://example.org/b.csv", "is a URL; download the file", id="a web address"),
    pytest.param("s3://bucket/b.parquet", "is a URL; download the file", id="a bucket"),
    pytest.param("file:///tmp/b.parquet", "is a URL; download the file", id="a file address"),
    pytest.param("{}/b.xlsx", "ends in '.xlsx'; give a .parquet", id="another format"),
    pytest.param("x" * 5000 + ".csv", "cannot be a path", id="a name that is too long"),
    pytest.param("/dev/null", "is not a file; give the path", id="a device"),
]


@pytest.mark.parametrize("verb", ["check", "intake", "update"])
@pytest.mark.parametrize(("path", "said"), PATHS)
def test_what_is_no_path_to_a_batch_is_usage(
    line: Workspace, tmp_path: Path, run_cli: Callable[..., Any], path: str, said: str, verb: str
) -> None:
    """A wrong path is the caller's to mend: one sentence, exit code 2, one JSON document."""
    (tmp_path / "b.xlsx").write_bytes(b"PK")
    more = ["--no-prefect"] if verb == "update" else []
    code, told, err = run_cli(verb, path.format(tmp_path), "-C", line.root, *more)
    assert (code, set(told)) == (2, {"schema", "error"})
    assert said in told["error"]
    assert err == f"sluicegate: {told['error']}\n"
    assert "\n" not in told["error"]


FRAMES = [
    pytest.param(lambda f: pd.concat([f, f[["income"]]], axis=1), id="a column twice"),
    pytest.param(lambda f: first(f, "income", "a"), id="words among numbers"),
    pytest.param(lambda f: f.assign(income=[2**70] * len(f)), id="integers beyond 64 bits"),
    pytest.param(lambda f: 12, id="no frame at all"),
    pytest.param(lambda f: None, id="nothing"),
]


@pytest.mark.parametrize("made", FRAMES)
def test_a_frame_that_parquet_cannot_hold_is_usage(
    line: Workspace, honest: Callable[..., Frame], made: Callable[[Frame], Any]
) -> None:
    """A frame is hashed as parquet; one that has no such form is the caller's to mend."""
    with pytest.raises(Misused, match="cannot be written as Parquet"):
        line.check(made(honest(50, 3)))


@pytest.mark.slow
def test_a_batch_sent_twice_is_told_and_not_taken_twice(
    line: Workspace, tmp_path: Path, honest: Callable[..., Frame], run_cli: Callable[..., Any]
) -> None:
    """The same bytes under another name return the recorded verdict and change nothing."""
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    honest(300, 300).to_parquet(one, index=False)
    shutil.copy(one, two)
    _, before, _ = run_cli("intake", one, "-C", line.root)
    counts = line.status().to_dict()
    code, again, _ = run_cli("intake", two, "-C", line.root)
    _, looked, _ = run_cli("check", two, "-C", line.root)
    assert (
        again["batch"]["duplicate_of"] == looked["batch"]["duplicate_of"] == before["batch"]["id"]
    )
    assert again["outcome"] == before["outcome"]
    assert code == 0
    assert line.status().to_dict() == counts
    assert line.intake(honest(300, 300)).to_dict()["batch"]["duplicate_of"] == before["batch"]["id"]


PLACES = [
    pytest.param(
        lambda root: None,
        "is not a sluicegate workspace, for it has no params.yaml; create one",
        id="no workspace",
    ),
    pytest.param(
        lambda root: (
            subprocess.run(["git", "clone", "-q", root, root.parent / "c"], check=True)
            and root.parent / "c"
        ),
        "a clone is read-only",
        id="a clone",
    ),
    pytest.param(
        lambda root: (root / ".sluicegate/keys/service.pem").chmod(0o644),
        "is readable by others; run `chmod 600",
        id="a key that others can read",
    ),
    pytest.param(
        lambda root: _write(root / "params.yaml", "\n# mine\n"),
        "params.yaml has uncommitted changes; run `git commit",
        id="a policy that is not committed",
    ),
    pytest.param(
        lambda root: _write(root / "train.py", "\n# mine\n"),
        "train.py has uncommitted changes",
        id="a trainer that is not committed",
    ),
    pytest.param(
        lambda root: _write(root / "expectations" / "other.json", "{}"),
        "expectations/other.json has uncommitted changes",
        id="a suite that git does not know",
    ),
    pytest.param(
        lambda root: _git(root, "checkout", "-q", "--detach"), "HEAD is detached", id="no branch"
    ),
    pytest.param(
        lambda root: (root / ".git" / "MERGE_HEAD").write_text(_git(root, "rev-parse", "HEAD")),
        "A merge is in progress",
        id="a merge in progress",
    ),
]


@pytest.mark.parametrize("verb", ["intake", "retrain"])
@pytest.mark.parametrize(("spoil", "said"), PLACES)
def test_a_workspace_in_which_nothing_may_be_written_is_usage(
    template: Path,
    tmp_path: Path,
    honest: Callable[..., Frame],
    run_cli: Callable[..., Any],
    spoil: Callable[[Path], Any],
    said: str,
    verb: str,
) -> None:
    """Where nothing may be written nothing is, and the sentence says how to mend it."""
    root = tmp_path / "loans"
    shutil.copytree(template, root, symlinks=True)
    place = spoil(root)
    if said.startswith("is not a"):
        place = tmp_path
    place = place if isinstance(place, Path) else root
    head = _git(root, "rev-parse", "HEAD")
    path = tmp_path / "b.parquet"
    honest(40, 3).to_parquet(path, index=False)
    code, told, _ = run_cli(verb, *([path] if verb == "intake" else []), "-C", place)
    assert code == 2, told
    assert said in told["error"]
    assert _git(root, "rev-parse", "HEAD") == head
    assert path.is_file()


POLICIES = [
    pytest.param("seed: 0", "sede: 0", "params.yaml: s", id="a misspelt key"),
    pytest.param(
        "{reject: 0.1}", "{rejekt: 0}", "names the outcome 'rejekt'", id="a foreign outcome"
    ),
    pytest.param(
        "{reject: 0.1}", "{reject: .nan}", "is not finite", id="a limit that is no number"
    ),
    pytest.param("{reject: 0.1}", "{reject: yes}", "write a number", id="a limit that is a yes"),
    pytest.param("  candidate:", "  candidat:", "gates", id="a misspelt gate"),
    pytest.param("sluicegate/2", "sluicegate/9", "it has sluicegate/2", id="defaults nobody knows"),
    pytest.param(
        "gates:", "gates:\n  intake: {chrun: null}", "no limit of that name", id="a misspelt null"
    ),
    pytest.param("seed: 0", "seed: 0\nseed: 1", "key seed appears twice", id="a key twice"),
    pytest.param("seed: 0", "seed: [", "is not valid YAML", id="no YAML"),
    pytest.param("income: numeric", "income: numerik", "income", id="a foreign kind"),
    pytest.param("income: numeric", "accepted: numeric", "two roles", id="a column in two roles"),
    pytest.param("income: numeric", "_row: numeric", "sluicegate reserves", id="a reserved column"),
    pytest.param(
        "seed: 0", "seed: 0\ncompare: {primary: acuracy}", "primary", id="a misspelt metric"
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), POLICIES)
def test_a_policy_that_cannot_be_read_names_its_key(
    template: Path, tmp_path: Path, run_cli: Callable[..., Any], old: str, new: str, said: str
) -> None:
    """A policy with a mistake in it judges nothing, and the sentence names the key."""
    root = tmp_path / "loans"
    shutil.copytree(template, root, symlinks=True)
    text = (root / "params.yaml").read_text()
    assert old in text
    (root / "params.yaml").write_text(text.replace(old, new, 1))
    _git(root, "commit", "-qam", "policy")
    code, told, _ = run_cli("status", "-C", root)
    assert code == 2
    assert "params.yaml" in told["error"]
    assert said in told["error"]


LOOSE = [
    pytest.param(only("intake", {}), id="no limits"),
    pytest.param({"gates.intake|drfit.effect.*": {"pause": 0.5}}, id="a misspelt check"),
    pytest.param({}, id="an empty suite"),
]


@pytest.mark.slow
@pytest.mark.parametrize("values", LOOSE)
def test_a_policy_that_measures_nothing_never_passes(
    template: Path, tmp_path: Path, honest: Callable[..., Frame], values: dict[str, Any]
) -> None:
    """No limits, a limit on what nobody measures, or an empty suite: not measured, so paused."""
    root = tmp_path / "loans"
    shutil.copytree(template, root, symlinks=True)
    params, suite = root / "params.yaml", root / "expectations" / "feedback.json"
    params.write_text(fill(params.read_text(), values))
    if not values:
        suite.write_text(json.dumps(json.loads(suite.read_text()) | {"expectations": []}))
    _git(root, "commit", "-qam", "policy")
    assert Workspace.open(root).check(honest(300, 3)).to_dict()["outcome"] == "pause"


SAVED = """
import pathlib
folder = pathlib.Path("build/model")
folder.mkdir(parents=True)
(folder / "MLmodel").write_text('''{}''')
(folder / "model.pkl").write_bytes(b"cos\\nsystem\\n(S'touch /tmp/owned'\\ntR.")
"""
PICKLED = "flavors: {sklearn: {pickled_model: model.pkl}, python_function: {loader_module: mlflow.sklearn}}"
CODED = "flavors: {sklearn: {pickled_model: model.skops}, python_function: {loader_module: mine}}"
TRAINERS = [
    pytest.param("raise RuntimeError('no such luck')", "'train'.*no such luck", id="it crashes"),
    pytest.param("import os; os._exit(9)", "'train'", id="it dies"),
    pytest.param("print('done')", "'train'.*build/model", id="it writes no model"),
    pytest.param(SAVED.format(PICKLED), "'compare'.*(pickle|skops)", id="it writes a pickle"),
    pytest.param(SAVED.format(CODED), "'compare'", id="it writes a model that names code"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("script", "said"), TRAINERS)
def test_a_trainer_that_fails_leaves_the_champion_serving(
    line: Workspace, run_cli: Callable[..., Any], script: str, said: str
) -> None:
    """A trainer that fails cannot be decided on (1); the champion and the batches stay."""
    (line.root / "train.py").write_text(script + "\n")
    _git(line.root, "commit", "-qam", "trainer")
    before = line.status().to_dict()
    code, told, _ = run_cli("retrain", "-C", line.root)
    assert code == 1
    assert re.search(said, told["error"]), told["error"]
    assert line.status().to_dict() == before
    assert not Path("/tmp/owned").exists()
    assert _git(line.root, "status", "--porcelain", "--", "ledger", "updates") == ""


@pytest.mark.slow
def test_a_full_disk_loses_nothing(
    template: Path, tmp_path: Path, honest: Callable[..., Frame]
) -> None:
    """With the disk full intake cannot decide, says so, and the same call later succeeds."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        shutil.copytree(template, disk / "loans", symlinks=True)
        workspace = Workspace.open(disk / "loans")
        path = tmp_path / "b.parquet"
        honest(300, 3).to_parquet(path, index=False)
        before = workspace.status().to_dict()
        for left in (0, 20, 60, 120, 200):
            filler = _fill(disk, left * 1024)
            with pytest.raises(
                CannotDecide, match=r"(?i)disk is full|no space left|ENOSPC|errno 28"
            ):
                workspace.intake(path)
            filler.unlink()
            assert workspace.status().to_dict() == before
            assert path.is_file()
        assert workspace.intake(path).to_dict()["outcome"] == "pass"
        assert workspace.status().to_dict()["batches"]["admitted"] == 1
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


BASES = [
    pytest.param(lambda f: f.assign(_row=1), "'_row'.*rename", id="a column of our own name"),
    pytest.param(lambda f: f.assign(accepted="yes"), "1 class", id="a single class"),
    pytest.param(lambda f: f[["accepted"]], "no feature columns", id="nothing but the label"),
    pytest.param(lambda f: f.drop(columns="accepted"), "no column 'accepted'", id="no label"),
    pytest.param(lambda f: f.head(20), "at least 50", id="too few rows"),
    pytest.param(lambda f: first(f, "accepted", None), "5 rows without a label", id="no labels"),
]


@pytest.mark.parametrize(("made", "said"), BASES)
def test_base_data_that_cannot_be_learnt_from_is_usage(
    tmp_path: Path, honest: Callable[..., Frame], made: Callable[[Frame], Frame], said: str
) -> None:
    """`init` refuses what nothing can be learnt from before it trains anything."""
    with pytest.raises(Misused, match=said):
        Workspace.init(tmp_path / "w", data=made(honest(60, 1)), label="accepted")


def test_a_second_workspace_in_the_same_place_is_refused(template: Path, tmp_path: Path) -> None:
    """`init` never writes over a workspace or a file of the user's."""
    data = tmp_path / "base.csv"
    data.write_text("x,y\n1,2\n")
    with pytest.raises(Conflict, match="is already a workspace"):
        Workspace.init(template, data=data, label="y")
    (tmp_path / "params.yaml").write_text("mine: true\n")
    with pytest.raises(Conflict, match=r"params.yaml already exists"):
        Workspace.init(tmp_path, data=data, label="y")
    with pytest.raises(Misused, match="is a file"):
        Workspace.init(tmp_path / "params.yaml", data=data, label="y")
    with pytest.raises(Missing, match="create one with"):
        Workspace.open(tmp_path / "nowhere")


@pytest.mark.slow
def test_names_that_trap_parsers_go_down_the_whole_line(
    tmp_path: Path, honest: Callable[..., Frame]
) -> None:
    """Classes that YAML reads as something else, and columns named like patterns, are only names."""
    names = {"income": "a.b *?[0]", "debt": "no", "region": "nörd \"'`{x}", "opened": "null"}
    pairs = [("no", "yes"), ("off", "on"), ("1", "2"), ("null", "true"), ("naïve", "文 =[*]")]

    def made(count: int, seed: int) -> Frame:
        frame = honest(count, seed)
        kind = frame["region"].rank(method="dense").astype(int) + 2 * frame["member"] - 1
        said = zip(kind, frame["accepted"] == "yes", strict=True)
        return frame.assign(accepted=[pairs[k][yes] for k, yes in said]).rename(columns=names)

    workspace = Workspace.init(
        tmp_path / "w",
        data=made(1500, 1).drop(columns="contributor"),
        label="accepted",
        source="contributor",
        slices=(names["region"],),
        trainer={"trees": 5},
    )
    for form in ("csv", "parquet"):
        path = tmp_path / f"b.{form}"
        frame = made(500, 3 if form == "csv" else 4)
        frame.to_csv(path, index=False) if form == "csv" else frame.to_parquet(path, index=False)
        told = workspace.intake(path).to_dict()
        assert told["outcome"] in ("pass", "pause"), told["reasons"]
        assert told["quarantined"]["rows"] == []
    assert workspace.retrain().to_dict()["update"]["stage"] in ("promoted", "awaiting")


def _taken(
    line: Workspace,
    path: Path,
    run_cli: Callable[..., Any],
    expected: tuple[str, int],
    said: str,
) -> None:
    """Take `path` in and assert what must hold whatever it is."""
    before, received = line.status().to_dict()["champion"], path.read_bytes()
    code, told, _ = run_cli("intake", path, "-C", line.root)
    assert (told["outcome"], code) == expected, told["reasons"]
    assert re.search(said, " ".join(told["reasons"])), told["reasons"]
    assert line.status().to_dict()["champion"] == before
    assert path.read_bytes() == received
    kept = line.root / ".sluicegate" / "received" / f"{told['batch']['sha256']}{path.suffix}"
    assert kept.read_bytes() == received
    assert _git(line.root, "status", "--porcelain", "--", "intake", "ledger", "batches") == ""


def _write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _git(root: Path, *arguments: str) -> str:
    named = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    return subprocess.run(
        ["git", "-C", str(root), *named, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def _fill(disk: Path, leave: int) -> Path:
    """Fill the disk but for `leave` bytes."""
    free = shutil.disk_usage(disk).free
    filler = disk / "filler"
    with filler.open("wb") as file:
        file.write(b"\0" * max(0, free - leave))
    return filler


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        pytest.param(["trace", "update:0000"], "is nothing to remove", id="the base"),
        pytest.param(["trace", "trigger:0001"], "There is no batch:0001", id="no such batch"),
        pytest.param(["incident", "export", "incident:0009"], "no incident:0009", id="no incident"),
        pytest.param(["trust", "export", "t.json", "--max-age", "-5"], "more than 0", id="an age"),
        pytest.param(
            ["review", "approve", "update:0000", "--as", "ann", "--proof", "none.sig"],
            "none.sig does not exist", id="no proof",
        ),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(
    workspace: Workspace, run_cli: Callable[..., Any], verb: list[str], said: str
) -> None:
    """Each is told in the words that were typed."""
    code, answer, _ = run_cli(*verb, "-C", workspace.root)
    assert code in (1, 2)
    assert said in answer["error"]


def test_a_reader_who_has_seen_enough_ends_nothing_loudly(workspace: Workspace) -> None:
    """`sluicegate ... | head -1` shows no traceback."""
    command = [sys.executable, "-m", "sluicegate.cli", "status", "--json", "-C", workspace.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout
        assert run.stderr
        run.stdout.close()
        assert run.stderr.read() == b""
