"""Make a workspace with the installed version of sluicegate and keep it for the versions to come.

    python tests/formats/make_workspace.py /srv/tumours tests/formats/workspace-0.1

The first folder, which must not exist yet, is where the workspace is made; its path is written into
records, so it must say nothing about the machine. The second receives what an operator has after the
loss of that machine, and what the workspace answered before. `test_released_workspaces.py` restores it
with every later version. Only the public interface is used, so that the script serves later versions.
"""

import contextlib
import io
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sklearn.datasets import load_breast_cancer

from sluicegate import Workspace, __version__, cli, load_champion

LABEL, SOURCE = "diagnosis", "clinic"
MEASURED = ["radius", "texture", "smoothness", "compactness", "concavity", "symmetry"]
ROWS = {"base": 190, "golden": 100, "monday": 64, "tuesday": 45, "wednesday": 18, "friday": 45,
        "saturday": 45, "sunday": 14, "next": 45}  # fmt: skip
KEYS = "throw-away-keys"
REVIEWERS = ("ann", "bob")
LASTING = {"approval": {"expires_days": 3650}, "quarantine": {"review_days": 3650}}
"""What would otherwise make answers depend on the day on which they are asked."""
WAIVED = ("--waive-unmeasured", "--row", "44", "--reason", "was it wrong?")
ALWAYS = {"approval": {"when": "always"}}
SUBJECTS = [*(f"batch:{n:04d}" for n in range(1, 8)), *(f"update:{n:04d}" for n in range(7))]
ASKED = [
    "status",
    *(f"show {each}" for each in SUBJECTS),
    *(f"show {each} --explain" for each in SUBJECTS),
    "show incident:0001",
    "trace batch:0001",
    "trace batch:0003",
    "trace row:0002/44",
    "trace source:clinic-66",
    "trace update:0003",
    "trace model:3",
    "incident export incident:0001",
    "quarantine list",
    "quarantine show batch:0002",
    "quarantine show batch:0003",
    "review list",
    "show release:0001",
    "show retirement:0001",
    "rollback --because batch:0001 --dry-run",
]
CHANGING = ("keys", "seconds")
"""Keys of answers that tell of the day."""


def ask(*arguments: object) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the JSON of `sluicegate ARGUMENTS --json`."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = cli.main([*map(str, arguments), "--json"])
    return code, json.loads(out.getvalue())


def facts(answer: Any) -> Any:
    """Return an answer without its sentences, of which only the place is kept."""
    if isinstance(answer, dict):
        return {key: "..." if key in CHANGING else facts(answer[key]) for key in answer}
    if isinstance(answer, list):
        return [facts(each) for each in answer]
    return "..." if isinstance(answer, str) and " " in answer else answer


def tumours() -> dict[str, pd.DataFrame]:
    """Return the base data, the golden set and the deliveries, all of different patients.

    Measurements and diagnoses are those of 569 real patients (Wolberg, in scikit-learn). Which clinic
    sent a row, and when, is made up.
    """
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data[[f"mean {name}" for name in MEASURED]].set_axis(MEASURED, axis=1)
    frame["size"] = pd.qcut(frame["radius"], 3, labels=["small", "medium", "large"]).astype(str)
    frame[LABEL] = bunch.target.map({0: "malignant", 1: "benign"})
    rng = np.random.default_rng(5)
    frame = frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)
    frame["case"] = [f"case-{number:03d}" for number in range(len(frame))]
    hours = pd.to_timedelta(np.arange(len(frame)) * 6, unit="h")
    frame["seen"] = pd.Timestamp("2026-01-05T08:00:00Z") + hours
    frame[SOURCE] = [f"clinic-{number}" for number in rng.integers(1, 9, len(frame))]
    ends = dict(zip(ROWS, np.cumsum(list(ROWS.values())), strict=True))
    sent = {
        name: frame.iloc[end - ROWS[name] : end].reset_index(drop=True)
        for name, end in ends.items()
    }
    sent["tuesday"] = flipped(sent["tuesday"], "clinic-66", 8)
    sent["thursday"] = sent["friday"].drop(columns="texture")
    return sent


def flipped(frame: pd.DataFrame, source: str, count: int) -> pd.DataFrame:
    """Return `frame` with its last `count` rows sent by `source`, with the other diagnosis."""
    good = frame.index < len(frame) - count
    other = frame[LABEL].map({"malignant": "benign", "benign": "malignant"})
    wrong = {LABEL: frame[LABEL].where(good, other), SOURCE: frame[SOURCE].where(good, source)}
    return frame.assign(**wrong)


def git(root: Path, *arguments: str) -> None:
    """Run git in `root`."""
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def begin(root: Path, sent: dict[str, pd.DataFrame], keys: Path) -> None:
    """Make the workspace, with a remote beside it, and let ann and bob review."""
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.name", "Olga")
    git(root, "config", "user.email", "olga@example.org")
    roles: dict[str, Any] = {"label": LABEL, "source": SOURCE, "time": "seen", "id": "case"}
    more: dict[str, Any] = {"sensitive": (SOURCE,), "slices": ("size",), "trainer": {"trees": 12}}
    remote = str(root.with_name(f"{root.name}-remote"))
    given = {"data": sent["base"], "golden": sent["golden"], "remote": remote}
    Workspace.init(root, **given, **roles, **more)
    change(root, LASTING)
    appoint(root, keys)


