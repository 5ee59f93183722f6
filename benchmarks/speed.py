"""Where the seconds go: the command line's answers beside their limits, and every stage of `update`.

    uv run python benchmarks/speed.py [--rows 10000] [--columns 30] [--runs 3]

Times are wall seconds of whole processes; the smallest and the median of the runs are shown, since
other processes only ever add. Absolute figures hold for the machine they were taken on.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluicegate import Workspace

LABEL, SOURCE = "label", "contributor"
LIMITS = {"--help": 0.6, "status": 1.5, "check": 15.0}


def feedback(rows: int, columns: int, seed: int) -> pd.DataFrame:
    """Return honest rows: two thirds numbers, one third categories, a label that depends on both."""
    rng = np.random.default_rng(seed)
    numbers = {f"n{i}": rng.normal(size=rows) for i in range(columns - columns // 3)}
    codes = {f"c{i}": rng.integers(0, 8, rows) for i in range(columns // 3)}
    score = numbers["n0"] + numbers["n1"] + (codes["c0"] > 3) + rng.normal(size=rows) / 2
    names = {name: np.char.add("v", values.astype(str)) for name, values in codes.items()}
    sources = np.char.add("user-", rng.integers(0, 200, rows).astype(str))
    return pd.DataFrame({**numbers, **names, LABEL: (score > 0.5).astype(int), SOURCE: sources})


def command(*arguments: str) -> Callable[[], None]:
    """Return a run of the command line."""

    def run() -> None:
        done = subprocess.run(
            [sys.executable, "-m", "sluicegate.cli", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 3):
            raise SystemExit(done.stderr)

    return run


def timed(run: Callable[[], None], runs: int) -> list[float]:
    """Return the seconds of each of `runs` calls."""
    took = []
    for _ in range(runs):
        started = time.perf_counter()
        run()
        took.append(time.perf_counter() - started)
    return took


class Stages:
    """The seconds of each step of a runbook, and of each stage that it tells of."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = ("start", time.perf_counter())

    def tell(self, text: str) -> None:
        """Close the stage before and open `text`."""
        name, since = self._last
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - since
        self._last = (text, now)

    def step(self, name: str, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Run one step of a runbook."""
        self.tell(name)
        return function(*arguments)


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=10_000)
    options.add_argument("--columns", type=int, default=30)
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, batch = Path(folder) / "bench", Path(folder) / "batch.parquet"
        started = time.perf_counter()
        base = feedback(given.rows, given.columns, 1).drop(columns=SOURCE)
        workspace = Workspace.init(root, data=base, label=LABEL, source=SOURCE)
        print(f"init with {given.rows} x {given.columns}: {time.perf_counter() - started:.1f} s\n")
        feedback(given.rows, given.columns, 2).to_parquet(batch)
        print(f"{'command':<10} {'least':>7} {'median':>7} {'limit':>7}")
        for name, run in (
            ("--help", command("--help")),
            ("status", command("status", "-C", str(root))),
            ("check", command("check", str(batch), "-C", str(root))),
        ):
            took = timed(run, given.runs)
            least, middle = min(took), statistics.median(took)
            print(f"{name:<10} {least:>7.2f} {middle:>7.2f} {LIMITS[name]:>7.2f}")
        stages = Stages()
        workspace = Workspace.open(root, tell=stages.tell)
        workspace.update(batch, step=stages.step)
        stages.tell("end")
        print("\nupdate in one process, by stage:")
        for name, seconds in stages.seconds.items():
            print(f"  {seconds:>7.2f} s  {name}")


if __name__ == "__main__":
    main()
