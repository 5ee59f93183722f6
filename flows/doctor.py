"""doctor: what is wrong with this machine or workspace, and how to fix it."""

import importlib.metadata as metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from packaging.requirements import Requirement

from sluicegate.core import SluicegateError
from sluicegate.core.counted import counted
from sluicegate.flows.decisions.policy_defaults import retired
from sluicegate.flows.feedback.calibrate import is_stale
from sluicegate.flows.orchestration.embedded import API_URL, HOST, answers, is_taken, running
from sluicegate.flows.orchestration.up import MLFLOW_PORT, PREFECT_PORT
from sluicegate.gates.policy import RULES
from sluicegate.record.calibration import read_calibration
from sluicegate.record.context import POLICY_FILES, Context, open_context
from sluicegate.record.keys.ages import describe_keys, expiring
from sluicegate.record.open_incidents import incomplete
from sluicegate.record.policy import ACTING, COVERS, in_force, require_signed
from sluicegate.record.results import Diagnosis
from sluicegate.record.threats import THREATS, open_threats
from sluicegate.review.reviewers import reviewers
from sluicegate.stores import checked, defaults, dvc, git, trust
from sluicegate.stores.isolation import NOT_ISOLATED
from sluicegate.stores.layout import Layout
from sluicegate.stores.probing import standing_wall
from sluicegate.stores.quoting import QUOTING

LEAST_FREE = 2 * 1024**3
REMOTE_SECONDS = 30
SELF, EXTRAS = "sluicegate", ("line", "alibi")
PINNED = {
    "fastapi": "Prefect's server does not start with newer ones",
    "sqlalchemy": "Prefect's scheduler fails with 2.1, and no schedule runs",
    "alibi-detect": "without this bound pip picks 0.4",
    "numpy": "alibi-detect needs numpy below 2",
}


def doctor(root: Path | None = None) -> list[Diagnosis]:
    """Return what was found on this machine and, where `root` is a workspace, in it.

    A check that fails is itself a finding, so one fault hides no other.
    """
    found = [each for look in MACHINE for each in _looked(look.__name__, look)]
    if root is None:
        return found
    try:
        context = open_context(root)
    except SluicegateError as error:
        return [*found, *ports(None), Diagnosis("workspace", False, *_halves(error))]
    found += ports(context.layout)
    return found + [each for look in WORKSPACE for each in _looked(look.__name__, look, context)]


def python() -> Iterator[Diagnosis]:
    """Check the version of Python."""
    wanted = str(metadata.metadata(SELF)["Requires-Python"])
    version = ".".join(map(str, sys.version_info[:3]))
    fits = Requirement(f"python{wanted}").specifier.contains(version)
    fix = "" if fits else "Recreate the environment with Python 3.11 to 3.14."
    yield Diagnosis("python", fits, f"Python {version} (wanted: {wanted})", fix)


def pins() -> Iterator[Diagnosis]:
    """Check every library that sluicegate itself requires."""
    broken = list(_broken_pins(metadata.requires(SELF) or []))
    yield from broken
    if not broken:
        yield Diagnosis("pins", True, "Every library has a supported version.")


def git_() -> Iterator[Diagnosis]:
    """Check for git and the committer's name."""
    git.require_git()
    yield Diagnosis("git", True, "git is installed.")


def prefect_server() -> Iterator[Diagnosis]:
    """Check that the Prefect server of PREFECT_API_URL answers."""
    api = os.environ.get(API_URL)
    if api is None:
        says = "PREFECT_API_URL is not set; sluicegate starts its own Prefect."
        yield Diagnosis("prefect", True, says)
        return
    reached = api.startswith("http") and answers(f"{api.rstrip('/')}/health")
    sentence = "answers" if reached else "does not answer"
    fix = "" if reached else "Start that server, or unset PREFECT_API_URL."
    yield Diagnosis("prefect", reached, f"Prefect at {api} {sentence}.", fix)


def ports(layout: Layout | None) -> list[Diagnosis]:
    """Check that the default ports of `sluicegate up` are free."""
    result = running(layout) if layout else None
    if result:
        says = f"`sluicegate up` runs at {result['prefect_ui']} and {result['mlflow']}."
        return [Diagnosis("ports", True, says)]
    taken = [port for port in (PREFECT_PORT, MLFLOW_PORT) if is_taken(port)]
    if not taken:
        return [Diagnosis("ports", True, f"Ports {PREFECT_PORT} and {MLFLOW_PORT} are free.")]
    says = f"Port {' and '.join(map(str, taken))} is in use on {HOST}."
    fix = "`sluicegate up` picks free ports; --prefect-port and --mlflow-port choose them."
    return [Diagnosis("ports", None, says, fix)]


