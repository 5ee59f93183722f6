"""verify: check offline that everything matches the signed record, and name whatever does not."""

import time
from collections.abc import Callable, Mapping

from sluicegate.core import SluicegateError
from sluicegate.core.document import Result
from sluicegate.evidence.keyring import PLACE, Trust
from sluicegate.evidence.verifier import Verifier
from sluicegate.flows.custody.approvals import approvals
from sluicegate.flows.custody.inspection import Inspection, Wrong
from sluicegate.flows.custody.keys import keys
from sluicegate.flows.custody.ledger import ledger, ledger_print
from sluicegate.flows.custody.models import promoted_models
from sluicegate.flows.custody.policy import policy
from sluicegate.flows.custody.retired import retired
from sluicegate.flows.custody.statements import statements
from sluicegate.flows.custody.tables import tables
from sluicegate.flows.custody.tree import ROOMS, tree
from sluicegate.flows.custody.verdicts import verdicts
from sluicegate.flows.custody.whole import whole
from sluicegate.record.calibration import read_calibration
from sluicegate.record.context import Context
from sluicegate.stores import keys as keys_of
from sluicegate.stores import record
from sluicegate.stores.commits import Commit
from sluicegate.stores.seen import Seen, keep_seen, read_seen

Bar = Callable[[int, int, str], None]


def calibration(found: Inspection) -> None:
    """Check the calibration of the limits."""
    read_calibration(found.context.layout)


PARTS: tuple[Callable[[Inspection], None], ...] = (
    tree,
    ledger,
    keys,
    statements,
    verdicts,
    tables,
    calibration,
    policy,
    approvals,
    promoted_models,
    retired,
    whole,
)


class Verified(Result):
    """What was checked, from which ledger entry on, and what is wrong."""

    ok: bool
    since: int
    looked_at: Mapping[str, int]
    wrong: tuple[Wrong, ...]
    undecided: tuple[Wrong, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """Return 4 when something is wrong, 1 when something could not be decided, else 0."""
        return 4 if self.wrong else 1 if self.undecided else 0


def verify(context: Context, full: bool = False, bar: Bar = lambda *_: None) -> Verified:
    """Check what is new or changed since the last verification or, with `full`, everything.

    The results of an earlier verification save time and prove nothing: if anything is wrong or not
    known, everything is checked again.
    """
    started = time.monotonic()
    layout = context.layout
    before = Seen() if full else read_seen(layout)
    found = _inspect(context, before, bar)
    if before.head.sequence and (found.wrong or found.undecided):
        before = Seen()
        found = _inspect(context, before, bar)
    if not found.wrong and not found.undecided and layout.may_sign:
        seen = Seen(found.head, ledger_print(found, found.head), found.prints, context.now())
        keep_seen(layout, seen)
    return Verified(
        ok=not found.wrong and not found.undecided,
        since=before.head.sequence,
        looked_at=found.counts,
        wrong=tuple(dict.fromkeys(found.wrong)),
        undecided=tuple(dict.fromkeys(found.undecided)),
        notes=tuple(dict.fromkeys(found.notes)),
        seconds=round(time.monotonic() - started, 3),
    )


def _trust(context: Context) -> tuple[Trust, list[Wrong]]:
    """Return whose word counts: where the keyring does not hold, that of the key that signs now alone."""
    try:
        return record.committed(context.layout).trust, []
    except SluicegateError as error:
        current = keys_of.public_of(context.layout)
        return keys_of.trust_in({}, current), [Wrong(where=PLACE, says=str(error))]


def _inspect(context: Context, before: Seen, bar: Bar) -> Inspection:
    context = context.pinned()
    files = Commit(context.layout.root, context.commit, ROOMS)
    trust, wrong = _trust(context)
    found = Inspection(context, files, Verifier(files, trust), before, bar, wrong)
    for part in PARTS:
        try:
            part(found)
        except SluicegateError as error:
            found.blame(part.__name__.replace("_", " "), str(error))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            found.doubt(part.__name__.replace("_", " "), f"{type(error).__name__}: {error}")
    return found
