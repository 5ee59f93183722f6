"""policy sign: an owner signs the committed policy with their SSH key."""

from pathlib import Path
from typing import Any

from sluicegate.core import Artifact, Misused
from sluicegate.core.document import Result
from sluicegate.evidence.statement import POLICY
from sluicegate.flows.decisions.policy_defaults import Newer, newer, retired
from sluicegate.record import policy as owned
from sluicegate.record.context import Context
from sluicegate.record.limit_changes import Change, changed_limits
from sluicegate.stores import git, pinned, record, ssh, trust
from sluicegate.stores.layout import numbered
from sluicegate.stores.settings import read_settings
from sluicegate.stores.transaction import transaction


class Difference(Result):
    """What differs from the policy that was signed last; `signed` is None where none ever was.

    `policy` is the one that is compared: the working tree's, or the committed one. Also what newer
    defaults would change, and which limits are on metrics that are no longer measured.
    """

    policy: str
    signed: str | None
    owner: str | None
    files: tuple[str, ...]
    limits: tuple[Change, ...]
    diff: str
    defaults: Newer
    retired: tuple[str, ...]


def difference(context: Context, tree: bool = False) -> Difference:
    """Return what an owner would accept by signing now; once all in the `tree` is committed, with that."""
    layout = context.layout
    signed = owned.in_force(layout)
    settings = read_settings(layout.params) if tree else context.settings
    return Difference(
        policy=owned.TREE if tree else "committed",
        signed=signed.number if signed else None,
        owner=signed.owner if signed else None,
        files=tuple(
            owned.differing(layout, signed, tree) if signed else owned.covered(layout, tree)
        ),
        limits=tuple(changed_limits(signed.settings, settings) if signed else ()),
        diff=owned.diff(layout, signed, tree) if signed else "",
        defaults=newer(context),
        retired=tuple(retired(settings)),
    )


def sign_policy(context: Context, owner: str, key: Path) -> Difference:
    """Sign the committed policy as `owner` and record it; raises Misused for anyone else."""
    layout, before = context.layout, owned.in_force(context.layout)
    git.require_committed(layout.root, list(owned.parts(layout, git.head(layout.root))))
    owners = owned.owners_of(before, context.settings)
    if not owners:
        raise Misused("params.yaml names no owner: commit `policy: {owners: [NAME]}` first.")
    if owner not in owners:
        raise Misused(f"{owner} does not own the policy; its owners are {', '.join(owners)}.")
    if not context.settings.owned.owners:
        raise Misused("The policy no longer names an owner; keep one in policy.owners.")
    result, listed = difference(context), owned.covered(layout)
    if before and before.covers == owned.COVERS and not result.files:
        return result
    number = f"{len(numbered(layout.root / owned.ROOM)) + 1:04d}"
    text = owned.text_to_sign(number, listed, before.sha256 if before else None)
    signers = pinned.read(layout, trust.SIGNERS).decode()
    signature = ssh.sign(text, key, owned.NAMESPACE)
    owned.verify_owner(owner, text, signature, owners, before.signers if before else signers)
    details = {
        "owner": owner,
        "signature": signature,
        "params": pinned.read(layout, owned.PARAMS).decode(),
        "signers": signers,
        "commit": git.head(layout.root),
        "previous": before.sha256 if before else None,
        "covers": owned.COVERS,
        "time": context.now(),
    }
    _keep(context, number, listed, details)
    return result.model_copy(update={"signed": number, "owner": owner})


def _keep(context: Context, number: str, listed: dict[str, str], details: dict[str, Any]) -> None:
    layout, path = context.layout, owned.statement_of(context.layout, number)
    subjects = [Artifact(name, sha256) for name, sha256 in listed.items()]
    message, rooms = f"policy {number} signed by {details['owner']}", (*record.ROOMS, owned.ROOM)
    with transaction(context, "policy", message, rooms) as t:
        made = t.state(path, subjects, POLICY, details)
        short = {key: details[key] for key in ("owner", "previous", "commit")}
        t.append("sign-policy", [made], short)
    owned.in_force(layout)  # remembers it