def identity(context: Context) -> Iterator[Diagnosis]:
    """Check that git has a user name and e-mail."""
    if git.has_identity(context.layout.root):
        says = f"Commits are made as {git.identity(context.layout.root)}."
        yield Diagnosis("git identity", True, says)
        return
    says = f"git has no user name or e-mail, so commits are by {git.SERVICE_IDENTITY['NAME']}."
    fix = 'Run `git config user.name "..."` and `git config user.email ...`.'
    yield Diagnosis("git identity", None, says, fix)


def owners(context: Context) -> Iterator[Diagnosis]:
    """Look for an owners' signature that covers less than this version's does."""
    signed = in_force(context.layout)
    if signed and signed.covers < COVERS:
        says = (
            f"Policy {signed.number} covers neither {', '.join(ACTING)} nor the deps in dvc.yaml."
        )
        fix = f"Have an owner sign it again: `sluicegate policy sign --as {signed.owner}`."
        yield Diagnosis("owners", None, says, fix)


def policy(context: Context) -> Iterator[Diagnosis]:
    """Check that the policy is committed, and that there is a branch to commit to."""
    root = context.layout.root
    changed = git.differing(root, context.commit, POLICY_FILES) or git.changed_paths(
        root, POLICY_FILES
    )
    git.require_branch(root)
    if changed:
        fix = f"Run `git commit {changed[0]}` or `git restore {changed[0]}`."
        yield Diagnosis("policy", False, f"Not committed: {', '.join(changed)}.", fix)
        return
    yield Diagnosis("policy", True, "The policy is committed.")
    if in_force(context.layout) is None and not context.settings.owned.owners:
        says = "policy.owners is empty: anyone who can commit can change the policy."
        yield Diagnosis("owners", None, says, "Name owners; one runs `sluicegate policy sign`.")
        return
    require_signed(context.layout)
    yield Diagnosis("owners", True, "Its owners signed this policy.")


def inheritance(context: Context) -> Iterator[Diagnosis]:
    """Check that the policy has the newest defaults, known rules and only limits that are measured."""
    settings, newest = context.settings, defaults.versions()[-1]
    if settings.rules not in RULES:
        says = f"params.yaml has rules {settings.rules}, but this version does not know them."
        yield Diagnosis("rules", False, says, "Install a newer sluicegate.")
    for limit in retired(settings):
        says = f"gates.{limit} is no longer measured, so its limit has no effect."
        yield Diagnosis("limits", None, says, f"Delete the line of gates.{limit} from params.yaml.")
    fix = "`sluicegate policy diff` shows the changes, `sluicegate policy upgrade` adopts them."
    if settings.extends is None:
        says = f"params.yaml extends no defaults, so newer checks have no limit; {newest} has them."
        yield Diagnosis("defaults", None, says, fix)
    elif settings.extends != newest:
        says = f"params.yaml extends {settings.extends}; the newest defaults are {newest}."
        yield Diagnosis("defaults", None, says, fix)
    else:
        yield Diagnosis("defaults", True, f"params.yaml extends the newest defaults, {newest}.")


def calibration(context: Context) -> Iterator[Diagnosis]:
    """Check what the limits were calibrated on, and whether that is still valid."""
    found = read_calibration(context.layout)
    if found is None or is_stale(context):
        says = f"The calibration is out of date; it was made on {found.told}." if found else ""
        says = says or "The limits are not calibrated; the written values apply."
        fix = "Run `sluicegate policy calibrate`, or wait for the next retrain."
        yield Diagnosis("calibration", None, says, fix)
        return
    yield Diagnosis("calibration", True, f"The limits are calibrated on {found.told}.")


def keys(context: Context) -> Iterator[Diagnosis]:
    """Check that no other user can read the private keys."""
    layout = context.layout
    waiting = sorted(layout.next_keys.glob("*.pem"))
    for path in (layout.service_key, layout.model_key, layout.secret, *waiting):
        if path.is_file() and path.stat().st_mode & 0o077:
            says = f"Other users can read {path}."
            yield Diagnosis("keys", False, says, f"Run `chmod 600 {path}`.")
            return
    yield Diagnosis("keys", True, "Only you can read the private keys.")
    fix = "Run `sluicegate trust rotate`, then `sluicegate trust export` for every serving host."
    old = expiring(context)
    for line in describe_keys(context):
        mend = fix if line == old else "See docs/how-to/ops-keys.md."
        yield Diagnosis("keys", None, f"{line[:1].upper()}{line[1:]}.", mend)


