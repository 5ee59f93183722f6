"""Kind: what is asked of every kind of subject, and how its signed statements are read."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluicegate.core import Missing, Tampered
from sluicegate.evidence.statement import DECISION, predicate_of
from sluicegate.record.champion import champion_of
from sluicegate.stores import data, record
from sluicegate.stores.layout import Layout

Supplied = Iterable[tuple[str, Collection[str]]]

PROPOSED = "proposed"


def _champions_commit(layout: Layout, _: str) -> str:
    return champion_of(layout).data_commit


@dataclass(frozen=True)
class Kind:
    """One kind of subject; its functions take the layout and the number of one of them.

    `folder` holds request, votes and decision; the subject is open while `state` is `waits`. `told`
    returns since when it waits and why. Three say who may not review it: `supplied` yields whose rows
    a yes would keep or let in (where they are, and their sources), `asked_by` is the git identity of
    who started it by hand, None for the runner, and whoever changed the policy after the commit
    `since` is refused too. One that must not end by silence does not lapse.
    """

    name: str
    folder: Callable[[Layout, str], Path]
    numbers: Callable[[Layout], list[str]]
    state: Callable[[Layout, str], str]
    waits: str
    told: Callable[[Layout, str], tuple[str, str]]
    supplied: Callable[[Layout, str], Supplied]
    asked_by: Callable[[Layout, str], str | None]
    since: Callable[[Layout, str], str] = _champions_commit
    lapses: bool = True


def decision_in(layout: Layout, folder: Path, subject: str) -> str | None:
    """Return the state that a review gave `subject`, None before one did."""
    path = folder / "decision.json"
    if not path.is_file():
        return None
    predicate = stated(layout, path, DECISION)
    if predicate["subject"] != subject:
        raise Tampered(f"{path} is about {predicate['subject']}; restore it from git.")
    return str(predicate["state"])


def stated(layout: Layout, path: Path, predicate_type: str) -> dict[str, Any]:
    """Return what the service said in the statement at `path`; raises Missing or Tampered."""
    if not path.is_file():
        raise Missing(f"There is no {path}; `sluicegate status` shows what exists.")
    return predicate_of(record.read_statement(layout, path), predicate_type, str(path))


def sources_in(folder: Path) -> list[str]:
    """Return the sources of the rows whose manifest lies in `folder`."""
    return list(data.read_manifest(folder).sources)
