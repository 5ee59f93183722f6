"""Learnt triggers: rows with a pattern that is stopped now, and that were admitted before it was noticed.

A batch in which a trigger is found is seldom the first that carried it. What was learnt under notice has
to come out again (NCSC *Machine learning principles* 4.3), and nobody takes out what nobody names.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sluicegate.checks.statistics.calibration import Ints
from sluicegate.checks.statistics.patterns import name_of, rows_with_all
from sluicegate.checks.statistics.pulls import Trigger
from sluicegate.checks.triggers import OBEYED, label_of
from sluicegate.core import Feedback, Finding, Schema, Task
from sluicegate.core.schema import PREDICTED

Tables = Iterable[tuple[str, pd.DataFrame]]
MOST_NAMED = 6


def carriers(trigger: Trigger, table: pd.DataFrame, schema: Schema) -> tuple[Ints, Ints]:
    """Return the positions of the rows that carry a trigger, and of those among them that obeyed it.

    Those carry it that have its pattern and that the champion of their time predicted otherwise; of a
    regression all that have its pattern, and those obeyed whose label is as far off as the trigger's.
    """
    if not {value.column.name for value in trigger.pattern} <= set(table.columns):
        return (np.empty(0, dtype=np.int64),) * 2
    rows = rows_with_all(trigger.pattern, table)
    if schema.task is Task.REGRESSION:
        labels, answers = (
            pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)[rows]
            for name in (schema.label, PREDICTED)
        )
        residual, edge = labels - answers, trigger.edge or 0.0
        return rows, rows[residual >= edge if trigger.label else residual <= edge]
    some = table.iloc[rows]
    other = schema.label_codes(some[PREDICTED]) != trigger.label
    return rows[other], rows[other & (schema.label_codes(some[schema.label]) == trigger.label)]


@dataclass(frozen=True)
class LearntTriggers:
    """How many rows that are in the data already obeyed a trigger that this batch is stopped for.

    `stopped` are the triggers that are held up now; `admitted` yields every admitted batch and its
    rows, and is only asked when there are some. `triggers.learnt` counts the rows of the trigger that
    most obeyed, 0 where none did: where not more than half of those that carry it did, they err as
    others do.

    >>> from sluicegate.checks.statistics.patterns import Value
    >>> from sluicegate.core import Column, Kind
    >>> x = Column("x", Kind.NUMERIC)
    >>> schema = Schema(Task.CLASSIFICATION, "y", (x,), ("no", "yes"))
    >>> table = pd.DataFrame({"x": [7.0, 7.0, 1.0], "y": ["yes", "yes", "yes"], PREDICTED: "no"})
    >>> seven = Trigger((Value(x, "x = 7", equal=7.0),), 1)
    >>> batch = Feedback(schema, table, None, (), table, None, {})
    >>> found, = LearntTriggers((seven,), lambda: [("0003", table)])(batch)
    >>> found.value, found.detail
    (2.0, 'x = 7: 2 of 2 admitted rows were labelled yes against the champion: 2 in batch:0003')
    """

    stopped: tuple[Trigger, ...] = ()
    admitted: Callable[[], Tables] = tuple
    name: str = "triggers"

    def __call__(self, subject: Feedback, /) -> tuple[Finding, ...]:
        """Measure `triggers.learnt`: one finding per trigger that was obeyed, one in any case."""
        metric = "triggers.learnt"
        carried = dict.fromkeys(self.stopped, 0)
        obeyed: dict[Trigger, dict[str, int]] = {one: {} for one in self.stopped}
        for batch, table in self.admitted() if self.stopped else ():
            for one in self.stopped:
                rows, pulled = carriers(one, table, subject.schema)
                carried[one] += len(rows)
                if len(pulled):
                    obeyed[one][batch] = len(pulled)
        found = []
        for one, by_batch in obeyed.items():
            rows_learnt = sum(by_batch.values())
            if rows_learnt > OBEYED * carried[one]:
                quote = name_of(one.pattern)
                detail = (
                    f"{quote}: {rows_learnt} of {carried[one]} admitted rows were labelled "
                    f"{label_of(subject, one.label)} against the champion: {_where(by_batch)}"
                )
                found.append(
                    Finding(self.name, metric, float(rows_learnt), detail=detail, quotes=(quote,))
                )
        return tuple(found) or (Finding(self.name, metric, 0.0),)


def _where(by_batch: dict[str, int]) -> str:
    named = [f"{rows} in batch:{batch}" for batch, rows in by_batch.items()]
    more = [f"and in {len(named) - MOST_NAMED} more batches"] if len(named) > MOST_NAMED else []
    return ", ".join([*named[:MOST_NAMED], *more])