def appoint(root: Path, keys: Path) -> None:
    """Commit who reviews; their keys are made for this and protect nothing."""
    keys.mkdir(parents=True)
    signers, people = "", ""
    for name in REVIEWERS:
        named = ["-C", f"throw-away key of {name}, for tests", "-f", str(keys / name)]
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", *named], check=True)
        signers += f"{name} {(keys / name).with_suffix('.pub').read_text()}"
        people += f"{name}: {{signers: [{name}], git: [{name}@example.org]}}\n"
    (root / "trust" / "allowed_signers").write_text(signers)
    (root / "trust" / "people.yaml").write_text(people)
    git(root, "add", "trust")
    git(root, "commit", "-q", "-m", "Ann and Bob review")


def change(root: Path, values: dict[str, dict[str, Any]]) -> None:
    """Change values of the policy and commit it."""
    params = root / "params.yaml"
    policy = yaml.safe_load(params.read_text())
    for section, changed in values.items():
        policy[section] = policy.get(section, {}) | changed
    params.write_text(yaml.safe_dump(policy, sort_keys=False))
    git(root, "commit", "-q", "-m", "Policy", "--", "params.yaml")


def week(root: Path, folder: Path, keys: Path) -> Iterator[tuple[str, bool]]:
    """Live through a week; yield each command with its exit code, and whether that is the right one."""

    def run(wanted: int, *arguments: object) -> tuple[str, bool]:
        code, answer = ask(*arguments, "-C", root)
        command = " ".join(map(str, arguments[:3]))
        return f"{command}: {code} {answer.get('error', '')}", code == wanted

    def send(day: str, wanted: int) -> tuple[str, bool]:
        return run(wanted, "update", folder / f"{day}.csv", "--no-prefect")

    def review(subject: str, decision: str, who: str, wanted: int = 0) -> tuple[str, bool]:
        named = (subject, "--as", who, "--key", keys / who, "--reason", "looked at it")
        return run(wanted, "review", decision, *named)

    yield send("monday", 0)
    yield send("tuesday", 0)  # the rows with flipped labels are quarantined, the others learnt
    yield send("wednesday", 3)  # too few rows
    yield review("batch:0003", "approve", "ann")
    yield run(0, "retrain")
    yield send("thursday", 4)  # a column is missing
    yield run(0, "rollback", "--because", "batch:0003", "--reason", "files of other patients")
    yield review("incident:0001", "approve", "bob")
    yield run(3, "quarantine", "release", "batch:0002", "--waive", "sources.share", *WAIVED)
    yield review("release:0001", "reject", "ann", 4)
    yield run(3, "retire", "row:0001/5", "--destroy", "--reason", "the patient asked for it")
    yield review("retirement:0001", "approve", "bob")
    change(root, ALWAYS)
    yield send("friday", 3)
    yield review("update:0005", "reject", "ann", 4)
    yield send("saturday", 3)  # stays awaiting
    yield run(3, "check", folder / "sunday.csv")
    yield send("sunday", 3)  # too few rows; stays paused


def keep(root: Path, kept: Path) -> dict[str, Any]:
    """Keep what an operator has elsewhere when the machine is lost; return what `backup` answered."""
    git(root, "bundle", "create", "-q", str(kept / "workspace.bundle"), "--all")
    archive = kept / "backup.tar"
    _, made = ask("backup", archive, "-C", root)
    (kept / "backup.tar.xz").write_bytes(lzma.compress(archive.read_bytes()))
    archive.unlink()
    for key in (root / ".sluicegate" / "keys").iterdir():
        shutil.copy(key, kept / KEYS)
    remote = root.with_name(f"{root.name}-remote")
    with tarfile.open(kept / "remote.tar.xz", "w:xz") as packed:
        packed.add(remote, arcname=".", filter=nobodys)
    return made


def nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member of an archive without owner and time."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def write_answers(root: Path, kept: Path, scratch: Path, made: dict[str, Any]) -> None:
    """Write down what later versions have to answer, too: the heads to read, the rest packed."""
    answers = {asked: facts(ask(*asked.split(), "-C", root)[1]) for asked in ASKED}
    (kept / "answers.json.xz").write_bytes(lzma.compress(json.dumps(answers).encode()))
    served = load_champion(
        root, kept / "trust.json", state=scratch / "state", name="made", reports=scratch
    )
    heads = {
        "version": __version__,
        "commit": made["commit"],
        "ledger": made["ledger"],
        "status": answers["status"],
        "predicted": [str(each) for each in served.predict(pd.read_csv(kept / "next.csv"))],
    }
    (kept / "heads.json").write_text(json.dumps(heads, indent=1) + "\n")


def main(root: Path, kept: Path) -> None:
    """Make the workspace at `root` and keep it in `kept`."""
    kept = kept.resolve()
    kept.mkdir(parents=True, exist_ok=True)
    os.chdir(root.parent)  # MLflow writes it into its store
    os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    os.environ |= {"LOGNAME": "olga", "TZ": "UTC"}
    time.tzset()
    sent, folder, keys = tumours(), root.with_name(f"{root.name}-sent"), kept / KEYS
    folder.mkdir()
    for name, frame in sent.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    begin(root, sent, keys)
    ask("trust", "export", kept / "trust.json", "-C", root)  # as a serving host pinned it at first
    for command, right in week(root, folder, keys):
        print(command, file=sys.stderr)
        if not right:
            raise SystemExit("This command should have ended with another exit code.")
    shutil.copy(folder / "next.csv", kept)
    named = ("update:0006", "--approve", "--as", "ann", "--key", keys / "ann")
    (kept / "approval.sig").write_text(ask("review", "sign", *named, "-C", root)[1]["proof"])
    write_answers(root, kept, folder, keep(root, kept))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
