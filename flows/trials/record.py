"""record: what a drill came to, signed and committed in drills/NNNN; and all earlier ones."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sluicegate.core import Artifact
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import DRILL, predicate_of
from sluicegate.flows.trials.drilled import Drilled
from sluicegate.record.context import Context
from sluicegate.record.threats import THREATS, threats, written
from sluicegate.stores import files, record
from sluicegate.stores.layout import Layout, next_number, numbered
from sluicegate.stores.transaction import transaction

DRILLS = "drills"
STATEMENT = "drill.json"
RESULTS = "results.json"
ROOMS = ("ledger", DRILLS, THREATS)


def keep(context: Context, drilled: Drilled) -> Drilled:
    """Write drills/NNNN and threats.yaml, sign, enter in the ledger and commit; return it with its id."""
    from sluicegate.flows.trials.drill_page import write_page

    layout = context.layout
    with transaction(context, "drill", rooms=ROOMS) as t:
        number = next_number(layout.root / DRILLS)
        folder, now = layout.root / DRILLS / number, context.now()
        results = {"windows": [each.to_dict() for each in drilled.played]}
        files.write_json(folder / RESULTS, results)
        bound = Artifact(f"{DRILLS}/{number}/{RESULTS}", sha256_file(folder / RESULTS))
        by = {"drill": number, "time": now, "started_by": context.started_by}
        signed = t.state(folder / STATEMENT, [bound], DRILL, {**by, **drilled.said()})
        told = list(statements(layout))
        rows = threats(told)
        files.write_bytes(layout.root / THREATS, written(rows).encode())
        kept = replace(drilled, id=number, opened=tuple(r for r in rows if r["state"] == "open"))
        write_page(folder, kept, told)
        details = {"drill": number, "outcome": drilled.said()["outcome"], "mean": drilled.mean}
        t.append("drill", [signed], details)
        t.commits_as(f"drill:{number} {drilled.kind}")
    return kept


def statements(layout: Layout) -> Iterator[dict[str, Any]]:
    """Yield what all drills came to, the oldest first; raises Tampered."""
    folder = layout.root / DRILLS
    for number in numbered(folder):
        path = folder / number / STATEMENT
        where = f"{DRILLS}/{number}/{STATEMENT}"
        yield predicate_of(record.read_statement(layout, path), DRILL, where)
