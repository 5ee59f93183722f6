"""history: what earlier batches said of their sources and of patterns, kept beside their verdicts."""

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.checks.memory import Heard
from sluicegate.checks.statistics.disagreement import HOSTILE, TOLERATED, Tally
from sluicegate.checks.statistics.panel import Panel
from sluicegate.checks.statistics.patterns import Value, rows_with_all
from sluicegate.checks.statistics.pulls import Pulled
from sluicegate.checks.trigger_memory import suspects
from sluicegate.core import Column, Schema, Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import VERDICT, predicate_of
from sluicegate.record.subjects.retirement import destroyed_quotes
from sluicegate.stores import files, record
from sluicegate.stores.layout import Layout
from sluicegate.stores.quoting import PATTERNS, bring

SOURCES = "sources.json"
OF_PATTERNS = ("triggers.lift", "triggers.memory")
# Sources come and go; what a year of weekly batches said is enough, and reading it stays quick.
MOST_BATCHES = 50
DIGITS = 6


def keep(layout: Layout, number: str, panel: Panel, noticed: Collection[str]) -> str:
    """Write what the panel said of each source of a batch and return the file's SHA-256.

    Sources already accused in this very batch are left out: what was noticed has been dealt with,
    and one forged delivery in somebody's name must not follow him through all later ones.
    """
    champion, pooled = panel.champion, panel.pooled
    rows = [
        {
            "source": name,
            "rows": int(champion.rows[i]),
            "against": int(champion.against[i]),
            "expected": round(float(champion.expected[i]), DIGITS),
            "champion": champion.likelihood[i].round(DIGITS).tolist(),
            "pooled": pooled.likelihood[i].round(DIGITS).tolist(),
        }
        for i, name in enumerate(champion.sources)
        if name not in noticed
    ]
    path = layout.intake(number) / SOURCES
    files.write_json_rows(path, rows)
    return sha256_file(path)


def keep_patterns(layout: Layout, number: str, pulled: Sequence[Pulled]) -> str | None:
    """Write what a batch said of suspected patterns, return the file's SHA-256; None: of none."""
    if not pulled:
        return None
    path = layout.intake(number) / PATTERNS
    files.write_json_rows(path, [_written(one) for one in pulled])
    return sha256_file(path)


def released(heard: Sequence[Heard], frame: pd.DataFrame, schema: Schema) -> tuple[Pulled, ...]:
    """Return the suspected patterns that rows have which reviewers let through: they are forgotten."""
    known = schema.classes and schema.label_codes(frame[schema.label])
    listed = []
    for one in suspects(heard).values():
        rows = rows_with_all(one.pattern, frame)
        pulled = int(np.sum(known[rows] == one.label)) if schema.classes else len(rows)
        if pulled:
            listed.append(
                Pulled(one.pattern, one.label, None, len(rows), pulled, 0.0, 0.0, released=True)
            )
    return tuple(listed)


def heard_in(panel: Panel, noticed: Collection[str], pulled: tuple[Pulled, ...] = ()) -> Heard:
    """Return what later batches would hear of a batch that is not kept; see `keep`."""

    def told(tally: Tally) -> Tally:
        at = [i for i, name in enumerate(tally.sources) if name not in noticed]
        return Tally(
            sources=tuple(tally.sources[i] for i in at),
            rows=tally.rows[at],
            against=tally.against[at],
            expected=tally.expected[at],
            likelihood=tally.likelihood[at],
        )

    return Heard("", told(panel.champion), told(panel.pooled), pulled)


def earlier(layout: Layout, schema: Schema) -> tuple[Heard, ...]:
    """Return what the newest batches said of their sources and of patterns, the oldest first.

    Raises Tampered for a file that is not the one its signed verdict names.
    """
    heard = []
    for number in record.received(layout)[-MOST_BATCHES:]:
        where = f"intake/{number}/verdict.json"
        predicate = predicate_of(record.read_statement(layout, layout.root / where), VERDICT, where)
        if predicate.get("sources") is None:
            continue
        rows = pinned(layout, number, SOURCES, predicate["sources"])
        patterns = predicate.get("patterns")
        noted = pinned(layout, number, PATTERNS, patterns) if patterns else []
        # A release that weighs other error rates cannot add up what an earlier one wrote.
        if rows and np.shape(rows[0]["pooled"])[-1] == len((*TOLERATED, *HOSTILE)):
            pulled = tuple(_read(row, schema) for row in noted if is_known(row, schema))
            heard.append(Heard(number, _tally(rows, "champion"), _tally(rows, "pooled"), pulled))
    return tuple(heard)


def pinned(layout: Layout, number: str, name: str, sha256: str) -> list[dict[str, Any]]:
    """Return the rows of a file beside the verdict that pins it, none of one that was destroyed.

    Raises Tampered for another file.
    """
    path = layout.intake(number) / name
    if not bring(layout.root, path) and sha256 in destroyed_quotes(layout):
        return []
    if not path.is_file() or sha256_file(path) != sha256:
        where = f"intake/{number}/verdict.json"
        raise Tampered(f"intake/{number}/{name} does not match {where}; restore it from git.")
    rows: list[dict[str, Any]] = files.read_json(path)
    return rows


def _written(one: Pulled) -> dict[str, Any]:
    """Return JSON types: a value by its column's name, numbers in full, for they have to be met again."""
    return asdict(one) | {"pattern": written_values(one.pattern)}


def written_values(pattern: Sequence[Value]) -> list[dict[str, Any]]:
    """Return the values of a pattern as JSON types."""
    return [
        {name: _json(entry) for name, entry in asdict(value).items()}
        | {"column": value.column.name}
        for value in pattern
    ]


def _json(told: Any) -> Any:
    """Return `told` with an infinite number as a string: JSON has no other way to say it."""
    return str(told) if isinstance(told, float) and not math.isfinite(told) else told


def _read(row: dict[str, Any], schema: Schema) -> Pulled:
    return Pulled(**row | {"pattern": read_values(row["pattern"], schema)})


def read_values(told: Sequence[dict[str, Any]], schema: Schema) -> tuple[Value, ...]:
    """Return the values of a pattern that `written_values` wrote; all its columns have to exist."""
    columns = {column.name: column for column in schema.features}
    return tuple(_value(each, columns) for each in told)


def _value(told: dict[str, Any], columns: dict[str, Column]) -> Value:
    column = columns[told["column"]]
    ends = ("equal", "low", "high") if column.kind.is_number else ()
    infinite = {name: float(told[name]) for name in ends if isinstance(told[name], str)}
    return Value(**told | infinite | {"column": column})


def is_known(row: dict[str, Any], schema: Schema) -> bool:
    """Tell whether the columns of a pattern still exist."""
    return {value["column"] for value in row["pattern"]} <= set(schema.feature_names)


def _tally(rows: list[dict[str, Any]], by: str) -> Tally:
    return Tally(
        sources=tuple(str(row["source"]) for row in rows),
        rows=np.array([row["rows"] for row in rows], dtype=np.int64),
        against=np.array([row["against"] for row in rows], dtype=np.int64),
        expected=np.array([row["expected"] for row in rows], dtype=np.float64),
        likelihood=np.array([row[by] for row in rows], dtype=np.float64),
    )
