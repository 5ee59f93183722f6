"""What gates cost a model that has to adapt: elec2 in time order, six honest windows.

    uv run python benchmarks/adaptation.py --data DIR --seeds 600-610 --out adaptation.jsonl

After each window a champion is retrained on what was admitted, and answers the next one before that is
judged. The gain is its accuracy there less that of the first champion, which learns nothing, and what is
kept of it is told beside a champion that learns everything. A window that pauses is learnt from never
(nobody answers), or but for its quarantined rows (*approved*). cleanlab, where installed, drops its
label issues and nothing else.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibrated import as_init_would, written
from detection import read
from figures import CALIBRATED, RESAMPLES, WRITTEN, wilson
from peers import label_issues
from sklearn.ensemble import HistGradientBoostingClassifier
from worlds import NOBODY, SETTINGS, Ints, World

from sluicegate.checks.drift import Drift
from sluicegate.checks.memory import Heard
from sluicegate.checks.statistics.panel import panel_of
from sluicegate.checks.statistics.two_sample import Method
from sluicegate.checks.trigger_memory import pulled_in
from sluicegate.core import Outcome
from sluicegate.flows.feedback.measure import fairness, intake_checks
from sluicegate.gates import Policy, decide
from sluicegate.stores.settings import Checks

WINDOWS = 6
NONE, EVERYTHING, CLEANLAB = "learns nothing", "learns everything", "cleanlab's rows dropped"
APPROVED = f"{WRITTEN}, approved"
THROUGH = (Outcome.PASS, Outcome.QUARANTINE)


@dataclass
class Arm:
    """One way to choose what is learnt, with the data, the champion and the memory that follow."""

    name: str
    learnt: list[pd.DataFrame]
    model: HistGradientBoostingClassifier
    policy: Policy | None = None
    heard: list[Heard] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    dropped: int = 0


def run(world: World, seed: int) -> dict[str, Any]:
    """Send six honest windows through every arm, and return its accuracy on each but the first."""
    limits = written(world)
    policies = {
        WRITTEN: limits,
        APPROVED: limits,
        CALIBRATED: as_init_would(world, limits, seed),
    }
    names = [NONE, EVERYTHING, *policies, *([CLEANLAB] if find_spec("cleanlab") else [])]
    arms = [Arm(name, [world.base], world.model, policies.get(name)) for name in names]
    world.who = world.rng.permutation(200)
    size = world.setting.window
    for number in range(WINDOWS):
        clean = world.pool.iloc[number * size : (number + 1) * size].reset_index(drop=True)
        sent = world.noisy(clean.assign(source=world.senders(size)), 0.02)
        for arm in arms:
            world.model = arm.model
            if number:
                answers = world.model.predict(world.encoded(clean))
                arm.hits.append(float(np.mean(answers == clean[world.label])))
            _learn(world, arm, sent, number)
    return {
        "arms": {
            arm.name: {"hits": arm.hits, "outcomes": arm.outcomes, "dropped": arm.dropped}
            for arm in arms
        }
    }


def _learn(world: World, arm: Arm, sent: pd.DataFrame, number: int) -> None:
    if arm.name == NONE or number == WINDOWS - 1:
        return
    kept = _kept(world, arm, sent, number)
    arm.dropped += len(sent) - len(kept)
    if len(kept):
        arm.learnt.append(sent.iloc[kept])
        rows = pd.concat(arm.learnt, ignore_index=True)
        arm.model = HistGradientBoostingClassifier(random_state=0, early_stopping=False)
        arm.model.fit(world.encoded(rows), rows[world.label])


def _kept(world: World, arm: Arm, sent: pd.DataFrame, number: int) -> Ints:
    every = np.arange(len(sent))
    if arm.name == CLEANLAB:
        scores = world.model.predict_proba(world.encoded(sent))
        return every[~label_issues(world, sent, scores)]
    if arm.policy is None:
        return every
    subject = world.feedback(sent)
    checks = intake_checks(Checks(), arm.policy, world.schema, tuple(arm.heard))
    findings = [f for check in (*checks, Drift(method=Method.SCIPY)) for f in check(subject)]
    findings.append(fairness(arm.policy, findings, subject, Checks().min_rows)[0])
    where = subject.sources.groupby(subject.sources).indices.items()
    rows_of = {str(k): [int(row) for row in rows] for k, rows in where}
    verdict = decide(arm.policy, "batch:benchmark", findings, rows_of)
    panel, _ = panel_of(subject, 30)
    if panel is not None:
        arm.heard.append(Heard(f"{number:04d}", panel.champion, panel.pooled, pulled_in(subject)))
    arm.outcomes.append(verdict.outcome.value)
    learns = verdict.outcome in THROUGH or arm.name == APPROVED
    return np.setdiff1d(every, verdict.quarantined.rows) if learns else NOBODY


def table(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Return a row per arm: accuracy, gain kept, windows stopped and rows not learnt."""
    yield "| the champion | accuracy | of the gain kept | windows stopped | rows not learnt |"
    yield "|---|---|---|---|---|"
    for name in lines[0]["arms"] if lines else ():
        arms = [line["arms"][name] for line in lines]
        hits = np.mean([arm["hits"] for arm in arms])
        outcomes = [each for arm in arms for each in arm["outcomes"]]
        stops = wilson(sum(x != Outcome.PASS.value for x in outcomes), len(outcomes))
        rows = len(lines) * (WINDOWS - 1) * SETTINGS[1].window
        dropped = f"{sum(arm['dropped'] for arm in arms) / rows:.1%}"
        yield f"| {name} | {hits:.3f} | {_gain(lines, name)} | {stops} | {dropped} |"


def _gain(lines: list[dict[str, Any]], name: str) -> str:
    """Return the share of the gain, with a 95 % interval by a bootstrap of seeds."""
    nothing, mine, everything = (
        np.array([np.mean(line["arms"][arm]["hits"]) for line in lines])
        for arm in (NONE, name, EVERYTHING)
    )
    gain, full = mine - nothing, everything - nothing
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(lines), size=(RESAMPLES, len(lines)))
    low, high = np.quantile(gain[drawn].sum(axis=1) / full[drawn].sum(axis=1), [0.025, 0.975])
    return f"{gain.sum() / full.sum():.0%} ({low:.0%} to {high:.0%})"


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the parquet files; none: table only")
    parser.add_argument("--seeds", default="600-601", help="A-B: from A to B - 1")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    kept = list(read(given.out))
    given.out.write_text("".join(json.dumps(line) + "\n" for line in kept))
    done = {line["seed"] for line in kept}
    for seed in range(*map(int, given.seeds.split("-"))) if given.data else ():
        if seed not in done:
            line = {"seed": seed} | run(World(given.data, SETTINGS[1], seed), seed)
            with given.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"seed {seed}", file=sys.stderr)
    print("\n".join(table(list(read(given.out)))))


if __name__ == "__main__":
    main()
