"""What attacks do to the model, and what sluicegate leaves of them: campaigns of six windows.

    uv run python benchmarks/campaigns.py --data DIR --seeds 300-310 --out campaigns.jsonl

Windows follow each other, sources stay who they are, an attacker keeps names, trigger and slice, and
every window is judged with the memory of the ones before it. Then five models are trained, on the
base data and: no poison at all; everything that was sent; what passed the gates; what a reviewer who
approves every pause lets in besides; and of that what is left when all that obeyed a trigger which was
stopped is rolled back. The same limits as in detection.py, without drift's.
"""

import argparse
import json
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibrated import written
from detection import ATTACKS, read
from figures import wilson
from sklearn.ensemble import HistGradientBoostingClassifier
from worlds import NOBODY, SETTINGS, World

from sluicegate.attacks import Aim, Attack
from sluicegate.attacks.stage import everywhere
from sluicegate.checks.learnt import carriers
from sluicegate.checks.memory import Heard
from sluicegate.checks.statistics.panel import panel_of
from sluicegate.checks.statistics.pulls import Trigger
from sluicegate.checks.trigger_memory import pulled_in
from sluicegate.checks.triggers import OBEYED
from sluicegate.core import Feedback, Outcome, Verdict
from sluicegate.core.schema import PREDICTED
from sluicegate.flows.feedback.measure import fairness, intake_checks, predicted
from sluicegate.gates import decide
from sluicegate.record.known_triggers import stopped_for
from sluicegate.stores.settings import Checks

WINDOWS = 6
USED = ("adult-600", "elec2-600", "spambase-300", "digits-300")
MODELS = ("clean", "unguarded", "guarded", "waved through", "rolled back")


