"""triggers: which triggers a batch was stopped for, kept beside its verdict; who obeyed them before."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from sluicegate.checks.learnt import LearntTriggers, Tables
from sluicegate.checks.statistics.pulls import Trigger, trigger_behind
from sluicegate.core import Feedback, Finding, Missing, Outcome, Schema
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import VERDICT, predicate_of
from sluicegate.gates import Policy
from sluicegate.gates.decide import outcome_of
from sluicegate.record.source_history import is_known, pinned, read_values, written_values
from sluicegate.stores import data, files, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.quoting import TRIGGERS


def stopped_for(
    policy: Policy, findings: Iterable[Finding], subject: Feedback
) -> tuple[Trigger, ...]:
    """Return the triggers that `policy` does not let pass in a batch, the first found first."""
    listed = (
        trigger_behind(subject, each)
        for each in findings
        if outcome_of(policy, each)[1] is not Outcome.PASS
    )
    return tuple(dict.fromkeys(each for each in listed if each is not None))


def learnt_triggers(layout: Layout, stopped: tuple[Trigger, ...]) -> LearntTriggers:
    """Return the check that counts the admitted rows which obeyed triggers that are stopped now."""

    def admitted() -> Tables:
        for batch in data.admitted_batches(layout):
            yield batch, data.read_verified(layout.admitted(batch) / data.FEEDBACK)

    return LearntTriggers(stopped, admitted)


def keep_stopped(
    layout: Layout, number: str, stopped: Sequence[Trigger], schema: Schema
) -> str | None:
    """Write the triggers that a batch was stopped for, return the file's SHA-256; None: for none.

    What a sensitive column says is not kept beside the verdict.
    """
    secret = set(schema.sensitive)
    open_ = [t for t in stopped if not secret & {value.column.name for value in t.pattern}]
    if not open_ or schema.label in secret:
        return None
    path = layout.intake(number) / TRIGGERS
    listed = [asdict(each) | {"pattern": written_values(each.pattern)} for each in open_]
    files.write_json_rows(path, listed)
    return sha256_file(path)


def kept_triggers(layout: Layout, number: str, schema: Schema) -> list[Trigger]:
    """Return the triggers that a batch was stopped for; raises Missing where none is kept."""
    where = f"intake/{number}/verdict.json"
    predicate = predicate_of(record.read_statement(layout, layout.root / where), VERDICT, where)
    sha256 = predicate.get("triggers")
    if sha256 is None:
        raise Missing(
            f"batch:{number} has no stored trigger; name its rows, as in "
            f"row:{number}/0, or its sources."
        )
    rows = pinned(layout, number, TRIGGERS, sha256)
    found = [
        Trigger(**row | {"pattern": read_values(row["pattern"], schema)})
        for row in rows
        if is_known(row, schema)
    ]
    if not found:
        raise Missing(f"The columns of batch:{number}'s triggers no longer exist.")
    return found
