"""calibration: the limits that batches are held to, as the last signed calibration has them."""

from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import CALIBRATION, predicate_of
from sluicegate.gates import Policy
from sluicegate.gates.calibration import Calibration, effective
from sluicegate.record.context import Context
from sluicegate.stores import files, record
from sluicegate.stores.layout import Layout

VERB = "calibrate"


def read_calibration(layout: Layout) -> Calibration | None:
    """Return the workspace's calibration, None where there is none: then limits are as written.

    Raises Tampered unless the file is the one that its signed statement names, and that statement
    the one that the ledger names last: an older, wider one is not to be put back.
    """
    path = layout.calibration
    if not path.is_file():
        return None
    statement = path.with_name("statement.json")
    where = str(path.relative_to(layout.root))
    last = next((e for e in record.backwards(layout) if e.verb == VERB), None)
    named = last.subjects[-1].sha256 if last else None
    if not statement.is_file() or named != sha256_file(statement):
        raise Tampered(
            f"{where} is not the calibration that the ledger names; run `git restore calibration`."
        )
    payload = record.read_statement(layout, statement)
    predicate_of(payload, CALIBRATION, str(statement.relative_to(layout.root)))
    if payload["subject"][0]["digest"]["sha256"] != sha256_file(path):
        raise Tampered(f"{where} is not what its statement says; run `git restore calibration`.")
    return Calibration.from_dict(files.read_json(path))


def intake_policy(context: Context) -> Policy:
    """Return the policy that batches are held to: the written limits, raised where calibrated."""
    written = context.settings.policy("intake")
    wanted = context.settings.checks.calibration_windows > 0
    found = read_calibration(context.layout) if wanted else None
    digest = sha256_file(context.layout.calibration) if found else None
    return effective(written, found, digest)