def sources(context: Context) -> Iterator[Diagnosis]:
    """Check that trusted source names are proven by signatures."""
    settings = context.settings.sources
    if settings.signed and trust.feeds(context.layout) is None:
        fix = f"List the feeds' keys in {trust.FEEDS} and commit it."
        yield Diagnosis("sources", False, "sources.signed is on, but no feed has a key.", fix)
    elif settings.trusted and not settings.signed:
        says = f"{settings.trusted[0]} is trusted by name alone, and any sender can use that name."
        yield Diagnosis("sources", None, says, "Sign the deliveries: see docs/how-to/feeds.md.")


def checks(context: Context) -> Iterator[Diagnosis]:
    """Check whether somebody is probing what passes."""
    for who, count in checked.insistent(context.layout, context.now()).items():
        says = f"{who} recently checked {count} variants of nearly the same rows."
        fix = "Ask why. Never return verdicts to contributors: they reveal what passes."
        yield Diagnosis("checks", None, says, fix)


def trainer(context: Context) -> Iterator[Diagnosis]:
    """Try to break out of the wall around the trainer."""
    asked = context.settings.trainer
    wall = standing_wall(context.layout.root, asked)
    if wall.isolated:
        yield Diagnosis("trainer", True, f"{wall.told}.")
        return
    fix = "Install bubblewrap (`apt install bubblewrap`). Until then, review train.py like the policy."
    says = f"{NOT_ISOLATED} ({'; '.join(wall.why)})."
    yield Diagnosis("trainer", False if asked.isolation == "require" else None, says, fix)


def remote(context: Context) -> Iterator[Diagnosis]:
    """Check that the data has a copy on another disk."""
    root = context.layout.root
    url = dvc.default_remote(root)
    if url is None:
        fix = "Run `dvc remote add --default NAME URL` and commit .dvc/config."
        yield Diagnosis("data remote", False, "DVC has no default remote.", fix)
        return
    if "://" in url:
        yield Diagnosis("data remote", *_asked(context.layout, url))
        return
    path = (root / ".dvc" / url).resolve()
    if not path.is_dir():
        # DVC makes a local remote's directory at its first push, if the disk is there
        fix = f"Mount or create {path}, or set another remote with `dvc remote modify`."
        yield Diagnosis("data remote", False, f"The data remote {path} does not exist.", fix)
    elif path.stat().st_dev == root.stat().st_dev:
        fix = "`dvc remote modify local url /another/disk`, commit, then `dvc push --all-commits`."
        says = f"The data remote {path} is on the same disk as the workspace."
        yield Diagnosis("data remote", None, says, fix)
    else:
        yield Diagnosis("data remote", True, f"The data remote {path} is on another disk.")


def pages(context: Context) -> Iterator[Diagnosis]:
    """Look for pages that a version before 0.2 committed."""
    root = context.layout.root
    held = [name for name in git.tracked(root, ".") if Path(name).name in QUOTING]
    if held:
        says = (
            f"{counted(len(held), 'file')} from before 0.2 in git may quote rows, such as {held[0]}; no "
            "command removes that from git's history."
        )
        yield Diagnosis("pages", None, says)


def disk(context: Context) -> Iterator[Diagnosis]:
    """Check the free disk space."""
    free = shutil.disk_usage(context.layout.root).free
    enough = free >= LEAST_FREE
    fix = "" if enough else "Free some space: updates and batches are stored twice before a push."
    yield Diagnosis("disk", enough, f"{free / 1024**3:.1f} GiB are free.", fix)


def champion(context: Context) -> Iterator[Diagnosis]:
    """Check that MLflow answers and that its alias is the champion of the signed record."""
    from sluicegate.record.champion import serving_version
    from sluicegate.stores.mlflow import open_registry

    uri = context.settings.mlflow.tracking_uri
    if uri and uri.startswith("http"):
        reached = answers(f"{uri.rstrip('/')}/health")
        says = f"MLflow at {uri} {'answers' if reached else 'does not answer'}."
        fix = "" if reached else "Start that server, or fix mlflow.tracking_uri in params.yaml."
        yield Diagnosis("mlflow", reached, says, fix)
        if not reached:
            return
    recorded = serving_version(context.layout)
    alias = open_registry(context.layout, context.settings.model, uri).alias("champion")
    if alias == recorded:
        who = "No model is served" if recorded is None else f"The champion is version {recorded}"
        yield Diagnosis("champion", True, f"{who}, here and in MLflow.")
        return
    due = "that no model is served" if recorded is None else f"version {recorded}"
    pointed = "names no version" if alias is None else f"points to version {alias}"
    says = f"The signed record says {due}, but MLflow's alias champion {pointed}."
    fix = "Find out who moved it, then run `sluicegate check --champion` to move it back."
    yield Diagnosis("champion", False, says, fix)


