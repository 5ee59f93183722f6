"""What intake's checks stop, and whom they disturb, window by window.

    uv run python benchmarks/detection.py --data DIR --seeds 200-210 --out detection.jsonl
    uv run python benchmarks/detection.py --out detection.jsonl     # only the tables

DIR holds adult.parquet, elec2.parquet and spambase.parquet; digits come with scikit-learn. One line
is written per window; what is already in the file is not done again. A window is judged by the
limits of the project's own params.yaml, all of them but the contract's: once as they are written, and
once as `init` calibrates them on the golden set (calibrated.py). It is the first that its workspace
ever sees, so there is no history and nobody is remembered (see campaigns.py). `--plain N` judges N
more honest windows per seed, for the false stops. Other tools on the same windows: peers.py.
"""

import argparse
import contextlib
import json
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from calibrated import as_init_would, written
from figures import CALIBRATED, PLAIN, WRITTEN, tables
from worlds import HONEST, SETTINGS, Setting, Window, World

from sluicegate.attacks import Attack
from sluicegate.attacks.backdoors import Backdoor
from sluicegate.attacks.battery import BATTERY
from sluicegate.checks.drift import Drift
from sluicegate.checks.fairness import slices_of
from sluicegate.checks.statistics.two_sample import Method
from sluicegate.core import Feedback, Finding, Outcome
from sluicegate.flows.feedback.measure import fairness, intake_checks
from sluicegate.gates import Policy, decide
from sluicegate.gates.decide import outcome_of
from sluicegate.stores.settings import Checks

ATTACKS: tuple[Attack, ...] = (*BATTERY, Backdoor(name="backdoor 3 %", share=0.03))
KINDS: dict[str, Callable[[World], Window] | Attack] = {
    **{kind.__name__: kind for kind in HONEST},
    **{attack.name: attack for attack in ATTACKS},
}


def window(world: World, kind: str) -> Window:
    """Return a window of this kind, and the rows that are poison."""
    made = KINDS[kind.split("/")[0]]
    if not isinstance(made, tuple(type(attack) for attack in ATTACKS)):
        return made(world)
    poisoned = made(world.stage(world.clean()), made.share)
    return poisoned.frame, poisoned.rows


def shown(world: World, kind: str) -> tuple[Feedback, list[int]]:
    """Return a window as the checks see it, and the rows that are poison."""
    # Each window has its own chance, so that resuming changes nothing.
    world.rng = np.random.default_rng([world.seed, zlib.crc32(kind.encode())])
    frame, poison = window(world, kind)
    order = np.arange(len(frame))
    if world.setting.data != "elec2":
        order = world.rng.permutation(len(frame))
    subject = world.feedback(frame.iloc[order].reset_index(drop=True))
    return subject, np.flatnonzero(np.isin(order, poison)).tolist()


def judged(world: World, kind: str, policies: dict[str, Policy]) -> dict[str, Any]:
    """Make one window, measure and judge it by each policy, and return the line that is kept."""
    subject, bad = shown(world, kind)
    limits = policies[WRITTEN]
    started = time.process_time()
    checks = (*intake_checks(Checks(), limits, world.schema), Drift(method=Method.SCIPY))
    findings: list[Finding] = [finding for check in checks for finding in check(subject)]
    seconds = time.process_time() - started
    line = {
        "rows": len(subject.frame),
        "poison": bad,
        "seconds": round(seconds, 3),
        "by": {name: told(policy, findings, subject) for name, policy in policies.items()},
    }
    return line | ({} if bad else {"slices": _slices(subject, line["by"])})


def told(policy: Policy, findings: list[Finding], subject: Feedback) -> dict[str, Any]:
    """Return what one policy makes of the findings."""
    fair, _ = fairness(policy, findings, subject, Checks().min_rows)
    findings = [*findings, fair]
    where = subject.sources.groupby(subject.sources).indices.items()
    rows_of = {str(name): [int(row) for row in rows] for name, rows in where}
    verdict = decide(policy, "batch:benchmark", findings, rows_of)
    beyond = {f.metric for f in findings if outcome_of(policy, f, rows_of)[1] is not Outcome.PASS}
    return {
        "outcome": verdict.outcome.value,
        "quarantined": list(verdict.quarantined.rows),
        "suspects": list(verdict.suspects.rows),
        "metrics": sorted(beyond),
        "multiple": round(fair.value or 0.0, 2),
    }


def _slices(subject: Feedback, by: dict[str, Any]) -> dict[str, list[int]]:
    """Return of each slice its rows, and those set aside as written and as calibrated."""
    aside = [set(each["quarantined"]) for each in by.values()]
    if not any(aside):
        return {part.name: [len(part.rows)] for part in slices_of(subject)}
    return {
        part.name: [len(part.rows), *(len(each.intersection(part.rows.tolist())) for each in aside)]
        for part in slices_of(subject)
    }


def measure(
    folder: Path, settings: list[Setting], seeds: range, kinds: list[str], out: Path
) -> None:
    """Append a line per window that `out` has not yet."""
    kept = list(read(out))
    out.write_text("".join(json.dumps(line) + "\n" for line in kept))
    done = {_key(line) for line in kept}
    for seed in seeds:
        for setting in settings:
            todo = [kind for kind in kinds if (setting.name, seed, kind) not in done]
            if not todo:
                continue
            world = World(folder, setting, seed)
            limits = written(world)
            policies = {WRITTEN: limits, CALIBRATED: as_init_would(world, limits, seed)}
            for kind in todo:
                line = {"setting": setting.name, "seed": seed, "kind": kind}
                line |= judged(world, kind, policies)
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


def main() -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder of the parquet files; none: tables only")
    parser.add_argument("--seeds", default="200-201", help="A-B: from A to B - 1")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--settings", default=",".join(s.name for s in SETTINGS[:4]))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--plain", type=int, default=0, help="more honest windows per seed")
    given = parser.parse_args()
    if given.data:
        wanted = given.settings.split(",")
        settings = [s for s in SETTINGS if s.name in wanted]
        seeds = range(*map(int, given.seeds.split("-")))
        more = [f"{PLAIN}{number}" for number in range(given.plain)]
        measure(given.data, settings, seeds, [*given.kinds.split(","), *more], given.out)
    print(
        "\n".join(
            tables(list(read(given.out)), [a.name for a in ATTACKS], [k.__name__ for k in HONEST])
        )
    )


if __name__ == "__main__":
    main()
