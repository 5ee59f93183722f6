"""workers: the two checks whose libraries are slow to import, each in a long-lived child process."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.core import Feedback, Finding, Reference, Schema
from sluicegate.core.document import Plain
from sluicegate.core.normalise import Faults
from sluicegate.record.context import SUITE, Context
from sluicegate.stores import pinned
from sluicegate.stores.reading import Table
from sluicegate.stores.worker import Worker

CONTRACT = Worker("sluicegate.flows.feedback.workers:contract", "sluicegate.checks.contract:warm")
DRIFT = Worker(
    "sluicegate.flows.feedback.workers:drift", "sluicegate.checks.statistics.two_sample:warm"
)

Answer = Callable[[], list[Finding]]


@dataclass(frozen=True)
class Contracted(Plain):
    """A normalised batch, to be judged by a suite."""

    batch: str
    schema: Schema
    faults: Faults
    suite: Any


@dataclass(frozen=True)
class Drifted(Plain):
    """A batch to be compared with references: the name of each, its rows and what was predicted of them."""

    batch: str
    scores: str | None
    references: tuple[tuple[str, str, str], ...]
    schema: Schema
    min_rows: int
    method: str


def start() -> None:
    """Start both children, so that they import while intake still reads the delivery."""
    CONTRACT.start()
    DRIFT.start()


def abandon() -> None:
    """Drop unanswered requests: a late answer would be mistaken for the next one's."""
    CONTRACT.abandon()
    DRIFT.abandon()


def ask_contract(context: Context, table: Table, path: Path) -> Answer:
    """Have the normalised batch at `path` judged by the workspace's suite."""
    suite = json.loads(pinned.read(context.layout, SUITE))
    return _asked(CONTRACT, Contracted(str(path), context.schema, table.faults, suite))


def ask_drift(context: Context, subject: Feedback, scratch: Path) -> Answer:
    """Have the batch compared with its references; tables are handed over in `scratch`."""
    batch = scratch / "drift-batch.parquet"
    subject.frame.to_parquet(batch)
    scores = scratch / "drift-scores.npy"
    if subject.scores is not None:
        np.save(scores, subject.scores, allow_pickle=False)
    references: list[tuple[str, str, str]] = []
    for reference in subject.references:
        path = scratch / f"drift-{reference.name}.parquet"
        reference.frame.to_parquet(path)
        answers = scratch / f"drift-{reference.name}-predicted.parquet"
        reference.predicted.rename("predicted").to_frame().to_parquet(answers)
        references.append((reference.name, str(path), str(answers)))
    return _asked(
        DRIFT,
        Drifted(
            batch=str(batch),
            scores=str(scores) if subject.scores is not None else None,
            references=tuple(references),
            schema=context.schema,
            min_rows=context.settings.checks.min_rows,
            method=context.settings.checks.drift,
        ),
    )


def _asked(worker: Worker, order: Plain) -> Answer:
    answer = worker.ask(order.to_dict())
    return lambda: [Finding.read(each, "a child's answer") for each in answer()]


def contract(written: object) -> list[object]:
    """Check the contract of the batch that an order names; runs in the child."""
    from sluicegate.checks.contract import contract_findings

    order = Contracted.read(written, "the order")
    frame = pd.read_parquet(order.batch)
    return _answered(contract_findings(frame, order.schema, order.faults, order.suite))


def drift(written: object) -> list[object]:
    """Measure the drift that an order asks for; runs in the child."""
    from sluicegate.checks.drift import Drift
    from sluicegate.checks.statistics.two_sample import Method

    order = Drifted.read(written, "the order")
    frame = pd.read_parquet(order.batch)
    subject = Feedback(
        schema=order.schema,
        frame=frame,
        scores=np.load(order.scores, allow_pickle=False) if order.scores else None,
        references=tuple(
            Reference(name, pd.read_parquet(path), pd.read_parquet(answers)["predicted"])
            for name, path, answers in order.references
        ),
        golden=frame.head(0),
        golden_scores=None,
        faults={},
    )
    return _answered(Drift(min_rows=order.min_rows, method=Method(order.method))(subject))


def _answered(found: Iterable[Finding]) -> list[object]:
    return [each.to_dict() | {"quotes": list(each.quotes)} for each in found]
