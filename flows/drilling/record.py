"""record: what a drill came to, signed and committed in drills/NNNN; and all earlier ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sluicegate.core import Artifact, ModelRef, Outcome, Verdict
from sluicegate.core.canonical import sha256_file
from sluicegate.evidence.statement import DRILL, predicate_of
from sluicegate.flows.drilling.play import Played
from sluicegate.record.context import Context
from sluicegate.record.threats import THREATS, threats, written
from sluicegate.stores import files, git, record
from sluicegate.stores.layout import Layout, next_number, numbered

DRILLS = "drills"
STATEMENT = "drill.json"
RESULTS = "results.json"
ROOMS = ("ledger", DRILLS, THREATS)


@dataclass(frozen=True, eq=False)
class Drilled:
    """What a drill came to; `verdict` is None where no floor is set, `id` before it is kept."""

    kind: str
    seed: int
    version: str
    policy: str
    champion: ModelRef
    gates: tuple[str, ...]
    window_rows: int
    windows_from: str
    attacks: tuple[dict[str, Any], ...]
    not_applicable: Mapping[str, str]
    honest: dict[str, Any]
    adaptive: dict[str, Any] | None
    mean: float | None
    floors: Mapping[str, float]
    verdict: Verdict | None
    played: tuple[Played, ...]
    seconds: float
    id: str | None = None
    opened: tuple[dict[str, Any], ...] = ()

    @property
    def exit_code(self) -> int:
        """Return 0 where the floor held or none is set, 4 below it, 1 where it was not measured."""
        if self.verdict is None:
            return 0
        return {Outcome.PASS: 0, Outcome.REJECT: 4}.get(self.verdict.outcome, 1)

    def said(self) -> dict[str, Any]:
        """Return what is signed: everything but the single windows."""
        return {
            "kind": self.kind,
            "seed": self.seed,
            "version": self.version,
            "policy": self.policy,
            "champion": self.champion.to_dict(),
            "gates": list(self.gates),
            "window_rows": self.window_rows,
            "windows_from": self.windows_from,
            "attacks": list(self.attacks),
            "not_applicable": dict(self.not_applicable),
            "honest": self.honest,
            "adaptive": self.adaptive,
            "mean": self.mean,
            "floors": dict(self.floors),
            "outcome": None if self.verdict is None else self.verdict.outcome.value,
            "reasons": [] if self.verdict is None else list(self.verdict.reasons),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `drill`."""
        return {
            "schema": 1,
            "drill": self.id,
            **self.said(),
            "threats": list(self.opened),
            "seconds": round(self.seconds, 3),
        }


def keep(context: Context, drilled: Drilled) -> Drilled:
    """Write drills/NNNN and threats.yaml, sign, enter in the ledger and commit; return it with its id."""
    from sluicegate.flows.drilling.page import (
        write_page,  # imports matplotlib: not for who only reads
    )

    layout = context.layout
    with record.writing(layout, "drill", ROOMS):
        number = next_number(layout.root / DRILLS)
        folder, now = layout.root / DRILLS / number, context.now()
        results = {"windows": [each.to_dict() for each in drilled.played]}
        files.write_json(folder / RESULTS, results)
        bound = Artifact(f"{DRILLS}/{number}/{RESULTS}", sha256_file(folder / RESULTS))
        by = {"drill": number, "time": now, "started_by": context.started_by}
        signed = record.write_statement(
            layout, folder / STATEMENT, [bound], DRILL, {**by, **drilled.said()}
        )
        told = list(statements(layout))
        rows = threats(told)
        files.write_bytes(layout.root / THREATS, written(rows).encode())
        kept = replace(drilled, id=number, opened=tuple(r for r in rows if r["state"] == "open"))
        write_page(folder, kept, told)
        details = {"drill": number, "outcome": drilled.said()["outcome"], "mean": drilled.mean}
        record.append(layout, "drill", [signed], details, now)
        git.commit_all(layout.root, ROOMS, f"drill:{number} {drilled.kind}")
    return kept


def statements(layout: Layout) -> Iterator[dict[str, Any]]:
    """Yield what all drills came to, the oldest first; raises Tampered."""
    folder = layout.root / DRILLS
    for number in numbered(folder):
        path = folder / number / STATEMENT
        where = f"{DRILLS}/{number}/{STATEMENT}"
        yield predicate_of(record.read_statement(layout, path), DRILL, where)
