"""Feeds: a signature beside a delivery proves names, everything else is a claim, and a bad one stops."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from sluicegate import Workspace
from sluicegate.core import Misused
from sluicegate.core.canonical import sha256_file
from sluicegate.flows.orchestration.inbox import dropped, inbox
from sluicegate.record.context import open_context
from sluicegate.stores import files
from sluicegate.stores.data import read_verified
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import fill

pytestmark = pytest.mark.slow

Rows = Callable[..., pd.DataFrame]
FEED = "trust/feeds.yaml", "crm:\n  sources: ['c0*', 'c1*']\n"


@pytest.fixture(scope="module")
def signing(line: Workspace, keys: dict[str, Path], git: Callable[..., str]) -> Workspace:
    """A workspace that knows the feed crm, whose key is ann's, and asks for signatures."""
    public = keys["ann"].with_suffix(".pub").read_text()
    (line.root / "trust/feeds").write_text(f"crm {public}")
    (line.root / FEED[0]).write_text(FEED[1])
    params = line.root / "params.yaml"
    params.write_text(fill(params.read_text(), {"sources.signed": True}))
    git(line.root, "add", "trust", "params.yaml")
    git(line.root, "commit", "-qm", "Feeds")
    return line


def sign(path: Path, key: Path, namespace: str = "sluicegate-feed") -> Path:
    """Sign as a feed would, and return the signature's path."""
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(key), str(path)]
    subprocess.run(command, check=True)
    return path.with_name(path.name + ".sig")


def drop(folder: Path, frame: pd.DataFrame, name: str = "b.parquet") -> Path:
    """Write a delivery."""
    folder.mkdir(exist_ok=True)
    frame.to_parquet(folder / name, index=False)
    return folder / name


def test_a_signature_proves_the_names_that_its_feed_speaks_for(
    signing: Workspace, honest: Rows, keys: dict[str, Path], tmp_path: Path
) -> None:
    """Names outside the feed's patterns stay claims; record, rows and signature say so."""
    path = drop(tmp_path, honest(300, 21))
    proof = sign(path, keys["ann"]).read_text()
    number = signing.intake(path).to_dict()["batch"]["id"]
    layout = Layout(signing.root)
    names = set(read_verified(layout.admitted(number) / "feedback.parquet")["contributor"])
    assert {n for n in names if n.startswith("?")} == {
        n for n in names if n[:2] not in ("c0", "c1")
    }
    manifest = files.read_json(layout.intake(number) / "manifest.json")
    assert manifest["feed"]["name"] == "crm"
    assert manifest["feed"]["key"].startswith("SHA256:")
    assert (layout.intake(number) / "delivery.sig").read_text() == proof


def test_nobody_can_frame_a_source_without_its_feeds_signature(
    signing: Workspace, honest: Rows, poisoned: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    """Poison under c01's name accuses the claim, in the verdict and in every record."""
    told = signing.intake(drop(tmp_path, poisoned(honest(300, 22), "c01", 60))).to_dict()
    assert told["outcome"] in ("quarantine", "pause")
    named = {*told["quarantined"]["sources"], *told["suspects"]["sources"]}
    assert "?c01" in named
    record = Layout(signing.root).intake(told["batch"]["id"])
    manifest = files.read_json(record / "manifest.json")
    assert "?c01" in manifest["accused"]
    heard = {row["source"] for row in files.read_json(record / "sources.json")}
    everybody = {*named, *manifest["accused"], *manifest["sources"], *heard}
    assert not [name for name in everybody if name and not name.startswith("?")]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda p, k: drop(p.parent, pd.read_parquet(p).head(99)), id="other bytes"),
        pytest.param(lambda p, k: sign(p, k["eve"]), id="a key that is not listed"),
        pytest.param(lambda p, k: sign(p, k["ann"], "sluicegate-approval"), id="another purpose"),
        pytest.param(lambda p, k: Path(f"{p}.sig").write_text(""), id="an empty file"),
        pytest.param(lambda p, k: Path(f"{p}.sig").write_bytes(b"\xff" * 30_000), id="a flood"),
    ],
)
def test_a_wrong_signature_is_refused_and_never_taken_for_none(
    signing: Workspace,
    honest: Rows,
    keys: dict[str, Path],
    tmp_path: Path,
    spoil: Callable[[Path, dict[str, Path]], object],
) -> None:
    """Neither check nor intake judges the file, and nothing is recorded of it."""
    path = drop(tmp_path, honest(100, 23))
    sign(path, keys["ann"])
    Path(f"{path}.sig").rename(tmp_path / "kept")  # ssh-keygen asks before it overwrites one
    Path(f"{path}.sig").write_bytes((tmp_path / "kept").read_bytes())
    if spoil.__code__.co_names and "sign" in spoil.__code__.co_names:
        Path(f"{path}.sig").unlink()
    spoil(path, keys)
    before = sorted(p.name for p in (signing.root / "intake").iterdir())
    for verb in (signing.check, signing.intake):
        with pytest.raises(Misused, match=r"b\.parquet\.sig"):
            verb(path)
    assert sorted(p.name for p in (signing.root / "intake").iterdir()) == before


def test_what_was_stopped_unsigned_can_still_be_delivered_by_its_feed(
    signing: Workspace, honest: Rows, keys: dict[str, Path], tmp_path: Path
) -> None:
    """Whoever delivers a copy first cannot keep the feed out; what was admitted is received once."""
    path = drop(tmp_path, honest(20, 24))
    first = signing.intake(path).to_dict()["batch"]
    sign(path, keys["ann"])
    second = signing.intake(path).to_dict()["batch"]
    assert second["duplicate_of"] is None
    assert second["id"] != first["id"]
    assert second["sha256"] == first["sha256"] == sha256_file(path)
    assert signing.intake(path).to_dict()["batch"]["duplicate_of"] is not None


def test_the_inbox_takes_signatures_from_beside_and_waits_for_none(
    signing: Workspace, honest: Rows, keys: dict[str, Path]
) -> None:
    """A .sig is no delivery; a wrong one is said once, until it changes."""
    context = open_context(signing.root)
    path = drop(context.layout.inbox, honest(20, 25), "signed.parquet")
    sign(path, keys["eve"])
    drop(context.layout.inbox, honest(20, 26), "unsigned.parquet")
    assert [each.name for each in dropped(context.layout.inbox)] == [
        "signed.parquet", "unsigned.parquet",
    ]  # fmt: skip
    taken = dict(inbox(context))
    assert "does not verify" in str(taken["signed.parquet"])
    assert not isinstance(taken["unsigned.parquet"], str)
    assert inbox(context) == []
    Path(f"{path}.sig").unlink()
    sign(path, keys["ann"])
    taken = dict(inbox(context))
    assert list(taken) == ["signed.parquet"]
    assert not isinstance(taken["signed.parquet"], str)


def test_where_no_feed_is_listed_a_sig_file_is_nobody_s_business(
    workspace: Workspace, honest: Rows, tmp_path: Path
) -> None:
    """Signing off and no keys: a file that ends in .sig may be anything."""
    path = drop(tmp_path / "own", honest(60, 27))
    Path(f"{path}.sig").write_text("-----BEGIN PGP SIGNATURE-----")
    assert workspace.check(path).to_dict()["batch"]["rows"] == 60
