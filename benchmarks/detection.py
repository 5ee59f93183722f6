"""What intake's checks stop, and whom they disturb, window by window.

    uv run python benchmarks/detection.py --data DIR --seeds 200-210 --out detection.jsonl
    uv run python benchmarks/detection.py --out detection.jsonl     # only the tables

DIR holds adult.parquet, elec2.parquet and spambase.parquet; digits come with scikit-learn. One line
is written per window; what is already in the file is not done again. A window is judged by the
limits of the project's own params.yaml, all of them but the contract's; it is the first that its
workspace ever sees, so nothing is calibrated and nobody is remembered (see campaigns.py).
"""

import argparse
import contextlib
import json
import math
import sys
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from worlds import HONEST, SETTINGS, Setting, Window, World

from sluicegate.attacks import Attack
from sluicegate.attacks.backdoors import Backdoor
from sluicegate.attacks.battery import BATTERY
from sluicegate.checks.drift import Drift
from sluicegate.checks.two_sample import Method
from sluicegate.core import Finding, Outcome
from sluicegate.flows.measure import intake_checks
from sluicegate.gates import Policy, decide
from sluicegate.gates.decide import outcome_of
from sluicegate.gates.policy import parse_limits
from sluicegate.stores.settings import Checks

PARAMS = Path(__file__).parents[1] / "params.yaml"
# What is measured elsewhere, or not at all in these worlds: no contract, time, id or origin.
ELSEWHERE = ("checks.", "contract.", "times.", "origins.", "corrections.")
Z = 1.96

ATTACKS: tuple[Attack, ...] = (*BATTERY, Backdoor(name="backdoor 3 %", share=0.03))
KINDS: dict[str, Callable[[World], Window] | Attack] = {
    **{kind.__name__: kind for kind in HONEST},
    **{attack.name: attack for attack in ATTACKS},
}


def policy(world: World, drift: bool = True) -> Policy:
    """Return the limits of intake that params.yaml has, without those measured elsewhere."""
    elsewhere = ELSEWHERE if drift else (*ELSEWHERE, "drift.")
    section = YAML(typ="safe").load(PARAMS.read_text())["gates"]["intake"]
    mine = {
        metric: limits for metric, limits in section.items() if not metric.startswith(elsewhere)
    }
    # init declares so, too
    without = () if world.codes else ("novelty.unseen.*",)
    return Policy("intake", parse_limits(mine, "gates.intake"), without)


def window(world: World, kind: str) -> Window:
    """Return a window of this kind, and the rows that are poison."""
    made = KINDS[kind]
    if not isinstance(made, tuple(type(attack) for attack in ATTACKS)):
        return made(world)
    poisoned = made(world.stage(world.clean()), made.share)
    return poisoned.frame, poisoned.rows


def judged(world: World, kind: str) -> dict[str, Any]:
    """Make one window, measure and judge it, and return the line that is kept."""
    limits = policy(world)
    frame, poison = window(world, kind)
    order = np.arange(len(frame))
    if world.setting.data != "elec2":
        order = world.rng.permutation(len(frame))
    subject = world.feedback(frame.iloc[order].reset_index(drop=True))
    bad = np.flatnonzero(np.isin(order, poison))
    started = time.process_time()
    checks = (*intake_checks(Checks(), limits, world.schema), Drift(method=Method.SCIPY))
    findings: list[Finding] = [finding for check in checks for finding in check(subject)]
    seconds = time.process_time() - started
    rows_of = {
        str(name): [int(row) for row in rows]
        for name, rows in subject.sources.groupby(subject.sources).indices.items()
    }
    verdict = decide(limits, "batch:benchmark", findings, rows_of)
    return {
        "rows": len(frame),
        "poison": bad.tolist(),
        "outcome": verdict.outcome.value,
        "quarantined": list(verdict.quarantined.rows),
        "suspects": list(verdict.suspects.rows),
        "metrics": sorted(
            {f.metric for f in findings if outcome_of(limits, f, rows_of)[1] is not Outcome.PASS}
        ),
        "seconds": round(seconds, 3),
    }


def measure(
    folder: Path, settings: list[Setting], seeds: range, kinds: list[str], out: Path
) -> None:
    """Append a line per window that `out` has not yet."""
    kept = list(read(out))
    out.write_text("".join(json.dumps(line) + "\n" for line in kept))
    done = {_key(line) for line in kept}
    for setting in settings:
        for seed in seeds:
            todo = [kind for kind in kinds if (setting.name, seed, kind) not in done]
            if not todo:
                continue
            world = World(folder, setting, seed)
            for kind in todo:
                # Each window has its own chance, so that resuming changes nothing.
                world.rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
                line = {"setting": setting.name, "seed": seed, "kind": kind}
                line |= judged(world, kind)
                with out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            print(f"{setting.name} seed {seed}: {len(todo)} windows", file=sys.stderr)


def read(out: Path) -> Iterator[dict[str, Any]]:
    """Return the lines that `out` has, without one that was cut off when its run was stopped."""
    for line in out.read_text().splitlines() if out.exists() else ():
        with contextlib.suppress(json.JSONDecodeError):
            yield json.loads(line)


