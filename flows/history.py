"""history: what earlier batches said of their sources, kept beside their verdicts."""

from collections.abc import Collection
from typing import Any

import numpy as np

from sluicegate.checks.disagreement import HOSTILE, TOLERATED, Tally
from sluicegate.checks.memory import Heard
from sluicegate.checks.panel import Panel
from sluicegate.core import Tampered
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import VERDICT, predicate_of
from sluicegate.stores import files, record
from sluicegate.stores.layout import Layout

SOURCES = "sources.json"
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


def heard_in(panel: Panel, noticed: Collection[str]) -> Heard:
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

    return Heard("", told(panel.champion), told(panel.pooled))


def earlier(layout: Layout) -> tuple[Heard, ...]:
    """Return what the newest batches said of their sources, the oldest first.

    Raises Tampered for a file that is not the one its signed verdict names.
    """
    heard = []
    for number in record.received(layout)[-MOST_BATCHES:]:
        where = f"intake/{number}/verdict.json"
        said = predicate_of(record.read_statement(layout, layout.root / where), VERDICT, where)
        if said.get("sources") is None:
            continue
        path = layout.intake(number) / SOURCES
        if not path.is_file() or sha256_file(path) != said["sources"]:
            raise Tampered(
                f"intake/{number}/{SOURCES} is not what {where} names; restore it from git."
            )
        rows = files.read_json(path)
        # A release that weighs other error rates cannot add up what an earlier one wrote.
        if rows and np.shape(rows[0]["pooled"])[-1] == len((*TOLERATED, *HOSTILE)):
            heard.append(Heard(number, _tally(rows, "champion"), _tally(rows, "pooled")))
    return tuple(heard)


def _tally(rows: list[dict[str, Any]], by: str) -> Tally:
    return Tally(
        sources=tuple(str(row["source"]) for row in rows),
        rows=np.array([row["rows"] for row in rows], dtype=np.int64),
        against=np.array([row["against"] for row in rows], dtype=np.int64),
        expected=np.array([row["expected"] for row in rows], dtype=np.float64),
        likelihood=np.array([row[by] for row in rows], dtype=np.float64),
    )
