"""calibration: the limits that batches are held to, as the last signed calibration has them."""

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_bytes
from sluicegate.evidence.statement import CALIBRATION, predicate_of
from sluicegate.gates import Policy
from sluicegate.gates.calibration import Calibration, effective
from sluicegate.record.context import Context
from sluicegate.stores import record
from sluicegate.stores.layout import Layout

VERB = "calibrate"
CALIBRATED, STATEMENT = "calibration/calibration.json", "calibration/statement.json"


def read_calibration(layout: Layout) -> Calibration | None:
    """Return the workspace's calibration, None where there is none: then limits are as written.

    Raises Tampered unless the file is the one that its signed statement names, and that statement
    the one that the ledger names last: an older, wider one is not to be put back.
    """
    held = record.committed(layout)
    if CALIBRATED not in held.files:
        return None
    last = held.last(VERB)
    statement = held.statement(STATEMENT) if STATEMENT in held.files else None
    if last is None or statement is None or last.subjects[-1].sha256 != statement.sha256:
        raise Tampered(
            f"{CALIBRATED} is not the calibration named in the ledger; restore calibration/ from git."
        )
    predicate_of(statement.payload, CALIBRATION, STATEMENT)
    if statement.subjects[0].sha256 != sha256_bytes(held.read(CALIBRATED)):
        raise Tampered(f"{CALIBRATED} does not match its statement; restore calibration/ from git.")
    return Calibration.read(held.json(CALIBRATED), CALIBRATED)


def intake_policy(context: Context) -> Policy:
    """Return the policy that batches are held to: the written limits, raised where calibrated."""
    written = context.settings.policy("intake")
    wanted = context.settings.checks.calibration_windows > 0
    found = read_calibration(context.layout) if wanted else None
    digest = sha256_bytes(record.committed(context.layout).read(CALIBRATED)) if found else None
    return effective(written, found, digest)
