"""policy_in_force: the line is judged by the policy that is committed, or by the one that was signed last.

Its files are read from git's objects of one commit, signed ones compared with the digest that was
signed: the working tree is asked for none of them. What differs from what was signed pauses whatever
is judged, and is shown. See docs/adr/0013-policy-is-owned.md.
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from sluicegate.core import CannotDecide, Conflict, Finding, Judged, Outcome, Tampered
from sluicegate.core.canonical import sha256_bytes
from sluicegate.gates import Policy
from sluicegate.gates.policy import Limit
from sluicegate.record import policy as owned
from sluicegate.record.context import Context
from sluicegate.record.limit_changes import changed_limits
from sluicegate.stores import data, defaults, files, git
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import Settings

METRIC = "policy.unsigned"
REVIEWED = "policy.security_review"
BUILT_IN = (METRIC, REVIEWED)
"""Whatever is told of these beyond 0 pauses; no setting says otherwise."""
MOST_NAMED, MOST_LINES = 8, 200
RUNS = ("params.yaml", "dvc.yaml", "train.py")


def policy_in_force(context: Context) -> Context:
    """Return the context to judge in: with the policy that is committed, or the one that was signed last.

    Raises Conflict where owners are named and nobody signed yet, Tampered or CannotDecide where the
    signed files cannot be had.
    """
    if context.signature is not None:
        return context
    signed = owned.in_force(context.layout)
    if signed is None:
        owned.require_signed(context.layout)
        return context
    changed = owned.differing(context.layout, signed)
    if not changed:
        return replace(context, signature=_as_signed(signed))
    layout = replace(context.layout, policy=signed.commit)
    signed_files(layout, signed)
    for table in ("reference", "golden"):
        data.read_trusted(layout, table)
    finding = _unsigned(context.settings, signed, changed)
    return replace(context, layout=layout, settings=signed.settings, signature=finding)


def signed_files(layout: Layout, signed: owned.SignedPolicy) -> dict[str, bytes]:
    """Return the policy's files from the commit that was signed, each once it has the signed digest."""
    names = [name for name in signed.files if not defaults.is_name(name)]
    found = {}
    for name in signed.files.keys() - set(names):
        _require_defaults(name, signed.files[name], signed)
    for name, content in git.contents(layout.root, signed.commit, names).items():
        if content is None:
            raise CannotDecide(
                f"{name} of the signed policy {signed.number} is no longer in git (commit "
                f"{signed.commit[:12]}); fetch that commit, or have an owner sign what is there."
            )
        if sha256_bytes(content) != signed.files[name] or ".." in PurePosixPath(name).parts:
            raise Tampered(f"{name} in the commit {signed.commit[:12]} is not what was signed.")
        found[name] = content
    return found


def write_signed_files(layout: Layout, signed: owned.SignedPolicy, place: Path) -> None:
    """Make the policy's files below `place` exactly those that were signed, whatever lies there."""
    for part in owned.parts(layout, signed.commit, signed.covers):
        _remove(place / part)
    for name, content in signed_files(layout, signed).items():
        files.write_bytes(place / name, content)


def _require_defaults(name: str, sha256: str, signed: owned.SignedPolicy) -> None:
    if name not in defaults.versions() or defaults.pin(name).sha256 != sha256:
        raise CannotDecide(
            f"The defaults {name} of this installation are not those that {signed.owner} signed; "
            "install a version of sluicegate that has them."
        )


def require_once_signed(layout: Layout, commit: str) -> None:
    """Raise Conflict unless what a commit would run was signed at some time, or older than any signature.

    For whatever trains anew what was trained before.
    """
    policies = [*owned.signed_policies(layout)]
    if not policies or git.is_ancestor(layout.root, commit, policies[0].commit):
        return
    code = {name: git.find_at(layout.root, commit, name) for name in RUNS}
    digests = {name: sha256_bytes(text) for name, text in code.items() if text is not None}
    if not any(all(p.files.get(x) == digests.get(x) for x in RUNS) for p in policies):
        raise Conflict(
            f"No owner signed {', '.join(RUNS)} in commit {commit[:12]}, so they do not run."
        )


def with_built_in_limits(policy: Policy, findings: Sequence[Finding]) -> Policy:
    """Return `policy` with the built-in limits of those metrics that `findings` tell of."""
    listed = [name for name in BUILT_IN if any(each.metric == name for each in findings)]
    return replace(policy, limits=(*policy.limits, *(Limit(x, 0.0, Outcome.PAUSE) for x in listed)))


def candidate_policy(settings: Settings, findings: Sequence[Finding]) -> Policy:
    """Return the policy that a challenger with these findings is held to."""
    return with_built_in_limits(settings.policy("candidate"), findings)


def describe_signature(layout: Layout) -> str:
    """Return one sentence on who owns the policy and who signed it when, or that nobody owns it."""
    signed = owned.in_force(layout)
    if signed is None:
        return "No policy owner: anyone who can commit can change the policy."
    owners = ", ".join(signed.settings.owned.owners)
    changed = owned.differing(layout, signed)
    now = f"; changed since and NOT signed: {_named(changed)}" if changed else ""
    return (
        f"Policy {signed.number}, signed by {signed.owner} at {signed.time}; owners: {owners}{now}."
    )


def unsigned_lines(layout: Layout) -> list[tuple[str, str]]:
    """Return the lines that differ from what was signed last, each with its kind; none without owners."""
    signed = owned.in_force(layout)
    lines = owned.diff(layout, signed).splitlines() if signed else []
    shown = [(line_kind(line), line) for line in lines[:MOST_LINES]]
    more = len(lines) - MOST_LINES
    return [*shown, ("at", f"and {more} more lines")] if more > 0 else shown


def line_kind(line: str) -> str:
    """Return which kind of line of a diff this is.

    >>> [line_kind(line) for line in ("--- a", "-old", "+new", "@@ -1 +1 @@", " same")]
    ['file', 'old', 'new', 'at', 'same']
    """
    if line.startswith(("+++", "---")):
        return "file"
    return {"+": "new", "-": "old", "@": "at"}.get(line[:1], "same")


def judged_under(findings: Iterable[Finding | Judged]) -> str:
    """Return what recorded findings say of the policy's signature."""
    listed = (each.detail for each in findings if each.metric == METRIC)
    return next(listed, "It was judged by a policy without an owner.")


def _as_signed(signed: owned.SignedPolicy) -> Finding:
    sentence = f"{signed.owner} signed the policy at {signed.time} ({signed.number})."
    return Finding("policy", METRIC, 0.0, detail=sentence)


def _unsigned(now: Settings, signed: owned.SignedPolicy, changed: Sequence[str]) -> Finding:
    moved = [each.told for each in changed_limits(signed.settings, now)]
    kept = next((name for name in changed if name in signed.files), None)
    fix = f"checkout {signed.commit[:12]} -- {kept}" if kept else f"rm {changed[0]}"
    limits = f" Limits: {'; '.join(moved[:MOST_NAMED])}." if moved else ""
    return Finding(
        "policy",
        METRIC,
        float(len(changed)),
        detail=(
            f"{_named(changed)} changed without an owner's signature, so this was judged by policy "
            f"{signed.number} of {signed.owner}, {signed.time}. An owner can accept it with `sluicegate "
            f"policy sign --as NAME`, or undo it: `git {fix}`, and commit.{limits}"
        ),
    )


def _named(changed: Sequence[str]) -> str:
    more = len(changed) - MOST_NAMED
    return ", ".join(changed[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
