"""resting: what is in force only because of a key that is no longer trusted, and how to end that."""

from collections.abc import Iterator

from sluicegate.core import SluicegateError, Stage
from sluicegate.evidence.keyring import Keyring
from sluicegate.evidence.ledger import PROMOTE, REINSTATE
from sluicegate.record.champion import champion_of, last_move, suspended
from sluicegate.record.clean_versions import clean_versions
from sluicegate.record.context import Context
from sluicegate.record.keys.survey import Survey
from sluicegate.record.updates import read_update
from sluicegate.stores import data, record

ROLLBACK = "sluicegate rollback --because"


def resting(context: Context, after: Keyring, found: Survey) -> list[str]:
    """Return a sentence with its command for each thing that `after` leaves without evidence.

    The champion first, then past ones that could serve again, batches that are learnt from, updates that
    wait, and the calibration. What was rolled back or refused no longer matters.
    """
    doubted = _doubted(after, found)
    layout = context.layout
    listed = [*_champion(context, after, found, doubted), *_updates(context, doubted)]
    stopped = suspended(layout)
    if stopped and after.at(stopped.sequence) is None:
        listed.append(
            f"only this key says that serving stopped (entry {stopped.sequence}): `sluicegate trust rotate`"
        )
    for batch in data.admitted_batches(layout):
        if f"intake/{batch}/verdict.json" in doubted:
            listed.append(f"only this key vouches for batch:{batch}: `{ROLLBACK} batch:{batch}`")
    if "calibration/statement.json" in doubted and layout.calibration.is_file():
        listed.append("only this key vouches for the calibration: `sluicegate policy calibrate`")
    return listed


def _doubted(after: Keyring, found: Survey) -> frozenset[str]:
    """Return the statements whose first entry counts no more, or that the ledger never named."""
    current = after.current.keyid
    return frozenset(
        each.name
        for each in found.statements
        if each.keyid != current and (each.entry is None or after.at(each.entry) is None)
    )


def _champion(
    context: Context, after: Keyring, found: Survey, doubted: frozenset[str]
) -> Iterator[str]:
    layout = context.layout
    champion, move = champion_of(layout), last_move(layout)
    moves = (
        each.entry.sequence
        for each in reversed(found.entries)
        if each.counts
        and each.entry.verb in (PROMOTE, REINSTATE)
        and after.at(each.entry.sequence) is not None
    )
    holds = next(moves, None) == move.sequence
    if holds and f"updates/{champion.update}/promotion.json" not in doubted:
        return
    clean = [u for u in _clean(context, doubted) if u != champion.update]
    back = f"`sluicegate rollback --to update:{clean[0]}`" if clean else "train one from base data"
    yield f"only this key vouches for version {champion.version} (entry {move.sequence}): {back}"


def _clean(context: Context, doubted: frozenset[str]) -> list[str]:
    try:
        former = clean_versions(context, set())
    except SluicegateError:
        return []
    return [e.update for e in former if f"updates/{e.update}/promotion.json" not in doubted]


def _updates(context: Context, doubted: frozenset[str]) -> Iterator[str]:
    layout = context.layout
    for number in record.updates(layout):
        folder = f"updates/{number}"
        own = any(
            f"{folder}/{name}.json" in doubted for name in ("update", "decision", "promotion")
        )
        stage = read_update(layout, number)[0].stage
        if not own:
            continue
        if stage is Stage.PROMOTED:
            yield f"only this key vouches for promoted update:{number}: `{ROLLBACK} update:{number}`"
        elif stage in (Stage.AWAITING, Stage.APPROVED):
            yield f"only this key vouches for pending update:{number}: `sluicegate update --supersede`"
