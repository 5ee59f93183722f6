"""owned: the policy is what its owners signed last, and what differs from that stops the line.

The owners are those whom `policy.owners` in params.yaml named when the policy before was signed, with
the keys of trust/allowed_signers then: whoever changes either needs their signature first. The very
first signature is trusted as it is. That there is one is remembered outside git, too, so that no commit
makes the workspace forget it. See docs/adr/0013-policy-is-owned.md.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sluicegate.core import Conflict, SluicegateError, Tampered
from sluicegate.core.canonical import canonical_json, sha256_bytes
from sluicegate.evidence.statement import POLICY, predicate_of
from sluicegate.evidence.verifier import subjects_of
from sluicegate.stores import dvc, files, git, pinned, pipeline, record, ssh, trust
from sluicegate.stores.layout import Layout
from sluicegate.stores.settings import Settings, parse_settings

PARAMS = "params.yaml"
ROOM = "trust/policies"
REVIEW = "trust/security-review/"
"""Signed on its own."""
COVERED = (
    "params.yaml", "dvc.yaml", "train.py", "expectations", "golden", "reference", "trust",
    "uv.lock", "requirements.txt",
)  # fmt: skip
ACTING = (".dvc/config", ".dvcignore", ".gitattributes", ".gitmodules", "prefect.yaml")
"""What acts besides: where rows go, what git and DVC leave out, what Prefect runs."""
COVERS = 2
"""What a signature covers: 1 is COVERED, 2 adds ACTING and the deps of every stage in dvc.yaml."""
NAMESPACE = "sluicegate-policy"
TREE = "working tree"
"""What is looked at before anybody commits it; nothing is judged by it."""


@dataclass(frozen=True)
class SignedPolicy:
    """What an owner signed: the files by SHA-256, and in full those that say who the owners are."""

    number: str
    sha256: str
    owner: str
    time: str
    commit: str
    files: Mapping[str, str]
    params: str
    signers: str
    covers: int

    @property
    def settings(self) -> Settings:
        """Return the settings that were signed."""
        return parse_settings(self.params, f"params.yaml in {ROOM}/{self.number}")


def text_to_sign(
    number: str, listed: Mapping[str, str], previous: str | None, covers: int = COVERS
) -> str:
    """Return what an owner signs: every file of the policy, and the policy that it replaces."""
    lines = [f"sluicegate policy {number}", f"replaces: {previous or 'nothing'}"]
    lines += [f"covers: {covers}"] if covers > 1 else []
    return "\n".join([*lines, *(f"{listed[name]}  {name}" for name in sorted(listed))]) + "\n"


def parts(layout: Layout, commit: str, covers: int = COVERS) -> tuple[str, ...]:
    """Return the files and folders of the policy: also what a stage of dvc.yaml names as a dep.

    What stages make, what only sluicegate writes, and what lies elsewhere, is no part of it.
    """
    if covers < COVERS:
        return COVERED
    made, deps = {"build", "candidate.json", *record.ROOMS}, set[str]()
    for stage in pipeline.stages((git.find_at(layout.root, commit, "dvc.yaml") or b"").decode()):
        deps.update(pipeline.paths(stage, "deps"))
        made.update(
            path for kind in ("outs", "metrics", "plots") for path in pipeline.paths(stage, kind)
        )
    within = {PurePosixPath(dep) for dep in deps if pipeline.is_inside(dep)}
    own = sorted(str(dep) for dep in within if str(dep) not in made and dep.parts[0] not in made)
    return (*COVERED, *ACTING, *own, *(f"{dep}.dvc" for dep in own))


def covered(layout: Layout, tree: bool = False, covers: int = COVERS) -> dict[str, str]:
    """Return the SHA-256 of every file of the policy as it is committed, or as it lies in the `tree`.

    And of the defaults that it extends: those of this installation have to be the ones that were signed.
    """
    commit = layout.policy or git.head(layout.root)
    named = git.objects(layout.root, commit, parts(layout, commit, covers))
    kept = sorted(name for name in named if not name.startswith((f"{ROOM}/", REVIEW)))
    found = _in_tree(layout, kept) if tree else git.contents(layout.root, commit, kept)
    listed = {name: "" if text is None else sha256_bytes(text) for name, text in found.items()}
    params = found.get(PARAMS)
    extended = parse_settings(params.decode(), PARAMS).defaults if params else None
    return listed | ({extended.name: extended.sha256} if extended else {})


def _in_tree(layout: Layout, names: Iterable[str]) -> dict[str, bytes | None]:
    paths = {name: layout.root / name for name in names}
    return {n: path.read_bytes() if path.is_file() else None for n, path in paths.items()}


def unlike_tree(layout: Layout) -> list[str]:
    """Return the policy's files that are not in the working tree as the commit has them that rules."""
    if layout.policy is None:
        return []
    return git.differing(layout.root, layout.policy, parts(layout, layout.policy))


def statement_of(layout: Layout, number: str) -> Path:
    """Return the file of a signed policy."""
    return layout.root / ROOM / number / "policy.json"


