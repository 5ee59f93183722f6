"""compare: challenger against champion, on the golden set and on held-out accepted feedback.

The last stage of dvc.yaml. Its findings go to build/comparison.json for the gate, its figures
to metrics.json and plots/ for `dvc metrics` and `dvc plots`. It decides nothing.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from sluicegate.checks.candidate import Behaviour, Candidate, Contender
from sluicegate.checks.comparison import Comparison, report
from sluicegate.checks.divergence import Divergence, importances, training_statistics
from sluicegate.checks.documented import Documented
from sluicegate.checks.statistics.changes import changes
from sluicegate.checks.statistics.scoring import truth_of
from sluicegate.core import Check, Schema, Tampered
from sluicegate.core.compared import Makeup, Report
from sluicegate.core.document import Document
from sluicegate.flows.train import exposure, read_isolation
from sluicegate.record.comparison import Assembled, Reported
from sluicegate.stores import models
from sluicegate.stores.data import read_verified
from sluicegate.stores.files import read_json, write_bytes, write_json
from sluicegate.stores.layout import Layout, home_of
from sluicegate.stores.settings import Settings, read_settings


class PinnedChampion(Document):
    """The champion that a challenger is compared with, and what it was made of."""

    version: int
    sha256: str
    update: str
    makeup: Makeup


class Pinned(Document):
    """candidate.json: whom an update is compared with; None for the first one."""

    update: str
    champion: PinnedChampion | None
    first: Makeup | None


PLOTTED = ("golden", "challenger")
PLOTS = (
    ("slices", ["slice", "rows", "score"]),
    ("reliability", ["confidence", "score", "rows"]),
)


def compare(root: Path) -> None:
    """Write build/comparison.json, metrics.json and plots/ for the challenger in build/model."""
    layout = Layout(root)
    settings = read_settings(layout.params)
    digest = models.digest(root / "build" / "model")
    pinned = Pinned.read(read_json(layout.candidate), "candidate.json")
    candidate = contest(layout, settings, digest, pinned)
    findings = [found for check in candidate_checks(settings) for found in check(candidate)]
    isolation = read_isolation(root)
    findings.append(exposure(isolation))
    figures = report(candidate)
    assembled = read_json(root / "build" / "assembled.json")
    reported = Reported(
        challenger=digest,
        assembled=Assembled.read(assembled, "assembled.json"),
        isolation=isolation,
        findings=tuple(findings),
        report=figures,
        changes=changes(candidate),
        makeup=candidate.challenger.makeup,
    )
    write_json(root / "build" / "comparison.json", reported.to_dict())
    write_figures(root, figures)


def candidate_checks(settings: Settings) -> tuple[Check[Candidate], ...]:
    """Return the checks of a candidate."""
    compared, seed = settings.compare, settings.seed
    common: dict[str, Any] = {
        "primary": compared.primary,
        "least": compared.slice_rows,
        "margin": compared.slice_margin,
        "resamples": compared.resamples,
        "seed": seed,
    }
    return (
        Comparison(where="golden", **common),
        Comparison(where="recent", min_rows=2, **common),  # the first batches hold out a handful
        Behaviour(seed=seed),
        Divergence(),
        Documented(settings.card.missing),
    )


def contest(layout: Layout, settings: Settings, digest: str, pinned: Pinned) -> Candidate:
    """Return the challenger and the champion that candidate.json pins."""
    schema = settings.schema_
    golden = read_verified(layout.golden)
    recent = pd.read_parquet(layout.root / "build" / "recent.parquet")
    train = pd.read_parquet(layout.root / "build" / "train.parquet")
    challenger = models.load(layout.root / "build" / "model", digest, schema)
    made = Makeup(
        parameters={**settings.train, "seed": settings.seed},
        importances=importances(
            challenger.scores, golden, schema, truth_of(schema, golden), settings.seed
        ),
        statistics=training_statistics(train, schema),
    )
    return Candidate(
        schema=schema,
        golden=golden,
        recent=recent,
        challenger=_contender(challenger, golden, recent, made),
        champion=_champion(layout, schema, golden, recent, pinned),
        first=pinned.first,
    )


def _champion(
    layout: Layout, schema: Schema, golden: pd.DataFrame, recent: pd.DataFrame, pinned: Pinned
) -> Contender | None:
    champion = pinned.champion
    if champion is None:
        return None
    sha256 = champion.sha256
    if len(sha256) != 64 or not sha256.isalnum():
        raise Tampered("candidate.json lacks the model's digest; restore it from git.")
    model = models.load(home_of(layout.root) / "models" / sha256, sha256, schema)
    return _contender(model, golden, recent, champion.makeup)


def _contender(
    model: models.Model, golden: pd.DataFrame, recent: pd.DataFrame, makeup: Makeup
) -> Contender:
    return Contender(model.scores, model.scores(golden), model.scores(recent), model.size, makeup)


def write_figures(root: Path, figures: Report) -> None:
    """Write metrics.json and, for the challenger on the golden set, plots/ (DVC plots revisions)."""
    write_json(root / "metrics.json", figures.metrics)
    slices = [row.to_dict() for row in figures.slices if (row.where, row.model) == PLOTTED]
    bins = [row.to_dict() for row in figures.reliability if (row.where, row.model) == PLOTTED]
    for rows, (name, columns) in zip((slices, bins), PLOTS, strict=True):
        table = pd.DataFrame(rows).rename(columns={"accuracy": "score", "mae": "score"})
        text = table.reindex(columns=columns).to_csv(index=False)
        write_bytes(root / "plots" / f"{name}.csv", text.encode())


if __name__ == "__main__":
    compare(Path.cwd())
