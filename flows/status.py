"""status and show: where the workspace stands, read from its own record."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluicegate.core import Missing, Misused
from sluicegate.flows.champion import Champion, champion_of
from sluicegate.flows.context import Context
from sluicegate.flows.updates import approved, awaiting, read_comparison, read_update, recorded_at
from sluicegate.flows.votes import batch_decision, expires_of
from sluicegate.stores import checked, data, files, record
from sluicegate.stores.layout import Layout

STATES = ("admitted", "paused", "quarantined", "rejected")


@dataclass(frozen=True)
class Status:
    """The champion, what waits for a human, and how many batches stand where."""

    model: str
    champion: Champion
    awaiting: tuple[dict[str, Any], ...]
    unfinished: str | None
    """The approved update whose promotion is at work, or broke off."""
    batches: dict[str, int]
    golden_verified: bool
    insistent: dict[str, int]
    """Who lately had nearly the same rows checked in many versions, and how often."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `status`."""
        return {
            "schema": 1,
            "model": self.model,
            "champion": {
                **self.champion.ref.to_dict(),
                "update": self.champion.update,
                "since": self.champion.since,
            },
            "awaiting": list(self.awaiting),
            "unfinished": self.unfinished,
            "batches": self.batches,
            "golden_verified": self.golden_verified,
            "insistent": self.insistent,
        }


def status(context: Context) -> Status:
    """Return where the workspace stands."""
    layout = context.layout
    states = batch_states(layout)
    golden = files.read_json(layout.golden.with_name(data.MANIFEST))
    return Status(
        model=context.settings.model,
        champion=champion_of(layout),
        awaiting=(*_paused_batches(layout, states), *_awaiting_updates(layout)),
        unfinished=approved(layout),
        batches={state: list(states.values()).count(state) for state in STATES},
        golden_verified=bool(golden["verified"]),
        insistent=checked.insistent(layout, context.now()),
    )


def batch_states(layout: Layout) -> dict[str, str]:
    """Return the state of every batch that was received."""
    admitted = set(data.admitted_batches(layout))
    states = {}
    for batch in record.received(layout):
        settled = files.read_json(layout.intake(batch) / data.MANIFEST)["state"]
        settled = batch_decision(layout, batch) or settled
        held = settled == "admitted" and batch not in admitted
        states[batch] = "quarantined" if held else settled
    return states


def show(context: Context, subject: str) -> dict[str, Any]:
    """Return the whole record of `batch:NNNN` or `update:NNNN`.

    Raises Misused for any other name, Missing where there is no such record.
    """
    kind, _, number = subject.partition(":")
    if kind == "batch" and number.isdigit():
        return _show_batch(context.layout, number)
    if kind == "update" and number.isdigit():
        return _show_update(context.layout, number)
    raise Misused(f"{subject!r} names nothing; write batch:0001 or update:0001.")


def _show_batch(layout: Layout, number: str) -> dict[str, Any]:
    folder = layout.intake(number)
    if not folder.is_dir():
        raise Missing(f"There is no batch:{number}; `sluicegate status` tells how many there are.")
    payload = record.read_statement(layout, folder / "verdict.json")
    return {
        "schema": 1,
        "subject": f"batch:{number}",
        "state": batch_states(layout)[number],
        "manifest": files.read_json(folder / data.MANIFEST),
        "verdict": payload["predicate"],
        "findings": files.read_json(folder / "findings.json"),
    }


def _show_update(layout: Layout, number: str) -> dict[str, Any]:
    update, verdict = read_update(layout, number)
    comparison = read_comparison(layout, number)
    return {
        "schema": 1,
        "subject": f"update:{number}",
        "update": update.to_dict(),
        "verdict": verdict.to_dict(),
        "metrics": comparison["report"]["metrics"],
        "findings": comparison["findings"],
        "report": str(Path("updates") / number / "report.md"),
    }


def _paused_batches(layout: Layout, states: dict[str, str]) -> list[dict[str, Any]]:
    waiting = []
    for batch, state in states.items():
        if state == "paused":
            folder = layout.intake(batch)
            since = files.read_json(folder / data.MANIFEST)["received"]
            payload = record.read_statement(layout, folder / "verdict.json")
            waiting.append(
                _waiting(layout, f"batch:{batch}", since, payload["predicate"]["reasons"])
            )
    return waiting


def _awaiting_updates(layout: Layout) -> list[dict[str, Any]]:
    return [
        _waiting(
            layout,
            f"update:{update}",
            recorded_at(layout, update),
            read_update(layout, update)[1].reasons,
        )
        for update in awaiting(layout)
    ]


def _waiting(layout: Layout, subject: str, since: str, reasons: Any) -> dict[str, Any]:
    why = reasons[0] if reasons else ""
    return {"subject": subject, "since": since, "why": why, "expires": expires_of(layout, subject)}
