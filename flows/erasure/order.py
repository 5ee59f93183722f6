"""order: ask the reviewers to destroy rows or a model, and name everything that contains them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sluicegate.core import Artifact, Conflict, Misused, Stage
from sluicegate.core.canonical import sha256_bytes
from sluicegate.core.document import Result
from sluicegate.evidence.statement import RETIREMENT
from sluicegate.flows.erasure.archived import require_sound
from sluicegate.flows.erasure.chosen import model_to_retire, named, rows_to_retire, set_aside
from sluicegate.flows.erasure.shown import destruction, nothing_to_go_back_to
from sluicegate.flows.erasure.survey import Survey, survey, survey_model
from sluicegate.record.context import Context
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.kind import PROPOSED
from sluicegate.record.subjects.release import read_release, releases
from sluicegate.record.subjects.retirement import (
    ORDER,
    Destroyed,
    Model,
    Retirement,
    Table,
    read_retirement,
    retirements,
)
from sluicegate.record.traced import Embodied
from sluicegate.review.votes import Question, put
from sluicegate.stores.layout import Layout, next_number
from sluicegate.stores.quoting import PAGE
from sluicegate.stores.transaction import transaction

SET_ASIDE = "quarantine"


@dataclass(frozen=True)
class Wanted:
    """What to retire, why, and where to keep a copy of it, None to destroy it.

    `rows` and `sources` choose among what is in quarantine; `what` is then `quarantine:NNNN`.
    """

    what: str
    reason: str = ""
    archive: str | None = None
    rows: tuple[int, ...] | None = None
    sources: tuple[str, ...] = ()


class RetirementPlan(Result):
    """What contains the rows or model to retire, which models learnt from them and stay, what git keeps.

    `warning` is set if a rollback would have nothing to go back to.
    """

    what: str
    archive: str | None
    rows: Mapping[str, tuple[int, ...]]
    tables: tuple[Table, ...]
    models: tuple[Model, ...]
    received: tuple[str, ...]
    descendants: tuple[Embodied, ...]
    pages: tuple[str, ...]
    quotes: tuple[Destroyed, ...]
    warning: str | None


def plan(context: Context, wanted: Wanted) -> RetirementPlan:
    """Return what would be destroyed and what stays, without asking the reviewers."""
    what = named(context, wanted.what)
    if wanted.archive is not None:
        _require_outside(context.layout, wanted.archive)
    found = _surveyed(context, wanted)
    return RetirementPlan(
        what=what,
        archive=wanted.archive,
        rows=found.positions,
        tables=found.tables,
        models=found.models,
        received=found.received,
        descendants=found.descendants,
        pages=found.pages,
        quotes=found.quotes,
        warning=nothing_to_go_back_to(context, found.models),
    )


def standing_order(layout: Layout, what: str, state: str) -> str | None:
    """Return the last retirement of `what` in this `state`."""
    for number in reversed(retirements(layout)):
        same = read_retirement(layout, number).what == what
        if same and state_of(layout, f"retirement:{number}") == state:
            return number
    return None


def propose(context: Context, wanted: Wanted) -> str:
    """Ask the reviewers for a retirement and return the subject, like `retirement:0001`.

    Raises Misused without a reason, Conflict while something that it speaks of waits for a decision,
    CannotDecide for a model that is to be archived and is nowhere any more.
    """
    layout, what = context.layout, named(context, wanted.what)
    if not wanted.reason.strip():
        raise Misused("A retirement needs a reason for its reviewers: give --reason WHY.")
    if wanted.archive is not None:
        _require_outside(layout, wanted.archive)
    found = _surveyed(context, wanted)
    require_decided(layout, found)
    if wanted.archive is not None:
        require_sound(context, found.models)
    with transaction(context, "retire") as t:
        number = next_number(layout.root / "retired")
        order = Retirement(
            retirement=number,
            what=what,
            rows=found.positions,
            models=tuple(each.update for each in found.models),
            archive=wanted.archive,
            sources=found.sources,
            reason=wanted.reason,
            asked_by=context.started_by,
            time=context.now(),
        )
        about = Artifact(what, sha256_bytes(what.encode()))
        path = layout.retirement(number) / ORDER
        made = t.state(path, [about], RETIREMENT, order.to_dict())
        t.append("ask-retirement", [about, made], {"retirement": number, "what": what})
        put(t, context, _question(context, number, found))
        t.commits_as(f"retirement:{number} asked for")
    return f"retirement:{number}"


def question(context: Context, number: str) -> Question:
    """Return the question about a retirement, with what contains its rows or model now."""
    return _question(context, number, ordered(context, number))


def ordered(context: Context, number: str) -> Survey:
    """Return what contains the rows or model of the retirement `number` now."""
    order = read_retirement(context.layout, number)
    if order.models:
        version = order.what.partition(":")[2]
        return survey_model(context, model_to_retire(context.layout, version))
    rows = {batch: frozenset(each) for batch, each in order.rows.items()}
    return survey(context, rows)


def require_decided(layout: Layout, found: Survey) -> None:
    """Raise Conflict while a release, a batch or an update that holds the rows waits for a decision."""
    for number in releases(layout):
        subject = f"release:{number}"
        predicate = read_release(layout, number)
        same = set(predicate["rows"]) & set(found.rows.get(predicate["batch"], ()))
        if same and state_of(layout, subject) == PROPOSED:
            raise Conflict(f"{subject} asks to release some of these rows; decide it first.")
    for batch in found.rows:
        if state_of(layout, f"batch:{batch}") == "paused":
            raise Conflict(f"batch:{batch} awaits review; decide it first.")
    for each in found.descendants:
        if each.stage in (Stage.AWAITING, Stage.APPROVED):
            raise Conflict(
                f"update:{each.update} learnt from it and awaits review; refuse it first."
            )


def _surveyed(context: Context, wanted: Wanted) -> Survey:
    kind, _, name = wanted.what.partition(":")
    if kind == "model":
        return survey_model(context, model_to_retire(context.layout, name))
    if kind == SET_ASIDE:
        return survey(context, set_aside(context, name, wanted.rows, wanted.sources))
    return survey(context, rows_to_retire(context, wanted.what))


def _question(context: Context, number: str, found: Survey) -> Question:
    layout, folder = context.layout, context.layout.retirement(number)
    order = read_retirement(layout, number)
    rows = sum(len(each) for each in found.rows.values())
    learnt = ", ".join(f"update:{each.update}" for each in found.descendants)
    shown = [
        ("why it is asked", order.reason),
        ("what", order.what),
        ("how", f"kept only in {order.archive}" if order.archive else "destroyed for good"),
        ("rows", f"{rows}, of {', '.join(f'batch:{b}' for b in found.rows) or 'no batch'}"),
        (
            "models",
            ", ".join(f"version {m.version}, sha256:{m.sha256}" for m in found.models) or "none",
        ),
        ("tables that hold them", str(len(found.tables))),
        ("received files", ", ".join(found.received) or "none"),
        ("models that learnt from them and stay", learnt or "none"),
        ("pages and quotes of rows, destroyed with them", str(len(found.quotes))),
        ("pages in git that may show values", ", ".join(found.pages) or "none"),
        ("asked by", order.asked_by or "the runner"),
    ]
    goes = destruction(context, order, found)
    if goes.warning:
        shown.insert(0, ("warning", goes.warning))
    text = f"{'Archive' if order.archive else 'Destroy'} {order.what} for good?"
    from sluicegate.review.pages import retirement_page

    page = retirement_page(context, order, goes, text, shown)
    bound = [folder / ORDER, folder / PAGE]
    return Question(f"retirement:{number}", text, shown, bound, page)


def _require_outside(layout: Layout, archive: str) -> None:
    if Path(archive).resolve().is_relative_to(layout.root) or not Path(archive).is_absolute():
        raise Misused(f"{archive!r} must be an absolute path outside the workspace.")
