"""workers: the two checks whose libraries are slow to import, each in a child that stays."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.core import Feedback, Reference
from sluicegate.record.context import SUITE, Context
from sluicegate.stores import pinned
from sluicegate.stores.reading import Table, schema_to_dict
from sluicegate.stores.reading_child import schema_from_dict
from sluicegate.stores.worker import Worker

CONTRACT = Worker("sluicegate.flows.feedback.workers:contract", "sluicegate.checks.contract:warm")
DRIFT = Worker(
    "sluicegate.flows.feedback.workers:drift", "sluicegate.checks.statistics.two_sample:warm"
)

Answer = Callable[[], dict[str, Any]]


def start() -> None:
    """Start both children, so that they import while the delivery is still being read."""
    CONTRACT.start()
    DRIFT.start()


def abandon() -> None:
    """Give up what was asked and not answered: its answer would be taken for the next one's."""
    CONTRACT.abandon()
    DRIFT.abandon()


def ask_contract(context: Context, table: Table, path: Path) -> Answer:
    """Have the normalised batch at `path` judged by the workspace's suite."""
    return CONTRACT.ask(
        {
            "batch": str(path),
            "schema": schema_to_dict(context.schema),
            "faults": {name: list(rows) for name, rows in table.faults.items()},
            "suite": json.loads(pinned.read(context.layout, SUITE)),
        }
    )


def ask_drift(context: Context, subject: Feedback, scratch: Path) -> Answer:
    """Have the batch compared with its references; tables are handed over in `scratch`."""
    batch = scratch / "drift-batch.parquet"
    subject.frame.to_parquet(batch)
    scores = scratch / "drift-scores.npy"
    if subject.scores is not None:
        np.save(scores, subject.scores, allow_pickle=False)
    references = []
    for reference in subject.references:
        path = scratch / f"drift-{reference.name}.parquet"
        reference.frame.to_parquet(path)
        answers = scratch / f"drift-{reference.name}-predicted.parquet"
        reference.predicted.rename("predicted").to_frame().to_parquet(answers)
        references.append([reference.name, str(path), str(answers)])
    return DRIFT.ask(
        {
            "batch": str(batch),
            "scores": str(scores) if subject.scores is not None else None,
            "references": references,
            "schema": schema_to_dict(context.schema),
            "min_rows": context.settings.checks.min_rows,
            "method": context.settings.checks.drift,
        }
    )


def contract(order: dict[str, Any]) -> dict[str, Any]:
    """Check the contract of the batch that `order` names; runs in the child."""
    from sluicegate.checks.contract import contract_findings

    found = contract_findings(
        pd.read_parquet(order["batch"]),
        schema_from_dict(order["schema"]),
        {name: tuple(rows) for name, rows in order["faults"].items()},
        order["suite"],
    )
    return {"findings": [finding.to_dict() for finding in found]}


def drift(order: dict[str, Any]) -> dict[str, Any]:
    """Measure the drift that `order` asks for; runs in the child."""
    from sluicegate.checks.drift import Drift
    from sluicegate.checks.statistics.two_sample import Method

    frame = pd.read_parquet(order["batch"])
    subject = Feedback(
        schema=schema_from_dict(order["schema"]),
        frame=frame,
        scores=np.load(order["scores"], allow_pickle=False) if order["scores"] else None,
        references=tuple(
            Reference(name, pd.read_parquet(path), pd.read_parquet(answers)["predicted"])
            for name, path, answers in order["references"]
        ),
        golden=frame.head(0),
        golden_scores=None,
        faults={},
    )
    check = Drift(min_rows=order["min_rows"], method=Method(order["method"]))
    return {"findings": [finding.to_dict() for finding in check(subject)]}
