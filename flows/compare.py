"""compare: challenger against champion, on the golden set and on held-out accepted feedback.

The last stage of dvc.yaml. What it measured goes to build/comparison.json for the gate, its figures
to metrics.json and plots/ for `dvc metrics` and `dvc plots`. It decides nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sluicegate.checks.candidate import Behaviour, Candidate, Contender, Makeup
from sluicegate.checks.comparison import Comparison, report
from sluicegate.checks.divergence import Divergence, importances, training_statistics
from sluicegate.checks.documented import Documented
from sluicegate.checks.statistics.changes import changes
from sluicegate.checks.statistics.scoring import truth_of
from sluicegate.core import Check, Schema, Tampered
from sluicegate.flows.train import exposure, read_isolation
from sluicegate.stores import models
from sluicegate.stores.data import read_verified
from sluicegate.stores.files import read_json, write_bytes, write_json
from sluicegate.stores.layout import Layout, home_of
from sluicegate.stores.settings import Settings, read_settings

Pinned = Mapping[str, Any]
PLOTTED = ("golden", "challenger")
PLOTS = {"slices": ["slice", "rows", "score"], "reliability": ["confidence", "score", "rows"]}


def compare(root: Path) -> None:
    """Write build/comparison.json, metrics.json and plots/ for the challenger in build/model."""
    layout = Layout(root)
    settings = read_settings(layout.params)
    digest = models.digest(root / "build" / "model")
    pinned = read_json(layout.candidate)
    candidate = contest(layout, settings, digest, pinned)
    findings = [found for check in candidate_checks(settings) for found in check(candidate)]
    isolation = read_isolation(root)
    findings.append(exposure(isolation))
    figures = report(candidate)
    made = candidate.challenger.makeup
    assembled = read_json(root / "build" / "assembled.json")
    write_json(
        root / "build" / "comparison.json",
        {
            "challenger": digest,
            "assembled": {name: assembled[name] for name in ("rows", "held_out", "capped")},
            "isolation": isolation,
            "findings": [finding.to_dict() for finding in findings],
            "report": figures,
            "changes": changes(candidate),
            "makeup": {
                "parameters": dict(made.parameters or {}),
                "importances": dict(made.importances or {}),
                "statistics": dict(made.statistics or {}),
            },
        },
    )
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
    """Return the challenger beside the champion that candidate.json pins."""
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
        first=_makeup(pinned.get("first")),
    )


def _champion(
    layout: Layout, schema: Schema, golden: pd.DataFrame, recent: pd.DataFrame, pinned: Pinned
) -> Contender | None:
    champion = pinned.get("champion")
    if champion is None:
        return None
    sha256 = str(champion["sha256"])
    if len(sha256) != 64 or not sha256.isalnum():
        raise Tampered("candidate.json names no model digest; restore it from git.")
    model = models.load(home_of(layout.root) / "models" / sha256, sha256, schema)
    return _contender(model, golden, recent, _makeup(champion.get("makeup")) or Makeup())


def _contender(
    model: models.Model, golden: pd.DataFrame, recent: pd.DataFrame, makeup: Makeup
) -> Contender:
    return Contender(model.scores, model.scores(golden), model.scores(recent), model.size, makeup)


def _makeup(recorded: Pinned | None) -> Makeup | None:
    if not recorded:
        return None
    return Makeup(recorded["parameters"], recorded["importances"], recorded["statistics"])


def write_figures(root: Path, figures: Mapping[str, Any]) -> None:
    """Write metrics.json, and of the challenger on the golden set plots/ (DVC plots revisions)."""
    write_json(root / "metrics.json", figures["metrics"])
    for name, columns in PLOTS.items():
        rows = [row for row in figures[name] if (row["where"], row["model"]) == PLOTTED]
        table = pd.DataFrame(rows).rename(columns={"accuracy": "score", "mae": "score"})
        text = table.reindex(columns=columns).to_csv(index=False)
        write_bytes(root / "plots" / f"{name}.csv", text.encode())


if __name__ == "__main__":
    compare(Path.cwd())
