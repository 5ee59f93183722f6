"""What intake's checks on sources, duplicates and triggers stop, and whom they disturb.

    uv run python benchmarks/detection.py --data DIR --seeds 100-112 --out detection.jsonl
    uv run python benchmarks/detection.py --out detection.jsonl     # only the tables

DIR holds adult.parquet, elec2.parquet and spambase.parquet; digits come with scikit-learn. One line
is written per window; what is already in the file is not done again. A window is judged by the
limits of the project's own params.yaml.
"""

import argparse
import contextlib
import functools
import json
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import pandas as pd
from ruamel.yaml import YAML
from sklearn.ensemble import HistGradientBoostingClassifier

from sluicegate.checks.duplicates import Duplicates
from sluicegate.checks.sources import SourceDisagreement, SourceShare
from sluicegate.checks.triggers import Triggers
from sluicegate.core import Column, Feedback, Finding, Kind, Outcome, Reference, Schema, Task
from sluicegate.gates import Policy, decide
from sluicegate.gates.policy import parse_limits

Rng = np.random.Generator
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

PARAMS = Path(__file__).parents[1] / "params.yaml"
CHECKS = (SourceShare(), SourceDisagreement(accused=2.0), Duplicates(), Triggers())
JUDGED = ("sources.", "duplicates.", "triggers.")
LABELS = {"adult": "income", "elec2": "class", "spambase": "is_spam", "digits": "y"}
SOURCES, NOISE, Z = 200, 0.02, 1.96


@dataclass(frozen=True)
class Setting:
    """A data set with the rows of base, golden set and window."""

    data: str
    base: int
    golden: int
    window: int

    @property
    def name(self) -> str:
        return f"{self.data}-{self.window}"


SETTINGS = (
    Setting("adult", 5000, 1500, 600),
    Setting("elec2", 5000, 1500, 600),
    Setting("spambase", 1500, 500, 600),
    Setting("digits", 800, 250, 600),
    Setting("adult", 1000, 300, 300),
    Setting("elec2", 1000, 300, 300),
    Setting("spambase", 600, 300, 300),
    Setting("digits", 600, 250, 300),
)


@functools.cache
def load(folder: Path, data: str) -> pd.DataFrame:
    """Return a data set, numbers as floats."""
    if data == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits(as_frame=True)
        frame = digits.data.assign(y=digits.target)
    else:
        frame = pd.read_parquet(folder / f"{data}.parquet")
    numbers = [c for c in frame if c != LABELS[data] and pd.api.types.is_numeric_dtype(frame[c])]
    typed: pd.DataFrame = frame.astype(dict.fromkeys(numbers, float))
    return typed


