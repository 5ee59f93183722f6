"""revoke: trust a stolen key up to an entry that the thief cannot have forged, and no further.

A thief can sign with any time and number. So a signature before the named entry counts only if an
anchor covers it (a ledger head in an update's tag or a reviewer's answer) or, with `vouch`,
if the operator vouches for it after comparing the ledger with an older copy.
Nothing in force may rest on other signatures: the revocation waits until that is rolled back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sluicegate.core import Artifact, Conflict, Missing, Misused, ModelRef
from sluicegate.core.document import Predicate, Result
from sluicegate.evidence.keyring import Keyring, Span
from sluicegate.evidence.statement import REVOCATION, predicate_of
from sluicegate.flows.custody.anchors import Anchor, last_anchor
from sluicegate.flows.custody.resting import resting
from sluicegate.flows.custody.rotate import notes, require_tidy
from sluicegate.flows.custody.succession import BOTH, ROOM, Doubt, Followed, settle, succeed
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context
from sluicegate.record.kept_models import kept_model
from sluicegate.record.keys.survey import Signatures, Survey, survey
from sluicegate.stores import git, keys, record, ssh, trust
from sluicegate.stores.layout import Layout, next_number, numbered
from sluicegate.stores.transaction import Transaction

NAMESPACE, REVOKE = "sluicegate-revocation", "revoke-key"
LEAST_NAME = 8


@dataclass(frozen=True)
class Order:
    """Which key to revoke, from which entry on, why; `vouch` for what lies between anchor and entry.

    `reviewer` countersigns with the SSH key in the file `key`.
    """

    keyid: str
    since: int
    reason: str
    vouch: bool = False
    reviewer: str | None = None
    key: Path | None = None


class Believed(Result):
    """The effect of a revocation: the key counts up to the entry `believed_until`, no further.

    `resting` are the commands that take back what is in force on the rest.
    """

    key: str
    since: int
    believed_until: int
    anchor: Anchor
    signed_before: Signatures
    signed_since: Signatures
    resting: tuple[str, ...]


class Revoked(Believed):
    """A key was revoked in this succession, in which the others in `keys` follow."""

    succession: str
    keys: Mapping[str, Followed]
    champion: ModelRef
    notes: tuple[str, ...]


class Revocation(Predicate):
    """The signed statement of a revocation: `head` is the digest of the last trusted entry.

    It has a reviewer's `signature` if one countersigned.
    """

    succession: str
    key: str
    since: int
    believed_until: int
    head: str | None
    anchor: Anchor
    vouched: bool
    was_current: bool
    reason: str
    signed_since: Signatures
    reviewer: str | None
    signature: str | None = None
    started_by: str | None
    time: str

    @property
    def text(self) -> str:
        """Return the text that a reviewer signs to countersign it."""
        reason = " ".join(self.reason.split())
        lines = [
            "sluicegate revocation, version 1",
            f"succession: {self.succession}",
            f"key: {self.key}",
            f"since: {self.since}",
            f"believed_until: {self.believed_until}",
            f"head: {self.head}",
            f"reviewer: {self.reviewer}",
            f"reason: {reason}",
        ]
        return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Plan:
    """A planned revocation."""

    span: Span
    doubt: Doubt
    found: Survey
    believed: Believed


def plan(context: Context, order: Order) -> Plan:
    """Return what the key signed before and since, what would be believed, and what rests on the rest.

    Raises Missing for a key that never signed here, Misused for an entry that is not its own.
    """
    layout = context.layout
    ring, found = keys.keyring(layout), survey(layout)
    span = _named(ring, order.keyid)
    last = max((e.entry.sequence for e in found.entries if e.keyid == span.keyid), default=0)
    if not span.first <= order.since <= max(last, span.first):
        raise Misused(
            f"The key {span.keyid[:12]} signed entries {span.first} to {last}; name one of them."
        )
    anchor = last_anchor(layout, found, order.since)
    until = order.since - 1 if order.vouch else anchor.entry
    if span.revoked and span.last is not None:
        until = min(until, span.last)  # what was revoked is not believed again
    doubt = Doubt(span.keyid, order.since, max(until, span.first - 1), order.reason)
    standing = resting(context, doubt.on(ring, found), found)
    believed = _believed(span, order.since, doubt.until, anchor, found, tuple(standing))
    return Plan(span, doubt, found, believed)


def _believed(
    span: Span,
    since: int,
    until: int,
    anchor: Anchor,
    found: Survey,
    standing: tuple[str, ...] = (),
) -> Believed:
    return Believed(
        key=span.keyid,
        since=since,
        believed_until=until,
        anchor=anchor,
        signed_before=found.by(span.keyid, 1, until),
        signed_since=found.by(span.keyid, until + 1, len(found.entries)),
        resting=standing,
    )


def revoke(context: Context, order: Order) -> Revoked:
    """Revoke a key, sign the champion again with a new one, and return what the revoked one signed.

    Raises Conflict, with the commands that end it, while anything in force rests on what is not believed;
    and for the key that signs now, unless a reviewer countersigns. Run again it changes nothing.
    """
    layout = context.layout
    if not order.reason.strip():
        raise Misused("Give a --reason; it stays in the record for good.")
    settle(layout)
    git.require_branch(layout.root)
    ring = keys.keyring(layout)
    span = _named(ring, order.keyid)
    if span.revoked and (span.last or 0) < order.since:
        return _done(context, span)
    if span is ring.current and order.reviewer is None:
        raise Conflict(
            "That is the current key, and a key cannot revoke itself: run `sluicegate trust "
            "rotate` and repeat this command, or have a reviewer countersign with --as NAME."
        )
    require_tidy(context)
    made = plan(context, order)
    if made.believed.resting:
        first = "" if span is not ring.current else " after `sluicegate trust rotate`"
        raise Conflict(
            f"Nothing is revoked yet: {'; '.join(made.believed.resting)}. Run that{first}, then repeat this"
            + _how_to_vouch(made)
        )
    _require_sound(context)
    revocation = _signed(context, order, made, span is ring.current)

    def then(t: Transaction, folder: Path) -> None:
        _keep(t, folder, revocation)

    followed = succeed(context, BOTH, f"revoked: {order.reason}", made.doubt, then)
    return _revoked(context, made.believed, revocation.succession, followed)


def _revoked(
    context: Context, believed: Believed, succession: str, followed: Mapping[str, Followed]
) -> Revoked:
    return Revoked(
        **vars(believed),
        succession=succession,
        keys=followed,
        champion=champion_of(context.layout).ref,
        notes=tuple(notes(context)),
    )


def revocations(layout: Layout) -> list[str]:
    """Return the numbers of the successions in which a key was revoked."""
    folder = layout.root / ROOM
    return [n for n in numbered(folder) if (folder / n / "revocation.json").is_file()]


def read_revocation(layout: Layout, number: str) -> Revocation:
    """Return the statement of a revocation; raises Tampered or Missing."""
    path = layout.root / ROOM / number / "revocation.json"
    where = path.relative_to(layout.root).as_posix()
    payload = record.read_statement(layout, path)
    return Revocation.read(predicate_of(payload, REVOCATION, where), where)


def verify_countersignature(revocation: Revocation, allowed: str) -> str:
    """Return the fingerprint of the reviewer's key; raises Misused for an invalid signature."""
    signature, reviewer = revocation.signature or "", revocation.reviewer or ""
    return ssh.verify(revocation.text, signature, reviewer, allowed, NAMESPACE)