def rollbacks(context: Context) -> Iterator[Diagnosis]:
    """Check for unfinished rollbacks."""
    for number, left in incomplete(context).items():
        fix = f"See `sluicegate review show incident:{number}`."
        yield Diagnosis("rollback", False, f"incident:{number}: {'; '.join(left)}.", fix)


def drills(context: Context) -> Iterator[Diagnosis]:
    """Check which attacks got past the gates in the latest drills."""
    if not (context.layout.root / THREATS).is_file():
        fix = "Run `sluicegate drill`; it takes two minutes and leaves the data unchanged."
        yield Diagnosis("drill", None, "No drill has attacked the gates yet.", fix)
        return
    found = open_threats(context.layout.root)
    says = f"{len(found)} threats are open after drills{': ' if found else ''}{', '.join(found)}."
    fix = "See threats.yaml and the report in drills/." if found else ""
    yield Diagnosis("drill", None if found else True, says, fix)


MACHINE: tuple[Callable[[], Iterator[Diagnosis]], ...] = (python, pins, git_, prefect_server)
WORKSPACE: tuple[Callable[[Context], Iterator[Diagnosis]], ...] = (
    identity,
    policy,
    owners,
    inheritance,
    calibration,
    keys,
    reviewers,
    remote,
    pages,
    disk,
    champion,
    sources,
    checks,
    rollbacks,
    drills,
    trainer,
)


def _looked(
    name: str, look: Callable[..., Iterator[Diagnosis]], *context: Context
) -> list[Diagnosis]:
    try:
        return list(look(*context))
    except SluicegateError as error:
        return [Diagnosis(name.strip("_"), False, *_halves(error))]
    except Exception as error:  # noqa: BLE001 - what is broken is what doctor is asked about
        says = f"This check failed: {type(error).__name__}: {error}"
        return [Diagnosis(name.strip("_"), False, says, "Fix that and run doctor again.")]


def _halves(error: SluicegateError) -> tuple[str, str]:
    """Return what an error says and its fix, which follow each other in our sentences."""
    says, _, fix = str(error).partition("; ")
    return says, fix[:1].upper() + fix[1:]


def _broken_pins(requirements: list[str]) -> Iterator[Diagnosis]:
    for line in requirements:
        wanted = Requirement(line)
        marker = wanted.marker
        if marker and not any(marker.evaluate({"extra": each}) for each in EXTRAS):
            continue
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            if 'extra == "alibi"' not in str(marker):
                says = f"{wanted.name} is not installed (wanted: {wanted.specifier})."
                yield Diagnosis(wanted.name, False, says, f"Run `pip install '{_bare(wanted)}'`.")
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            why = f": {PINNED[wanted.name]}" if wanted.name in PINNED else ""
            says = f"{wanted.name} is {version}, but sluicegate needs {wanted.specifier}{why}."
            yield Diagnosis(wanted.name, False, says, f"Run `pip install '{_bare(wanted)}'`.")
    yield from _numpy_for_alibi()


def _numpy_for_alibi() -> Iterator[Diagnosis]:
    try:
        metadata.version("alibi-detect")
        numpy = metadata.version("numpy")
    except metadata.PackageNotFoundError:
        return
    if int(numpy.split(".")[0]) >= 2:
        says = f"numpy is {numpy}, but alibi-detect needs numpy below 2."
        fix = "Run `pip install 'numpy<2'`, or uninstall alibi-detect: scipy runs the same tests."
        yield Diagnosis("numpy", False, says, fix)


def _bare(wanted: Requirement) -> str:
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    return f"{wanted.name}{extras}{wanted.specifier}"


def _asked(layout: Layout, url: str) -> tuple[bool, str, str]:
    """Return whether a remote elsewhere can be asked for one file."""
    command = [sys.executable, "-m", "dvc", "status", "--cloud", str(dvc.pointer(layout.reference))]
    quiet = {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(layout.home / "dvc-site")}
    try:
        done = subprocess.run(
            command,
            cwd=layout.root,
            env=dict(os.environ) | quiet,
            capture_output=True,
            text=True,
            timeout=REMOTE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        says = f"The data remote {url} did not answer within {REMOTE_SECONDS} seconds."
        return False, says, "Check the network and the remote's address."
    if done.returncode:
        recorded = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return False, f"Cannot reach the data remote {url}: {recorded}", "Check its credentials."
    return True, f"The data remote {url} answers.", ""