def steady(world: World, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the window as it is: two per cent of label noise."""
    return frame


def sloppy(world: World, frame: pd.DataFrame) -> pd.DataFrame:
    """Return it with three sources of 1.5 % of the rows each, a tenth of their labels wrong."""
    rows = world.some(frame, 0.045)
    frame.loc[rows, "source"] = [f"sloppy-{i % 3}" for i in range(len(rows))]
    return world.noisy(frame, 0.1, np.isin(np.arange(len(frame)), rows))


HONEST: dict[str, Callable[[World, pd.DataFrame], pd.DataFrame]] = {
    kind.__name__: kind for kind in (steady, sloppy)
}
KINDS: dict[str, Attack | None] = {**dict.fromkeys(HONEST), **{a.name: a for a in ATTACKS}}


def run(world: World, kind: str, plan: int) -> dict[str, Any]:
    """Judge one window after the other, train the models, and return what became of it."""
    limits, size, attack = written(world, drift=False), world.setting.window, KINDS[kind]
    world.who = world.rng.permutation(200)
    heard: list[Heard] = []
    learnt: dict[str, list[pd.DataFrame]] = {name: [world.base] for name in MODELS}
    told, aim = [], Aim(everywhere)
    stopped: list[Trigger] = []
    for number in range(min(WINDOWS, len(world.pool) // size)):
        frame = world.pool.iloc[number * size : (number + 1) * size].reset_index(drop=True)
        clean = world.noisy(frame.assign(source=world.senders(size)), 0.02)
        if attack is None:
            frame, bad = HONEST[kind](world, clean), NOBODY
        else:
            poisoned = attack(world.stage(clean, plan), attack.share)
            frame, bad, aim = poisoned.frame, poisoned.rows, poisoned.aim
        subject = world.feedback(frame)
        frame = frame.assign(**{PREDICTED: predicted(world.schema, subject.scores, size)})
        verdict, found = _judged(subject, limits, heard, number)
        stopped += found
        aside = np.array(verdict.quarantined.rows, dtype=np.int64)
        rest = np.setdiff1d(np.arange(size), aside)
        through = rest if verdict.outcome in (Outcome.PASS, Outcome.QUARANTINE) else NOBODY
        tables = clean, frame, frame.loc[through], frame.loc[rest]
        for name, table in zip(MODELS, tables, strict=False):
            learnt[name].append(table)
        told.append(
            {
                "outcome": verdict.outcome.value,
                "rows": size,
                "poison": len(bad),
                "learnt": len(np.intersect1d(through, bad)),
                "waved": len(np.intersect1d(rest, bad)),
                "honest_aside": len(np.setdiff1d(aside, bad)),
            }
        )
    learnt["rolled back"], out = _rolled_back(world, learnt["waved through"], stopped)
    models = {name: _trained(world, tables) for name, tables in learnt.items()}
    return {
        "windows": told,
        "taken_out": out,
        "harm": {name: _harm(world, model, aim) for name, model in models.items()},
        "accuracy": {name: _accuracy(world, model) for name, model in models.items()},
    }


def _rolled_back(
    world: World, tables: list[pd.DataFrame], stopped: list[Trigger]
) -> tuple[list[pd.DataFrame], int]:
    """Return the tables less the rows that `triggers.learnt` would name, and how many these are."""
    base, *windows = tables
    gone = [set[int]() for _ in windows]
    for trigger in dict.fromkeys(stopped):
        asked = [carriers(trigger, table, world.schema) for table in windows]
        if sum(len(obeyed) for _, obeyed in asked) > OBEYED * sum(len(rows) for rows, _ in asked):
            for rows, (_, obeyed) in zip(gone, asked, strict=True):
                rows.update(map(int, obeyed))
    left = [
        table.iloc[np.setdiff1d(np.arange(len(table)), list(rows)).astype(int)]
        for table, rows in zip(windows, gone, strict=True)
    ]
    return [base, *left], sum(map(len, gone))


def _judged(
    subject: Feedback, limits: Any, heard: list[Heard], number: int
) -> tuple[Verdict, tuple[Trigger, ...]]:
    checks = intake_checks(Checks(), limits, subject.schema, tuple(heard))
    findings = [finding for check in checks for finding in check(subject)]
    findings += fairness(limits, findings, subject, Checks().min_rows)[:1]
    where = subject.sources.groupby(subject.sources).indices.items()
    verdict = decide(limits, "batch:benchmark", findings, {str(k): list(v) for k, v in where})
    panel, _ = panel_of(subject, 30)
    if panel is not None:
        heard.append(Heard(f"{number:04d}", panel.champion, panel.pooled, pulled_in(subject)))
    return verdict, stopped_for(limits, findings, subject)


def _trained(world: World, tables: list[pd.DataFrame]) -> HistGradientBoostingClassifier:
    rows = pd.concat(tables, ignore_index=True)
    model = HistGradientBoostingClassifier(random_state=0, early_stopping=False)
    return model.fit(world.encoded(rows), rows[world.label])


def _harm(world: World, model: HistGradientBoostingClassifier, aim: Aim) -> float:
    """Return the attack's success on the golden set, whose labels are right."""
    golden = world.golden
    mine = golden[aim.where(golden)]
    if aim.wanted is not None:
        mine = mine[mine[world.label] != aim.wanted]
    if mine.empty:
        return float("nan")
    answers = model.predict(world.encoded(mine.assign(**aim.stamp)))
    wanted = mine[world.label] if aim.wanted is None else aim.wanted
    return float(np.mean((answers != wanted) if aim.wanted is None else (answers == wanted)))


def _accuracy(world: World, model: HistGradientBoostingClassifier) -> float:
    recent = world.pool.tail(world.setting.window)
    return float(np.mean(model.predict(world.encoded(recent)) == recent[world.label]))


def table(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Return a table per setting: stops, poison learnt, and what it did to the model."""
    for setting in USED:
        groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in lines:
            if line["setting"] == setting:
                groups[line["kind"]].append(line)
        if not groups:
            continue
        yield f"**{setting}**"
        yield ""
        yield (
            "| campaign | windows stopped | campaigns stopped | first stop in window "
            "| poison rows before it | poison learnt / waved through | success: clean / unguarded / "
            "guarded / waved through / rolled back |"
        )
        yield "|---" * 7 + "|"
        for kind in KINDS:
            if groups[kind]:
                yield f"| {kind} | " + " | ".join(_cells(groups[kind])) + " |"
        yield ""
        honest = [w for kind in HONEST for line in groups[kind] for w in line["windows"]]
        aside = sum(w["honest_aside"] for w in honest) / max(1, sum(w["rows"] for w in honest))
        gains = [_kept(line["accuracy"]) for line in groups["steady"]]
        yield (
            f"Honest rows set aside: {aside:.2%}. Accuracy on the last window of the steady "
            f"campaigns, guarded less clean: {np.mean(gains):+.3f}."
        )
        yield ""


def _kept(accuracy: dict[str, float]) -> float:
    return accuracy["guarded"] - accuracy["clean"]


def _cells(lines: list[dict[str, Any]]) -> Iterator[str]:
    windows = [w for line in lines for w in line["windows"]]
    yield wilson(sum(w["outcome"] != Outcome.PASS.value for w in windows), len(windows))
    firsts, before = [], []
    for line in lines:
        stops = [w["outcome"] != Outcome.PASS.value for w in line["windows"]]
        first = stops.index(True) if any(stops) else None
        firsts.append(first)
        before.append(sum(w["learnt"] for w in line["windows"][:first]))
    found = [first + 1 for first in firsts if first is not None]
    yield wilson(len(found), len(lines))
    yield f"{np.median(found):.0f}" if found else "-"
    yield f"{np.mean(before):.0f}"
    poison = max(1, sum(w["poison"] for w in windows))
    learnt, waved = (sum(w[name] for w in windows) / poison for name in ("learnt", "waved"))
    yield f"{learnt:.0%} / {waved:.0%}"
    harms = ([line["harm"].get(name, np.nan) for line in lines] for name in MODELS)
    yield " / ".join("-" if np.isnan(harm).all() else f"{np.nanmean(harm):.2f}" for harm in harms)


def main() -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the parquet files; none: tables only")
    parser.add_argument("--seeds", default="300-301", help="A-B: from A to B - 1")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--settings", default=",".join(USED))
    parser.add_argument("--kinds", default=",".join(KINDS))
    given = parser.parse_args()
    done = {(x["setting"], x["seed"], x["kind"]) for x in read(given.out)}
    for seed in range(*map(int, given.seeds.split("-"))) if given.data else ():
        for setting in (s for s in SETTINGS if s.name in given.settings.split(",")):
            for kind in given.kinds.split(","):
                if (setting.name, seed, kind) in done:
                    continue
                world = World(given.data, setting, seed)
                world.rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
                line = {"setting": setting.name, "seed": seed, "kind": kind}
                line |= run(world, kind, plan=seed)
                with given.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            print(f"{setting.name} seed {seed}", file=sys.stderr)
    print("\n".join(table(list(read(given.out)))))


if __name__ == "__main__":
    main()