def signed_policies(layout: Layout) -> Iterator[SignedPolicy]:
    """Yield every signed policy, each signed by an owner whom the one before names.

    Raises Tampered for the first that is not.
    """
    before: SignedPolicy | None = None
    names = record.listed(layout, ROOM)
    numbers = sorted(
        {name.split("/")[2] for name in names if name.endswith("/policy.json")}, key=int
    )
    for place, number in enumerate(numbers, 1):
        read = _read(layout, number, before)
        if int(number) != place:
            raise Tampered(f"{ROOM}/{place:04d} is missing; restore it from git.")
        yield read
        before = read


def in_force(layout: Layout) -> SignedPolicy | None:
    """Return the policy that was signed last, None where none ever was; else raises Tampered."""
    last = next(iter([*signed_policies(layout)][-1:]), None)
    number, sha256 = _remembered(layout)
    if number > (int(last.number) if last else 0):
        raise Tampered(f"{ROOM}/{number:04d} was signed but is missing; restore it from git.")
    if last and int(last.number) == number and last.sha256 != sha256:
        raise Tampered(f"{ROOM}/{last.number} is not what was signed; restore it from git.")
    if last and layout.may_sign and int(last.number) > number:
        remember(layout, last)
    return last


def remember(layout: Layout, signed: SignedPolicy) -> None:
    """Remember outside git which policy was signed last, and for DVC to which remotes rows may go."""
    details = {"number": int(signed.number), "sha256": signed.sha256}
    details |= {"remotes": signed.files[dvc.CONFIG]} if dvc.CONFIG in signed.files else {}
    files.write_json(layout.home / "owned.json", details)


def differing(layout: Layout, signed: SignedPolicy, tree: bool = False) -> list[str]:
    """Return the files that are not as they were signed, new and lost ones included."""
    now = covered(layout, tree, signed.covers)
    every = sorted(now.keys() | signed.files.keys())
    return [name for name in every if now.get(name) != signed.files.get(name)]


def require_signed(layout: Layout) -> None:
    """Raise Conflict when the policy is not the one that its owners signed; nothing without owners."""
    signed = in_force(layout)
    if signed is None:
        if parse_settings(pinned.read(layout, PARAMS).decode(), PARAMS).owned.owners:
            raise Conflict(
                "policy.owners in params.yaml names owners, but none has signed the policy yet; one of "
                "them must run `sluicegate policy sign --as NAME`."
            )
        return
    changed = differing(layout, signed)
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise Conflict(
            f"{changed[0]}{more} differs from the policy that {signed.owner} signed at "
            f"{signed.time}; `sluicegate policy diff` shows how, and an owner can accept it with "
            "`sluicegate policy sign --as NAME`. The champion keeps serving."
        )


def diff(layout: Layout, signed: SignedPolicy, tree: bool = False) -> str:
    """Return the lines that differ from the signed policy, file by file."""
    names, listed = differing(layout, signed, tree), list[str]()
    before = git.contents(layout.root, signed.commit, names)
    after = (
        _in_tree(layout, names)
        if tree
        else git.contents(layout.root, layout.policy or "HEAD", names)
    )
    for name in names:
        old, new = (
            (each[name] or b"").decode(errors="replace").splitlines() for each in (before, after)
        )
        listed += difflib.unified_diff(old, new, f"signed/{name}", f"now/{name}", lineterm="")
    return "\n".join(listed)


def owners_of(signed: SignedPolicy | None, settings: Settings) -> tuple[str, ...]:
    """Return who may sign the next policy."""
    return (signed.settings if signed else settings).owned.owners


def verify_owner(
    owner: str, text: str, signature: str, owners: tuple[str, ...], signers: str
) -> str:
    """Return the key with which an owner signed; raises Tampered for anybody else's signature."""
    if owner not in owners:
        raise Tampered(f"{owner} does not own the policy; its owners are {', '.join(owners)}.")
    try:
        return ssh.verify(text, signature, owner, signers, NAMESPACE)
    except SluicegateError as error:
        raise Tampered(f"The policy is not signed by {owner}: {error}") from error


def _read(layout: Layout, number: str, before: SignedPolicy | None) -> SignedPolicy:
    where = layout.named(statement_of(layout, number))
    payload = record.committed(layout).statement(where).payload
    predicate: dict[str, Any] = predicate_of(payload, POLICY, where)
    listed = {each.name: each.sha256 for each in subjects_of(payload, where)}
    read = SignedPolicy(
        number, sha256_bytes(canonical_json(payload)),
        predicate["owner"], predicate["time"], predicate["commit"], listed,
        predicate["params"], predicate["signers"], predicate.get("covers", 1),
    )  # fmt: skip
    full = {"params.yaml": read.params, trust.SIGNERS: read.signers}
    for name, text in full.items():
        if sha256_bytes(text.encode()) != listed.get(name):
            raise Tampered(f"{where} does not contain the signed {name}.")
    text = text_to_sign(number, listed, before.sha256 if before else None, read.covers)
    by = before or read
    verify_owner(read.owner, text, predicate["signature"], owners_of(by, by.settings), by.signers)
    return read


def _remembered(layout: Layout) -> tuple[int, str]:
    path = layout.home / "owned.json"
    if not path.is_file():
        return 0, ""
    recorded = files.read_json(path)
    return int(recorded["number"]), str(recorded["sha256"])