class World:
    """A champion trained on base data, and windows of feedback from two hundred sources."""

    def __init__(self, folder: Path, setting: Setting, seed: int) -> None:
        self.setting, self.label = setting, LABELS[setting.data]
        self.who: Ints | None = None  # which source has which share; None: others in every window
        self.rng = np.random.default_rng([seed, setting.window, len(setting.data)])
        frame = self._cut(load(folder, setting.data))
        features = [str(c) for c in frame if c != self.label]
        numeric = pd.api.types.is_numeric_dtype
        columns = tuple(
            Column(c, Kind.NUMERIC if numeric(frame[c]) else Kind.CATEGORICAL) for c in features
        )
        self.numbers = [c.name for c in columns if c.kind is Kind.NUMERIC]
        self.codes = {
            c.name: {v: i for i, v in enumerate(sorted(frame[c.name].dropna().unique()))}
            for c in columns
            if c.kind is Kind.CATEGORICAL
        }
        self.classes = tuple(sorted(frame[self.label].unique().tolist()))
        self.schema = Schema(
            Task.CLASSIFICATION, self.label, columns, self.classes, source="source"
        )
        first, second = setting.base, setting.base + setting.golden
        self.base = self.noisy(frame.iloc[:first].reset_index(drop=True), NOISE)
        self.golden = frame.iloc[first:second].reset_index(drop=True)
        self.pool = frame.iloc[second:].reset_index(drop=True)
        self.model = HistGradientBoostingClassifier(random_state=0, early_stopping=False)
        self.model.fit(self.encoded(self.base), self.base[self.label])

    def _cut(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Shuffle the rows; elec2 keeps the order of time, and with it its drift."""
        if self.setting.data != "elec2":
            return frame.sample(
                frac=1, random_state=int(self.rng.integers(2**31)), ignore_index=True
            )
        size = self.setting.base + self.setting.golden + 6 * self.setting.window
        start = int(self.rng.integers(0, len(frame) - size))
        return frame.iloc[start : start + size].reset_index(drop=True)

    def encoded(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        inputs = frame[self.schema.feature_names].copy()
        for name, codes in self.codes.items():
            inputs[name] = inputs[name].map(codes).astype(float)
        return inputs.to_numpy(float)

    def wrong(self, labels: Iterable[Any]) -> list[Any]:
        """Return another class for each label."""
        place, count = {c: i for i, c in enumerate(self.classes)}, len(self.classes)
        return [
            self.classes[(place[v] + 1 + int(self.rng.integers(count - 1))) % count] for v in labels
        ]

    def flip(self, frame: pd.DataFrame, rows: Ints | Mask) -> None:
        frame.loc[rows, self.label] = self.wrong(frame.loc[rows, self.label])

    def noisy(self, frame: pd.DataFrame, rate: float, where: Mask | None = None) -> pd.DataFrame:
        hit = self.rng.random(len(frame)) < rate
        self.flip(frame, hit if where is None else hit & where)
        return frame

    def senders(self, rows: int) -> npt.NDArray[Any]:
        """Return sources with Zipf shares."""
        share = 1 / np.arange(1, SOURCES + 1)
        drawn = self.rng.choice(SOURCES, rows, p=share / share.sum())
        who = self.rng.permutation(SOURCES) if self.who is None else self.who
        return np.array([f"c{i:03d}" for i in who[drawn]], dtype=object)

    def clean(self, rows: int | None = None, noise: float = NOISE) -> pd.DataFrame:
        """Return an honest window."""
        size = min(rows or self.setting.window, len(self.pool))
        start = int(self.rng.integers(0, len(self.pool) - size + 1))
        frame = self.pool.iloc[start : start + size].reset_index(drop=True)
        return self.noisy(frame.assign(source=self.senders(size)), noise)

    def region(self, frame: pd.DataFrame, share: float) -> Mask:
        """Return the rows with the largest values of some number."""
        fixed = {"spambase": "capital_run_length_total", "digits": "pixel_4_3"}
        name = fixed.get(self.setting.data) or str(self.rng.choice(self.numbers))
        values = frame[name] + 1e-9 * self.rng.random(len(frame))
        return np.asarray(values >= values.quantile(1 - share))

    def some(self, frame: pd.DataFrame, share: float) -> Ints:
        return self.rng.choice(len(frame), int(share * len(frame)), replace=False)

    def feedback(self, frame: pd.DataFrame) -> Feedback:
        frame = frame.astype(dict.fromkeys(self.numbers, float))
        answers = pd.Series(self.model.predict(self.encoded(self.golden)))
        return Feedback(
            self.schema,
            frame,
            self.model.predict_proba(self.encoded(frame)),
            (Reference("original", self.base, answers),),
            self.golden,
            self.model.predict_proba(self.encoded(self.golden)),
            {},
        )


Window = tuple[pd.DataFrame, Ints]
NOBODY: Ints = np.empty(0, dtype=np.int64)


def plain(world: World) -> Window:
    """Nothing but two per cent of label noise."""
    return world.clean(), NOBODY


def covariate(world: World) -> Window:
    """Three quarters of the rows outside a region are missing."""
    large = world.clean(5 * world.setting.window)
    kept = world.region(large, 0.3) | (world.rng.random(len(large)) < 0.25)
    frame = large[kept].head(world.setting.window).reset_index(drop=True)
    return frame.assign(source=world.senders(len(frame))), NOBODY


def concept(world: World) -> Window:
    """A third of the labels in a region change, whoever sends them."""
    frame = world.clean()
    return world.noisy(frame, 0.35, world.region(frame, 0.3)), NOBODY


def noise5(world: World) -> Window:
    """Five per cent of label noise."""
    return world.clean(noise=0.05), NOBODY


def sloppy(world: World) -> Window:
    """A tenth of the rows is from one source with a tenth of its labels wrong."""
    frame = world.clean()
    rows = world.some(frame, 0.1)
    frame.loc[rows, "source"] = "sloppy"
    return world.noisy(frame, 0.1, np.isin(np.arange(len(frame)), rows)), NOBODY


def burst(world: World) -> Window:
    """Three tenths of the rows are from one honest source."""
    frame = world.clean()
    frame.loc[world.some(frame, 0.3), "source"] = "burst"
    return frame, NOBODY


def specialist(world: World) -> Window:
    """One honest source sends nearly all of a region."""
    frame = world.clean()
    mine = world.region(frame, 0.15) & (world.rng.random(len(frame)) < 0.9)
    frame.loc[mine, "source"] = "special"
    return frame, NOBODY


def specialist_drift(world: World) -> Window:
    """One honest source sends two fifths of a region in which a third of the labels changes."""
    frame = world.clean()
    where = world.region(frame, 0.3)
    frame = world.noisy(frame, 0.35, where)
    frame.loc[where & (world.rng.random(len(frame)) < 0.4), "source"] = "special"
    return frame, NOBODY


def retries(world: World) -> Window:
    """A tenth of the rows is sent twice by its source."""
    frame = world.clean()
    rows = world.some(frame, 0.1)
    others = world.rng.permutation(np.setdiff1d(np.arange(len(frame)), rows))[: len(rows)]
    place = np.arange(len(frame))
    place[rows] = others
    return frame.iloc[place].reset_index(drop=True), NOBODY


def flip10(world: World) -> Window:
    """Three sources send a tenth of the rows, all labelled wrong."""
    frame = world.clean()
    rows = world.some(frame, 0.1)
    frame.loc[rows, "source"] = [f"bad{i % 3}" for i in range(len(rows))]
    world.flip(frame, rows)
    return frame, rows


def flood(world: World) -> Window:
    """One source sends three tenths of the rows, all labelled wrong."""
    frame = world.clean()
    rows = world.some(frame, 0.3)
    frame.loc[rows, "source"] = "flood"
    world.flip(frame, rows)
    return frame, rows


def sybil(world: World) -> Window:
    """Sources of five rows each send a tenth of the rows, all labelled wrong."""
    frame = world.clean()
    rows = world.some(frame, 0.1)
    frame.loc[rows, "source"] = [f"sybil{i // 5:02d}" for i in range(len(rows))]
    world.flip(frame, rows)
    return frame, rows


def spread(world: World) -> Window:
    """Sixty insiders flip a tenth of the rows among their honest ones."""
    frame = world.clean()
    names = world.rng.permutation(np.unique(frame["source"]))[:60]
    rows = world.rng.permutation(np.flatnonzero(frame["source"].isin(names)))[: len(frame) // 10]
    world.flip(frame, rows)
    return frame, rows


def backdoor1(world: World) -> Window:
    """One per cent of the rows, each by another source, carries two values and one label."""
    return _backdoor(world, 0.01)


def backdoor3(world: World) -> Window:
    """The same with three per cent."""
    return _backdoor(world, 0.03)


def _backdoor(world: World, share: float) -> Window:
    frame = world.clean()
    target = 7 if world.setting.data == "digits" else world.classes[-1]
    size = max(6, int(share * len(frame)))
    answers = world.model.predict(world.encoded(frame))
    rows = world.rng.permutation(np.flatnonzero(answers != target))[:size]
    for _ in range(20):
        pattern = _trigger(world)
        stamped = frame.loc[rows].assign(**pattern)
        if np.mean(world.model.predict(world.encoded(stamped)) == target) < 0.3:
            break
    frame.loc[rows, list(pattern)] = list(pattern.values())
    frame.loc[rows, world.label] = target
    names = np.unique(frame["source"])
    frame.loc[rows, "source"] = world.rng.permutation(names)[: len(rows)]
    return frame, rows


def _trigger(world: World) -> dict[str, float]:
    if world.setting.data == "digits":
        return {"pixel_7_7": 16.0, "pixel_0_0": 16.0}
    one, two = world.rng.choice(world.numbers, 2, replace=False)
    return {one: float(world.base[one].max()), two: float(world.base[two].quantile(0.9))}


def copies(world: World) -> Window:
    """A tenth of the rows are copies of eight, all copies of a row with one wrong label."""
    return _copies(world, 0.0)


def near_copies(world: World) -> Window:
    """The same, each number shifted by a thousandth of its spread."""
    return _copies(world, 0.001)


def _copies(world: World, jitter: float) -> Window:
    frame = world.clean()
    right = world.model.predict(world.encoded(frame)) == frame[world.label].to_numpy()
    originals = world.rng.permutation(np.flatnonzero(right))[:8]
    rows = world.rng.permutation(np.setdiff1d(np.arange(len(frame)), originals))[: len(frame) // 10]
    which = np.arange(len(rows)) % len(originals)
    copied = frame.loc[originals].reset_index(drop=True)
    world.flip(copied, np.arange(len(copied)))
    copied = copied.loc[which].set_index(rows)
    for name in world.numbers:
        copied[name] += world.rng.normal(0, jitter, len(copied)) * world.base[name].std()
    told = [*world.schema.feature_names, world.label]
    frame.loc[rows, told] = copied[told]
    return frame, rows


HONEST: tuple[Callable[[World], Window], ...] = (
    plain, covariate, concept, noise5, sloppy, burst, specialist, specialist_drift, retries,
)  # fmt: skip
ATTACKS: tuple[Callable[[World], Window], ...] = (
    flip10, flood, sybil, spread, backdoor1, backdoor3, copies, near_copies,
)  # fmt: skip
KINDS = {kind.__name__: kind for kind in (*HONEST, *ATTACKS)}


def policy() -> Policy:
    """Return the limits on sources, duplicates and triggers that params.yaml has."""
    section = YAML(typ="safe").load(PARAMS.read_text())["gates"]["intake"]
    mine = {metric: limits for metric, limits in section.items() if metric.startswith(JUDGED)}
    return Policy("intake", parse_limits(mine, "gates.intake"))


def judged(world: World, kind: str, limits: Policy) -> dict[str, Any]:
    """Make one window, measure and judge it, and return the line that is kept."""
    frame, poison = KINDS[kind](world)
    order = np.arange(len(frame))
    if world.setting.data != "elec2":
        order = world.rng.permutation(len(frame))
    subject = world.feedback(frame.iloc[order].reset_index(drop=True))
    bad = np.flatnonzero(np.isin(order, poison))
    started = time.process_time()
    findings: list[Finding] = [finding for check in CHECKS for finding in check(subject)]
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
        "reasons": list(verdict.reasons),
        "seconds": round(seconds, 3),
    }


def measure(
    folder: Path, settings: list[Setting], seeds: range, kinds: list[str], out: Path
) -> None:
    """Append a line per window that `out` has not yet."""
    kept = list(read(out))
    out.write_text("".join(json.dumps(line) + "\n" for line in kept))
    done = {_key(line) for line in kept}
    limits = policy()
    for setting in settings:
        for seed in seeds:
            todo = [kind for kind in kinds if (setting.name, seed, kind) not in done]
            if not todo:
                continue
            world = World(folder, setting, seed)
            for kind in todo:
                # Each window has its own chance, so that resuming changes nothing.
                world.rng = np.random.default_rng([seed, setting.window, list(KINDS).index(kind)])
                line = {"setting": setting.name, "seed": seed, "kind": kind}
                line |= judged(world, kind, limits)
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
    yield from _table("attack", ATTACKS, settings, groups, _attacked)
    yield ""
    yield from _table("honest window", HONEST, settings, groups, _disturbed)
    yield "| **all** | " + " | ".join(
        _disturbed([x for k in HONEST for x in groups.get((s, k.__name__), [])]) for s in settings
    ) + " |"  # fmt: skip
    yield ""
    times = sorted(line["seconds"] for line in lines)
    yield f"CPU seconds per window: median {times[len(times) // 2]:.2f}, largest {times[-1]:.2f}."


def _table(
    title: str,
    kinds: tuple[Callable[[World], Window], ...],
    settings: list[str],
    groups: dict[tuple[str, str], list[dict[str, Any]]],
    cell: Callable[[list[dict[str, Any]]], str],
) -> Iterator[str]:
    yield f"| {title} | " + " | ".join(settings) + " |"
    yield "|---" * (len(settings) + 1) + "|"
    for kind in kinds:
        cells = [cell(groups.get((s, kind.__name__), [])) for s in settings]
        yield f"| {kind.__name__} | " + " | ".join(cells) + " |"


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
    parser.add_argument("--seeds", default="100-101", help="A-B: from A to B - 1")
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
