"""revoke: a stolen key is believed up to an entry that it cannot have made up, and no further.

Whoever holds a key can sign with any time and number. So of what it signed before the entry that is
named, that counts which an anchor covers: a head of the ledger in an update's tag, or in a reviewer's
answer; or, with `vouch`, what the operator vouches for after comparing the ledger with an older copy.
Nothing may be in force on the rest, so the revocation waits until it was rolled back.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sluicegate.core import Artifact, Conflict, Missing, Misused
from sluicegate.evidence.keyring import Keyring, Span
from sluicegate.evidence.statement import REVOCATION, predicate_of
from sluicegate.flows.custody.anchors import Anchor, last_anchor
from sluicegate.flows.custody.resting import resting
from sluicegate.flows.custody.rotate import notes, require_tidy
from sluicegate.flows.custody.succession import BOTH, ROOM, Doubt, settle, succeed
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context
from sluicegate.record.kept_models import kept_model
from sluicegate.record.keys.survey import Survey, survey
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


@dataclass(frozen=True)
class Plan:
    """What a revocation would come to."""

    span: Span
    doubt: Doubt
    anchor: Anchor
    found: Survey
    resting: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        span, last = self.span, len(self.found.entries)
        return {
            "schema": 1,
            "key": span.keyid,
            "since": self.doubt.since,
            "believed_until": self.doubt.until,
            "anchor": asdict(self.anchor),
            "signed_before": self.found.by(span.keyid, 1, self.doubt.until),
            "signed_since": self.found.by(span.keyid, self.doubt.until + 1, last),
            "resting": list(self.resting),
        }


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
            f"The key {span.keyid[:12]} signed the entries {span.first} to {last}; name one of them."
        )
    anchor = last_anchor(layout, found, order.since)
    until = order.since - 1 if order.vouch else anchor.entry
    if span.revoked and span.last is not None:
        until = min(until, span.last)  # what was revoked is not believed again
    doubt = Doubt(span.keyid, order.since, max(until, span.first - 1), order.reason)
    standing = resting(context, doubt.on(ring, found), found)
    return Plan(span, doubt, anchor, found, tuple(standing))


def revoke(context: Context, order: Order) -> dict[str, Any]:
    """Revoke a key, sign the champion again with a new one, and return what the revoked one signed.

    Raises Conflict, with the commands that end it, while anything in force rests on what is not believed;
    and for the key that signs now, unless a reviewer countersigns. Run again it changes nothing.
    """
    layout = context.layout
    if not order.reason.strip():
        raise Misused("Say why with --reason: it is in the record for good.")
    settle(layout)
    git.require_branch(layout.root)
    ring = keys.keyring(layout)
    span = _named(ring, order.keyid)
    if span.revoked and (span.last or 0) < order.since:
        return _done(context, span)
    if span is ring.current and order.reviewer is None:
        raise Conflict(
            "That is the key which signs now, so it would revoke itself: run `sluicegate trust "
            "rotate`, then this again, or have a reviewer countersign it with --as NAME."
        )
    require_tidy(context)
    made = plan(context, order)
    if made.resting:
        first = "" if span is not ring.current else " after `sluicegate trust rotate`"
        raise Conflict(
            f"Nothing was revoked yet: {'; '.join(made.resting)}. Run that{first}, then this again"
            + _how_to_vouch(made)
        )
    _require_sound(context)
    said = _said(context, order, made, span is ring.current)

    def then(t: Transaction, folder: Path) -> None:
        _keep(t, folder, said)

    told = succeed(context, BOTH, f"revoked: {order.reason}", made.doubt, then)
    answer = made.to_dict() | {"succession": said["succession"], "keys": told}
    return answer | {"champion": champion_of(layout).ref.to_dict(), "notes": notes(context)}


def text_to_sign(said: dict[str, Any]) -> str:
    """Return what a reviewer signs who countersigns a revocation."""
    names = ("succession", "key", "since", "believed_until", "head", "reviewer")
    lines = [f"{name}: {said[name]}" for name in names]
    reason = " ".join(str(said["reason"]).split())
    return "\n".join(["sluicegate revocation, version 1", *lines, f"reason: {reason}", ""])


def revocations(layout: Layout) -> list[str]:
    """Return the numbers of the successions in which a key was revoked."""
    folder = layout.root / ROOM
    return [n for n in numbered(folder) if (folder / n / "revocation.json").is_file()]


def read_revocation(layout: Layout, number: str) -> dict[str, Any]:
    """Return what is said of a revocation; raises Tampered or Missing."""
    path = layout.root / ROOM / number / "revocation.json"
    where = path.relative_to(layout.root).as_posix()
    return predicate_of(record.read_statement(layout, path), REVOCATION, where)


def verify_countersignature(said: dict[str, Any], allowed: str) -> str:
    """Return the fingerprint of the reviewer's key; raises Misused for a signature that is none."""
    return ssh.verify(text_to_sign(said), said["signature"], said["reviewer"], allowed, NAMESPACE)


def _said(context: Context, order: Order, made: Plan, is_current: bool) -> dict[str, Any]:
    layout = context.layout
    said: dict[str, Any] = {
        "succession": next_number(layout.root / ROOM),
        "key": made.span.keyid,
        "since": order.since,
        "believed_until": made.doubt.until,
        "head": made.found.digest(made.doubt.until),
        "anchor": asdict(made.anchor),
        "vouched": order.vouch,
        "was_current": is_current,
        "reason": order.reason,
        "signed_since": made.to_dict()["signed_since"],
        "reviewer": order.reviewer,
        "signature": None,
        "started_by": context.started_by,
        "time": context.now(),
    }
    if order.reviewer is not None:
        key = order.key or Path("~/.ssh/id_ed25519").expanduser()
        said["signature"] = ssh.sign(text_to_sign(said), key, NAMESPACE)
        verify_countersignature(said, trust.allowed_signers(layout))
    return said


def _keep(t: Transaction, folder: Path, said: dict[str, Any]) -> None:
    """Record the revocation."""
    about = Artifact(f"key:{said['key']}", said["key"])
    made = t.state(folder / "revocation.json", [about], REVOCATION, said)
    names = ("succession", "key", "since", "believed_until", "reason")
    told = {name: said[name] for name in names}
    t.append(REVOKE, [made], told)


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
        raise Missing(f"{name!r} names no key of this workspace; its keys are {known}.")
    return found[0]


def _how_to_vouch(made: Plan) -> str:
    between = made.doubt.since - 1 - made.doubt.until
    if between <= 0:
        return "."
    return (
        f"; or compare the entries {made.doubt.until + 1} to {made.doubt.since - 1}, which no tag or "
        "approval covers, with a copy of ledger/ from before the theft, and add --vouch."
    )


def _done(context: Context, span: Span) -> dict[str, Any]:
    layout, found = context.layout, survey(context.layout)
    last = len(found.entries)
    numbers = [n for n in revocations(layout) if read_revocation(layout, n)["key"] == span.keyid]
    said = read_revocation(layout, numbers[-1])
    until = span.last or 0
    return {
        "schema": 1,
        "key": span.keyid,
        "since": said["since"],
        "believed_until": until,
        "anchor": said["anchor"],
        "signed_before": found.by(span.keyid, 1, until),
        "signed_since": found.by(span.keyid, until + 1, last),
        "resting": [],
        "succession": numbers[-1],
        "keys": {},
        "champion": champion_of(layout).ref.to_dict(),
        "notes": notes(context),
    }
