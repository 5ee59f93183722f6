"""order: ask the reviewers to destroy rows or a model, and name everything that contains them."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluicegate.core import Artifact, Conflict, Missing, Misused, Stage
from sluicegate.core.canonical import sha256_bytes
from sluicegate.core.document import Result
from sluicegate.core.normalise import pseudonym
from sluicegate.core.schema import ROW
from sluicegate.evidence.statement import RETIREMENT
from sluicegate.flows.erasure.archived import require_sound
from sluicegate.flows.erasure.shown import destruction, nothing_to_go_back_to
from sluicegate.flows.erasure.survey import Survey, survey, survey_model
from sluicegate.record.causes import (
    Rows,
    as_recorded,
    concerned,
    parse_cause,
    rows_where,
    with_released,
)
from sluicegate.record.champion import champion_of
from sluicegate.record.context import Context
from sluicegate.record.quarantine import rows_of, taken
from sluicegate.record.subjects import state_of
from sluicegate.record.subjects.kind import PROPOSED
from sluicegate.record.subjects.release import read_release, releases
from sluicegate.record.subjects.retirement import (
    ORDER,
    Destroyed,
    Model,
    Retirement,
    Table,
    destroyed_models,
    destroyed_rows,
    read_retirement,
    retirements,
)
from sluicegate.record.traced import Embodied
from sluicegate.record.updates import read_update, update_of_version
from sluicegate.review.votes import Question, put
from sluicegate.stores import data, keys, record
from sluicegate.stores.layout import Layout, next_number
from sluicegate.stores.quoting import PAGE
from sluicegate.stores.transaction import transaction

SET_ASIDE = "quarantine"
WAYS = "batch:0003, source:NAME, row:0003/57, subject:ID or model:2"


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
    """Return what contains what is wanted; raises Misused for an archive in the workspace."""
    if wanted.archive is not None:
        place = Path(wanted.archive)
        if not place.is_absolute() or place.resolve().is_relative_to(context.layout.root):
            raise Misused(f"{wanted.archive!r} must be an absolute path outside the workspace.")
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


def named(context: Context, what: str) -> str:
    """Return `what` under its name in the record, which never contains a person's id."""
    kind, _, name = what.partition(":")
    if kind == "source":
        return str(as_recorded(context, parse_cause(what)))
    if kind != "subject":
        return what
    key = keys.derived_key(context.layout, "retired subjects")
    return f"subject:{hmac.new(key, name.encode(), 'sha256').hexdigest()[:16]}"


def rows_to_retire(context: Context, what: str) -> Rows:
    """Return the rows that `what` names and that are not destroyed yet; raises Missing for none."""
    kind, _, name = what.partition(":")
    if kind == "subject":
        found = _of_subject(context, name)
    elif kind in ("batch", "source", "row"):
        found = concerned(context, parse_cause(named(context, what)))
    else:
        raise Misused(f"Cannot retire {what!r}; write {WAYS}.")
    gone = {batch: rows - destroyed_rows(context.layout, batch) for batch, rows in found.items()}
    left = {batch: frozenset(rows) for batch, rows in gone.items() if rows}
    if not left:
        raise Missing(f"No row of {what} exists: none was received, or all were destroyed.")
    return left


def model_to_retire(layout: Layout, version: str) -> str:
    """Return the update whose model has this version; raises Missing, or Conflict for one in use."""
    update, model = update_of_version(layout, version)
    if update.id in destroyed_models(layout):
        raise Missing(f"model:{version} is already destroyed.")
    if champion_of(layout).version == model.version:
        raise Conflict(
            f"Version {version} serves, so it cannot be retired; replace it first with "
            "`sluicegate update`, or with `sluicegate rollback --to` an earlier update."
        )
    if update.stage in (Stage.AWAITING, Stage.APPROVED):
        raise Conflict(f"update:{update.id} awaits review; decide it first.")
    _require_alone(layout, update.id, model.sha256)
    return update.id


def set_aside(
    context: Context, batch: str, rows: Sequence[int] | None, sources: Sequence[str]
) -> Rows:
    """Return the chosen rows of `batch` in quarantine, without those that were let out.

    Raises Misused for a row or a source that is not there, Conflict for a row that was let out.
    """
    held, column = rows_of(context, batch), context.schema.source
    there = {int(row) for row in held[ROW]}
    chosen = there if rows is None else set(rows)
    if chosen - there:
        raise Misused(f"Row {min(chosen - there)} of batch:{batch} is not in quarantine.")
    if sources:
        by = held[column].astype(str) if column in held else held[ROW].map(lambda _: "")
        unknown = set(sources) - set(by)
        if unknown:
            raise Misused(f"{min(unknown)!r} has no quarantined rows in batch:{batch}.")
        chosen &= {int(row) for row in held.loc[by.isin(sources), ROW]}
    out = taken(context.layout, batch) & chosen
    if rows is not None and out:
        raise Conflict(f"Row {min(out)} of batch:{batch} is already released or requested.")
    if not chosen - out:
        raise Conflict(f"All such rows of batch:{batch} are already released or requested.")
    return {batch: frozenset(chosen - out)}


def _of_subject(context: Context, name: str) -> Rows:
    layout, schema = context.layout, context.schema
    if schema.id is None:
        raise Misused(
            "data.id in params.yaml is not set, so no row says whose it is; name the rows "
            "(row:0003/57), or the source that sent them (source:NAME)."
        )
    recorded = name
    if schema.id in schema.sensitive:
        recorded = pseudonym(name, keys.derived_key(layout, "pseudonym"))
    for trusted in (layout.reference, layout.golden):
        table = data.read_verified(trusted)
        if schema.id in table and (table[schema.id].astype(str) == recorded).any():
            raise Conflict(
                f"{trusted.name} has rows of this id, too; run `sluicegate reanchor` with a table "
                "without them first."
            )
    found = {b: rows_where(layout, b, schema.id, recorded) for b in record.received(layout)}
    return with_released(layout, {batch: rows for batch, rows in found.items() if rows})


def _require_alone(layout: Layout, update: str, sha256: str) -> None:
    for number in record.updates(layout):
        other = read_update(layout, number)[0].challenger
        if number != update and other is not None and other.sha256 == sha256:
            raise Conflict(f"update:{number} has the same model; it cannot be retired alone.")
