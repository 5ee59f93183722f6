"""Other tools on the windows of detection.py, each as it is usually set.

    uv run python benchmarks/peers.py --data DIR --seeds 200-210 --out peers.jsonl
    uv run python benchmarks/peers.py --out peers.jsonl     # only the table

cleanlab and the Adversarial Robustness Toolbox are no dependencies of the project: what is not
installed is left out and said so. A tool that only flags rows alarms when it flags significantly
more of the window than of the golden set (Fisher's exact test, one-sided, at 5 %).
"""

import argparse
import contextlib
import io
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from detection import ATTACKS, KINDS, read, shown
from figures import grouped, table, whole, wilson
from scipy.stats import binomtest, chi2_contingency, fisher_exact
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from worlds import HONEST, SETTINGS, World

from sluicegate.core import Feedback

LEVEL = 0.05
NEIGHBOURS = 10
SLICE_ROWS = 20
DEVICES = 30
# The Toolbox trains two models a source and window: a few kinds of window have to do.
PROVENANCE = ("plain", "sloppy", "flips", "sybils", "backdoor", "backdoor 3 %")

Mask = npt.NDArray[np.bool_]
Told = dict[str, Any]


def tabular_drift(world: World, subject: Feedback) -> Told | None:
    """Ask alibi-detect's TabularDrift at 5 %, corrected by Bonferroni."""
    if find_spec("alibi_detect") is None:
        return None
    from alibi_detect.cd import TabularDrift

    old, new = (np.nan_to_num(world.encoded(f), nan=-1.0) for f in (world.base, subject.frame))
    places = [i for i, name in enumerate(world.schema.feature_names) if name in world.codes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it says that all features are numbers
        found = TabularDrift(old, p_val=LEVEL, categories_per_feature=dict.fromkeys(places) or None)
    return {"alarm": bool(found.predict(new)["data"]["is_drift"])}


def label_chi_square(world: World, subject: Feedback) -> Told:
    """Test whether labels are as frequent as in the base data."""
    counts = np.array(
        [
            [np.sum(frame[world.label] == c) for c in world.classes]
            for frame in (world.base, subject.frame)
        ]
    )
    counts = counts[:, counts.sum(axis=0) > 0]
    return {"alarm": bool(chi2_contingency(counts).pvalue < LEVEL)}


def cleanlab(world: World, subject: Feedback) -> Told | None:
    """Ask cleanlab for label issues by the champion's probabilities."""
    if find_spec("cleanlab") is None:
        return None
    flagged, usual = (
        label_issues(world, frame, scores)
        for frame, scores in (
            (subject.frame, subject.scores),
            (subject.golden, subject.golden_scores),
        )
    )
    return _more_than_usual(flagged, usual)


def label_issues(world: World, frame: pd.DataFrame, scores: Any) -> Mask:
    """Return the rows whose labels cleanlab holds to be wrong."""
    from cleanlab.filter import find_label_issues

    codes = world.schema.label_codes(frame[world.label])
    return np.asarray(find_label_issues(codes, scores, n_jobs=1))


def neighbours(world: World, subject: Feedback) -> Told:
    """Flag labels that differ from most of the ten nearest rows of the base data."""
    scaler = StandardScaler()
    old = scaler.fit_transform(np.nan_to_num(world.encoded(world.base), nan=-1.0))
    model = KNeighborsClassifier(NEIGHBOURS).fit(old, world.base[world.label])
    flagged, usual = (
        model.predict(scaler.transform(np.nan_to_num(world.encoded(f), nan=-1.0))) != f[world.label]
        for f in (subject.frame, subject.golden)
    )
    return _more_than_usual(np.asarray(flagged), np.asarray(usual))


def golden_set(world: World, subject: Feedback) -> Told:
    """Retrain with the window, and test by McNemar whether the golden set or a slice got worse."""
    rows = pd.concat([world.base, subject.frame], ignore_index=True)
    challenger = HistGradientBoostingClassifier(random_state=0, early_stopping=False)
    challenger.fit(world.encoded(rows), rows[world.label])
    golden = world.golden
    now, before = (
        np.asarray(model.predict(world.encoded(golden)) == golden[world.label])
        for model in (challenger, world.model)
    )
    columns = [world.label, *world.codes]
    parts = [np.ones(len(golden), dtype=bool)]
    parts += [np.asarray(golden[c] == v) for c in columns for v in golden[c].unique()]
    ps = [_worse(now[p], before[p]) for p in parts if p.sum() >= SLICE_ROWS]
    return {"alarm": bool(min(ps) * len(ps) < LEVEL)}


def _worse(now: Mask, before: Mask) -> float:
    lost, won = int(np.sum(before & ~now)), int(np.sum(now & ~before))
    return float(binomtest(lost, lost + won, alternative="greater").pvalue) if lost else 1.0


def by_source(world: World, subject: Feedback) -> Told:
    """Test each source of five rows or more against the champion's error rate on the golden set."""
    usual = np.mean(world.model.predict(world.encoded(world.golden)) != world.golden[world.label])
    wrong = world.model.predict(world.encoded(subject.frame)) != subject.frame[world.label]
    tallies = pd.Series(wrong).groupby(subject.sources).agg(["sum", "size"])
    tallies = tallies[tallies["size"] >= 5]
    ps = [
        binomtest(int(k), int(n), float(usual), alternative="greater").pvalue
        for k, n in tallies.to_numpy()
    ]
    guilty = tallies.index[np.array(ps) * len(ps) < LEVEL]
    rows = np.flatnonzero(subject.sources.isin(guilty))
    return {"alarm": len(guilty) > 0, "rows": rows.tolist()}


def provenance(world: World, subject: Feedback) -> Told | None:
    """Ask the Toolbox's ProvenanceDefense, the golden set trusted, a logistic regression judged.

    The sources with most rows are its devices; all others together are one more.
    """
    if find_spec("art") is None:
        return None
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        from art.defences.detector.poison import ProvenanceDefense
        from art.estimators.classification import SklearnClassifier

        scaler = StandardScaler()
        old = scaler.fit_transform(np.nan_to_num(world.encoded(world.base), nan=-1.0))
        x, trusted = (
            scaler.transform(np.nan_to_num(world.encoded(f), nan=-1.0))
            for f in (subject.frame, subject.golden)
        )
        y, truth = (
            np.eye(len(world.classes))[world.schema.label_codes(f[world.label])]
            for f in (subject.frame, subject.golden)
        )
        most = subject.sources.value_counts().index[:DEVICES]
        codes = np.minimum(pd.Index(most).get_indexer(subject.sources) % (DEVICES + 1), DEVICES)
        model = SklearnClassifier(
            LogisticRegression(max_iter=200).fit(old, world.base[world.label])
        )
        defence = ProvenanceDefense(
            model, x, y, np.eye(DEVICES + 1)[codes], trusted, truth, eps=0.02, perf_func=_accuracy
        )
        _, clean = defence.detect_poison()
    rows = np.flatnonzero(np.asarray(clean) == 0)
    return {"alarm": len(rows) > 0, "rows": rows.tolist()}


def _accuracy(truth: Any, told: Any) -> float:
    return float(np.mean(np.argmax(truth, axis=1) == np.argmax(told, axis=1)))


def _more_than_usual(flagged: Mask, usual: Mask) -> Told:
    counts = [[int(x.sum()), int((~x).sum())] for x in (flagged, usual)]
    alarm = fisher_exact(counts, alternative="greater").pvalue < LEVEL
    return {"alarm": bool(alarm), "rows": np.flatnonzero(flagged).tolist()}


PEERS: dict[str, Callable[[World, Feedback], Told | None]] = {
    "alibi-detect TabularDrift": tabular_drift,
    "label chi-square": label_chi_square,
    "cleanlab, champion's probabilities": cleanlab,
    "nearest neighbours' labels": neighbours,
    "golden-set McNemar with slices": golden_set,
    "naive binomial per source": by_source,
    "ART ProvenanceDefense": provenance,
}


def measure(
    folder: Path, settings: list[str], seeds: range, kinds: list[str], names: list[str], out: Path
) -> None:
    """Append a line per window of which `out` has not yet what these peers say."""
    kept = list(read(out))
    out.write_text("".join(json.dumps(line) + "\n" for line in kept))
    done = {(x["setting"], x["seed"], x["kind"], name) for x in kept for name in x["peers"]}
    for seed in seeds:
        for setting in (s for s in SETTINGS if s.name in settings):
            todo: dict[str, list[str]] = {}
            for kind in kinds:
                asked = [n for n in names if PEERS[n] is not provenance or kind in PROVENANCE]
                todo[kind] = [n for n in asked if (setting.name, seed, kind, n) not in done]
            world = World(folder, setting, seed) if any(todo.values()) else None
            for kind in (k for k in kinds if todo[k] and world):
                line = {"setting": setting.name, "seed": seed, "kind": kind}
                line |= _asked(world, kind, todo[kind])
                with out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            print(f"{setting.name} seed {seed}", file=sys.stderr)


def _asked(world: World, kind: str, names: list[str]) -> Told:
    subject, bad = shown(world, kind)
    told: dict[str, Told | None] = {}
    for name in names:
        started = time.process_time()
        said = PEERS[name](world, subject)
        seconds = round(time.process_time() - started, 3)
        told[name] = None if said is None else said | {"seconds": seconds}
    return {"rows": len(subject.frame), "poison": bad, "peers": told}


def tables(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Return windows alarmed by each peer, honest and attacked, and then by kind of attack."""
    settings = [s.name for s in SETTINGS if any(x["setting"] == s.name for x in lines)]
    honest, attacks = [k.__name__ for k in HONEST], [a.name for a in ATTACKS]
    for title, kinds in (("honest windows alarmed", honest), ("attacked windows alarmed", attacks)):
        yield f"| {title} | " + " | ".join(settings) + " |"
        yield "|---" * (len(settings) + 1) + "|"
        for name in PEERS:
            mine = [x | {"told": x["peers"].get(name)} for x in lines if name in x["peers"]]
            yield whole(name, kinds, settings, grouped(mine), _alarmed)
        yield ""
    yield from table(
        "honest rows flagged / poison found",
        [*PEERS][2:4] + [*PEERS][5:],
        settings,
        _rows(lines),
        _flagged,
    )


def _rows(lines: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in lines:
        for name, told in line["peers"].items():
            if told and "rows" in told:
                groups.setdefault((line["setting"], name), []).append(line | {"told": told})
    return groups


def _alarmed(lines: list[dict[str, Any]]) -> str:
    asked = [line["told"]["alarm"] for line in lines if line["told"] is not None]
    return wilson(sum(asked), len(asked)) if asked else "not installed"


def _flagged(lines: list[dict[str, Any]]) -> str:
    if not lines:
        return "not installed"
    flagged = sum(len(x["told"]["rows"]) for x in lines if not x["poison"])
    rows = sum(x["rows"] for x in lines if not x["poison"])
    hit = sum(len({*x["told"]["rows"]} & {*x["poison"]}) for x in lines)
    return (
        f"{flagged / max(1, rows):.1%} / {hit / max(1, sum(len(x['poison']) for x in lines)):.2f}"
    )


def main() -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the parquet files; none: tables only")
    parser.add_argument("--seeds", default="200-201", help="A-B: from A to B - 1")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--settings", default=",".join(s.name for s in SETTINGS[:4]))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--peers", default="", help="parts of their names, with commas; none: all")
    given = parser.parse_args()
    if given.data:
        seeds = range(*map(int, given.seeds.split("-")))
        settings, kinds = given.settings.split(","), given.kinds.split(",")
        names = [n for n in PEERS if any(part in n for part in given.peers.split(","))]
        measure(given.data, settings, seeds, kinds, names, given.out)
    print("\n".join(tables(list(read(given.out)))))


if __name__ == "__main__":
    main()