def _signed(context: Context, order: Order, made: Plan, is_current: bool) -> Revocation:
    layout = context.layout
    revocation = Revocation(
        succession=next_number(layout.root / ROOM),
        key=made.span.keyid,
        since=order.since,
        believed_until=made.doubt.until,
        head=made.found.digest(made.doubt.until),
        anchor=made.believed.anchor,
        vouched=order.vouch,
        was_current=is_current,
        reason=order.reason,
        signed_since=made.believed.signed_since,
        reviewer=order.reviewer,
        signature=None,
        started_by=context.started_by,
        time=context.now(),
    )
    if order.reviewer is not None:
        key = order.key or Path("~/.ssh/id_ed25519").expanduser()
        signature = ssh.sign(revocation.text, key, NAMESPACE)
        revocation = revocation.model_copy(update={"signature": signature})
        verify_countersignature(revocation, trust.allowed_signers(layout))
    return revocation


def _keep(t: Transaction, folder: Path, revocation: Revocation) -> None:
    """Record the revocation."""
    about = Artifact(f"key:{revocation.key}", revocation.key)
    made = t.state(folder / "revocation.json", [about], REVOCATION, revocation.to_dict())
    names = {"succession", "key", "since", "believed_until", "reason"}
    t.append(REVOKE, [made], revocation.model_dump(mode="json", include=names))


def _require_sound(context: Context) -> None:
    """Verify the champion's model whole before it is signed again."""
    champion = champion_of(context.layout)
    kept_model(context, champion.update, champion.sha256)


def _named(ring: Keyring, name: str) -> Span:
    """Return the span of the key that `name` begins the name of, or of the `current` one."""
    if name == "current":
        return ring.current
    found = [span for span in ring.spans if span.keyid.startswith(name)]
    if len(found) != 1 or len(name) < LEAST_NAME:
        known = ", ".join(span.keyid[:12] for span in ring.spans)
        raise Missing(f"This workspace has no key {name!r}; its keys are {known}.")
    return found[0]


def _how_to_vouch(made: Plan) -> str:
    between = made.doubt.since - 1 - made.doubt.until
    if between <= 0:
        return "."
    return (
        f"; or compare entries {made.doubt.until + 1} to {made.doubt.since - 1}, which no tag or "
        "approval covers, with a copy of ledger/ from before the theft, and add --vouch."
    )


def _done(context: Context, span: Span) -> Revoked:
    layout = context.layout
    made = {number: read_revocation(layout, number) for number in revocations(layout)}
    number, last = [each for each in made.items() if each[1].key == span.keyid][-1]
    believed = _believed(span, last.since, span.last or 0, last.anchor, survey(layout))
    return _revoked(context, believed, number, {})
