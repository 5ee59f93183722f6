"""The child process that parses a delivered file: an order on stdin, an answer on stdout."""

import json
import resource
import sys
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from errno import EIO
from pathlib import Path

import pandas as pd
import pyarrow as pa

from sluicegate.core import Schema
from sluicegate.core.document import Plain
from sluicegate.core.normalise import Faults, named_columns, normalise, pseudonymise
from sluicegate.core.schema import ROW, label_text
from sluicegate.stores.reading_forms import FORMS, Asked, Refused, first_line, too_large
from sluicegate.stores.settings import Reading


@dataclass(frozen=True)
class Order(Plain):
    """A file to read as `form` into the parquet file `out`; without a schema, as it is."""

    form: str
    path: str
    out: str
    budget: Reading
    schema: Schema | None = None
    key: str = ""


@dataclass(frozen=True)
class Answer(Plain):
    """The cells that could not be read as their kind; or why nothing was read: the file's fault, or not."""

    faults: Faults = field(default_factory=dict)
    unreadable: str | None = None
    errno: int | None = None
    error: str = ""


def main() -> None:
    """Carry out the order on stdin and answer on stdout."""
    order = Order.read(json.load(sys.stdin), "the order")
    limit(order.budget)
    try:
        answer = Answer(carry_out(order))
    except Refused as refused:
        answer = Answer(unreadable=str(refused))
    except MemoryError:
        answer = Answer(unreadable=too_large(order.budget))
    except OSError as error:  # a full disk says nothing about the file
        answer = Answer(errno=error.errno or EIO, error=error.strerror or str(error))
    json.dump(answer.to_dict(), sys.stdout)


def limit(budget: Reading) -> None:
    """Hold this process to its budget: memory beyond what the libraries took, and CPU seconds."""
    pa.set_memory_pool(pa.system_memory_pool())  # the others reserve addresses by the gigabyte
    pa.set_cpu_count(1)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + budget.max_memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (budget.max_seconds, budget.max_seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the delivery


def carry_out(order: Order) -> Faults:
    """Read, normalise and write the table that `order` names; return its faults."""
    path, budget, schema = Path(order.path), order.budget, order.schema
    size = path.stat().st_size
    if size > budget.max_bytes:
        raise Refused(f"The file is larger than reading.max_bytes ({budget.max_bytes}); split it.")
    if size == 0:
        raise Refused("The file is empty; send it again.")
    asked = _asked(budget, schema)
    faults = defaultdict[str, list[int]](list)
    parts: list[pd.DataFrame] = []
    rows = held = 0
    with closing(FORMS[order.form](path, asked)) as read:
        for raw in read:
            part = raw
            if schema is not None:
                part, bad = normalise(raw, schema)
                part = pseudonymise(part, schema.sensitive, bytes.fromhex(order.key))
                for name, where in bad.items():
                    faults[name] += [rows + row for row in where]
            rows, held = rows + len(part), held + int(part.memory_usage(deep=True).sum())
            asked.require_rows(rows)
            asked.require_memory(held)
            parts.append(part)
    _write(parts, order.out, numbered=schema is not None)
    return {name: tuple(where) for name, where in faults.items()}


def _asked(budget: Reading, schema: Schema | None) -> Asked:
    if schema is None:
        return Asked(budget, None, {})
    kept = {schema.label: [label_text(value) for value in schema.classes]}
    return Asked(budget, named_columns(schema), kept)


def _write(parts: list[pd.DataFrame], out: str, numbered: bool) -> None:
    whole = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    parts.clear()
    if numbered:
        whole.insert(0, ROW, range(len(whole)))
    else:
        whole = whole.infer_objects()
    try:
        whole.to_parquet(out, index=False)
    except MemoryError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise Refused(f"The file has a column of mixed types: {first_line(error)}") from error


if __name__ == "__main__":
    main()
