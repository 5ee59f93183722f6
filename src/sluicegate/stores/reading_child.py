"""The child process that parses a delivered file: an order on stdin, an answer on stdout."""

import errno
import json
import resource
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from sluicegate.core import Column, Kind, Schema, Task
from sluicegate.core.normalise import named_columns, normalise, pseudonymise
from sluicegate.core.schema import ROW, label_text
from sluicegate.stores.reading_forms import FORMS, Asked, Refused, first_line, too_large


def main() -> None:
    """Carry out the order on stdin and answer on stdout."""
    order = json.load(sys.stdin)
    limit(order["budget"])
    try:
        answer = carry_out(order)
    except Refused as refused:
        answer = {"unreadable": str(refused)}
    except MemoryError:
        answer = {"unreadable": too_large(order["budget"])}
    except OSError as error:  # a full disk says nothing about the file
        answer = {"failed": error.errno or errno.EIO, "said": error.strerror or str(error)}
    json.dump(answer, sys.stdout)


def limit(budget: dict[str, int]) -> None:
    """Hold this process to its budget: memory beyond what the libraries took, and CPU seconds."""
    pa.set_memory_pool(pa.system_memory_pool())  # the others reserve addresses by the gigabyte
    pa.set_cpu_count(1)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + budget["max_memory"]
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (budget["max_seconds"], budget["max_seconds"] + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the delivery


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """Read, normalise and write the table that `order` names; return its faults."""
    path, budget = Path(order["path"]), order["budget"]
    size = path.stat().st_size
    if size > budget["max_bytes"]:
        raise Refused(
            f"The file is larger than reading.max_bytes ({budget['max_bytes']}); split it."
        )
    if size == 0:
        raise Refused("The file is empty; send it again.")
    schema = schema_from_dict(order["schema"]) if "schema" in order else None
    asked = _asked(budget, schema)
    faults = defaultdict[str, list[int]](list)
    parts: list[pd.DataFrame] = []
    rows = held = 0
    with closing(FORMS[order["form"]](path, asked)) as read:
        for raw in read:
            part = raw
            if schema is not None:
                part, bad = normalise(raw, schema)
                part = pseudonymise(part, schema.sensitive, bytes.fromhex(order["key"]))
                for name, where in bad.items():
                    faults[name] += [rows + row for row in where]
            rows, held = rows + len(part), held + int(part.memory_usage(deep=True).sum())
            asked.require_rows(rows)
            asked.require_memory(held)
            parts.append(part)
    _write(parts, order["out"], numbered=schema is not None)
    return {"faults": {name: tuple(where) for name, where in faults.items()}}


def schema_from_dict(data: dict[str, Any]) -> Schema:
    """Return the schema that the parent wrote as JSON types."""
    features = tuple(Column(name, Kind(kind)) for name, kind in data["features"])
    plural = {name: tuple(data[name]) for name in ("classes", "sensitive", "slices")}
    return Schema(**(data | plural | {"features": features, "task": Task(data["task"])}))


def _asked(budget: dict[str, int], schema: Schema | None) -> Asked:
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