def _key(line: dict[str, Any]) -> tuple[str, int, str]:
    return line["setting"], line["seed"], line["kind"]


def wilson(hits: int, trials: int) -> str:
    """Return a share with its 95 % interval (Wilson 1927)."""
    if not trials:
        return "-"
    share, scale = hits / trials, 1 + Z**2 / trials
    centre = share + Z**2 / 2 / trials
    half = Z * math.sqrt(share * (1 - share) / trials + (Z / 2 / trials) ** 2)
    return f"{hits}/{trials} ({max(0, centre - half) / scale:.2f}-{(centre + half) / scale:.2f})"


def tables(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Return the tables of docs/detection.md, line by line."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        groups[line["setting"], line["kind"]].append(line)
    settings = [s.name for s in SETTINGS if any(name == s.name for name, _ in groups)]
    yield from _table("attack", [a.name for a in ATTACKS], settings, groups, _attacked)
    yield _whole("**mean**", [a.name for a in ATTACKS], settings, groups, _mean_stopped)
    yield ""
    honest = [kind.__name__ for kind in HONEST]
    yield from _table("honest window", honest, settings, groups, _disturbed)
    yield _whole("**all**", honest, settings, groups, _disturbed)
    yield ""
    yield from _metrics(lines)
    yield ""
    times = sorted(line["seconds"] for line in lines)
    yield f"CPU seconds per window: median {times[len(times) // 2]:.2f}, largest {times[-1]:.2f}."


def _table(
    title: str,
    kinds: list[str],
    settings: list[str],
    groups: dict[tuple[str, str], list[dict[str, Any]]],
    cell: Callable[[list[dict[str, Any]]], str],
) -> Iterator[str]:
    yield f"| {title} | " + " | ".join(settings) + " |"
    yield "|---" * (len(settings) + 1) + "|"
    for kind in kinds:
        cells = [cell(groups.get((s, kind), [])) for s in settings]
        yield f"| {kind} | " + " | ".join(cells) + " |"


def _whole(
    title: str,
    kinds: list[str],
    settings: list[str],
    groups: dict[tuple[str, str], list[dict[str, Any]]],
    cell: Callable[[list[dict[str, Any]]], str],
) -> str:
    cells = [cell([x for kind in kinds for x in groups.get((s, kind), [])]) for s in settings]
    return f"| {title} | " + " | ".join(cells) + " |"


def _mean_stopped(lines: list[dict[str, Any]]) -> str:
    return wilson(sum(line["outcome"] != Outcome.PASS.value for line in lines), len(lines))


def _metrics(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Yield how often each metric stopped an honest window."""
    honest = {kind.__name__ for kind in HONEST}
    stops = Counter(
        (line["setting"], metric)
        for line in lines
        if line["kind"] in honest
        for metric in line["metrics"]
    )
    yield (
        "Honest windows stopped, by metric: "
        + (
            "; ".join(f"{setting} {metric} {n}" for (setting, metric), n in sorted(stops.items()))
            or "none"
        )
        + "."
    )


def _attacked(lines: list[dict[str, Any]]) -> str:
    """Return windows stopped, the paused ones, and row precision / recall of what was named."""
    if not lines:
        return "-"
    stopped = sum(line["outcome"] != Outcome.PASS.value for line in lines)
    paused = sum(line["outcome"] == Outcome.PAUSE.value for line in lines)
    named = hit = bad = 0
    for line in lines:
        rows, poison = {*line["quarantined"], *line["suspects"]}, set(line["poison"])
        named, hit, bad = named + len(rows), hit + len(rows & poison), bad + len(poison)
    precision = f"{hit / named:.2f}" if named else "-"
    return f"{wilson(stopped, len(lines))}, {paused} p; {precision}/{hit / bad:.2f}"


def _disturbed(lines: list[dict[str, Any]]) -> str:
    """Return windows not passed, the paused ones, and the share of rows quarantined."""
    if not lines:
        return "-"
    stopped = sum(line["outcome"] != Outcome.PASS.value for line in lines)
    paused = sum(line["outcome"] == Outcome.PAUSE.value for line in lines)
    rows = sum(len(line["quarantined"]) for line in lines) / sum(line["rows"] for line in lines)
    return f"{wilson(stopped, len(lines))}, {paused} p; {rows:.2%}"


def main() -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder of the parquet files; none: tables only")
    parser.add_argument("--seeds", default="200-201", help="A-B: from A to B - 1")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--settings", default=",".join(s.name for s in SETTINGS))
    parser.add_argument("--kinds", default=",".join(KINDS))
    given = parser.parse_args()
    if given.data:
        wanted = given.settings.split(",")
        settings = [s for s in SETTINGS if s.name in wanted]
        seeds = range(*map(int, given.seeds.split("-")))
        measure(given.data, settings, seeds, given.kinds.split(","), given.out)
    print("\n".join(tables(list(read(given.out)))))


if __name__ == "__main__":
    main()
