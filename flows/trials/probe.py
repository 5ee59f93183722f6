"""probe: the test that a bisect runs on every model, and the batches that it searches.

Three of them: rows with the answer that is expected, a slice of the golden set against what the first
champion promised on it, and the comparison by which an update was paused or rejected.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.checks.statistics.scoring import known, truth_of
from sluicegate.core import Misused, ModelRef, Outcome, Stage
from sluicegate.core.counted import counted
from sluicegate.core.schema import label_text
from sluicegate.flows.feedback.measure import answers_of, bearable, missed
from sluicegate.flows.feedback.trusted import in_normal_form, read_given, require_columns
from sluicegate.flows.trials.trained import Trained, settings_at
from sluicegate.record.causes import added_by
from sluicegate.record.champion import Champion, champion_of, first_champion
from sluicegate.record.comparison import findings_in
from sluicegate.record.context import Context
from sluicegate.record.replay import judge_update
from sluicegate.record.results import judged
from sluicegate.record.updates import read_comparison, read_update, verified_products
from sluicegate.stores import data, files, models, record
from sluicegate.stores.layout import Layout

HALF = 0.5


@dataclass(frozen=True)
class Seen:
    """The result of one model: its figure, and whether it fails the test."""

    value: float | None
    failed: bool


@dataclass(frozen=True)
class Probe:
    """A test of models that learn `base` and some of the batches in `suspects`, in that order.

    `model` is the recorded one that learnt them all. `metric` names the figure, which fails beyond
    `limit`.
    """

    asked: str
    commit: str
    base: tuple[str, ...]
    suspects: tuple[str, ...]
    model: ModelRef
    metric: str
    limit: float
    see: Callable[[Trained], Seen]
    against: Mapping[str, Any] | None = None


def by_example(context: Context, path: Path) -> Probe:
    """Return the test that the champion gives the rows of a file their labels.

    It fails if more than half of the answers are wrong; with a single row, if that answer is wrong.
    """
    raw = read_given(context.layout.home, path)
    require_columns(raw, context.schema, path)
    rows = in_normal_form(context.layout, raw, context.schema, path)
    miss = _misses(context, rows)
    sentence = f"{path.name}: {counted(len(rows), 'row')} with the expected label"
    return _of_champion(context, sentence, HALF, miss)


def by_slice(context: Context, named: str, limit: float | None) -> Probe:
    """Return the test of the champion on a slice of the golden set, as in `region=north`.

    It fails if the error in the slice exceeds the first champion's by more than
    `compare.slice_margin`; `limit` sets another share. Raises Misused for fewer than
    `compare.slice_rows` rows.
    """
    column, equals, value = named.partition("=")
    golden = data.read_trusted(context.layout, "golden")
    if not equals or column not in context.schema.feature_names:
        raise Misused(f"{named!r} is not a slice; write COLUMN=VALUE with a feature's name.")
    rows = golden[golden[column].map(label_text, na_action="ignore") == value]
    least = context.settings.compare.slice_rows
    if len(rows) < least:
        raise Misused(
            f"The golden set has only {counted(len(rows), 'row')} with {named}; it needs {least} "
            "(compare.slice_rows); give rows with --example instead."
        )
    rows = rows.reset_index(drop=True)
    miss = _misses(context, rows)
    if limit is None:
        promised = miss(_model(context, first_champion(context.layout).sha256))
        limit = promised + context.settings.compare.slice_margin
    sentence = f"{named}: {counted(len(rows), 'row')} of the golden set"
    return _of_champion(context, sentence, limit, miss)


def by_update(context: Context, update: str) -> Probe:
    """Return the test that none of the findings that stopped an update stops it again.

    Raises Misused for an update that no measurement stopped, or that was promoted.
    """
    layout = context.layout
    if not (update.isascii() and update.isdigit()):
        raise Misused(f"{update!r} is not an update; write one like update:0007.")
    result, _ = read_update(layout, update)
    if result.stage is Stage.PROMOTED or result.champion is None or result.challenger is None:
        raise Misused(f"update:{update} is {result.stage.value}; name a rejected or paused one.")
    settings, comparison = settings_at(layout, result.data_commit), read_comparison(layout, update)
    policy = settings.policy("candidate")
    outcome = judge_update(settings, result, comparison).outcome
    stopping = {
        each.metric: each
        for each in judged(findings_in(comparison), policy)
        if each.outcome is outcome and each.value is not None
    }
    if outcome in (Outcome.PASS, Outcome.QUARANTINE) or not stopping:
        raise Misused(f"No measurement stopped update:{update}, so there is no bad batch to find.")
    verified_products(layout, update)
    first = next(iter(stopping.values()))

    def see(trained: Trained) -> Seen:
        found = judged(trained.comparison.findings if trained.comparison else (), policy)
        again = {each.metric: each for each in found if each.metric in stopping}
        failed = any(each.outcome.severity >= outcome.severity for each in again.values())
        same = again.get(first.metric)
        return Seen(same.value if same else None, failed)

    new = set(added_by(layout, update))
    return Probe(
        asked=f"update:{update}, stopped by {', '.join(stopping)}",
        commit=result.data_commit,
        base=tuple(each for each in result.batches if each not in new),
        suspects=tuple(each for each in result.batches if each in new),
        model=result.challenger,
        metric=first.metric,
        limit=first.limit or 0.0,
        see=see,
        against=files.read_json(layout.update(update) / "products" / "candidate.json"),
    )


def answers_again(context: Context, probe: Probe, trained: Trained) -> bool | None:
    """Tell whether the trainer reproduced its answers on the golden set; None if that is unknown."""
    if not (context.layout.models / probe.model.sha256).is_dir():
        return None
    golden = data.read_trusted(context.layout, "golden")
    before = _model(context, probe.model.sha256).scores(golden)
    return bool(np.allclose(before, trained.load(context.schema).scores(golden), atol=1e-9))


def learnt_in_order(layout: Layout, champion: Champion) -> tuple[str, ...]:
    """Return the batches of `champion` in the order in which champions first learnt them."""
    mine, order = set(champion.batches), dict[str, None]()
    for number in record.updates(layout):
        if (layout.update(number) / "promotion.json").is_file():
            learnt = read_update(layout, number)[0].batches
            order.update(dict.fromkeys(each for each in learnt if each in mine))
    return tuple(order)


def _of_champion(
    context: Context, asked: str, limit: float, miss: Callable[[models.Model], float]
) -> Probe:
    champion = champion_of(context.layout)

    def see(trained: Trained) -> Seen:
        value = miss(trained.load(context.schema))
        return Seen(value, value > limit)

    suspects = learnt_in_order(context.layout, champion)
    commit, metric = champion.data_commit, "rows missed"
    return Probe(asked, commit, (), suspects, champion.ref, metric, round(limit, 6), see)


def _misses(context: Context, rows: pd.DataFrame) -> Callable[[models.Model], float]:
    """Return the function that gives the share of `rows` that a model misses."""
    if not known(truth_of(context.schema, rows)).any():
        raise Misused("The model knows none of these rows' labels.")
    most = 0.0
    if not context.schema.classes:
        golden = data.read_trusted(context.layout, "golden")
        first = _model(context, first_champion(context.layout).sha256)
        most = bearable(answers_of(first, golden))
    return lambda model: float(missed(answers_of(model, rows), most).mean())


def _model(context: Context, sha256: str) -> models.Model:
    return models.load(context.layout.models / sha256, sha256, context.schema)
