"""What memory stops: campaigns of six windows in each of which nobody stands out.

    uv run python benchmarks/campaigns.py --data DIR --seeds 300-310 --out campaigns.jsonl

Windows follow each other and sources stay who they are. The same worlds and limits as in
detection.py; the memory of earlier windows is the only thing that a window knows beside itself.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from detection import policy, read, wilson
from worlds import SETTINGS, Ints, World

from sluicegate.checks.memory import Heard
from sluicegate.checks.panel import panel_of
from sluicegate.core import Outcome
from sluicegate.flows.measure import intake_checks
from sluicegate.gates import decide
from sluicegate.stores.settings import Checks

WINDOWS = 6
INSIDERS = ("slow0", "slow1", "slow2")
USED = ("adult-600", "elec2-600", "spambase-300", "digits-300")


def steady(world: World, frame: pd.DataFrame) -> Ints:
    """Nothing but two per cent of label noise."""
    return np.empty(0, dtype=np.int64)


def sloppy(world: World, frame: pd.DataFrame) -> Ints:
    """Three honest sources with 1.5 % of the rows each, a tenth of their labels wrong."""
    _flipped(world, frame, 0.10)
    return np.empty(0, dtype=np.int64)


def slow_third(world: World, frame: pd.DataFrame) -> Ints:
    """Three sources with 1.5 % of the rows each flip a third of their labels."""
    return _flipped(world, frame, 0.33)


def slow_half(world: World, frame: pd.DataFrame) -> Ints:
    """The same with half of their labels."""
    return _flipped(world, frame, 0.5)


def _flipped(world: World, frame: pd.DataFrame, share: float) -> Ints:
    rows = world.some(frame, 0.045)
    frame.loc[rows, "source"] = [INSIDERS[i % 3] for i in range(len(rows))]
    bad = rows[world.rng.random(len(rows)) < share]
    world.flip(frame, bad)
    return bad


Campaign = Callable[[World, pd.DataFrame], Ints]
KINDS: tuple[Campaign, ...] = (steady, sloppy, slow_third, slow_half)


def run(world: World, kind: Campaign, remembers: bool) -> Iterator[dict[str, Any]]:
    """Judge one window after the other and return what became of each."""
    limits, size = policy(world, drift=False), world.setting.window
    world.who = world.rng.permutation(200)
    heard: list[Heard] = []
    for number in range(min(WINDOWS, len(world.pool) // size)):
        frame = world.pool.iloc[number * size : (number + 1) * size].reset_index(drop=True)
        frame = world.noisy(frame.assign(source=world.senders(size)), 0.02)
        bad = kind(world, frame)
        subject = world.feedback(frame)
        checks = intake_checks(Checks(), limits, world.schema, tuple(heard) if remembers else ())
        findings = [finding for check in checks for finding in check(subject)]
        where = subject.sources.groupby(subject.sources).indices.items()
        verdict = decide(limits, "batch:benchmark", findings, {str(k): list(v) for k, v in where})
        panel, _ = panel_of(subject, 30)
        if panel is not None:
            heard.append(Heard(f"{number:04d}", panel.champion, panel.pooled))
        stopped = {*verdict.quarantined.rows, *verdict.suspects.rows}
        if verdict.outcome is not Outcome.PASS:
            accused = sorted({*verdict.quarantined.sources, *verdict.suspects.sources})
        else:
            accused = []
        yield {
            "outcome": verdict.outcome.value,
            "accused": accused,
            "rows": size,
            "poison": len(bad),
            "caught": len(stopped & set(bad.tolist())),
            "named": len(stopped),
        }


def table(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Return the table: campaigns stopped, windows until then, poison rows learnt, honest stops."""
    groups: dict[tuple[str, str, bool], list[list[dict[str, Any]]]] = defaultdict(list)
    for line in lines:
        groups[line["kind"], line["setting"], line["remembers"]].append(line["windows"])
    settings = [s for s in USED if any(s == name for _, name, _ in groups)]
    yield "| campaign | memory | " + " | ".join(settings) + " |"
    yield "|---" * (len(settings) + 2) + "|"
    for kind in KINDS:
        for remembers in (False, True):
            cells = [_cell(kind, groups[kind.__name__, s, remembers]) for s in settings]
            yield (
                f"| {kind.__name__} | {'yes' if remembers else 'no'} | " + " | ".join(cells) + " |"
            )


def _cell(kind: Campaign, campaigns: list[list[dict[str, Any]]]) -> str:
    if kind in (steady, sloppy):
        windows = [w for c in campaigns for w in c]
        stops = sum(w["outcome"] != Outcome.PASS.value for w in windows)
        return f"{wilson(stops, len(windows))} windows"
    first = [
        next((n for n, w in enumerate(c) if set(w["accused"]) & set(INSIDERS)), None)
        for c in campaigns
    ]
    found = [n + 1 for n in first if n is not None]
    learnt = [
        sum(w["poison"] - w["caught"] for w in c) / sum(w["poison"] for w in c) for c in campaigns
    ]
    when = f", in window {np.median(found):.0f}" if found else ""
    return f"{wilson(len(found), len(campaigns))}{when}; {np.mean(learnt):.0%} learnt"


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the parquet files; none: table only")
    parser.add_argument("--seeds", default="300-301", help="A-B: from A to B - 1")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    done = {(x["setting"], x["seed"], x["kind"], x["remembers"]) for x in read(given.out)}
    for seed in range(*map(int, given.seeds.split("-"))) if given.data else ():
        for setting in (s for s in SETTINGS if s.name in USED):
            for kind in KINDS:
                for remembers in (False, True):
                    key = (setting.name, seed, kind.__name__, remembers)
                    if key in done:
                        continue
                    world = World(given.data, setting, seed)
                    world.rng = np.random.default_rng([seed, KINDS.index(kind)])
                    names = ("setting", "seed", "kind", "remembers")
                    line = dict(zip(names, key, strict=True))
                    line["windows"] = list(run(world, kind, remembers))
                    with given.out.open("a") as file:
                        file.write(json.dumps(line) + "\n")
        print(f"seed {seed}", file=sys.stderr)
    print("\n".join(table(list(read(given.out)))))


if __name__ == "__main__":
    main()
