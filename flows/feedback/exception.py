"""exception: how intake would judge quarantined rows if some of its limits were waived for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from sluicegate.core import Artifact, Conflict, Finding, Misused, Outcome
from sluicegate.core.canonical import sha256_file
from sluicegate.core.schema import RESERVED, ROW
from sluicegate.flows.feedback import workers
from sluicegate.flows.feedback.judge import judge_by
from sluicegate.gates import Policy
from sluicegate.gates.decide import outcome_of
from sluicegate.record.calibration import intake_policy
from sluicegate.record.context import Context
from sluicegate.record.judgement import Frozen, Judgement
from sluicegate.record.quarantine import rows_of, stopping, taken
from sluicegate.stores import data, files
from sluicegate.stores.reading import Table


@dataclass(frozen=True)
class Wanted:
    """A requested release and its reason; rows by their position in the received file."""

    batch: str
    reason: str = ""
    waives: tuple[str, ...] = ()
    rows: tuple[int, ...] | None = None
    sources: tuple[str, ...] = ()
    review_by: str | None = None
    waive_unmeasured: bool = False


@dataclass(frozen=True)
class Tried:
    """The requested rows, the limits waived for them, and how intake then judges them."""

    frame: pd.DataFrame
    waives: tuple[str, ...]
    judgement: Judgement


def try_out(context: Context, wanted: Wanted, scratch: Path) -> Tried:
    """Judge the requested rows without the limits to be waived."""
    policy = intake_policy(context)
    waives = wanted.waives
    policy.waiving(waives)
    frame = select(context, wanted)
    workers.start()
    path = scratch / "normal.parquet"
    rows = [int(row) for row in frame[ROW]]
    data.write_table(path, as_delivered(frame))
    found = _judged(context, path, wanted.batch, rows, policy.waiving(waives))
    if wanted.waive_unmeasured:
        waives = tuple(dict.fromkeys([*waives, *unmeasured(found)]))
        found = _judged(context, path, wanted.batch, rows, policy.waiving(waives))
    return Tried(frame, waives, found)


def judge_again(
    context: Context, kept: Path, predicate: dict[str, Any], scratch: Path
) -> Judgement:
    """Return what intake says now of the rows `kept` by a release, under its exception."""
    data.read_verified(kept)
    path = scratch / "normal.parquet"
    files.copy_in(kept, path)
    policy = intake_policy(context).waiving(predicate["waives"])
    found = _judged(context, path, predicate["batch"], predicate["rows"], policy)
    where = context.layout.named(kept)
    artifact = replace(found.frozen.artifact, name=where)
    frozen = replace(found.frozen, origin=where, artifact=artifact)
    # what these rows say of their sources was remembered when they first came
    return replace(found, frozen=frozen, panel=None)


def as_delivered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with the positions that its rows have in a delivery of their own."""
    return frame.assign(**{ROW: range(len(frame))})


def unmeasured(judgement: Judgement) -> list[str]:
    """Return the limits without a measurement, by their keys in the policy."""
    found = judgement.findings
    return _keys(
        limit.metric
        for limit in judgement.policy.limits
        for covered in [[each for each in found if limit.covers(each.metric)]]
        if judgement.policy.applies(limit) and not (covered and all(f.measured for f in covered))
    )


def stopped_by(judgement: Judgement) -> list[str]:
    """Return the limits that were measured and exceeded, by their keys in the policy."""
    return _keys(
        limit.metric
        for each in judgement.findings
        if each.measured and outcome_of(judgement.policy, each)[1] is not Outcome.PASS
        for limit in judgement.policy.limits
        if limit.covers(each.metric)
    )


def select(context: Context, wanted: Wanted) -> pd.DataFrame:
    """Return the requested rows in normal form; raises Misused or Conflict naming the first bad one."""
    schema = context.schema
    held = rows_of(context, wanted.batch)
    chosen = held[ROW].isin(held[ROW] if wanted.rows is None else wanted.rows)
    unknown = sorted(set(wanted.rows or ()) - set(held[ROW]))
    if unknown:
        raise Misused(f"Row {unknown[0]} of batch:{wanted.batch} is not in quarantine.")
    if wanted.sources:
        absent = (
            set(wanted.sources) - set(held[schema.source].astype(str)) if schema.source else {""}
        )
        if absent:
            raise Misused(f"{sorted(absent)[0]!r} has no quarantined rows in this batch.")
        chosen &= held[schema.source].astype(str).isin(wanted.sources)
    gone = taken(context.layout, wanted.batch) & set(held[ROW][chosen])
    if wanted.rows is None:
        chosen &= ~held[ROW].isin(gone)
    elif gone:
        raise Conflict(f"Row {min(gone)} of batch:{wanted.batch} is already released or requested.")
    if not chosen.any():
        raise Conflict(f"All such rows of batch:{wanted.batch} are already released or requested.")
    kept = [name for name in held.columns if name not in RESERVED or name == ROW]
    frame = held.loc[chosen, kept].reset_index(drop=True)
    if schema.classes and (schema.label_codes(frame[schema.label]) < 0).any():
        raise Misused("Some of these rows have no usable label; name others with --row.")
    return frame


def _judged(
    context: Context, path: Path, batch: str, positions: Sequence[int], policy: Policy
) -> Judgement:
    """Return what `policy` says of the normalised rows at `path`, which had these `positions`."""
    table = Table(pd.read_parquet(path), {})
    frozen = Frozen(str(path), Artifact(path.name, sha256_file(path)), table, path)
    return judge_by(context, frozen, policy, _as_received(context, batch, positions))


def _as_received(context: Context, batch: str, positions: Sequence[int]) -> list[Finding]:
    """Return what the contract found of these rows as they were received.

    A cell that could not be read is missing from then on, and would pass as an empty one.
    """
    place = {row: at for at, row in enumerate(positions)}
    found = []
    for each in stopping(context.layout, batch):
        rows = [place[row] for row in each.rows if row in place]
        if each.check == "contract" and rows:
            detail = f"As received in batch:{batch}: {each.detail}"
            found.append(
                Finding("contract", each.metric, each.value, rows=tuple(rows), detail=detail)
            )
    return found


def _keys(named: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(named))
