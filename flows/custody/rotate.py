"""rotate: new keys for statements and models; everything that the old ones signed still verifies."""

from collections.abc import Mapping

from sluicegate.core import Conflict
from sluicegate.core.document import Document, Result
from sluicegate.evidence.ledger import COMMIT, REINSTATE, SUSPEND
from sluicegate.flows.custody.succession import (
    BOTH,
    MODELS,
    ROTATE,
    STATEMENTS,
    TAKE_OVER,
    Followed,
    settle,
    succeed,
    to_follow,
    to_sign_again,
)
from sluicegate.record.champion import suspended
from sluicegate.record.context import Context
from sluicegate.record.keys.survey import survey
from sluicegate.record.policy import in_force
from sluicegate.stores import git, keys, record
from sluicegate.stores.layout import Layout


class Rotated(Result):
    """Which keys follow which, by kind, up to which entry; `finished` if it was begun before."""

    keys: Mapping[str, Followed]
    entry: int
    finished: bool
    notes: tuple[str, ...]


class SignedAgain(Document):
    """A promoted model whose signature a rotation makes anew."""

    update: str
    version: int


class RotationPlan(Result):
    """What a rotation would do: how many statements the new key vouches for, models signed again, entries.

    With `finishes` it would only end the rotation that was broken off.
    """

    finishes: bool
    keys: Mapping[str, Followed]
    vouches_for: int
    models: tuple[SignedAgain, ...]
    entries: tuple[str, ...]
    notes: tuple[str, ...]


def rotate(context: Context, kinds: frozenset[str] = BOTH, reason: str = "rotated") -> Rotated:
    """Let new keys follow those of these `kinds`, in one commit, and return which followed which.

    Interrupted before its commit it starts over; after it, the same command finishes it and rotates no
    further. Raises Conflict for a key from the environment, or uncommitted changes of ours.
    """
    layout = context.layout
    finished = settle(layout)
    if finished:
        followed = last_change(context)
    else:
        git.require_branch(layout.root)
        require_tidy(context)
        followed = succeed(context, kinds, reason)
    return Rotated(
        keys={kind: followed[kind] for kind in sorted(followed)},
        entry=len(record.entry_files(layout)),
        finished=finished,
        notes=tuple(notes(context)),
    )


def plan(context: Context, kinds: frozenset[str] = BOTH) -> RotationPlan:
    """Return what `rotate` would do; raises what would keep it from starting."""
    layout = context.layout
    finishes = keys.is_taking_over(layout)
    if finishes:
        followed = last_change(context)
    else:
        git.require_branch(layout.root)
        require_tidy(context)
        followed = to_follow(layout, kinds)
    says_again = [REINSTATE, *([SUSPEND] if suspended(layout) else [])]
    written = [*([ROTATE] if STATEMENTS in kinds else []), TAKE_OVER, *says_again, COMMIT]
    again = to_sign_again(layout) if MODELS in kinds and not finishes else ()
    return RotationPlan(
        finishes=finishes,
        keys={kind: followed[kind] for kind in sorted(followed)},
        vouches_for=0 if finishes or STATEMENTS not in kinds else _vouched_for(layout),
        models=tuple(SignedAgain(update=p.update, version=p.version) for p, _, _ in again),
        entries=() if finishes else tuple(written),
        notes=tuple(notes(context)),
    )


def _vouched_for(layout: Layout) -> int:
    """Return how many statements the next key would vouch for; raises Tampered for a broken ledger."""
    current = keys.keyring(layout).current.keyid
    return sum(1 for each in survey(layout).statements if each.keyid == current and each.entry)


def last_change(context: Context) -> dict[str, Followed]:
    """Return the latest change of keys in the ledger."""
    found = (e.details for e in record.backwards(context.layout) if e.verb == TAKE_OVER)
    details = next(found, {})
    return {kind: Followed.read(details[kind], "the ledger") for kind in BOTH & details.keys()}


def require_tidy(context: Context) -> None:
    """Raise Conflict where a file of the record differs from what git has: a new key vouches for it."""
    layout = context.layout
    rooms = [r for r in (*record.ROOMS, "trust") if (layout.root / r).exists()]
    changed = git.changed_paths(layout.root, rooms)
    if changed:
        raise Conflict(
            f"{changed[0]} has uncommitted changes; commit or restore it first: the "
            "new key vouches for the record as it is in the working tree."
        )


def notes(context: Context) -> list[str]:
    """Return what people have to do after a change of keys."""
    left = [
        "Give each serving host a new trust root, or it rejects the new keys: `sluicegate trust export`.",
        "Make a new backup (`sluicegate backup`), and replace your copy of .sluicegate/keys.",
    ]
    if in_force(context.layout) is not None:
        left.append(
            "trust/ changed: an owner must sign the policy again: `sluicegate policy sign --as NAME`."
        )
    return [*left, "Push the branch and the tags."]
